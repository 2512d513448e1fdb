package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/registry"
	"github.com/contain-platform/contain/internal/sign"
)

func newPush(e Env) *cobra.Command {
	var format diag.Format
	var key, tag string
	var pubs []string
	var unsigned, plain bool
	c := &cobra.Command{
		Use:   "push LAYOUT oci://HOST/PATH",
		Short: "Sign and push a built layout, verify it, and only then move the tag",
		Long: `Push what contain build made: each cluster to oci://HOST/PATH/CLUSTER and the
release index to oci://HOST/PATH/release. Content goes by digest, then the
signature, then both are read back and verified as Flux would. Tags move only
when that was so for every cluster. What is there already is not sent again, and
running it again repairs what an interruption left undone.

Signatures come from --key, or from the layout when contain build signed it.`,
		Example: `  contain push dist oci://registry.example/platform --key contain.key`,
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := openLayout(args[0])
			if err != nil {
				return err
			}
			o := registry.PushOptions{Tag: tag, Unsigned: unsigned, Remote: e.remote(plain)}
			if key != "" {
				if o.Signer, err = e.signer(key); err != nil {
					return err
				}
			}
			if o.Keys, err = verifiers(pubs); err != nil {
				return err
			}
			if !trusted(o.Signer, o.Keys) {
				return fmt.Errorf("key %s: none of the keys that clusters verify with is its public key", key)
			}
			if o.Signer == nil && !unsigned && len(l.Signatures) == 0 && len(o.Keys) == 0 {
				return usageError{errors.New("the layout is not signed: give --key, or --unsigned if that is meant")}
			}
			if format == diag.Text {
				o.Progress = func(ev registry.Event) { fmt.Fprintf(e.Stderr, "%s %s\n", ev.Step, ev.Name) }
			}
			res, err := registry.Push(c.Context(), l, args[1], o)
			if err != nil {
				return err
			}
			if format == diag.JSON {
				return writeJSON(e.Stdout, res)
			}
			return e.pushTable(res)
		},
	}
	c.Flags().StringVar(&key, "key", "", "sign with this private key")
	c.Flags().StringArrayVar(&pubs, "verify-key", nil, "public key that clusters verify with; that of --key when left out")
	c.Flags().StringVar(&tag, "tag", registry.DefaultTag, "tag to move")
	c.Flags().BoolVar(&unsigned, "unsigned", false, "push without signatures")
	plainFlag(c, &plain)
	textOrJSON(c, &format)
	return c
}

func plainFlag(c *cobra.Command, plain *bool) {
	c.Flags().BoolVar(plain, "plain-http", false, "speak HTTP to a registry that is not on loopback")
}

// textOrJSON adds --format for commands that print data.
func textOrJSON(c *cobra.Command, f *diag.Format) {
	*f = diag.Text
	of := []string{string(diag.Text), string(diag.JSON)}
	c.Flags().Var(&choice{value: (*string)(f), of: of}, "format", "how to print the result: text, json")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(of, cobra.ShellCompDirectiveNoFileComp))
}

func (e Env) remote(plain bool) registry.Remote {
	return registry.Remote{PlainHTTP: plain, UserAgent: "contain/" + version()}
}

func openLayout(dir string) (*artifact.Layout, error) {
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		switch {
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: %w", dir, cause(err))
		case !exists(dir):
			return nil, fmt.Errorf("%s: no such directory", dir)
		}
		return nil, fmt.Errorf("%s is not a layout: contain build -o makes one", dir)
	}
	l, err := artifact.OpenDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return l, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// trusted tells whether one of the keys is the signer's. What nobody would
// accept is not sent.
func trusted(s *sign.Signer, keys []*sign.Verifier) bool {
	return s == nil || len(keys) == 0 || slices.ContainsFunc(keys, func(v *sign.Verifier) bool {
		return v.Fingerprint() == s.Verifier().Fingerprint()
	})
}

func (e Env) pushTable(res *registry.Result) error {
	w := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tSTATE\tSIGNATURE\tREFERENCE")
	for _, p := range append(res.Clusters, res.Release) {
		state := "tagged"
		switch {
		case p.Unchanged:
			state = "unchanged"
		case p.Pushed:
			state = "pushed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s:%s@%s\n", p.Name, state, p.Signature, p.Repository, res.Tag, p.Digest)
	}
	if err := w.Flush(); err != nil {
		return environmentError{err}
	}
	return nil
}
