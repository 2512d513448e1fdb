package kubecheck

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What text refers to, by host. Identifiers that look like addresses are not
// references: groups of APIs, keys of labels and annotations ("app.kubernetes.io/name"),
// names of drivers ("nfs.csi.k8s.io"), and the URLs below.

// identifiers are hosts of URLs that name something and that nobody opens: JSON
// Schema's dialects and XML's namespaces; OpenTelemetry's schemas are told by
// their path.
var identifiers = []string{"json-schema.org", "www.w3.org"}

// local are the schemes of URLs that lead nowhere over a network.
var local = []string{"file", "unix", "npipe", "ds", "spiffe", "csi", "containerd"}

var (
	urlText = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*)://([^\s/"'<>\\?#|,;]+)([^\s"'<>\\]*)`)

	// scpText is Git's other form: user@host:path.
	scpText = regexp.MustCompile(`^[A-Za-z0-9_.-]+@([A-Za-z0-9.-]+\.[A-Za-z0-9-]+):[^\s:]+$`)

	// refText is a reference to an image or an artifact: host, path, and a tag, a
	// digest or both. Without these two it is one when the host is a registry.
	refText = regexp.MustCompile(`(?:^|[\s"'=,(\[<>|])((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*(?::[0-9]+)?)((?:/[a-z0-9][a-zA-Z0-9._-]*)+)(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]+)?`)

	hostText = regexp.MustCompile(`^(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?\.)+[a-zA-Z][a-zA-Z0-9-]*\.?(?::[0-9]+)?$`)

	// hostKey are the last words of keys whose values are hosts.
	hostKey = regexp.MustCompile(`(?i)(host|hostname|server|servers|endpoint|endpoints|address|smarthost|nameserver|nameservers)$`)

	// registryKey are those whose values begin with one.
	registryKey = regexp.MustCompile(`(?i)(registry|repository|baserepo|hub)$`)

	flagText = regexp.MustCompile(`^--?([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)$`)

	// alertText are the receivers of Alertmanager that only their own service
	// answers, wherever its configuration stands.
	alertText = regexp.MustCompile(`\b(pagerduty|opsgenie|victorops|pushover|telegram|webex|sns|discord|msteams|msteamsv2)_configs\b`)
)

// registries are hosts of container images that charts and manifests name.
var registries = []string{
	"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "ghcr.io", "quay.io", "gcr.io",
	"registry.k8s.io", "k8s.gcr.io", "public.ecr.aws", "mcr.microsoft.com", "nvcr.io", "cgr.dev", "docker.elastic.co",
	"lscr.io", "registry.gitlab.com", "registry.redhat.io", "registry.access.redhat.com", "registry.suse.com",
	"xpkg.upbound.io", "xpkg.crossplane.io", "registry.opensource.zalan.do", "container-registry.oracle.com",
}

