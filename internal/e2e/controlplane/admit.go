package controlplane

import (
	"context"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/contain-platform/contain/internal/object"
)

// A Verdict is what admission says to one object.
type Verdict struct {
	// Refused is the API server's message; "" for an object that is stored.
	Refused string
	// Warnings that came with the answer, in the order of their arrival.
	Warnings []string
}

// Admit creates an object for real and says what admission had to say. The
// error is about the API server, not about the object. An object that is there
// is updated.
func (cp *ControlPlane) Admit(ctx context.Context, o *object.Object) (Verdict, error) {
	client, err := cp.cluster.resource(o.ID)
	if err != nil {
		return Verdict{}, err
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(o.JSON); err != nil {
		return Verdict{}, err
	}
	heard := &heard{}
	ctx = context.WithValue(ctx, heardKey{}, heard)
	_, err = client.Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager, FieldValidation: metav1.FieldValidationStrict})
	if apierrors.IsAlreadyExists(err) {
		heard.texts = nil
		err = cp.cluster.patch(ctx, o, nil)
	}
	v := Verdict{Warnings: heard.texts}
	if err != nil {
		if !isVerdict(err) {
			return v, err
		}
		v.Refused = err.Error()
	}
	return v, nil
}

// heard collects the warnings of one request.
type heard struct {
	mu    sync.Mutex
	texts []string
}

type heardKey struct{}

// warnings gives each warning to whoever asked, and drops those that nobody
// waits for.
type warnings struct{}

func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _, text string) {
	const miscellaneous = 299 // RFC 7234; the one that the API server sends
	h, ok := ctx.Value(heardKey{}).(*heard)
	if !ok || code != miscellaneous {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.texts = append(h.texts, text)
}
