// Command cluster-api and cluster-api-providers answer what Cluster API and its
// providers say to objects: the file is the same in both, since they are built of
// modules that do not go together, and hooks.go names their webhooks.
//
// Questions come as JSON on stdin, one after another:
//
//	{"object": {…}, "old": {…}}
//
// old is what the object replaces, and left out for a new one. Answers go to
// stdout in their order:
//
//	{"kind": true, "webhook": true, "refused": "", "warnings": […]}
//
// kind says that the program has a type for the object, webhook that there is a
// validating one. refused is what the strict decoder or a webhook said, "" when
// nobody objected.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/conversion"

	"github.com/go-logr/logr"
)

type question struct {
	Object json.RawMessage `json:"object"`
	Old    json.RawMessage `json:"old"`
}

type answer struct {
	Kind     bool     `json:"kind"`
	Webhook  bool     `json:"webhook"`
	Refused  string   `json:"refused"`
	Warnings []string `json:"warnings,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	ctrl.SetLogger(logr.Discard())
	m := &manager{scheme: runtime.NewScheme(), mux: http.NewServeMux(), converters: conversion.NewRegistry()}
	if err := hooks(m); err != nil {
		return err
	}
	d, e := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q question
		if err := d.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := m.judge(q)
		if err != nil {
			return err
		}
		if err := e.Encode(a); err != nil {
			return err
		}
	}
}

// manager is what a controller's manager is to its webhooks: whatever they ask
// for beside its scheme and its server is not there, and fails loudly.
type manager struct {
	ctrl.Manager
	scheme     *runtime.Scheme
	mux        *http.ServeMux
	converters conversion.Registry
}

func (m *manager) GetScheme() *runtime.Scheme                { return m.scheme }
func (m *manager) GetConfig() *rest.Config                   { return &rest.Config{} }
func (m *manager) GetLogger() logr.Logger                    { return logr.Discard() }
func (m *manager) GetWebhookServer() webhook.Server          { return &server{mux: m.mux} }
func (m *manager) GetConverterRegistry() conversion.Registry { return m.converters }

// server is never started: requests are handed to its mux.
type server struct {
	webhook.Server
	mux *http.ServeMux
}

func (s *server) Register(path string, hook http.Handler) { s.mux.Handle(path, hook) }
func (s *server) WebhookMux() *http.ServeMux              { return s.mux }

func (m *manager) judge(q question) (answer, error) {
	var typed struct {
		metav1.TypeMeta   `json:",inline"`
		metav1.ObjectMeta `json:"metadata"`
	}
	if err := json.Unmarshal(q.Object, &typed); err != nil {
		return answer{}, err
	}
	gvk := schema.FromAPIVersionAndKind(typed.APIVersion, typed.Kind)
	a := answer{Kind: m.scheme.Recognizes(gvk)}
	if !a.Kind {
		return a, nil
	}
	strict := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, m.scheme, m.scheme, serializer.SerializerOptions{Strict: true})
	if _, _, err := strict.Decode(q.Object, nil, nil); err != nil {
		a.Refused = err.Error()
		return a, nil
	}

	// The paths are controller-runtime's (pkg/builder/webhook.go).
	suffix := strings.ReplaceAll(gvk.Group, ".", "-") + "-" + gvk.Version + "-" + strings.ToLower(gvk.Kind)
	object := q.Object
	if defaulted, err := m.admit("/mutate-"+suffix, gvk, typed.Namespace, typed.Name, object, q.Old); err != nil {
		return a, err
	} else if defaulted != nil {
		if !defaulted.Allowed {
			a.Refused = defaulted.Result.Message
			return a, nil
		}
		if len(defaulted.Patch) > 0 {
			patch, err := jsonpatch.DecodePatch(defaulted.Patch)
			if err != nil {
				return a, err
			}
			if object, err = patch.Apply(object); err != nil {
				return a, err
			}
		}
	}
	validated, err := m.admit("/validate-"+suffix, gvk, typed.Namespace, typed.Name, object, q.Old)
	if err != nil || validated == nil {
		return a, err
	}
	a.Webhook, a.Warnings = true, validated.Warnings
	if !validated.Allowed {
		a.Refused = validated.Result.Message
	}
	return a, nil
}

// admit asks the webhook at path, and is nil when there is none.
func (m *manager) admit(path string, gvk schema.GroupVersionKind, namespace, name string, object, old json.RawMessage) (*admissionv1.AdmissionResponse, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, path, nil)
	if err != nil {
		return nil, err
	}
	if _, pattern := m.mux.Handler(r); pattern == "" {
		return nil, nil
	}
	review := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: types.UID("1"), Name: name, Namespace: namespace,
			Kind:      metav1.GroupVersionKind(gvk),
			Operation: admissionv1.Create,
			Object:    runtime.RawExtension{Raw: object},
		},
	}
	if old != nil {
		review.Request.Operation, review.Request.OldObject = admissionv1.Update, runtime.RawExtension{Raw: old}
	}
	body, err := json.Marshal(review)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	m.mux.ServeHTTP(w, r)
	var answered admissionv1.AdmissionReview
	if err := json.Unmarshal(w.Body.Bytes(), &answered); err != nil || answered.Response == nil {
		return nil, fmt.Errorf("%s: %d: %s", path, w.Code, w.Body)
	}
	return answered.Response, nil
}
