// Package contain holds the CUE module that platforms are written against, so
// that contain init can lay it beside a platform and nothing has to be fetched.
package contain

import "embed"

// Module is the CUE module: schema and catalog, without their tests.
//
//go:embed cue.mod/module.cue schema/*.cue catalog/*.cue catalog/*/*.cue
var Module embed.FS
