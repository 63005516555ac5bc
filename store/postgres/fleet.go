package postgres

import (
	"context"

	"github.com/aldaba-otp/aldaba/otp"
	"github.com/aldaba-otp/aldaba/store"
)

// Beat implements [store.Fleet].
func (e *Engine) Beat(ctx context.Context, self otp.ID) error {
	return e.look(ctx, sqlBeat, nil, self[:])
}

// Alone implements [store.Fleet].
func (e *Engine) Alone(ctx context.Context, self otp.ID) (alone bool, err error) {
	err = e.look(ctx, sqlAlone, func(r *row) error {
		alone = r.truth()
		return nil
	}, self[:], int8Of(store.FleetTimeout.Microseconds()))
	return alone, err
}

// Leave implements [store.Fleet].
func (e *Engine) Leave(ctx context.Context, self otp.ID) error {
	return e.look(ctx, sqlLeave, nil, self[:])
}

// DocumentsVersion implements [store.Documents].
func (e *Engine) DocumentsVersion(ctx context.Context) (version int64, err error) {
	err = e.look(ctx, sqlDocumentsVersion, func(r *row) error {
		version = r.number()
		return nil
	})
	return version, err
}

// ReadDocuments implements [store.Documents].
func (e *Engine) ReadDocuments(ctx context.Context) (docs []store.Document, version int64, err error) {
	err = e.look(ctx, sqlDocuments, func(r *row) error {
		version = r.number()
		if !r.none() {
			docs = append(docs, store.Document{Kind: r.text(), Name: r.text(), Body: append([]byte{}, r.raw()...)})
		}
		return nil
	})
	return docs, version, err
}

// WriteDocuments implements [store.Documents].
func (e *Engine) WriteDocuments(ctx context.Context, read int64, docs []store.Document) (int64, error) {
	conn, wire, err := acquire(ctx, e.read)
	if err != nil {
		return 0, unavailable(err)
	}
	defer conn.Release() // a transaction left open ends with the connection
	var version int64
	number := func(r *row) error {
		version = r.number()
		return nil
	}
	var lock pipeline
	lock.add(sqlBegin, nil)
	lock.add(sqlLockDocuments, number)
	if _, err := lock.run(ctx, wire); err != nil {
		return 0, unavailable(err)
	}
	if version != read {
		return 0, store.ErrStale
	}
	save := saveDocuments(docs)
	save.add(sqlNextVersion, number)
	save.add(sqlCommit, nil)
	if _, err := save.run(ctx, wire); err != nil {
		return 0, unavailable(err)
	}
	return version, nil
}

// saveDocuments queues the documents, of which the last one under a name wins.
func saveDocuments(docs []store.Document) *pipeline {
	type name struct{ kind, name string }
	last := make(map[name]int, len(docs))
	for i, d := range docs {
		last[name{d.Kind, d.Name}] = i
	}
	put, drop := newColumns(oidBytea, oidBytea, oidBytea), newColumns(oidBytea, oidBytea)
	for i, d := range docs {
		if last[name{d.Kind, d.Name}] != i {
			continue
		}
		cols := put
		if d.Body == nil {
			cols = drop
		} else {
			put[2].blob(d.Body)
		}
		cols[0].text(d.Kind)
		cols[1].text(d.Name)
	}
	var p pipeline
	if !put.empty() {
		p.add(sqlSaveDocuments, nil, put.arguments()...)
	}
	if !drop.empty() {
		p.add(sqlDropDocuments, nil, drop.arguments()...)
	}
	return &p
}
