// Package findings embeds a page for each finding that is no rule: what it
// says, and what to do.
//
// A page is <group>/<name>.md and begins with "# " and the finding's id. Rules
// have theirs in policies/.
package findings

import "embed"

// FS holds the pages, with slash-separated paths from this directory.
//
//go:embed */*.md
var FS embed.FS
