package config

import (
	"maps"
	"slices"
	"strings"
)

// Secrets tells which settings of a type of provider are secrets: their names,
// with points between levels and * for any key, such as "password",
// "auth.token" and "headers.*". A nil function knows of none.
//
// A key that * stands for cannot itself end in _file, _env or _sealed: those
// are the ways to give the secret.
type Secrets func(providerType string) []string

// of returns the secrets of a type, split at their points.
func (s Secrets) of(providerType string) patterns {
	if s == nil {
		return nil
	}
	return patternsOf(s(providerType))
}

// patterns are the names of secrets below one mapping, level by level.
type patterns [][]string

func patternsOf(names []string) (all patterns) {
	for _, name := range names {
		all = append(all, strings.Split(name, "."))
	}
	return all
}

// below returns the secrets below the value of a key.
func (p patterns) below(key string) (all patterns) {
	for _, name := range p {
		if len(name) > 1 && (name[0] == key || name[0] == "*") {
			all = append(all, name[1:])
		}
	}
	return all
}

// secret tells whether a key is a way to give a secret: of which name, and in
// which form (_file, _env, _sealed, or "" for the secret itself).
func (p patterns) secret(key string) (name, form string, ok bool) {
	for _, form := range []string{fromFile, fromEnv, asSealed, ""} {
		name, has := strings.CutSuffix(key, form)
		if has && name != "" && slices.ContainsFunc(p, func(n []string) bool { return len(n) == 1 && (n[0] == name || n[0] == "*") }) {
			return name, form, true
		}
	}
	return "", "", false
}

// rewrite copies settings with other secrets: replace is given each one with
// its path (without the form), and returns form and text of what takes its
// place. It is called in order of the keys.
func (p patterns) rewrite(at string, settings map[string]any, replace func(path, form, text string) (newForm, newText string)) map[string]any {
	if settings == nil {
		return nil
	}
	all := make(map[string]any, len(settings))
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value := settings[key]
		name, form, secret := p.secret(key)
		text, isText := value.(string)
		lower, isMap := value.(map[string]any)
		switch {
		case secret && isText:
			form, text = replace(join(at, name), form, text)
			all[name+form] = text
		case isMap:
			all[key] = p.below(key).rewrite(join(at, key), lower, replace)
		default:
			all[key] = value
		}
	}
	return all
}

// join puts a point between the levels of a path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
