package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/registry"
)

func newVerify(e Env) *cobra.Command {
	var format diag.Format
	var keys []string
	var plain bool
	c := &cobra.Command{
		Use:   "verify oci://HOST/PATH[:TAG|@DIGEST]",
		Short: "Verify an artifact as Flux would",
		Long: `Pull an artifact and check it as Flux's source-controller would: a signature of
the digest by one of the keys, in either of cosign's forms, offline; then the
first layer, which must be Flux's gzip tar.`,
		Example: `  contain verify oci://registry.example/platform/prod-eu1 --key contain.pub`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(keys) == 0 {
				return usageError{errors.New("give the public key with --key")}
			}
			vs, err := verifiers(keys)
			if err != nil {
				return err
			}
			rep, err := registry.Verify(c.Context(), args[0], vs, e.remote(plain))
			if err != nil {
				return err
			}
			if format == diag.JSON {
				return writeJSON(e.Stdout, rep)
			}
			fmt.Fprintf(e.Stdout, "%s\n  signed by the key %s (%s)\n", rep.Ref, rep.Signature.Fingerprint, rep.Signature.Form)
			if len(rep.Members) > 0 {
				fmt.Fprintf(e.Stdout, "  release of %s\n", plural(len(rep.Members), "cluster"))
				for _, m := range rep.Members {
					fmt.Fprintf(e.Stdout, "    %s  %s\n", m.Digest, m.Cluster)
				}
				return nil
			}
			fmt.Fprintf(e.Stdout, "  %s in %s, %s\n", plural(rep.Objects, "object"), plural(len(rep.Files), "file"), size(rep.Size))
			return nil
		},
	}
	c.Flags().StringArrayVar(&keys, "key", nil, "public key; may be given more than once, one match is enough")
	plainFlag(c, &plain)
	textOrJSON(c, &format)
	return c
}
