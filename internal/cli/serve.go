package cli

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/registry"
)

func newServe(e Env) *cobra.Command {
	var listen, tag, path string
	var writable bool
	c := &cobra.Command{
		Use:   "serve [LAYOUT]",
		Short: "Offer a built layout as a registry on loopback",
		Long: `Offer what contain build made as an OCI registry, for a local cluster or a
look with other tools. Everything is in memory; it ends with Ctrl-C. Without a
layout it is an empty registry, which --writable lets you push to.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o := registry.ServeOptions{Path: path, Tag: tag, Writable: writable}
			if len(args) > 0 {
				l, err := openLayout(args[0])
				if err != nil {
					return err
				}
				o.Layout = l
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return environmentError{fmt.Errorf("cannot listen on %s: %w", listen, cause(err))}
			}
			base := registry.Scheme + ln.Addr().String()
			if path != "" {
				base += "/" + path
			}
			fmt.Fprintf(e.Stderr, "serving %s\n", base)
			if o.Layout != nil {
				for _, a := range o.Layout.Release.Artifacts {
					fmt.Fprintf(e.Stderr, "  %s/%s:%s\n", base, a.Cluster, tag)
				}
			}
			return registry.Serve(c.Context(), ln, o)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:5000", "address to listen on; port 0 picks a free one")
	c.Flags().StringVar(&path, "path", "", "path below which the clusters' repositories are")
	c.Flags().StringVar(&tag, "tag", registry.DefaultTag, "tag of the artifacts")
	c.Flags().BoolVar(&writable, "writable", false, "take pushes")
	return c
}
