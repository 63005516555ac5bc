package httpx

import (
	"errors"
	"net/http"
	"strings"
)

// maxVariables is how many segments of a path are read without allocating.
const maxVariables = 4

// node is a place in the tree of patterns, one level for each segment.
type node struct {
	exact    map[string]*node
	anyCase  map[string]*node // keys in lower case
	variable *node
	here     *leaf // the path ends here
	below    *leaf // whatever follows, or nothing
}

// leaf is a pattern with its methods.
type leaf struct {
	pattern   string
	variables []string
	rest      bool // the last variable holds all that is left of the path
	methods   map[string]http.HandlerFunc
	allow     string
}

// plant returns the leaf of a pattern, a new one if need be.
func (n *node) plant(pattern string, anyCase bool) (*leaf, error) {
	var variables []string
	text := pattern
	for {
		segment, following := nextSegment(text)
		name, isVariable := variable(segment)
		switch {
		case segment == "" && strings.HasSuffix(pattern, "/"):
			return settle(&n.below, pattern, variables, false)
		case segment == "" || segment == "{$}":
			return settle(&n.here, pattern, variables, false)
		case isVariable && strings.HasSuffix(name, "..."):
			return settle(&n.below, pattern, append(variables, strings.TrimSuffix(name, "...")), true)
		case isVariable:
			variables = append(variables, name)
			n = child(&n.variable)
		default:
			n = n.literal(segment, anyCase)
		}
		text = following
	}
}

func variable(segment string) (string, bool) {
	name, opened := strings.CutPrefix(segment, "{")
	name, closed := strings.CutSuffix(name, "}")
	return name, opened && closed
}

func settle(place **leaf, pattern string, variables []string, rest bool) (*leaf, error) {
	switch {
	case *place == nil:
		*place = &leaf{pattern: pattern, variables: variables, rest: rest}
	case (*place).pattern != pattern:
		return nil, errors.New("matches the same paths as " + (*place).pattern)
	}
	return *place, nil
}

func child(place **node) *node {
	if *place == nil {
		*place = &node{}
	}
	return *place
}

func (n *node) literal(segment string, anyCase bool) *node {
	children := &n.exact
	if anyCase {
		children, segment = &n.anyCase, lower(segment)
	}
	if *children == nil {
		*children = map[string]*node{}
	}
	next := (*children)[segment]
	if next == nil {
		next = &node{}
		(*children)[segment] = next
	}
	return next
}

// find walks an escaped path down the tree, the more specific branch first, and
// returns the leaf with the values of its variables. It visits each node at
// most once, whatever the path.
func (n *node) find(path string, values []string) (*leaf, []string) {
	if path != "" && path[0] != '/' {
		return nil, nil // "*" and the like
	}
	segment, rest := nextSegment(path)
	if segment == "" {
		if n.here != nil {
			return n.here, values
		}
		return n.end(path, values)
	}
	plain, ok := unescape(segment)
	if !ok {
		return nil, nil
	}
	if next := n.exact[plain]; next != nil {
		if found, v := next.find(rest, values); found != nil {
			return found, v
		}
	}
	if n.anyCase != nil {
		if next := n.anyCase[lower(plain)]; next != nil {
			if found, v := next.find(rest, values); found != nil {
				return found, v
			}
		}
	}
	if n.variable != nil {
		if found, v := n.variable.find(rest, append(values, plain)); found != nil {
			return found, v
		}
	}
	return n.end(path, values)
}

// end matches what is left of the path to a pattern that takes it all.
func (n *node) end(path string, values []string) (*leaf, []string) {
	if n.below == nil {
		return nil, nil
	}
	var all []string
	for segment, rest := nextSegment(path); segment != ""; segment, rest = nextSegment(rest) {
		plain, ok := unescape(segment)
		if !ok {
			return nil, nil
		}
		all = append(all, plain)
	}
	if n.below.rest {
		values = append(values, strings.Join(all, "/"))
	}
	return n.below, values
}
