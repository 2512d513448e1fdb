// Package policies embeds the rules of the library.
//
// A rule is one directory, <group>/<rule>, and its id is that path. It holds
// rule.rego (whose METADATA comment is the one source of title, kinds,
// parameters and defaults), rule_test.rego, samples that must pass and fail,
// and README.md, the page that people read. A check that is Go, in
// internal/kubecheck, has rule.yaml in place of the Rego and its samples. lib
// holds Rego that rules share.
// internal/policy/rule reads the directories.
package policies

import "embed"

// FS holds the rules, with slash-separated paths from this directory.
//
//go:embed */*/*.rego */*/rule.yaml */*/README.md */*/samples/*.yaml lib/*.rego
var FS embed.FS
