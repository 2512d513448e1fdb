// Package recovery is what people need who keep and bring back backups: the
// policy of the bucket that clusters share, and the objects and the steps of a
// restore. It does no I/O; whatever only a cluster knows is handed in.
package recovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// MaxPolicy is how many bytes a bucket's policy may have in S3
// (docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies.html).
const MaxPolicy = 20 * 1024

// paper is catalog/backup.#Paper.
type paper struct {
	S3         bool             `json:"s3"`
	Principals []string         `json:"principals"`
	Policies   []map[string]any `json:"policies"`
}

// Policy puts the papers of all clusters, by name, together to one bucket policy:
// statements of one Sid are one, with all their principals. The error says which
// cluster nobody knows at the store, or that there is no S3.
func Policy(papers map[string][]byte) ([]byte, error) {
	var statements []map[string]any
	version := ""
	for _, cluster := range slices.Sorted(maps.Keys(papers)) {
		var p paper
		if err := json.Unmarshal(papers[cluster], &p); err != nil {
			return nil, err
		}
		if !p.S3 {
			return nil, errors.New("backups go to no S3 storage: describe management: backups: s3")
		}
		if len(p.Policies) == 0 {
			return nil, fmt.Errorf("nothing says who cluster %s is at the store: set clusters: %q: backup: roleArn, or principal", cluster, cluster)
		}
		for _, policy := range p.Policies {
			version, _ = policy["Version"].(string)
			list, _ := policy["Statement"].([]any)
			for _, s := range list {
				if s, ok := s.(map[string]any); ok {
					statements = join(statements, s)
				}
			}
		}
	}
	return json.MarshalIndent(map[string]any{"Version": version, "Statement": statements}, "", "  ")
}

// join adds a statement, or its principals to the one of its Sid.
func join(all []map[string]any, s map[string]any) []map[string]any {
	at := slices.IndexFunc(all, func(o map[string]any) bool { return o["Sid"] == s["Sid"] })
	if at < 0 {
		return append(all, s)
	}
	have, ok := all[at]["Principal"].(map[string]any)
	more, _ := s["Principal"].(map[string]any)
	if ok {
		old, _ := have["AWS"].([]any)
		add, _ := more["AWS"].([]any)
		have["AWS"] = append(old, add...)
	}
	return all
}

// Size of a policy without the spaces that are for people.
func Size(policy []byte) (int, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, policy); err != nil {
		return 0, err
	}
	return b.Len(), nil
}
