// Package pipeline knows the order of the stages and nothing else: each takes
// plain data and gives plain data and findings.
//
// Invariants: the pipeline stops between two stages when the first found an
// error, after that stage has said everything it found; nothing is packed or
// signed before the last check passed; findings come out located, grouped and
// sorted.
package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/contain-platform/contain/internal/artifact"
	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/kubecheck"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/policy/rule"
	"github.com/contain-platform/contain/internal/promql"
	"github.com/contain-platform/contain/internal/render"
	"github.com/contain-platform/contain/internal/sign"
	"github.com/contain-platform/contain/internal/source"
	"github.com/contain-platform/contain/internal/transform"
	"github.com/contain-platform/contain/policies"
)

// Stage is where the pipeline ends.
type Stage int

// Stages, each containing those before.
const (
	Vet    Stage = iota // the model
	Render              // its objects, patched
	Check               // judged
	Pack                // artifacts, signed when there is a Signer
)

// Input is what goes in: all of it, since builds are reproducible.
type Input struct {
	// FS is the tree of the CUE module, Dir the platform's directory in it.
	FS  fs.FS
	Dir string
	// Clusters to render, check and pack; all when empty.
	Clusters []string
	// Date is what waivers and denyFrom are compared with, YYYY-MM-DD, instead of
	// what the platform says; "" leaves that. Nothing reads a clock.
	Date string
	// Created is the time that artifacts carry; zero for 1970.
	Created time.Time
	// Signer signs artifacts and release; nil leaves them unsigned.
	Signer *sign.Signer
}

// Result is what came out, as far as the pipeline got.
type Result struct {
	Platform *model.Platform
	Clusters []render.Cluster
	Layout   *artifact.Layout
	Findings []diag.Finding
	// Waivers of the platform, those that end first in front.
	Waivers []diag.InEffect
}

// Failed tells whether an error stopped the pipeline.
func (r *Result) Failed() bool { return diag.HasErrors(r.Findings) }

// Run runs the stages up to the last. The error is ctx's or a failure to pack
// or sign; what is wrong with the input is in the findings.
func Run(ctx context.Context, in Input, last Stage) (*Result, error) {
	r := &Result{}
	src, loc, err := r.describe(in)
	if err != nil || src == nil {
		return r, err
	}
	gov, found := govern(r.Platform, loc.sources)
	r.Waivers = gov.book.InEffect()
	if r.stop(loc, append(found, gov.judge(described(r.Platform))...)) {
		return r, nil
	}
	names, found := selected(r.Platform, in.Clusters)
	if r.stop(loc, found) {
		return r, nil
	}
	workers := renderers(src, len(names))
	r.Platform.Units, found = render.Units(ctx, names, workers)
	if r.stop(loc, found) || last == Vet {
		return r, ctx.Err()
	}

	r.Clusters, found = r.objects(ctx, names, workers)
	loc.clusters = r.Clusters
	if r.stop(loc, found) {
		return r, ctx.Err()
	}
	r.Clusters, found = transform.Apply(r.Clusters)
	loc.clusters = r.Clusters
	if r.stop(loc, found) || last == Render {
		return r, ctx.Err()
	}

	gov.rendered(r.Clusters)
	found = gov.judge(kubecheck.Check(r.Platform, r.Clusters))
	verdicts, err := review(ctx, r.Platform, r.Clusters, gov, workers[0], loc)
	if err != nil {
		return r, err
	}
	whole, err := reviewWhole(ctx, gov.library, r.Platform, r.Clusters, gov.parameters)
	if err != nil {
		return r, err
	}
	found = slices.Concat(found, verdicts, gov.judge(whole))
	if len(in.Clusters) == 0 && len(broken(found)) == 0 {
		found = append(found, gov.book.Unused()...)
	}
	r.Waivers = gov.book.InEffect()
	if r.stop(loc, found) || last == Check {
		return r, ctx.Err()
	}

	r.Layout, err = pack(ctx, r.Platform.Name, r.Clusters, in)
	return r, err
}

// Describe reads a platform and checks what it says, without looking at what
// follows from it.
func Describe(ctx context.Context, in Input) (*Result, error) {
	r := &Result{}
	src, loc, err := r.describe(in)
	if err != nil || src == nil {
		return r, err
	}
	gov, found := govern(r.Platform, loc.sources)
	r.stop(loc, append(found, gov.judge(described(r.Platform))...))
	return r, ctx.Err()
}

// Printed describes a platform and makes one paper of one of its clusters: kind
// is a field of catalog.#Output.#printed. The paper is JSON, nil when Result
// says that it Failed. Input.Clusters is not looked at.
func Printed(ctx context.Context, in Input, cluster, kind string) (*Result, []byte, error) {
	r := &Result{}
	src, loc, err := r.describe(in)
	if err != nil || src == nil {
		return r, nil, err
	}
	gov, found := govern(r.Platform, loc.sources)
	if r.stop(loc, append(found, gov.judge(described(r.Platform))...)) {
		return r, nil, nil
	}
	if _, found := selected(r.Platform, []string{cluster}); r.stop(loc, found) {
		return r, nil, nil
	}
	paper, found := src.Printed(cluster, kind)
	if r.stop(loc, found) {
		return r, nil, nil
	}
	return r, paper, ctx.Err()
}

