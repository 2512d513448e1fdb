package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/bootstrap"
	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newBootstrap(e Env) *cobra.Command {
	var o bootstrap.Options
	var keys []string
	var date string
	c := &cobra.Command{
		Use:   "bootstrap CLUSTER [DIR] --url oci://HOST/PATH --key KEY.pub",
		Short: "Print the manifests that point a fresh cluster's Flux at its artifact",
		Long: `Print what a cluster with Flux needs once: a Secret with the public key, an
OCIRepository that verifies the cluster's artifact with it, and the root
Kustomization. --url is where contain push put the platform.`,
		Example: `  contain bootstrap prod-eu1 --url oci://registry.example/platform --key contain.pub | kubectl apply -f -`,
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if o.URL == "" || len(keys) == 0 {
				return usageError{errors.New("give --url and --key; see 'contain bootstrap --help'")}
			}
			vs, err := verifiers(keys)
			if err != nil {
				return err
			}
			for _, v := range vs {
				o.Keys = append(o.Keys, v.PublicKey())
			}
			dir := platformDir(args[1:])
			in, err := input(dir)
			if err != nil {
				return err
			}
			in.Clusters = args[:1]
			if in.Date, err = e.date(date); err != nil {
				return err
			}
			r, err := pipeline.Run(c.Context(), in, pipeline.Vet)
			if err != nil {
				return err
			}
			if err := e.report(diag.Text, dir, r.Findings); err != nil {
				return err
			}
			o.Cluster, o.Platform = args[0], r.Platform.Name
			return e.bootstrapObjects(o)
		},
	}
	dateFlag(c, &date)
	c.Flags().StringVar(&o.URL, "url", "", "where the platform was pushed, oci://HOST/PATH")
	c.Flags().StringArrayVar(&keys, "key", nil, "public key that signatures are verified with; may be given more than once")
	c.Flags().StringVar(&o.Tag, "tag", "latest", "tag that the cluster follows")
	c.Flags().StringVar(&o.Interval, "interval", "1m", "how often Flux looks for a new digest")
	c.Flags().StringVar(&o.PullSecret, "pull-secret", "", "Secret in flux-system with the registry's credentials")
	c.Flags().BoolVar(&o.Insecure, "insecure", false, "the registry speaks plain HTTP")
	return c
}

func (e Env) bootstrapObjects(o bootstrap.Options) error {
	objs, err := bootstrap.Objects(o)
	if err != nil {
		return usageError{err}
	}
	for _, obj := range objs {
		if _, err := fmt.Fprintf(e.Stdout, "---\n%s", obj.YAML()); err != nil {
			return environmentError{err}
		}
	}
	return nil
}
