// Command velero-selects answers with Velero's own code which namespaces a
// backup takes, a judge of policies/lib/velero.rego, and what is wrong with an
// object, a judge of the catalog and of contain restore.
//
// Cases come as JSON on stdin, one after another:
//
//	{"namespaces": […], "included": […], "excluded": […]}
//
// and answers go to stdout in their order:
//
//	{"problems": true, "taken": […]}
//
// problems says that the server refuses the lists; taken is then empty. With an
// object in place of the lists,
//
//	{"object": {"apiVersion": "velero.io/v1", "kind": "Schedule", …}}
//
// the answer is {"problem": "…"}, which is empty when there is none.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/vmware-tanzu/velero/pkg/util/collections"
)

type question struct {
	Namespaces []string `json:"namespaces"`
	Included   []string `json:"included"`
	Excluded   []string `json:"excluded"`

	Object json.RawMessage `json:"object"`
}

type answer struct {
	Problems bool     `json:"problems"`
	Taken    []string `json:"taken"`

	Problem string `json:"problem,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	d, e := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q question
		if err := d.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if len(q.Object) > 0 {
			a := answer{Taken: []string{}}
			if err := object(q.Object); err != nil {
				a.Problem = err.Error()
			}
			if err := e.Encode(a); err != nil {
				return err
			}
			continue
		}
		a, err := judge(q)
		if err != nil {
			return err
		}
		if err := e.Encode(a); err != nil {
			return err
		}
	}
}

// judge does what the server does with a backup: no includes become "*", the
// lists are validated, and wildcards are expanded over the namespaces that
// there are (pkg/controller/backup_controller.go, prepareBackupRequest;
// pkg/backup/backup.go, getNamespaceIncludesExcludesAndArgoCDNamespaces).
func judge(q question) (answer, error) {
	included := q.Included
	if len(included) == 0 {
		included = []string{"*"}
	}
	a := answer{Taken: []string{}}
	if errs := collections.ValidateNamespaceIncludesExcludes(included, q.Excluded); len(errs) > 0 {
		a.Problems = true
		return a, nil
	}
	ie := collections.NewNamespaceIncludesExcludes().ActiveNamespaces(q.Namespaces).Includes(included...).Excludes(q.Excluded...)
	taken, err := ie.ResolveNamespaceList(true)
	if err != nil {
		return a, err
	}
	a.Taken = append(a.Taken, taken...)
	return a, nil
}
