// A short message centre on the npm package smpp. It takes any bind with the
// right password, keeps each submit_sm, and sends a DELIVRD receipt with the
// text of appendix B and both optional parameters. It prints a line of JSON for
// its port and for each thing that happens.
const smpp = require('smpp');
const tell = o => console.log(JSON.stringify(o));
let last = 1000;

const server = smpp.createServer({}, session => {
  session.on('error', e => tell({event: 'error', text: String(e)}));
  const bind = pdu => {
    const good = pdu.system_id === 'aldaba' && pdu.password === 'hush-hush';
    tell({event: 'bind', command: pdu.command, version: pdu.interface_version, good});
    session.send(pdu.response({command_status: good ? 0 : smpp.ESME_RBINDFAIL, system_id: 'npm'}));
    if (!good) session.close();
  };
  session.on('bind_transceiver', bind);
  session.on('bind_transmitter', bind);
  session.on('bind_receiver', bind);
  session.on('enquire_link', pdu => session.send(pdu.response()));
  session.on('unbind', pdu => { tell({event: 'unbind'}); session.send(pdu.response()); session.close(); });
  session.on('deliver_sm_resp', pdu => tell({event: 'acknowledged', status: pdu.command_status}));
  session.on('submit_sm', pdu => {
    const id = (++last).toString();
    const whole = pdu.message_payload || pdu.short_message;
    tell({
      event: 'submit', id, text: whole.message, udh: whole.udh ? whole.udh.map(b => b.toString('hex')) : null,
      coding: pdu.data_coding, class: pdu.esm_class, source: [pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr],
      dest: [pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr], registered: pdu.registered_delivery,
      segments: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum].filter(v => v !== undefined),
    });
    session.send(pdu.response({message_id: id}));
    if (pdu.registered_delivery !== 1) return;
    session.deliver_sm({
      esm_class: 4, source_addr: pdu.destination_addr, source_addr_ton: 1, source_addr_npi: 1, destination_addr: pdu.source_addr,
      short_message: `id:${id} sub:001 dlvrd:001 submit date:2611221030 done date:2611221031 stat:DELIVRD err:000 text:`,
      receipted_message_id: id, message_state: 2,
    });
  });
});
server.listen(0, '127.0.0.1', () => tell({event: 'port', port: server.address().port}));
