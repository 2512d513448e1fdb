package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// TeamSource is where Flux finds what a team runs.
type TeamSource struct {
	Git       Variants `json:"git"` // fields
	OCI       Variants `json:"oci"` // fields
	Namespace string   `json:"namespace"`
}

// ImageAutomation follows images and commits their new tags.
type ImageAutomation struct {
	Cluster      string          `json:"cluster"`
	Branch       string          `json:"branch"`     // "" for the source's own
	SigningKey   json.RawMessage `json:"signingKey"` // nil when commits are not signed
	Repositories map[string]struct {
		Policy Variants `json:"policy"`
	} `json:"repositories"`
}

const (
	findingSource    = "teams/source"
	findingImages    = "teams/images"
	findingNamespace = "teams/namespace"
)

// delivery checks how what teams run comes to their namespaces.
func (c *checker) delivery() {
	for _, n := range slices.Sorted(maps.Keys(c.p.Teams)) {
		t := c.p.Teams[n]
		path := []string{"platform", "teams", n}
		if t.Source != nil {
			c.source(t, append(path, "source")...)
		}
		if t.Images != nil {
			c.images(t, append(path, "images")...)
		}
		if len(t.Notify) > 0 {
			for _, cl := range slices.Sorted(maps.Keys(c.p.Clusters)) {
				if t.Clusters.Has(cl, c.p.Clusters[cl]) {
					c.controller(findingNotify, cl, "notification", "the team's channels are told by a controller of Flux that is off here", append(path, "notify")...)
				}
			}
		}
	}
}

func (c *checker) source(t Team, path ...string) {
	set := Variants{}
	for _, v := range []struct {
		kind string
		set  Variants
		refs []string
	}{
		{"git", t.Source.Git, []string{"branch", "semver", "tag"}},
		{"oci", t.Source.OCI, []string{"digest", "semver", "tag"}},
	} {
		if v.set == nil {
			continue
		}
		set[v.kind] = nil
		c.one(v.set.only(v.refs), append(slices.Clone(path), v.kind)...)
	}
	c.exactlyOne(set, "kind", []string{"git", "oci"}, path...)
	var verify Variants
	if json.Unmarshal(t.Source.OCI["verify"], &verify) == nil {
		kinds := []string{"identity", "publicKey"}
		c.exactlyOne(verify.only(kinds), "signer", kinds, append(slices.Clone(path), "oci", "verify")...)
	}
	switch {
	case len(set) == 0: // said already
	case len(t.Namespaces) == 0:
		c.add(findingSource, "a source is applied to the team's namespaces, and the team has none", "", path...)
	case t.Source.Namespace != "":
		c.own(t, t.Source.Namespace, append(slices.Clone(path), "namespace")...)
	}
}

// only are those of the variants that are of these names.
func (v Variants) only(names []string) Variants {
	out := Variants{}
	for _, n := range names {
		if raw, ok := v[n]; ok {
			out[n] = raw
		}
	}
	return out
}

// own checks that a namespace is the team's.
func (c *checker) own(t Team, namespace string, path ...string) {
	if _, ok := t.Namespaces[namespace]; !ok {
		c.add(findingNamespace, fmt.Sprintf("namespace %q is not the team's", namespace), Known(namespace, slices.Sorted(maps.Keys(t.Namespaces))), path...)
	}
}

var imagePolicies = []string{"alphabetical", "numerical", "semver"}

func (c *checker) images(t Team, path ...string) {
	if t.Source == nil || t.Source.Git == nil {
		c.add(findingImages, "new tags of images are committed to the team's Git repository, and the team has none", "describe source: git", path...)
	} else {
		c.commits(t.Source.Git, t.Images, path...)
	}
	for _, r := range slices.Sorted(maps.Keys(t.Images.Repositories)) {
		c.exactlyOne(t.Images.Repositories[r].Policy.only(imagePolicies), "kind", imagePolicies, append(slices.Clone(path), "repositories", r, "policy")...)
	}
	at := append(slices.Clone(path), "cluster")
	known := map[string]bool{}
	for n, cl := range c.p.Clusters {
		known[n] = true
		if n != t.Images.Cluster {
			continue
		}
		if !t.Clusters.Has(n, cl) {
			c.add(findingImages, fmt.Sprintf("the team has no namespaces in cluster %q, which is to follow its images", n), "name one of the team's clusters", at...)
			continue
		}
		c.controller(findingImages, n, "imageAutomation", "images are followed by controllers of Flux that are off in this cluster", at...)
	}
	c.ref("cluster", t.Images.Cluster, known, at...)
}

// commits checks that what Flux commits can be pushed, and is applied.
func (c *checker) commits(git Variants, images *ImageAutomation, path ...string) {
	if git["credentials"] == nil {
		c.add(findingImages, "new tags of images are pushed with the credentials of the team's Git repository, and it has none", "describe source: git: credentials", path...)
	}
	if git["verify"] != nil && images.SigningKey == nil {
		c.add(findingImages, "the team's Git repository is applied only when it is signed, and what Flux commits would not be", "give images a signingKey, and add its public half to the keys of the source", path...)
	}
	if images.Branch == "" && git["branch"] == nil && len(git.only([]string{"semver", "tag"})) > 0 {
		c.add(findingImages, "the team's source follows tags, which nothing can be committed to", "name the branch for commits in images: branch", path...)
	}
}

// controller checks that a controller of Flux, or Flux itself, is not switched
// off where something needs it: the narrowest layer that says something counts.
func (c *checker) controller(id, cluster, name, message string, path ...string) {
	off := c.off(cluster, "flux")
	for _, l := range c.layersOf(cluster) {
		var said map[string]bool
		if off != nil {
			break
		}
		if json.Unmarshal(l.components["flux"].Values["controllers"], &said) != nil {
			continue
		}
		if on, ok := said[name]; ok {
			if !on {
				off = append(slices.Clone(l.path), "components", "flux", "values", "controllers", name)
			}
			break
		}
	}
	if off != nil {
		f := c.add(id, message, "", path...)
		f.Cluster, f.Also = cluster, []string{f.Path, Path(off...)}
	}
}
