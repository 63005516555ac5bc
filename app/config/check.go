package config

import (
	"errors"
	"slices"
	"strings"
)

// standIn is put where a secret cannot be had, so that the rest of a file can
// be checked all the same. Nothing that holds it is ever applied.
const standIn = "a secret that could not be read stands here"

// Check names all mistakes of a tenants file at once: of reading it, of finding
// its secrets, and of planning it over a configuration. The plan is for its
// warnings; the error is [Mistakes].
func Check(file string, data []byte, secrets Secrets, env Environment, c Current, t Tools) (*Plan, error) {
	r := newReader(file)
	root := r.document(data)
	if root == nil {
		return nil, r.mistakes.err()
	}
	f := &File{name: file, secrets: secrets, root: root}
	f.read = r.contents(root, secrets)
	f.checkAlone(r)
	f.resolve(r, env, standIn)
	f.read = newReader(file).contents(root, secrets) // the same mistakes again
	plan, err := f.Plan(c, t)
	var more Mistakes
	if err != nil && !errors.As(err, &more) {
		return nil, err
	}
	known := slices.Clone(r.mistakes)
	for _, m := range more {
		// What could not be read is missing for the plan; one mistake about it
		// is enough.
		if !slices.ContainsFunc(known, func(k Mistake) bool { return strings.HasPrefix(k.Path, m.Path) }) {
			r.mistakes = append(r.mistakes, m)
		}
	}
	return plan, r.mistakes.err()
}
