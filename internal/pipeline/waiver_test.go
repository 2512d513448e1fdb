package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/contain-platform/contain/internal/pipeline"
)

// waived is a platform with every kind of object that a waiver can be about, all
// of which break a rule.
const waived = `package waived

import "github.com/contain-platform/contain/catalog"

_labels: {none: {}, x: x: "1", y: y: "1", both: {x: "1", y: "1"}}
_pod: {containers: [{name: "c", image: "registry.k8s.io/c:latest"}]}

#Objects: {
	#in: {...}
	objects: {
		for ns in ["a", "ab", "b"] {
			"ns-\(ns)": {apiVersion: "v1", kind: "Namespace", metadata: {name: ns, labels: "contain.platform/team": "t"}}
			for k, l in _labels {
				"deployment-\(ns)-\(k)": {
					apiVersion: "apps/v1", kind: "Deployment", metadata: {name: k, namespace: ns, labels: l}
					spec: {selector: matchLabels: app: k, template: {metadata: labels: {l, app: k}, spec: _pod}}
				}
				"cron-\(ns)-\(k)": {
					apiVersion: "batch/v1", kind: "CronJob", metadata: {name: k, namespace: ns, labels: l}
					spec: {schedule: "0 0 * * *", jobTemplate: {metadata: labels: l, spec: template: {metadata: labels: l, spec: {_pod, restartPolicy: "Never"}}}}
				}
				"pod-\(ns)-\(k)": {apiVersion: "v1", kind: "Pod", metadata: {name: k, namespace: ns, labels: l}, spec: _pod}
				"service-\(ns)-\(k)": {
					apiVersion: "v1", kind: "Service", metadata: {name: k, namespace: ns, labels: l}
					spec: {type: "NodePort", ports: [{port: 80}]}
				}
			}
		}
	}
}

platform: catalog.#Platform & {
	name: "waived"
	management: identity: external: issuer: "https://id.example.org"
	policies: {
		date: "2026-11-22"
		rules: "demo/namespaces": template: {
			kind: "DemoNamespaces"
			kinds: [{apiGroups: [""], kinds: ["Namespace", "Pod"]}]
			rego: """
				package demonamespaces

				violation contains {"msg": "no"} if input.review.object.metadata.labels["contain.platform/team"] == "t"
				"""
		}
	}
	extensions: objects: #component: #Objects
	clusters: one: {
		environment: "test"
		region:      "eu"
		kubernetes: version: "1.36"
		domain: "one.example.org"
		infrastructure: {
			metal: {}
			network: {pods: "10.1.0.0/16", services: "10.2.0.0/16"}
			controlPlane: count: 3
			workers: count:      3
		}
	}
}

out: catalog.#Output & {#platform: platform}
`

// What a waiver lets pass here, Gatekeeper lets pass with the Constraints that the
// catalog makes of it, and nothing else: the catalog compiles waivers in CUE,
// package waiver matches them in Go, and Gatekeeper judges both.
func TestWaiversInAdmission(t *testing.T) {
	base := module(t, acme)
	maps.DeleteFunc(base, func(name string, _ *fstest.MapFile) bool { return strings.HasPrefix(name, acme) })
	var passed, refused int
	for seed := range uint64(3) {
		fsys := maps.Clone(base)
		rng := rand.New(rand.NewPCG(seed, 0))
		text := randomWaivers(rng)
		fsys["waived/platform.cue"] = &fstest.MapFile{Data: []byte(waived)}
		fsys["waived/waivers.cue"] = &fstest.MapFile{Data: []byte(text)}
		r, err := pipeline.Run(context.Background(), pipeline.Input{FS: fsys, Dir: "waived"}, pipeline.Check)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			switch {
			case f.Waiver != nil:
				passed++
			case slices.Contains([]string{"images/pinned", "network/service-types", "demo/namespaces"}, f.ID):
				refused++
			case strings.HasPrefix(f.ID, "waiver/") && f.ID != "waiver/unused", strings.HasPrefix(f.ID, "cue/"), strings.HasPrefix(f.ID, "policy/"):
				t.Errorf("seed %d: %+v\n%s", seed, f, text)
			}
		}
	}
	if passed == 0 || refused == 0 {
		t.Errorf("%d findings were waived and %d were not: the platform shows nothing", passed, refused)
	}
}

// randomWaivers are up to four, of forms that Gatekeeper's match can express.
func randomWaivers(rng *rand.Rand) string {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	some := func(of ...string) string {
		rng.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		return `["` + strings.Join(of[:1+rng.IntN(2)], `", "`) + `"]`
	}
	var b strings.Builder
	b.WriteString("package waived\n\n")
	for i := range 2 + rng.IntN(3) {
		fmt.Fprintf(&b, "platform: policies: waivers: w%d: {\n\towner: \"o\", reason: \"chosen at random\", expires: \"2027-01-01\"\n", i)
		fmt.Fprintf(&b, "\trule: %q\n", pick("images/pinned", "images/*", "network/service-types", "demo/namespaces", "*"))
		labels := rng.IntN(2) == 0
		if labels {
			fmt.Fprintf(&b, "\tlabels: %s\n", pick(`x: "1"`, `y: "1"`, `{x: "1", y: "1"}`, `"contain.platform/team": "t"`))
		}
		switch {
		case labels && rng.IntN(2) == 0:
			fmt.Fprintf(&b, "\tnamespaces: %s\n", some("a", "ab", "b"))
		case !labels && rng.IntN(4) > 0:
			fmt.Fprintf(&b, "\tnamespaces: %s\n", some("a", "a*", "*b", "b"))
		}
		if rng.IntN(2) == 0 {
			fmt.Fprintf(&b, "\tkinds: %s\n", some("Deployment", "CronJob", "Pod", "Service", "Namespace"))
		}
		b.WriteString("}\n")
	}
	return b.String()
}
