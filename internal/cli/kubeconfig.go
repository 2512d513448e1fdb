package cli

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newKubeconfig(e Env) *cobra.Command {
	var caFile, date string
	c := &cobra.Command{
		Use:   "kubeconfig CLUSTER [DIR]",
		Short: "Print what kubectl needs to reach a cluster",
		Long: `Print a kubeconfig for a cluster, the same for everybody: no secret is in it.
kubectl logs in at the platform's identity provider through kubelogin
(kubectl oidc-login), and what a person may do follows from their groups.

The address is infrastructure.controlPlane.endpoint, else api.<domain>. The
certificate authority is controlPlane.caBundle or what --ca-file names; without
either kubectl trusts those of its system.`,
		Example: `  contain kubeconfig prod-eu1 > prod-eu1.kubeconfig
  contain kubeconfig prod-eu1 --ca-file ca.crt > ~/.kube/config`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			ca, err := readAuthority(caFile)
			if err != nil {
				return err
			}
			dir := platformDir(args[1:])
			in, err := input(dir)
			if err != nil {
				return err
			}
			if in.Date, err = e.date(date); err != nil {
				return err
			}
			r, paper, err := pipeline.Printed(c.Context(), in, args[0], "kubeconfig")
			if err != nil {
				return err
			}
			if r.Failed() {
				return e.report(diag.Text, dir, r.Findings)
			}
			if !r.Platform.Management.HasIssuer() {
				return errors.New("the platform has no identity provider to log in at: describe management: identity: keycloak, or external")
			}
			return e.kubeconfig(args[0], paper, ca)
		},
	}
	dateFlag(c, &date)
	c.Flags().StringVar(&caFile, "ca-file", "", "certificate authority of the API server, in PEM, instead of the platform's controlPlane.caBundle")
	return c
}

// kubeconfig prints a paper of that kind, trusting ca if there is one.
func (e Env) kubeconfig(cluster string, paper, ca []byte) error {
	const data = "certificate-authority-data"
	var config map[string]any
	if err := json.Unmarshal(paper, &config); err != nil {
		return err
	}
	trusts := false
	list, _ := config["clusters"].([]any)
	for _, named := range list {
		entry, _ := named.(map[string]any)
		at, ok := entry["cluster"].(map[string]any)
		if !ok {
			continue
		}
		if ca != nil {
			at[data] = base64.StdEncoding.EncodeToString(ca)
		}
		_, trusts = at[data]
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	out, err := object.YAML(raw)
	if err != nil {
		return err
	}
	if _, err := e.Stdout.Write(out); err != nil {
		return environmentError{err}
	}
	if !trusts {
		fmt.Fprintf(e.Stderr, "no certificate authority is known for %s: kubectl trusts its system's; say controlPlane.caBundle or --ca-file\n", cluster)
	}
	return nil
}

// readAuthority reads certificates, and nothing else: what is printed is no
// secret. It gives nil for "".
func readAuthority(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, environmentError{fmt.Errorf("--ca-file %s: %w", path, cause(err))}
	}
	var out []byte
	for rest := b; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("--ca-file %s: holds a %s; give certificates alone", path, block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("--ca-file %s: %w", path, err)
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
	}
	if out == nil {
		return nil, fmt.Errorf("--ca-file %s: no certificate in PEM", path)
	}
	return out, nil
}
