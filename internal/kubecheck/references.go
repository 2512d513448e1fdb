package kubecheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// ref is one reference from an object to another of the same cluster.
type ref struct {
	field string // path of the name
	kind  string
	group string
	// namespace of the target; "" for cluster-scoped kinds.
	namespace string
	name      string
}

// references finds references to objects that the cluster's artifact does not
// hold. Only references whose target the artifact must hold are looked at:
// what charts make in the cluster is not known here.
func references(units []render.Unit) []diag.Finding {
	have := map[object.ID]bool{}
	for _, u := range units {
		for _, o := range u.Objects {
			have[object.ID{Group: o.Group, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}] = true
		}
	}
	var out []diag.Finding
	for _, u := range units {
		for _, o := range u.Objects {
			for _, r := range refs(o) {
				if have[object.ID{Group: r.group, Kind: r.kind, Namespace: r.namespace, Name: r.name}] {
					continue
				}
				out = append(out, diag.Finding{
					ID: IDReference, Unit: u.Name, Object: o.String(), Path: r.field,
					Message: fmt.Sprintf("%s %q does not exist in the cluster", r.kind, qualified(r)),
					Hint:    known(have, r),
				})
			}
			if f, ok := namespaceFinding(have, o); ok {
				f.Unit, f.Object = u.Name, o.String()
				out = append(out, f)
			}
		}
	}
	return out
}

func qualified(r ref) string {
	if r.namespace == "" {
		return r.name
	}
	return r.namespace + "/" + r.name
}

// known lists what could have been meant.
func known(have map[object.ID]bool, r ref) string {
	var names []string
	for id := range have {
		if id.Group == r.group && id.Kind == r.kind && id.Namespace == r.namespace {
			names = append(names, id.Name)
		}
	}
	if len(names) == 0 || len(names) > 12 {
		return ""
	}
	slices.Sort(names)
	return "there is " + strings.Join(names, ", ")
}

// given are namespaces that every cluster has before Flux applies anything:
// Kubernetes' own, and Flux's, which bootstrap made.
var given = []string{"default", "flux-system", "kube-node-lease", "kube-public", "kube-system"}

func namespaceFinding(have map[object.ID]bool, o *object.Object) (diag.Finding, bool) {
	if o.Namespace == "" || slices.Contains(given, o.Namespace) || have[object.ID{Kind: "Namespace", Name: o.Namespace}] {
		return diag.Finding{}, false
	}
	return diag.Finding{
		ID: IDNamespace, Path: "metadata.namespace",
		Message: fmt.Sprintf("namespace %q does not exist in the cluster", o.Namespace),
	}, true
}

// Groups of the kinds that are looked at.
const (
	rbac    = "rbac.authorization.k8s.io"
	source  = "source.toolkit.fluxcd.io"
	helm    = "helm.toolkit.fluxcd.io"
	secrets = "external-secrets.io"
	certs   = "cert-manager.io"
	velero  = "velero.io"
)

func refs(o *object.Object) []ref {
	t := o.Tree()
	switch {
	case o.Group == rbac && (o.Kind == "ClusterRoleBinding" || o.Kind == "RoleBinding"):
		return roleRef(o, t)
	case o.Group == helm && o.Kind == "HelmRelease":
		return chartRef(o, t)
	case o.Group == secrets && o.Kind == "ExternalSecret":
		name := str(t, "spec", "secretStoreRef", "name")
		if name == "" {
			return nil
		}
		r := ref{field: "spec.secretStoreRef.name", group: secrets, kind: "SecretStore", namespace: o.Namespace, name: name}
		if str(t, "spec", "secretStoreRef", "kind") == "ClusterSecretStore" {
			r.kind, r.namespace = "ClusterSecretStore", ""
		}
		return []ref{r}
	case o.Group == certs && o.Kind == "Certificate":
		group := str(t, "spec", "issuerRef", "group")
		if group != "" && group != certs {
			return nil // an issuer of somebody else's
		}
		r := ref{field: "spec.issuerRef.name", group: certs, kind: "Issuer", namespace: o.Namespace, name: str(t, "spec", "issuerRef", "name")}
		if str(t, "spec", "issuerRef", "kind") == "ClusterIssuer" {
			r.kind, r.namespace = "ClusterIssuer", ""
		}
		return []ref{r}
	case o.Group == velero && o.Kind == "Schedule":
		if name := str(t, "spec", "template", "storageLocation"); name != "" {
			return []ref{{field: "spec.template.storageLocation", group: velero, kind: "BackupStorageLocation", namespace: o.Namespace, name: name}}
		}
	}
	return nil
}

// builtinRoles are the user-facing roles that every API server makes
// (kubernetes.io/docs/reference/access-authn-authz/rbac, "User-facing roles").
var builtinRoles = []string{"admin", "cluster-admin", "edit", "view"}

func roleRef(o *object.Object, t map[string]any) []ref {
	r := ref{field: "roleRef.name", group: rbac, kind: str(t, "roleRef", "kind"), name: str(t, "roleRef", "name")}
	if r.kind == "Role" {
		r.namespace = o.Namespace
	} else if slices.Contains(builtinRoles, r.name) || strings.HasPrefix(r.name, "system:") {
		return nil
	}
	return []ref{r}
}

func chartRef(o *object.Object, t map[string]any) []ref {
	for _, path := range [][]string{{"spec", "chartRef"}, {"spec", "chart", "spec", "sourceRef"}} {
		name := str(t, append(path, "name")...)
		if name == "" {
			continue
		}
		ns := str(t, append(path, "namespace")...)
		if ns == "" {
			ns = o.Namespace
		}
		return []ref{{field: strings.Join(path, ".") + ".name", group: source, kind: str(t, append(path, "kind")...), namespace: ns, name: name}}
	}
	return nil
}

// str is the string at a path, or "".
func str(t map[string]any, path ...string) string {
	var v any = t
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[p]
	}
	s, _ := v.(string)
	return s
}
