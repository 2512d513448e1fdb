package kubecheck

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/render"
)

// airGap finds chart sources of an air-gapped cluster that are not the
// platform's own registry. They are warnings as long as the catalog has no
// mirrors of its own to offer: a patch or a proxy may still serve them.
func airGap(p *model.Platform, cluster string, units []render.Unit) []diag.Finding {
	if !p.Clusters[cluster].Infrastructure.AirGapped {
		return nil
	}
	own := ""
	if p.Management.Registry != nil {
		own = p.Management.Registry.Host
	}
	var out []diag.Finding
	for _, u := range units {
		for _, o := range u.Objects {
			if o.Group != source {
				continue
			}
			at, err := url.Parse(str(o.Tree(), "spec", "url"))
			if err != nil || at.Host == "" || at.Host == own || strings.HasSuffix(at.Hostname(), "."+p.Clusters[cluster].Domain) {
				continue
			}
			out = append(out, diag.Finding{
				ID: IDAirGap, Unit: u.Name, Object: o.String(), Path: "spec.url",
				Message: fmt.Sprintf("the cluster is air-gapped, but the chart comes from %s", at.Host),
				Hint:    "patch the source to the platform's registry",
			})
		}
	}
	return out
}
