package config

import (
	"math"
	"strings"
)

// The ways to give a secret: NAME itself, and NAME with one of these.
const (
	fromFile = "_file"
	fromEnv  = "_env"
	asHash   = "_hash"   // as an export prints what is only compared
	asSealed = "_sealed" // as an export prints what the server must know
)

// secretKeys are the keys under which a secret may be given; kept is the form
// in which an export prints it.
func secretKeys(name string, kept ...string) []string {
	keys := []string{name, name + fromFile, name + fromEnv}
	for _, form := range kept {
		keys = append(keys, name+form)
	}
	return keys
}

// secret is a secret as it was given.
type secret struct {
	key   string // under which it was given; "" when it was not
	value string
}

// secret reads the one way in which a secret is given; two are a fault.
func (o *object) secret(name string, kept ...string) (s secret) {
	for _, key := range secretKeys(name, kept...) {
		if !o.has(key) {
			continue
		}
		if s.key != "" {
			o.fail(key, "give only one of %q and %q", s.key, key)
			continue
		}
		o.must(key)
		s = secret{key, o.text(key)}
	}
	return s
}

// resolve returns the secret's value, read from where it is kept.
func (s secret) resolve(file string, env Environment) (value, fault string) {
	switch {
	case strings.HasSuffix(s.key, fromFile):
		return env.fromFile(file, s.value)
	case strings.HasSuffix(s.key, fromEnv):
		return env.fromEnv(s.value)
	}
	return s.value, ""
}

// keyBits is what a key must be worth, and keyAdvice how to get one.
const (
	keyBits   = 128
	keyAdvice = "is shorter than 128 bits; make one with `openssl rand -hex 32`"
)

// bits estimates what a random key of this length and these characters is
// worth. A key of few different characters was not drawn at random.
func bits(key string) float64 {
	seen := map[rune]bool{}
	for _, c := range key {
		seen[c] = true
	}
	if len(seen) < 6 {
		return 0
	}
	classes := []struct {
		characters string
		size       float64
	}{
		{"0123456789", 10},
		{"0123456789abcdef", 16},
		{"0123456789ABCDEF", 16},
		{"0123456789abcdefghijklmnopqrstuvwxyz", 36},
		{"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 36},
		{"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_+/=.~", 64},
	}
	for _, class := range classes {
		if strings.Trim(key, class.characters) == "" {
			return float64(len(key)) * math.Log2(class.size)
		}
	}
	return float64(len([]rune(key))) * math.Log2(94)
}
