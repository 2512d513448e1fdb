package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/contain-platform/contain/internal/object"
)

var errPath = errors.New("not a field path")

// ParsePath splits the field path of a violation's details into its steps:
//
//	spec.template.spec.containers[0].image
//	metadata.labels["app.kubernetes.io/name"]
//
// A step is a field's name, a key in brackets and quotes as strconv.Quote
// writes it, or an index; which of map and list it goes through the object
// tells. "" has no steps. The error is always the same.
func ParsePath(path string) ([]string, error) {
	var steps []string
	for rest := path; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `["`):
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil {
				return nil, errPath
			}
			key, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, errPath
			}
			var ok bool
			if rest, ok = strings.CutPrefix(rest[1+len(quoted):], "]"); !ok {
				return nil, errPath
			}
			steps = append(steps, key)
		case rest[0] == '[':
			index, after, ok := strings.Cut(rest[1:], "]")
			if n, err := strconv.Atoi(index); !ok || err != nil || n < 0 || strconv.Itoa(n) != index {
				return nil, errPath
			}
			steps, rest = append(steps, index), after
		default:
			if len(steps) > 0 {
				var ok bool
				if rest, ok = strings.CutPrefix(rest, "."); !ok {
					return nil, errPath
				}
			}
			end := strings.IndexAny(rest, ".[]")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, errPath
			}
			steps, rest = append(steps, rest[:end]), rest[end:]
		}
	}
	return steps, nil
}

// FormatPath is the inverse of ParsePath. tree is what the path leads through:
// it tells an index from a key of digits.
func FormatPath(tree any, steps []string) string {
	var b strings.Builder
	for _, s := range steps {
		n, err := strconv.Atoi(s)
		index := err == nil && n >= 0 && strconv.Itoa(n) == s
		list, isList := tree.([]any)
		m, _ := tree.(map[string]any)
		switch {
		case index && (isList || tree == nil):
			fmt.Fprintf(&b, "[%d]", n)
			if tree = nil; n < len(list) {
				tree = list[n]
			}
			continue
		case s == "" || strings.ContainsAny(s, ".[]\"\\/ "):
			fmt.Fprintf(&b, "[%s]", strconv.Quote(s))
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		}
		tree = m[s]
	}
	return b.String()
}

// relocate leads a path through what mutators made of an object to the same
// place in what they were given: in lists by the element's name or its content.
// Where the element is the mutators' own it ends at the list.
func relocate(mutated, given any, steps []string) []string {
	var out []string
	for _, s := range steps {
		switch from := mutated.(type) {
		case []any:
			to, _ := given.([]any)
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 || n >= len(from) {
				return append(out, s)
			}
			at := sameElement(to, from[n], n)
			if at < 0 {
				return out
			}
			out = append(out, strconv.Itoa(at))
			mutated, given = from[n], to[at]
		case map[string]any:
			to, _ := given.(map[string]any)
			out = append(out, s)
			mutated, given = from[s], to[s]
		default:
			out = append(out, s)
			mutated, given = nil, nil
		}
	}
	return out
}

func sameElement(list []any, e any, n int) int {
	same := func(other any) bool {
		a, _ := e.(map[string]any)
		b, _ := other.(map[string]any)
		if name, ok := a["name"].(string); ok {
			return name == b["name"]
		}
		x, errX := object.Canonical(e)
		y, errY := object.Canonical(other)
		return errX == nil && errY == nil && bytes.Equal(x, y)
	}
	if n < len(list) && same(list[n]) {
		return n
	}
	return slices.IndexFunc(list, same)
}
