package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/editor"
	"github.com/contain-platform/contain/internal/pipeline"
)

func newEditor(e Env) *cobra.Command {
	var listen, config string
	c := &cobra.Command{
		Use:   "editor [DIR]",
		Short: "Show findings in an editor, through cue's language server",
		Long: `Answer cue's language server, so that what contain build would say about the
platform appears in the editor, at the line of CUE that it is about, for files
that are not saved yet too. It runs until Ctrl-C; nothing is written but the
file that tells the language server where to find it:

  contain editor platform &
  cue lsp -extconfig .git/contain-editor.cue      (what the editor starts)

The language server (cue v0.17) asks when the editor runs its command "Run
external validators" (cuelsp.externalvalidate), which it offers as a code lens
whenever something changed. It wants a git repository with a commit and a remote
named origin. contain build --watch needs none of this.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return e.serveEditor(c.Context(), platformDir(args), listen, config)
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:7464", "address to listen on; port 0 picks a free one")
	c.Flags().StringVar(&config, "config", "", "write the language server's file here (default .git/contain-editor.cue)")
	return c
}

func (e Env) serveEditor(ctx context.Context, dir, listen, config string) error {
	in, err := input(dir)
	if err != nil {
		return err
	}
	at, err := filepath.Abs(dir)
	if err != nil {
		return environmentError{err}
	}
	root, err := repository(at)
	if err != nil {
		return err
	}
	below, err := filepath.Rel(root, at)
	if err != nil {
		return environmentError{err}
	}
	if config == "" {
		config = filepath.Join(root, ".git", "contain-editor.cue")
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return environmentError{fmt.Errorf("cannot listen on %s: %w", listen, cause(err))}
	}
	token, err := editor.Config(config, ln.Addr().String())
	if err != nil {
		_ = ln.Close()
		return environmentError{err}
	}
	platform := filepath.ToSlash(below)
	module := path.Clean(platform[:len(platform)-len(in.Dir)])
	if in.Dir == "." {
		module = platform
	}
	fmt.Fprintf(e.Stderr, "waiting for cue lsp -extconfig %s\n", config)
	return editor.Serve(ctx, ln, editor.Options{
		Root: os.DirFS(root), Dir: platform, Token: token,
		Validate: func(ctx context.Context, fsys fs.FS) ([]diag.Finding, error) {
			sub, err := fs.Sub(fsys, module)
			if err != nil {
				return nil, err
			}
			r, err := pipeline.Run(ctx, pipeline.Input{FS: sub, Dir: in.Dir}, pipeline.Check)
			if err != nil {
				return nil, err
			}
			return r.Findings, nil
		},
		Log: func(format string, args ...any) { fmt.Fprintf(e.Stderr, format+"\n", args...) },
	})
}

// repository finds the git repository around a directory, as cue's language
// server does: by a directory named .git.
func repository(dir string) (string, error) {
	for root := dir; ; root = filepath.Dir(root) {
		if info, err := os.Stat(filepath.Join(root, ".git")); err == nil && info.IsDir() {
			return root, nil
		}
		if root == filepath.Dir(root) {
			return "", errors.New("no git repository here or above, and cue's language server asks for none else: git init makes one")
		}
	}
}
