package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

const module = "github.com/grafana/mimir"

// chartFiles are what the chart makes of values.
type chartFiles struct {
	config, runtime string
}

// renderChart gives values to the chart that the module of Mimir holds. Of Helm
// it does what the chart's configuration asks for: values over defaults, and
// templates with include, tpl, toYaml and fromYaml.
func renderChart(values map[string]any) (chartFiles, error) {
	var out chartFiles
	dir, err := chartDir()
	if err != nil {
		return out, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	if err != nil {
		return out, err
	}
	var defaults map[string]any
	if err := yaml.Unmarshal(b, &defaults); err != nil {
		return out, err
	}
	root := map[string]any{
		"Values":   merge(defaults, values),
		"Release":  map[string]any{"Name": "mimir", "Namespace": "mimir"},
		"Chart":    map[string]any{"Name": "mimir-distributed"},
		"Template": map[string]any{"BasePath": "templates"},
	}
	set, err := parseTemplates(dir)
	if err != nil {
		return out, err
	}
	if out.config, err = execute(set, "mimir.calculatedConfig", root); err != nil {
		return out, err
	}
	text, err := yaml.Marshal(root["Values"].(map[string]any)["runtimeConfig"])
	if err != nil {
		return out, err
	}
	out.runtime, err = expand(set, string(text), root)
	return out, err
}

// chartDir is the chart's directory in the module that this program was built of.
func chartDir() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", errors.New("built without module information")
	}
	for _, d := range info.Deps {
		if d.Path != module {
			continue
		}
		b, err := exec.Command("go", "mod", "download", "-json", d.Path+"@"+d.Version).Output()
		if err != nil {
			return "", fmt.Errorf("go mod download %s@%s: %w", d.Path, d.Version, err)
		}
		var m struct{ Dir string }
		if err := json.Unmarshal(b, &m); err != nil {
			return "", err
		}
		return filepath.Join(m.Dir, "operations", "helm", "charts", "mimir-distributed"), nil
	}
	return "", fmt.Errorf("built without %s", module)
}

func parseTemplates(dir string) (*template.Template, error) {
	set := template.New("chart")
	funcs := sprig.TxtFuncMap()
	maps.Copy(funcs, template.FuncMap{
		"include": func(name string, data any) (string, error) { return execute(set, name, data) },
		"tpl":     func(text string, data any) (string, error) { return expand(set, text, data) },
		"toYaml": func(v any) (string, error) {
			b, err := yaml.Marshal(v)
			return strings.TrimSuffix(string(b), "\n"), err
		},
		"fromYaml": func(text string) (map[string]any, error) {
			var m map[string]any
			err := yaml.Unmarshal([]byte(text), &m)
			return m, err
		},
		"required": func(message string, v any) (any, error) {
			if v == nil || v == "" {
				return nil, errors.New(message)
			}
			return v, nil
		},
	})
	set.Funcs(funcs)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".tpl" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		_, err = set.New(filepath.ToSlash(name)).Parse(string(b))
		return err
	})
	return set, err
}

func execute(set *template.Template, name string, data any) (string, error) {
	var out strings.Builder
	err := set.ExecuteTemplate(&out, name, data)
	return out.String(), err
}

// expand renders a text that is a template of the chart's.
func expand(set *template.Template, text string, data any) (string, error) {
	c, err := set.Clone()
	if err != nil {
		return "", err
	}
	t, err := c.New("tpl").Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.Execute(&out, data)
	return out.String(), err
}

// merge lays over over under, map by map, as Helm does with values.
func merge(under, over map[string]any) map[string]any {
	out := maps.Clone(under)
	for k, v := range over {
		m, isMap := v.(map[string]any)
		u, wasMap := out[k].(map[string]any)
		if isMap && wasMap {
			v = merge(u, m)
		}
		out[k] = v
	}
	return out
}
