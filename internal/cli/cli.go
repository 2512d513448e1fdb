// Package cli is the only package that knows the terminal, the environment and
// the process: one file per command.
//
// Invariants: stdout carries data only, stderr speaks to people; each run makes
// its own command tree, and no variable outlives it; every way out has one of
// the exit codes below.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/contain-platform/contain/internal/registry"
)

// Exit codes.
const (
	ExitDone        = 0
	ExitRefused     = 1  // the input is refused; findings or the error say why
	ExitUsage       = 2  // the command line makes no sense
	ExitEnvironment = 3  // network, credentials, disk
	ExitBug         = 70 // a bug in contain (sysexits.h, EX_SOFTWARE)
)

// Env is everything of the process that commands may see.
type Env struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	// ReadPassword asks on the terminal; nil when there is none.
	ReadPassword func(prompt string) ([]byte, error)
}

// OS is the Env of this process.
func OS() Env {
	e := Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		e.ReadPassword = func(prompt string) ([]byte, error) {
			fmt.Fprint(os.Stderr, prompt)
			defer fmt.Fprintln(os.Stderr)
			return term.ReadPassword(fd)
		}
	}
	return e
}

// errFindings ends a command whose findings were printed.
var errFindings = errors.New("findings")

// usageError is a command line that makes no sense.
type usageError struct{ error }

// environmentError is trouble with disk, network or credentials.
type environmentError struct{ error }

// Main runs one command and returns its exit code.
func Main(e Env) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(e.Stderr, "contain: this is a bug in contain %s: %v\nPlease report it with the command and, if you can, the input.\n", version(), r)
			code = ExitBug
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(e)
	root.SetArgs(e.Args)
	root.SetIn(e.Stdin)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	return e.exit(root.ExecuteContext(ctx))
}

// exit prints an error once and chooses the code.
func (e Env) exit(err error) int {
	var usage usageError
	var environment environmentError
	var reg *registry.Error
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, errFindings):
		return ExitRefused
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(e.Stderr, "contain: interrupted; nothing more was written")
		return ExitEnvironment
	}
	fmt.Fprintf(e.Stderr, "error: %v\n", err)
	switch {
	case errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &reg):
		if reg.Hint != "" {
			fmt.Fprintf(e.Stderr, "  hint: %s\n", reg.Hint)
		}
		if reg.Kind.Environment() {
			return ExitEnvironment
		}
		return ExitRefused
	case errors.As(err, &environment):
		return ExitEnvironment
	}
	return ExitRefused
}

func newRoot(e Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "contain",
		Short: "Compile a Kubernetes platform into signed artifacts that Flux reconciles",
		Long: `contain compiles one CUE description of a Kubernetes platform. For every
cluster it makes one OCI artifact, checked by the policies that the cluster
itself will enforce, signed, and reconciled by Flux.

  contain init my-platform        start a platform that builds at once
  contain vet                     check what is described
  contain render                  see the objects
  contain build -o dist           check everything and make the artifacts
  contain explain ID              say what a finding means
  contain policy list             see what the rules come to
  contain tenants                 see who owns which telemetry
  contain push dist oci://…       sign, push, verify, and only then tag
  contain bootstrap CLUSTER       point a fresh cluster at its artifact
  contain kubeconfig CLUSTER      reach a cluster as yourself
  contain node-files CLUSTER      see what a cluster's nodes need`,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		SilenceErrors:              true,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: false},
		Args:                       cobra.NoArgs,
		RunE:                       func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see '%s --help'", err, c.CommandPath())}
	})
	root.AddCommand(
		newInit(e), newVet(e), newRender(e), newBuild(e), newPush(e), newVerify(e),
		newBootstrap(e), newKubeconfig(e), newNodeFiles(e), newBackupPolicy(e), newRestore(e), newMirror(e), newPolicy(e), newTenants(e), newServe(e), newEditor(e), newExplain(e), newKeygen(e), newVersion(e),
	)
	for _, c := range root.Commands() {
		positional(c)
	}
	positional(root)
	return root
}

// positional makes wrong arguments a usage error.
func positional(c *cobra.Command) {
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(c, args); err == nil {
			return nil
		}
		if c.HasParent() && !c.HasSubCommands() {
			return usageError{fmt.Errorf("wrong number of arguments; usage: %s", c.UseLine())}
		}
		// What has commands takes none but their names.
		hint := fmt.Sprintf("see '%s --help'", c.CommandPath())
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean %q?", near[0])
		}
		return usageError{fmt.Errorf("unknown command %q; %s", args[0], hint)}
	}
}
