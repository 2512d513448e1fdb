// Command cnpg-admits judges objects with CloudNativePG's own code: the types
// and webhooks of its operator, and the types and checks of its Barman plugin.
// The module's path is below CloudNativePG's, since the webhooks are in an
// internal package of it.
//
// Objects come as JSON on stdin, one after another, and answers go to stdout in
// their order:
//
//	{"kind": "Cluster", "name": "db", "problems": […]}
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cloudnative-pg/barman-cloud/pkg/api/webhooks"
	apiv1 "github.com/cloudnative-pg/cloudnative-pg/api/v1"
	webhookv1 "github.com/cloudnative-pg/cloudnative-pg/internal/webhook/v1"
	barmanv1 "github.com/cloudnative-pg/plugin-barman-cloud/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	strict "sigs.k8s.io/json"
)

type answer struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Problems []string `json:"problems"`
}

func main() {
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) error {
	d, e := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var about metav1.PartialObjectMetadata
		if err := json.Unmarshal(raw, &about); err != nil {
			return err
		}
		problems, err := judge(ctx, about.APIVersion+" "+about.Kind, raw)
		if err != nil {
			return err
		}
		if err := e.Encode(answer{about.Kind, about.Name, problems}); err != nil {
			return err
		}
	}
}

func judge(ctx context.Context, kind string, raw []byte) ([]string, error) {
	switch kind {
	case "postgresql.cnpg.io/v1 Cluster":
		var c apiv1.Cluster
		problems, err := decode(raw, &c)
		if err != nil || len(problems) > 0 {
			return problems, err
		}
		if err := (&webhookv1.ClusterCustomDefaulter{}).Default(ctx, &c); err != nil {
			return nil, err
		}
		warnings, refused := (&webhookv1.ClusterCustomValidator{}).ValidateCreate(ctx, &c)
		return said(warnings, refused), nil
	case "postgresql.cnpg.io/v1 ScheduledBackup":
		var b apiv1.ScheduledBackup
		problems, err := decode(raw, &b)
		if err != nil || len(problems) > 0 {
			return problems, err
		}
		warnings, refused := (&webhookv1.ScheduledBackupCustomValidator{}).ValidateCreate(ctx, &b)
		return said(warnings, refused), nil
	case "barmancloud.cnpg.io/v1 ObjectStore":
		var s barmanv1.ObjectStore
		problems, err := decode(raw, &s)
		if err != nil || len(problems) > 0 {
			return problems, err
		}
		configuration := s.Spec.Configuration
		var refused field.ErrorList
		refused = append(refused, webhooks.ValidateBackupConfiguration(&configuration, field.NewPath("spec", "configuration"))...)
		refused = append(refused, webhooks.ValidateRetentionPolicy(s.Spec.RetentionPolicy, field.NewPath("spec", "retentionPolicy"))...)
		for _, e := range refused {
			problems = append(problems, e.Error())
		}
		return problems, nil
	}
	return nil, fmt.Errorf("%s is none of CloudNativePG's", kind)
}

// decode returns what the type has no field for.
func decode(raw []byte, into any) ([]string, error) {
	unknown, err := strict.UnmarshalStrict(raw, into)
	if err != nil {
		return []string{err.Error()}, nil
	}
	var out []string
	for _, e := range unknown {
		out = append(out, e.Error())
	}
	return out, nil
}

func said(warnings []string, refused error) []string {
	var out []string
	for _, w := range warnings {
		out = append(out, "warning: "+w)
	}
	if refused != nil {
		out = append(out, refused.Error())
	}
	return out
}
