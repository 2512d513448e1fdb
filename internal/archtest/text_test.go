package archtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// texts are what no file may say. The patterns are written so that they do not
// match themselves.
var texts = []struct {
	pattern *regexp.Regexp
	except  *regexp.Regexp // what matches and is meant
	reason  string
}{
	{
		pattern: regexp.MustCompile(`\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b`),
		reason:  "what is left to do stands in an issue",
	},
	{
		pattern: regexp.MustCompile(`(^|[\s"'=(:,` + "`" + `])/(wor[k]|roo[t]|hom[e]|User[s])(/[\w.-]+)*`),
		except:  regexp.MustCompile(`/hom[e]/cnb\b|/roo[t]/\.docker\b`), // in the containers of Velero's node agent, and of Trivy
		reason:  "a path of one machine means nothing on another",
	},
}

func TestText(t *testing.T) {
	for _, name := range tracked(t) {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		report(t, text(name, b))
	}
}

func text(name string, b []byte) []string {
	if bytes.IndexByte(b, 0) >= 0 {
		return nil // not text
	}
	var out []string
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		for _, x := range texts {
			m := x.pattern.FindString(line)
			if m == "" || x.except != nil && x.except.MatchString(m) {
				continue
			}
			out = append(out, fmt.Sprintf("%s:%d says %q: %s", name, n, strings.Trim(m, " \t\"'=(:,`"), x.reason))
		}
	}
	return out
}

func TestTextRulesFind(t *testing.T) {
	src := "a TO" + "DO\nin /wor" + "k/main\nmktemp x.XXXXXX\npki/root, mountPath: /hom" + "e/cnb/udmrepo\n"
	wants(t, text("x.md", []byte(src)),
		`x.md:1 says "TO`+`DO": what is left to do stands in an issue`,
		`x.md:2 says "/wor`+`k/main": a path of one machine means nothing on another`,
	)
}