func isRegistry(host string) bool {
	if slices.Contains(registries, host) {
		return true
	}
	for _, end := range []string{".gcr.io", ".pkg.dev", ".azurecr.io"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return strings.Contains(host, ".dkr.ecr.") && strings.HasSuffix(host, ".amazonaws.com")
}

// urlHosts are the hosts of the addresses in a text, each once.
func urlHosts(text string) []string {
	if !strings.Contains(text, "://") {
		return nil
	}
	var out []string
	for _, m := range urlText.FindAllStringSubmatch(text, -1) {
		if slices.Contains(local, strings.ToLower(m[1])) {
			continue
		}
		host := authority(m[2])
		if host == "" || slices.Contains(identifiers, host) || host == "opentelemetry.io" && strings.HasPrefix(m[3], "/schemas/") {
			continue
		}
		if !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	return out
}

// authority is the host of a URL's, with its port; "" when that is known only
// where the text is used. What follows a variable is looked at by itself.
func authority(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	s = strings.TrimRight(s, ").,:;]}`*")
	if strings.HasPrefix(s, "[") {
		if a, err := netip.ParseAddr(strings.Trim(strings.SplitAfter(s, "]")[0], "[]")); err == nil {
			return a.String()
		}
		return strings.Trim(s, "[")
	}
	if i := strings.LastIndexAny(s, "$%{}()*"); i >= 0 {
		if s = s[i+1:]; !strings.HasPrefix(s, ".") {
			return ""
		}
		s = s[1:]
	}
	if !hostText.MatchString(s) && !isAddress(s) {
		return "" // one word, or none
	}
	return strings.ToLower(s)
}

func isAddress(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

// textHosts are those of the addresses and references in a text.
func textHosts(text string) []string {
	out := urlHosts(text)
	if strings.IndexByte(text, '@') >= 0 {
		if m := scpText.FindStringSubmatch(text); m != nil {
			out = append(out, strings.ToLower(m[1]))
		}
	}
	if strings.IndexByte(text, '/') < 0 || strings.IndexByte(text, '.') < 0 {
		return out
	}
	for _, m := range refText.FindAllStringSubmatch(text, -1) {
		if m[3] != "" || m[4] != "" || isRegistry(m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// namedHosts are those of a value that is a host, or a list of them, by what its
// key is called; of an argument, its flag.
func namedHosts(key, value string) []string {
	if m := flagText.FindStringSubmatch(value); m != nil {
		key, value = m[1], m[2]
	}
	switch {
	case registryKey.MatchString(key):
		host, _, _ := strings.Cut(value, "/")
		if hostText.MatchString(host) {
			return []string{strings.ToLower(host)}
		}
	case hostKey.MatchString(key):
		var out []string
		for _, h := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }) {
			if hostText.MatchString(h) || isAddress(h) {
				out = append(out, strings.ToLower(h))
			}
		}
		return out
	}
	return nil
}

// servesNames tells whether what is below a key says which names the cluster
// answers to, and not which it asks.
func servesNames(key string) bool {
	k := strings.ToLower(key)
	for _, w := range []string{"ingress", "route", "virtualhost", "listener", "tls", "certificate"} {
		if strings.Contains(k, w) {
			return true
		}
	}
	return false
}

// imageHosts is the host of an image. One that names none is Docker's.
func imageHosts(ref string) []string {
	if ref == "" || strings.ContainsAny(ref, "${ ") {
		return nil
	}
	host, _, ok := strings.Cut(ref, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host = "docker.io"
	}
	return []string{strings.ToLower(host)}
}

// alertService is the service that an Alertmanager's configuration in a text
// tells, "" for none.
func alertService(text string) string {
	if !strings.Contains(text, "_configs") {
		return ""
	}
	if m := alertText.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// fluxServices are the types of Flux's Providers that only their own service
// answers, when no address is given (fluxcd.io/flux/components/notification/providers).
// Those that are told an address by a Secret, and whose words others speak as
// well, as Mattermost does Slack's, are not among them: the address is not known.
var fluxServices = []string{
	"pagerduty", "opsgenie", "msteams", "discord", "googlechat", "webex", "telegram", "lark", "datadog",
	"azureeventhub", "googlepubsub", "azuredevops", "bitbucket",
}

// storeServices are the providers of External Secrets' stores that are APIs of
// clouds and services, and solverServices those of DNS of cert-manager's issuers.
var (
	storeServices  = []string{"aws", "azurekv", "gcpsm", "akeyless", "doppler", "ibm", "oracle", "yandexlockbox", "onepasswordSDK"}
	solverServices = []string{"route53", "azureDNS", "cloudDNS", "cloudflare", "digitalocean", "akamai"}
)

// services finds what an object uses of somebody else's without an address: the
// object's kind says what stands for one.
func (s *scout) services(t map[string]any) {
	use := func(path, service string) {
		s.found = append(s.found, outward{path: path, service: service})
	}
	switch o := s.object; {
	case o.Group == "notification.toolkit.fluxcd.io" && o.Kind == "Provider":
		if kind := str(t, "spec", "type"); slices.Contains(fluxServices, kind) && str(t, "spec", "address") == "" {
			use("spec.type", kind)
		}
	case o.Group == "external-secrets.io" && strings.HasSuffix(o.Kind, "SecretStore"):
		for _, k := range storeServices {
			if value(t, "spec", "provider", k) != nil {
				use("spec.provider."+k, k)
			}
		}
	case o.Group == "cert-manager.io" && strings.HasSuffix(o.Kind, "Issuer"):
		for i, solver := range structs(t, "spec", "acme", "solvers") {
			for _, k := range solverServices {
				if value(solver, "dns01", k) != nil {
					use("spec.acme.solvers["+strconv.Itoa(i)+"].dns01."+k, k)
				}
			}
		}
		if value(t, "spec", "venafi", "cloud") != nil {
			use("spec.venafi.cloud", "Venafi's cloud")
		}
	case o.Group == "awspca.cert-manager.io":
		use("spec", "AWS Private CA")
	case o.Group == "velero.io" && o.Kind == "BackupStorageLocation":
		provider := str(t, "spec", "provider")
		if provider == "azure" || provider == "gcp" || provider == "aws" && str(t, "spec", "config", "s3Url") == "" {
			use("spec.provider", provider)
		}
	}
}
