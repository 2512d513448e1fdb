package diag

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
)

// Format is a way to print findings.
type Format string

// Formats.
const (
	Text   Format = "text"
	JSON   Format = "json"
	SARIF  Format = "sarif"  // OASIS SARIF 2.1.0
	GitHub Format = "github" // workflow commands, docs.github.com/actions
	JUnit  Format = "junit"  // the XML that CI systems read as a test report
)

// Formats lists what Print understands.
func Formats() []Format { return []Format{Text, JSON, SARIF, GitHub, JUnit} }

// Print writes findings, which Group has put in order, and for machines the
// waivers in effect. base is the platform's directory as the user named it;
// files are printed relative to where the user stands.
func Print(w io.Writer, format Format, base string, fs []Finding, waivers ...InEffect) error {
	fs = Rebase(base, fs)
	switch format {
	case JSON:
		return printJSON(w, fs, waivers)
	case SARIF:
		return printSARIF(w, fs)
	case GitHub:
		return printGitHub(w, fs)
	case JUnit:
		return printJUnit(w, fs)
	}
	return printText(w, fs)
}

// Rebase names files from the user's directory: "./clusters.cue" when that is
// the platform's.
func Rebase(base string, fs []Finding) []Finding {
	out := make([]Finding, len(fs))
	for i, f := range fs {
		ps := make([]Position, len(f.Positions))
		for j, p := range f.Positions {
			if !path.IsAbs(p.File) {
				p.File = path.Join(base, p.File)
			}
			if !path.IsAbs(p.File) && !strings.HasPrefix(p.File, "../") && p.File != "." && p.File != ".." {
				p.File = "./" + p.File
			}
			ps[j] = p
		}
		f.Positions = ps
		out[i] = f
	}
	return out
}

// Where says in one line which part of the platform a finding is about.
func (f Finding) Where() string {
	var parts []string
	if f.Cluster != "" {
		c := "clusters." + f.Cluster
		if n := len(f.Clusters) - 1; n > 0 {
			c += fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, c)
	}
	if f.Unit != "" {
		parts = append(parts, "unit "+f.Unit)
	}
	if f.Object != "" {
		parts = append(parts, f.Object)
	}
	if f.Path != "" {
		parts = append(parts, f.Path)
	}
	return strings.Join(parts, " · ")
}

func printText(w io.Writer, fs []Finding) error {
	var b strings.Builder
	shown := map[string]bool{}
	for _, f := range fs {
		if f.Waiver != nil {
			printWaived(&b, f, fs, shown)
			continue
		}
		fmt.Fprintf(&b, "%s: %s [%s]\n", f.Severity, indent(f.Message), f.ID)
		f.below(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printWaived writes the first of the findings that a waiver lets pass and how
// many more there are: what was decided once is not to be read again each day.
func printWaived(b *strings.Builder, f Finding, all []Finding, shown map[string]bool) {
	if shown[f.Waiver.Name] {
		return
	}
	shown[f.Waiver.Name] = true
	fmt.Fprintf(b, "waived: %s [%s]\n", indent(f.Message), f.ID)
	if s := f.Where(); s != "" {
		fmt.Fprintf(b, "  %s\n", s)
	}
	if len(f.Positions) > 0 {
		fmt.Fprintf(b, "    %s\n", f.Positions[0])
	}
	more := -1
	for _, g := range all {
		if g.Waiver != nil && g.Waiver.Name == f.Waiver.Name {
			more++
		}
	}
	if more > 0 {
		fmt.Fprintf(b, "  and %d more\n", more)
	}
	fmt.Fprintf(b, "  waiver %s\n", f.Waiver)
}

// below writes what follows the first line of a finding.
func (f Finding) below(b *strings.Builder) {
	if s := f.Where(); s != "" {
		fmt.Fprintf(b, "  %s\n", s)
	}
	for _, p := range f.Positions {
		fmt.Fprintf(b, "    %s\n", p)
	}
	if f.Hint != "" {
		fmt.Fprintf(b, "  hint: %s\n", indent(f.Hint))
	}
}

// indent keeps the lines of a message together.
func indent(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }

func printJSON(w io.Writer, fs []Finding, waivers []InEffect) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Findings []Finding  `json:"findings"`
		Waivers  []InEffect `json:"waivers,omitempty"`
	}{fs, waivers})
}

// printGitHub writes workflow commands; "%", CR and LF are escaped everywhere,
// ":" and "," in properties too.
func printGitHub(w io.Writer, fs []Finding) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	prop := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, f := range fs {
		level := "error"
		switch f.Severity {
		case Warning:
			level = "warning"
		case Info:
			level = "notice"
		}
		props := []string{"title=" + prop.Replace(f.ID)}
		if len(f.Positions) > 0 {
			p := f.Positions[0]
			props = append(props, "file="+prop.Replace(strings.TrimPrefix(p.File, "./")))
			if p.Line > 0 {
				props = append(props, fmt.Sprintf("line=%d", p.Line))
			}
			if p.Column > 0 {
				props = append(props, fmt.Sprintf("col=%d", p.Column))
			}
		}
		msg := f.Message
		if s := f.Where(); s != "" {
			msg += "\n" + s
		}
		if f.Waiver != nil {
			msg = "waived: " + msg + "\nwaiver " + f.Waiver.String()
		} else if f.Hint != "" {
			msg += "\nhint: " + f.Hint
		}
		if _, err := fmt.Fprintf(w, "::%s %s::%s\n", level, strings.Join(props, ","), data.Replace(msg)); err != nil {
			return err
		}
	}
	return nil
}
