package smpp

import (
	"context"

	"github.com/aldaba-otp/aldaba/delivery"
)

// incoming handles what a carrier asks besides keeping the link up. It never
// blocks: receipts are noted beside the reading of packets.
func (p *Provider) incoming(ctx context.Context, s *session, q pdu, sink delivery.Sink) {
	switch q.command {
	case deliverSM, dataSM:
		p.delivered(ctx, s, q, sink)
	case alertNotification, outbind: // they have no answer, and say nothing to us
		p.log.Debug("the carrier sent a packet that is of no use here", "command", q.command)
	default:
		s.reply(pdu{command: genericNack, status: statusCommand, sequence: q.sequence})
	}
}

// delivered takes a deliver_sm or data_sm.
func (p *Provider) delivered(ctx context.Context, s *session, q pdu, sink delivery.Sink) {
	decode := decodeShort
	if q.command == dataSM {
		decode = decodeData
	}
	m, err := decode(q.body)
	if err != nil {
		s.acknowledge(q, statusRefused)
		return
	}
	if !m.isReceipt() {
		p.log.Debug("a message of a telephone was dropped")
		s.acknowledge(q, statusOK)
		return
	}
	r, ok := readReceipt(m, p.o.zone)
	if !ok {
		p.log.Debug("a receipt without an id was dropped")
		s.acknowledge(q, statusOK)
		return
	}
	select {
	case p.taken <- struct{}{}:
	default:
		s.acknowledge(q, statusTemporary)
		return
	}
	p.busy.Go(func() {
		defer func() { <-p.taken }()
		s.acknowledge(q, p.note(ctx, r, m.from.digits, sink))
	})
}

// note gives a report to the sink and returns what the carrier is told.
func (p *Provider) note(ctx context.Context, r receipt, from string, sink delivery.Sink) uint32 {
	r.report.ID = p.ids.resolve(ctx, r.id, from)
	if err := sink(ctx, r.report); err != nil {
		p.log.Warn("a receipt could not be noted; the carrier is asked to repeat it", "error", err)
		return statusTemporary
	}
	return statusOK
}

// acknowledge answers a deliver_sm or data_sm; the message_id is empty.
func (s *session) acknowledge(q pdu, status uint32) {
	s.reply(pdu{command: q.command | answerBit, status: status, sequence: q.sequence, body: []byte{0}})
}
