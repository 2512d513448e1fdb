package bootstrap

import "testing"

func TestOptions(t *testing.T) {
	const bad = "the URL must be oci://HOST/PATH, without tag or digest"
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"as they are":      {func(*Options) {}, ""},
		"port":             {func(o *Options) { o.URL = "oci://127.0.0.1:5000/a/b_c" }, ""},
		"final slash":      {func(o *Options) { o.URL += "/" }, ""},
		"no scheme":        {func(o *Options) { o.URL = "registry.example.com/platform" }, bad},
		"no path":          {func(o *Options) { o.URL = "oci://registry.example.com" }, bad},
		"tag in the URL":   {func(o *Options) { o.URL += ":v1" }, bad},
		"digest":           {func(o *Options) { o.URL += "@sha256:00" }, bad},
		"capitals":         {func(o *Options) { o.URL = "oci://registry.example.com/Platform" }, bad},
		"tag":              {func(o *Options) { o.Tag = "a b" }, `"a b" is not a tag`},
		"no tag":           {func(o *Options) { o.Tag = "" }, `"" is not a tag`},
		"interval":         {func(o *Options) { o.Interval = "soon" }, `the interval must be a duration like 1m or 90s, not "soon"`},
		"no unit":          {func(o *Options) { o.Interval = "60" }, `the interval must be a duration like 1m or 90s, not "60"`},
		"pull secret":      {func(o *Options) { o.PullSecret = "my.pull-secret" }, ""},
		"pull secret name": {func(o *Options) { o.PullSecret = "My Secret" }, `"My Secret" is not the name of a Secret`},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Platform: "p", Cluster: "c", URL: "oci://registry.example.com/platform", Tag: "latest", Interval: "1m", Keys: [][]byte{[]byte("k")}}
			c.change(&o)
			objs, err := Objects(o)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("error %q, want %q", got, c.want)
			}
			if err == nil && len(objs) != 3 {
				t.Errorf("%d objects, want 3", len(objs))
			}
		})
	}
}
