package cli

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// watchEvery is how often --watch looks for changes.
const watchEvery = 300 * time.Millisecond

// watchFlag adds --watch.
func watchFlag(c *cobra.Command, watch *bool) {
	c.Flags().BoolVarP(watch, "watch", "w", false, "check again whenever a file of the module changes, until Ctrl-C")
}

// watch runs check, and again whenever a file below root changed, until ctx
// ends. What check found wrong was printed; only trouble that looking again
// cannot mend ends it.
func (e Env) watch(ctx context.Context, root fs.FS, check func() error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		seen := snapshot(root)
		if err := check(); ctx.Err() == nil {
			e.exit(err)
		}
		fmt.Fprintln(e.Stderr, "watching for changes")
		for maps.Equal(seen, snapshot(root)) {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
		fmt.Fprintln(e.Stderr)
	}
}

// file is what a change of a file changes.
type file struct {
	size     int64
	modified time.Time
}

// snapshot is every file below root but those in hidden directories. What
// cannot be read counts as absent: it is mid-change.
func snapshot(root fs.FS) map[string]file {
	out := map[string]file{}
	_ = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil
		case d.IsDir() && name != "." && strings.HasPrefix(path.Base(name), "."):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		if info, err := d.Info(); err == nil {
			out[name] = file{info.Size(), info.ModTime()}
		}
		return nil
	})
	return out
}
