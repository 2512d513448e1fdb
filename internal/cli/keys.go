package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/contain-platform/contain/internal/sign"
)

// passwordVariable is the one that cosign reads.
const passwordVariable = "COSIGN_PASSWORD"

// signer reads a private key and, if it wants one, its password.
func (e Env) signer(path string) (*sign.Signer, error) {
	private, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, cause(err))
	}
	var password []byte
	if sign.Encrypted(private) {
		if password, err = e.password("Password for " + path + ": "); err != nil {
			return nil, err
		}
	}
	s, err := sign.LoadSigner(private, password)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return s, nil
}

// password comes from the environment, else from the terminal.
func (e Env) password(prompt string) ([]byte, error) {
	if p := e.Getenv(passwordVariable); p != "" {
		return []byte(p), nil
	}
	if e.ReadPassword == nil {
		// cosign too takes an unset variable off the terminal for "".
		return nil, nil
	}
	p, err := e.ReadPassword(prompt)
	if err != nil {
		return nil, environmentError{err}
	}
	return p, nil
}

// verifiers reads public keys.
func verifiers(paths []string) ([]*sign.Verifier, error) {
	var out []*sign.Verifier
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", p, cause(err))
		}
		v, err := sign.LoadVerifier(b)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", p, err)
		}
		out = append(out, v)
	}
	return out, nil
}

func newKeygen(e Env) *cobra.Command {
	return &cobra.Command{
		Use:   "keygen [PREFIX]",
		Short: "Make a key pair, in cosign's form",
		Long: `Make a key pair in PREFIX.key and PREFIX.pub ("contain" by default). cosign
reads both, and contain reads cosign's. The private key is encrypted with a
password from COSIGN_PASSWORD or the terminal. Existing files stay.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			prefix := "contain"
			if len(args) > 0 {
				prefix = args[0]
			}
			for _, f := range []string{prefix + ".key", prefix + ".pub"} {
				if _, err := os.Lstat(f); err == nil {
					return fmt.Errorf("%s exists: contain keygen overwrites no key", f)
				}
			}
			password, err := e.newPassword()
			if err != nil {
				return err
			}
			private, public, err := sign.GenerateKey(password)
			if err != nil {
				return err
			}
			if err := os.WriteFile(prefix+".key", private, 0o600); err != nil {
				return environmentError{err}
			}
			if err := os.WriteFile(prefix+".pub", public, 0o644); err != nil {
				return environmentError{errors.Join(err, os.Remove(prefix+".key"))}
			}
			fmt.Fprintf(e.Stderr, "wrote %s.key and %s.pub\n", prefix, prefix)
			return nil
		},
	}
}

// newPassword asks twice.
func (e Env) newPassword() ([]byte, error) {
	first, err := e.password("Password for the private key: ")
	if err != nil || e.Getenv(passwordVariable) != "" || e.ReadPassword == nil {
		return first, err
	}
	second, err := e.ReadPassword("The same again: ")
	if err != nil {
		return nil, environmentError{err}
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the passwords differ")
	}
	return first, nil
}
