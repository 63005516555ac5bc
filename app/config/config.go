// Package config reads and writes the one strict YAML format of the house: the
// server's own file and the files of tenants.
//
// It parses, names all mistakes at once with file, line and path, takes secrets
// from the environment and from files, merges a tenants file into the
// configuration in force, tells the difference, and writes a configuration out
// again. It is not a store and not an API: it opens no database, serves no
// HTTP and changes nothing; who calls it applies the [Plan] it returns.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Mistake is one fault of a file, with the path of the value, such as
// "tenants[0].profiles[1].length".
type Mistake struct {
	File    string
	Line    int // 0 when the fault is in no line of the file
	Path    string
	Message string
}

// Mistakes are all faults of a file, found at once. They hold no secret.
type Mistakes []Mistake

// String returns "FILE:LINE: PATH: message" without what is not known.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d", m.Line)
	}
	if m.Path != "" {
		b.WriteString(": " + m.Path)
	}
	return strings.TrimPrefix(b.String()+": "+m.Message, ": ")
}

// Error lists them, one a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// err returns the mistakes in order of their lines, or nil when there are none.
func (m Mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	seen := make(map[Mistake]bool)
	m = slices.DeleteFunc(m, func(one Mistake) bool {
		twice := seen[one]
		seen[one] = true
		return twice
	})
	slices.SortStableFunc(m, func(a, b Mistake) int { return a.Line - b.Line })
	return m
}

// Environment is where NAME_env and NAME_file are read. A nil function is that
// of package os.
type Environment struct {
	Getenv   func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error)
}

// fromEnv returns a variable's value, or what is wrong with it.
func (e Environment) fromEnv(name string) (value, fault string) {
	get := e.Getenv
	if get == nil {
		get = os.LookupEnv
	}
	value, ok := get(name)
	switch {
	case !ok:
		return "", fmt.Sprintf("the environment variable %q is not set", name)
	case value == "":
		return "", fmt.Sprintf("the environment variable %q is empty", name)
	}
	return value, textFault(value, "the value of the environment variable")
}

// fromFile returns a file's text without its trailing newline, or what is
// wrong with it. A relative path starts at the folder of the file it stands in.
func (e Environment) fromFile(in, path string) (value, fault string) {
	read := e.ReadFile
	if read == nil {
		read = os.ReadFile
	}
	data, err := read(beside(in, path))
	if err != nil {
		// The cause alone: the path is in the mistake's own line.
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", fmt.Sprintf("cannot read the file %q: %v", path, err)
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if value == "" {
		return "", fmt.Sprintf("the file %q is empty", path)
	}
	return value, textFault(value, "the content of the file")
}

// beside returns path as seen from the folder of a file.
func beside(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
