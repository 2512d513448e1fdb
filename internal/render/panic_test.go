package render

import (
	"context"
	"testing"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
)

// broken is a renderer with a bug.
type broken struct{}

func (broken) Units(string) ([]model.Unit, []diag.Finding) { return nil, nil }

func (broken) Render(string, []byte) ([]*object.Object, []diag.Finding) { panic("out of cheese") }

func TestPanicReachesTheCaller(t *testing.T) {
	defer func() {
		if p := recover(); p != "out of cheese" {
			t.Errorf("recovered %v", p)
		}
	}()
	p := &model.Platform{Units: map[string][]model.Unit{"a": {{Name: "u"}}}}
	Render(context.Background(), p, []string{"a"}, []Renderer{broken{}, broken{}})
	t.Error("nothing panicked")
}
