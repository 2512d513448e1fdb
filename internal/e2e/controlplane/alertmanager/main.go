// Command alertmanager judges templates of Alertmanager configurations: it
// renders each as External Secrets' engine v2 does, with the functions of sprig
// but for those that read the environment (runtime/template/v2), and has
// Alertmanager's own config package load what comes out.
//
// One request comes as JSON on stdin:
//
//	{"templates": {"name": "text"}, "secrets": {"key": "value"}}
//
// The verdicts go to stdout as a JSON object by name; see verdict. It fails when
// it cannot judge, and not when the verdict is bad.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"github.com/prometheus/alertmanager/config"
)

type request struct {
	Templates map[string]string `json:"templates"`
	Secrets   map[string]string `json:"secrets"`
}

type verdict struct {
	// Text that was rendered.
	Text string `json:"text"`

	// Default is the receiver of what no route takes, Receivers the names of all.
	Default   string   `json:"default,omitempty"`
	Receivers []string `json:"receivers,omitempty"`
	Error     string   `json:"error,omitempty"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var r request
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return err
	}
	verdicts := map[string]verdict{}
	for name, text := range r.Templates {
		verdicts[name] = judge(text, r.Secrets)
	}
	return json.NewEncoder(out).Encode(verdicts)
}

func judge(text string, secrets map[string]string) verdict {
	var v verdict
	var err error
	if v.Text, err = render(text, secrets); err != nil {
		v.Error = err.Error()
		return v
	}
	c, err := config.Load(v.Text)
	if err != nil {
		v.Error = err.Error()
		return v
	}
	v.Default = c.Route.Receiver
	for _, r := range c.Receivers {
		v.Receivers = append(v.Receivers, r.Name)
	}
	return v
}

func render(text string, secrets map[string]string) (string, error) {
	funcs := sprig.TxtFuncMap()
	delete(funcs, "env")
	delete(funcs, "expandenv")
	t, err := template.New("").Option("missingkey=error").Funcs(funcs).Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, secrets)
	return out.String(), err
}
