package platform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/contain-platform/contain/internal/object"
)

// Samples reads a rule's samples: YAML documents that are small inputs,
//
//	platform: {teams: {…}}          # the description
//	cluster: {environment: "prod"}  # and a cluster of it, called sample
//	objects: […]                    # that holds these, in a unit called sample
//
// none of which has to be there. platform may have clusters of its own, for
// rules over the platform.
func Samples(text []byte) ([]Input, error) {
	var out []Input
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var s struct {
			Platform map[string]json.RawMessage `json:"platform"`
			Cluster  json.RawMessage            `json:"cluster"`
			Objects  []json.RawMessage          `json:"objects"`
		}
		err := d.Decode(&s)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", len(out), err)
		}
		in, err := sample(s.Platform, s.Cluster, s.Objects)
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", len(out), err)
		}
		out = append(out, in)
	}
}

const sampleName = "sample"

func sample(platform map[string]json.RawMessage, cluster json.RawMessage, objects []json.RawMessage) (Input, error) {
	clusters := map[string]json.RawMessage{}
	if raw := platform["clusters"]; raw != nil {
		if err := json.Unmarshal(raw, &clusters); err != nil {
			return Input{}, fmt.Errorf("platform.clusters: %w", err)
		}
	}
	clusters[sampleName] = json.RawMessage("{}")
	if cluster != nil {
		clusters[sampleName] = cluster
	}
	whole := map[string]any{"clusters": clusters}
	for name, raw := range platform {
		if name != "clusters" {
			whole[name] = raw
		}
	}
	description, err := json.Marshal(whole)
	if err != nil {
		return Input{}, err
	}
	unit := Unit{Name: sampleName}
	for i, raw := range objects {
		o, err := object.New("", raw)
		if err != nil {
			return Input{}, fmt.Errorf("objects[%d]: %w", i, err)
		}
		unit.Objects = append(unit.Objects, o)
	}
	return Input{Description: description, Clusters: []Cluster{{Name: sampleName, Units: []Unit{unit}}}}, nil
}
