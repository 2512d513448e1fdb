package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Kind sorts errors by what the user can do about them.
type Kind int

// Kinds of errors.
const (
	// Invalid: the reference or the options make no sense.
	Invalid Kind = iota + 1
	// Unreachable: the registry does not answer, or not usefully.
	Unreachable
	// Unauthorized: the registry wants other credentials.
	Unauthorized
	// NotFound: there is nothing under the tag or digest.
	NotFound
	// Refused: the registry does not take the content, gives back something
	// else, or holds something that Flux would not take.
	Refused
	// Unverified: no acceptable signature; [errors.Is] tells which of
	// sign.ErrNone, ErrOtherKey, ErrMismatch and ErrMalformed it is.
	Unverified
	// Canceled: the context ended.
	Canceled
)

func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Unreachable:
		return "unreachable"
	case Unauthorized:
		return "unauthorized"
	case NotFound:
		return "not found"
	case Refused:
		return "refused"
	case Unverified:
		return "unverified"
	case Canceled:
		return "canceled"
	}
	return "unknown"
}

// Environment reports whether the cause lies in network or credentials rather
// than in the input.
func (k Kind) Environment() bool { return k == Unreachable || k == Unauthorized }

// Error is every error of this package.
type Error struct {
	Kind Kind
	// Ref is the registry, tag or digest that it is about, with oci://.
	Ref string
	// Problem is a sentence without full stop.
	Problem string
	// Hint says what to do, where that is known.
	Hint string

	cause error
}

func (e *Error) Error() string { return e.Ref + ": " + e.Problem }

func (e *Error) Unwrap() error { return e.cause }

// display is a reference as users write it.
func display(ref name.Reference) string {
	sep := ":"
	if _, ok := ref.(name.Digest); ok {
		sep = "@"
	}
	return Scheme + ref.Context().Name() + sep + ref.Identifier()
}

// classify makes an Error of what a request returned.
func classify(ref name.Reference, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Kind: Canceled, Ref: display(ref), Problem: "canceled", cause: context.Canceled}
	}
	// Before the answers: where both HTTPS and HTTP were tried, the second is
	// answered with an error that says nothing.
	untrusted := untrusted(err)
	var te *transport.Error
	if !untrusted && errors.As(err, &te) {
		return answered(ref, te)
	}
	if mismatch(err) {
		return &Error{Kind: Refused, Ref: display(ref), Problem: "content does not match its digest"}
	}
	host := Scheme + ref.Context().RegistryStr()
	problem, hint := unreachable(err)
	if untrusted {
		problem, hint = "its TLS certificate is not trusted", "add the authority to the system's certificates, or name it in SSL_CERT_FILE"
	}
	return &Error{Kind: Unreachable, Ref: host, Problem: "cannot reach the registry: " + problem, Hint: hint}
}

// answered is about registries that did answer, with an error.
func answered(ref name.Reference, te *transport.Error) error {
	switch code := te.StatusCode; {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return &Error{
			Kind: Unauthorized, Ref: Scheme + ref.Context().Name(),
			Problem: fmt.Sprintf("the registry denies access (%d %s)", code, http.StatusText(code)),
			Hint:    "log in with `docker login " + ref.Context().RegistryStr() + "`, or ask for access to the repository",
		}
	case code == http.StatusNotFound:
		return &Error{Kind: NotFound, Ref: display(ref), Problem: "not found"}
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return &Error{
			Kind: Unreachable, Ref: Scheme + ref.Context().RegistryStr(),
			Problem: strings.TrimSpace(fmt.Sprintf("the registry fails with %d %s", code, http.StatusText(code))),
		}
	}
	problem := strings.TrimSpace(fmt.Sprintf("the registry refuses with %d %s", te.StatusCode, http.StatusText(te.StatusCode)))
	for _, d := range te.Errors {
		problem += ": " + oneLine(strings.TrimSpace(string(d.Code)+" "+d.Message))
		break
	}
	return &Error{Kind: Refused, Ref: display(ref), Problem: problem}
}

// oneLine bounds text that somebody else wrote.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 160 {
		s = string(r[:160]) + "…"
	}
	return s
}

// mismatch reports whether content was read that is not what its digest says.
// go-containerregistry has no error values for this that can be reached.
func mismatch(err error) bool {
	s := err.Error()
	return strings.Contains(s, "does not match requested digest") || strings.Contains(s, "error verifying sha256 checksum")
}

func untrusted(err error) bool {
	var (
		cert      *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
	)
	return errors.As(err, &cert) || errors.As(err, &authority) || errors.As(err, &hostname)
}

// unreachable names what keeps a registry from answering.
func unreachable(err error) (problem, hint string) {
	var (
		dns     *net.DNSError
		timeout net.Error
		record  tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused", ""
	case errors.As(err, &dns):
		return "no such host", ""
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timed out", ""
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE):
		return "connection lost", ""
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to host", ""
	case errors.As(err, &record), errors.Is(err, errPlainHTTP), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "it speaks HTTP, not HTTPS", "plain HTTP has to be asked for, except on loopback addresses"
	}
	// The innermost error is the one without URLs around it.
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return oneLine(err.Error()), ""
}
