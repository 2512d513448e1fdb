package diag

import (
	"encoding/json"
	"io"
	"strings"
)

// The parts of SARIF 2.1.0 that findings need
// (docs.oasis-open.org/sarif/sarif/v2.1.0).
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifDriver struct {
	Name  string      `json:"name"`
	Rules []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID string `json:"id"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID           string             `json:"ruleId"`
	RuleIndex        int                `json:"ruleIndex"`
	Level            string             `json:"level"`
	Message          sarifMessage       `json:"message"`
	Locations        []sarifLocation    `json:"locations,omitempty"`
	RelatedLocations []sarifLocation    `json:"relatedLocations,omitempty"`
	Suppressions     []sarifSuppression `json:"suppressions,omitempty"`
}

// sarifSuppression is a waiver (section 3.35); external, because it stands in
// the platform's description and not beside the offending line.
type sarifSuppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	ID       *int `json:"id,omitempty"`
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	} `json:"physicalLocation"`
	Message *sarifMessage `json:"message,omitempty"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
}

func printSARIF(w io.Writer, fs []Finding) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "contain", Rules: []sarifRule{}}
	index := map[string]int{}
	for _, f := range fs {
		i, ok := index[f.ID]
		if !ok {
			i = len(run.Tool.Driver.Rules)
			index[f.ID] = i
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: f.ID})
		}
		text := f.Message
		if s := f.Where(); s != "" {
			text += " (" + s + ")"
		}
		if f.Hint != "" {
			text += ". Hint: " + f.Hint
		}
		r := sarifResult{RuleID: f.ID, RuleIndex: i, Level: "error", Message: sarifMessage{text}}
		switch f.Severity {
		case Warning:
			r.Level = "warning"
		case Info:
			r.Level = "note"
		}
		for n, p := range f.Positions {
			l := sarifLocation{}
			l.Physical.Artifact.URI = strings.TrimPrefix(p.File, "./")
			if p.Line > 0 {
				l.Physical.Region = &sarifRegion{p.Line, p.Column}
			}
			if n == 0 {
				r.Locations = append(r.Locations, l)
				continue
			}
			l.ID, l.Message = &n, &sarifMessage{"where the value is used"}
			r.RelatedLocations = append(r.RelatedLocations, l)
		}
		if f.Waiver != nil {
			r.Suppressions = []sarifSuppression{{"external", "accepted", f.Waiver.String()}}
		}
		run.Results = append(run.Results, r)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}
