package store

import "time"

// Committed tells of one transaction, for metrics.
type Committed struct {
	Steps int
	Took  time.Duration // from the beginning of the transaction to the end of its commit
}

// observe tells of a transaction that was committed.
func (w *Writer) observe(steps int, began time.Time) {
	w.commits.Add(1)
	w.steps.Add(int64(steps))
	if w.opts.Observe != nil {
		w.opts.Observe(Committed{Steps: steps, Took: w.opts.Now().Sub(began)})
	}
}

// Waiting returns how many steps wait for a transaction.
func (w *Writer) Waiting() int { return len(w.queue) }
