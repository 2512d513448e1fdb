package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// env is an Env without terminal or environment.
func env(args ...string) (Env, *bytes.Buffer, *bytes.Buffer) {
	var stdout, stderr bytes.Buffer
	return Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(string) string { return "" },
	}, &stdout, &stderr
}

func TestPanicIsABugReport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	e, _, stderr := env("init", dir)
	if code := Main(e); code != ExitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	e, stdout, stderr := env("build", dir)
	e.Getenv = func(string) string { panic("out of cheese") }
	if code := Main(e); code != ExitBug {
		t.Errorf("exit code %d, want %d", code, ExitBug)
	}
	want := "contain: this is a bug in contain " + version() + ": out of cheese\n" +
		"Please report it with the command and, if you can, the input.\n"
	if stderr.String() != want {
		t.Errorf("stderr %q, want %q", stderr, want)
	}
	if stdout.Len() > 0 {
		t.Errorf("stdout %q", stdout)
	}
}

func TestPasswords(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "k")
	answers := []string{"one", "two"}
	ask := func(string) ([]byte, error) {
		a := answers[0]
		answers = answers[1:]
		return []byte(a), nil
	}
	e, _, stderr := env("keygen", prefix)
	e.ReadPassword = ask
	if code := Main(e); code == ExitDone {
		t.Errorf("two different passwords are taken: %s", stderr)
	}
	answers = []string{"one", "one"}
	e, _, stderr = env("keygen", prefix)
	e.ReadPassword = ask
	if code := Main(e); code != ExitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	// The variable is asked before the terminal.
	e, _, _ = env()
	e.Getenv = func(name string) string { return map[string]string{"COSIGN_PASSWORD": "one"}[name] }
	e.ReadPassword = func(string) ([]byte, error) { t.Error("the terminal was asked"); return nil, nil }
	if _, err := e.signer(prefix + ".key"); err != nil {
		t.Error(err)
	}
}
