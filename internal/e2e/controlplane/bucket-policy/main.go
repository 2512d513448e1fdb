// Command bucket-policy says with MinIO's own code what a bucket policy lets
// whom do: a judge of catalog/backup.
//
// Cases come as JSON on stdin, one after another:
//
//	{"bucket": "velero", "policy": {…}, "requests": [
//		{"principal": "arn:aws:iam:::user/x", "action": "s3:GetObject", "object": "a/b", "conditions": {"SecureTransport": ["true"]}}
//	]}
//
// and answers go to stdout in their order:
//
//	{"refused": "", "allowed": [true]}
//
// refused is why the policy is none. Keys of conditions have no prefix.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/minio/pkg/v3/policy"
)

type request struct {
	Principal  string              `json:"principal"`
	Action     string              `json:"action"`
	Object     string              `json:"object"`
	Conditions map[string][]string `json:"conditions"`
}

type question struct {
	Bucket   string          `json:"bucket"`
	Policy   json.RawMessage `json:"policy"`
	Requests []request       `json:"requests"`
}

type answer struct {
	Refused string `json:"refused"`
	Allowed []bool `json:"allowed"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	d, e := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q question
		if err := d.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := e.Encode(judge(q)); err != nil {
			return err
		}
	}
}

func judge(q question) answer {
	a := answer{Allowed: []bool{}}
	p, err := policy.ParseBucketPolicyConfig(bytes.NewReader(q.Policy), q.Bucket)
	if err != nil {
		a.Refused = err.Error()
		return a
	}
	for _, r := range q.Requests {
		a.Allowed = append(a.Allowed, p.IsAllowed(policy.BucketPolicyArgs{
			AccountName:     r.Principal,
			Action:          policy.Action(r.Action),
			BucketName:      q.Bucket,
			ObjectName:      r.Object,
			ConditionValues: r.Conditions,
		}))
	}
	return a
}
