package registry

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Fetch reads the manifest that ref, "oci://HOST/PATH@sha256:…", pins, and the
// one of its blobs that pick chooses; pick's error is the problem that Fetch
// reports. Both are checked against their digests. The error is an [*Error].
func Fetch(ctx context.Context, ref string, r Remote, pick func(manifest []byte) (digest string, size int64, err error)) (manifest, blob []byte, err error) {
	host, rest, err := split(ref)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	c, err := newClient(host, r)
	if err != nil {
		return nil, nil, &Error{Kind: Invalid, Ref: ref, Problem: err.Error()}
	}
	defer c.close()
	pin, err := name.NewDigest(host+"/"+rest, c.names...)
	if err != nil {
		return nil, nil, &Error{Kind: Invalid, Ref: ref, Problem: "not a reference with a digest: oci://HOST/PATH@sha256:DIGEST"}
	}
	m, err := c.get(ctx, pin)
	if err != nil {
		return nil, nil, err
	}
	if m == nil {
		return nil, nil, &Error{Kind: NotFound, Ref: display(pin), Problem: "not found"}
	}
	digest, size, err := pick(m.Data)
	if err != nil {
		return nil, nil, &Error{Kind: Refused, Ref: display(pin), Problem: err.Error()}
	}
	hash, err := v1.NewHash(digest)
	if err != nil {
		return nil, nil, &Error{Kind: Refused, Ref: display(pin), Problem: "the manifest names a blob by something that is no digest"}
	}
	data, err := c.blob(ctx, pin.Context(), v1.Descriptor{Digest: hash, Size: size}, size)
	if err != nil {
		return nil, nil, err
	}
	return m.Data, data, nil
}