// PrintedOfAll is Printed of every cluster.
func PrintedOfAll(ctx context.Context, in Input, kind string) (*Result, map[string][]byte, error) {
	r := &Result{}
	src, loc, err := r.describe(in)
	if err != nil || src == nil {
		return r, nil, err
	}
	gov, found := govern(r.Platform, loc.sources)
	if r.stop(loc, append(found, gov.judge(described(r.Platform))...)) {
		return r, nil, nil
	}
	papers := map[string][]byte{}
	for _, cluster := range slices.Sorted(maps.Keys(r.Platform.Clusters)) {
		paper, found := src.Printed(cluster, kind)
		if r.stop(loc, found) {
			return r, nil, nil
		}
		papers[cluster] = paper
	}
	return r, papers, ctx.Err()
}

// described is what there is to say about a platform's description as a whole.
func described(p *model.Platform) []diag.Finding {
	return append(model.Check(p), promql.Check(p)...)
}

// describe loads and decodes the platform, and reads its policy sources. The
// Source is nil when it stopped.
func (r *Result) describe(in Input) (*source.Source, *locator, error) {
	src, found := source.Load(in.FS, in.Dir)
	if r.stop(nil, found) {
		return nil, nil, nil
	}
	loc := &locator{src: src, memo: map[string][]diag.Position{}}
	r.Platform, found = src.Decode()
	if r.stop(loc, found) {
		return nil, nil, nil
	}
	loc.platform = r.Platform
	if in.Date != "" {
		r.Platform.Policies.Date = in.Date
		if err := src.Give(in.Date, "policies", "date"); err != nil {
			return nil, nil, err
		}
	}
	library, err := rule.Load(policies.FS)
	if err != nil {
		return nil, nil, err
	}
	loc.sources, found, err = readSources(in, r.Platform, src, library)
	if err != nil || r.stop(loc, found) {
		return nil, nil, err
	}
	return src, loc, nil
}

// stop takes a stage's findings in and tells whether one is an error.
func (r *Result) stop(loc *locator, found []diag.Finding) bool {
	if loc != nil {
		loc.locate(found)
	}
	for i := range found {
		found[i].Path = shortPath(found[i])
	}
	r.Findings = diag.Group(append(r.Findings, found...))
	return diag.HasErrors(r.Findings)
}

// shortPath names a field from the cluster that the finding is about, else from
// the platform: that leads to the field as well, and lets findings join that
// differ in the cluster alone.
func shortPath(f diag.Finding) string {
	cluster := model.Path("platform", "clusters", f.Cluster)
	if f.Object != "" || f.Unit != "" {
		return f.Path
	}
	if f.Path == cluster {
		return ""
	}
	for _, prefix := range []string{cluster, "platform"} {
		if rest, ok := strings.CutPrefix(f.Path, prefix+"."); ok {
			return rest
		}
	}
	return f.Path
}

// selected gives the clusters to work on, sorted.
func selected(p *model.Platform, want []string) ([]string, []diag.Finding) {
	all := slices.Sorted(maps.Keys(p.Clusters))
	if len(want) == 0 {
		if len(all) == 0 {
			return nil, []diag.Finding{{ID: "model/clusters", Message: "the platform has no clusters", Path: "platform.clusters", Hint: "describe one in platform: clusters"}}
		}
		return all, nil
	}
	var names []string
	var found []diag.Finding
	for _, w := range want {
		if _, ok := p.Clusters[w]; !ok {
			found = append(found, diag.Finding{
				ID: "model/reference", Message: fmt.Sprintf("cluster %q does not exist", w), Hint: model.Known(w, all), Path: "platform.clusters",
			})
			continue
		}
		names = append(names, w)
	}
	slices.Sort(names)
	return slices.Compact(names), found
}

// workersAt is the number of clusters from which evaluators apart from the
// platform are worth the time that they take to build: about 50 ms each,
// against 20 distinct renderings of a millisecond for each cluster of its own.
const workersAt = 8

func renderers(src *source.Source, clusters int) []render.Renderer {
	if clusters < workersAt {
		return []render.Renderer{src}
	}
	var out []render.Renderer
	for _, w := range src.Workers(runtime.GOMAXPROCS(0)) {
		out = append(out, w)
	}
	return out
}

// pack makes the artifacts, their release and, with a key, their signatures.
func pack(ctx context.Context, platform string, clusters []render.Cluster, in Input) (*artifact.Layout, error) {
	o := artifact.Options{Created: in.Created}
	var arts []*artifact.Artifact
	for _, c := range clusters {
		a, err := artifact.Pack(cluster(platform, c), o)
		if err != nil {
			return nil, err
		}
		arts = append(arts, a)
	}
	rel, err := artifact.NewRelease(platform, arts, o)
	if err != nil {
		return nil, err
	}
	l := &artifact.Layout{Release: rel}
	if in.Signer == nil {
		return l, nil
	}
	for _, s := range rel.Subjects() {
		b, err := in.Signer.Sign(ctx, s.Digest())
		if err != nil {
			return nil, err
		}
		sig, err := artifact.NewSignature(s, b)
		if err != nil {
			return nil, err
		}
		l.Signatures = append(l.Signatures, sig)
	}
	return l, nil
}

// syncUnit is the unit that holds Flux's own graph.
const syncUnit = "sync"

func cluster(platform string, c render.Cluster) artifact.Cluster {
	out := artifact.Cluster{Name: c.Name, Annotations: map[string]string{artifact.AnnotationPlatform: platform}}
	for _, u := range c.Units {
		if u.Name == syncUnit {
			out.Flux = u.Objects
			continue
		}
		out.Units = append(out.Units, artifact.Unit{Name: u.Name, Objects: u.Objects})
	}
	return out
}

// Files lays out one cluster as its artifact does.
func Files(platform string, c render.Cluster) ([]artifact.File, error) {
	return artifact.Files(cluster(platform, c))
}
