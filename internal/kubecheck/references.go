package kubecheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/contain-platform/contain/internal/diag"
	"github.com/contain-platform/contain/internal/object"
)

// demand says when the artifact must hold what a reference names. The zero
// demand is always: nothing else in a cluster makes it, as far as the model
// goes.
type demand int

const (
	// filled: when the artifact alone fills the namespace of the target.
	filled demand = iota + 1
	// class: when the artifact has objects of the kind, and no charts that could
	// bring more of them.
	class
)

// ref is one reference from an object to another of the same cluster.
type ref struct {
	field string // path of the name
	kind  string
	group string
	// namespace of the target; "" for cluster-scoped kinds.
	namespace string
	name      string
	demand    demand
	// tenant: Flux refuses the reference into another namespace under lockdown.
	tenant bool
}

func (r ref) id() object.ID {
	return object.ID{Group: r.group, Kind: r.kind, Namespace: r.namespace, Name: r.name}
}

// references finds references to objects that the cluster's artifact does not
// hold, and namespaces that it does not have. What charts and Kustomizations of
// other sources make in the cluster is not known, so only references whose
// target the artifact must hold are judged; see demand.
func (w *world) references(m memo) []diag.Finding {
	s := w.stock()
	var out []diag.Finding
	for _, u := range w.units {
		for _, o := range u.Objects {
			add := func(f diag.Finding) {
				f.Unit, f.Object = u.Name, o.String()
				out = append(out, f)
			}
			if !s.namespace(o.Namespace) {
				add(noNamespace("metadata.namespace", o.Namespace))
			}
			for _, r := range m.of(o).refs {
				switch {
				case r.kind == "Namespace" && r.group == "":
					if !s.namespace(r.name) && !w.writes("") {
						add(noNamespace(r.field, r.name))
					}
				case r.namespace != o.Namespace && !s.namespace(r.namespace) && s.closed():
					add(noNamespace(namespaceField(r.field), r.namespace))
				case s.has(r) || !s.demands(r):
				default:
					add(diag.Finding{ID: IDReference, Path: r.field, Hint: w.meant(r.id()),
						Message: fmt.Sprintf("%s %q does not exist in the cluster", r.kind, qualified(r))})
				}
			}
		}
	}
	return out
}

// namespaceField is the field beside that of a name.
func namespaceField(field string) string {
	if prefix, ok := strings.CutSuffix(field, ".name"); ok {
		return prefix + ".namespace"
	}
	return field
}

func noNamespace(field, name string) diag.Finding {
	return diag.Finding{ID: IDNamespace, Path: field, Message: fmt.Sprintf("namespace %q does not exist in the cluster", name)}
}

func qualified(r ref) string {
	if r.namespace == "" {
		return r.name
	}
	return r.namespace + "/" + r.name
}

// meant lists what could have been meant.
func (w *world) meant(id object.ID) string {
	var names []string
	for have := range w.objects {
		if have.Group == id.Group && have.Kind == id.Kind && have.Namespace == id.Namespace {
			names = append(names, have.Name)
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
func given(namespace string) bool {
	switch namespace {
	case "default", "flux-system", "kube-node-lease", "kube-public", "kube-system":
		return true
	}
	return false
}

// Groups of the kinds that are looked at.
const (
	rbac         = "rbac.authorization.k8s.io"
	source       = "source.toolkit.fluxcd.io"
	helm         = "helm.toolkit.fluxcd.io"
	kustomize    = "kustomize.toolkit.fluxcd.io"
	notification = "notification.toolkit.fluxcd.io"
	secrets      = "external-secrets.io"
	certs        = "cert-manager.io"
	velero       = "velero.io"
	contour      = "projectcontour.io"
	gateway      = "gateway.networking.k8s.io"
	networking   = "networking.k8s.io"
	storage      = "storage.k8s.io"
	snapshots    = "snapshot.storage.k8s.io"
)

// refsOf are the references of one object.
func refsOf(o *object.Object) []ref {
	t := o.Tree()
	switch o.Group {
	case rbac:
		return rbacRefs(o, t)
	case helm, kustomize, source, notification:
		return fluxRefs(o)
	case secrets:
		return storeRefs(o, t)
	case certs:
		return certRefs(o, t)
	case velero:
		return veleroRefs(o, t)
	case networking, contour, gateway:
		return routeRefs(o, t)
	case storage, snapshots:
		return storageRefs(o, t)
	case "admissionregistration.k8s.io", "apiregistration.k8s.io":
		return serviceRefs(o, t)
	case "autoscaling":
		return scaleRefs(o, t)
	}
	return podRefs(o, t)
}

// builtinRole tells of the user-facing roles that every API server makes
// (kubernetes.io/docs/reference/access-authn-authz/rbac, "User-facing roles").
func builtinRole(name string) bool {
	switch name {
	case "admin", "cluster-admin", "edit", "view":
		return true
	}
	return strings.HasPrefix(name, "system:")
}

func rbacRefs(o *object.Object, t map[string]any) []ref {
	if o.Kind != "ClusterRoleBinding" && o.Kind != "RoleBinding" {
		return nil
	}
	r := ref{field: "roleRef.name", group: rbac, kind: str(t, "roleRef", "kind"), name: str(t, "roleRef", "name")}
	if r.kind == "Role" {
		r.namespace = o.Namespace
	}
	var out []ref
	if r.kind == "Role" || !builtinRole(r.name) {
		out = append(out, r)
	}
	for i, s := range structs(t, "subjects") {
		if str(s, "kind") == "ServiceAccount" && str(s, "name") != "default" {
			out = append(out, ref{field: fmt.Sprintf("subjects[%d].name", i), kind: "ServiceAccount", demand: filled,
				namespace: first(str(s, "namespace"), o.Namespace), name: str(s, "name")})
		}
	}
	return out
}

// storeRefs are those of External Secrets' objects: stores, and what stores log
// in with.
func storeRefs(o *object.Object, t map[string]any) []ref {
	var out []ref
	store := func(field string, r map[string]any) {
		if name := str(r, "name"); name != "" {
			to := ref{field: field + ".name", group: secrets, kind: "SecretStore", namespace: o.Namespace, name: name}
			if str(r, "kind") == "ClusterSecretStore" {
				to.kind, to.namespace = "ClusterSecretStore", ""
			}
			out = append(out, to)
		}
	}
	sub := func(m map[string]any, path ...string) map[string]any {
		s, _ := value(m, path...).(map[string]any)
		return s
	}
	external := func(prefix string, spec map[string]any) {
		store(prefix+"secretStoreRef", sub(spec, "secretStoreRef"))
		for _, list := range []string{"data", "dataFrom"} {
			for i, d := range structs(spec, list) {
				store(fmt.Sprintf("%s%s[%d].sourceRef.storeRef", prefix, list, i), sub(d, "sourceRef", "storeRef"))
			}
		}
	}
	switch o.Kind {
	case "ExternalSecret":
		external("spec.", sub(t, "spec"))
	case "ClusterExternalSecret":
		if spec := sub(t, "spec", "externalSecretSpec"); str(spec, "secretStoreRef", "kind") == "ClusterSecretStore" {
			external("spec.externalSecretSpec.", spec)
		}
	case "PushSecret":
		for i, s := range structs(t, "spec", "secretStoreRefs") {
			store(fmt.Sprintf("spec.secretStoreRefs[%d]", i), s)
		}
		out = append(out, plainRef("spec.selector.secret.name", "Secret", o.Namespace, str(t, "spec", "selector", "secret", "name"))...)
	case "SecretStore", "ClusterSecretStore":
		out = append(out, named(t["spec"], "spec", o.Namespace)...)
	}
	return out
}

// named finds the references that a provider's settings make by the names of
// their fields: serviceAccountRef and …SecretRef with a name, and a namespace
// where the object has none of its own.
func named(v any, path, namespace string) []ref {
	var out []ref
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			out = append(out, named(e, fmt.Sprintf("%s[%d]", path, i), namespace)...)
		}
	case map[string]any:
		for k, e := range v {
			at := path + step(k)
			m, _ := e.(map[string]any)
			name := str(m, "name")
			kind := ""
			switch {
			case name == "" || k == "privateKeySecretRef": // which cert-manager makes
			case k == "serviceAccountRef":
				kind = "ServiceAccount"
			case strings.HasSuffix(k, "ecretRef"):
				kind = "Secret"
			}
			if kind == "" {
				out = append(out, named(e, at, namespace)...)
				continue
			}
			if ns := first(namespace, str(m, "namespace")); ns != "" {
				out = append(out, ref{field: at + ".name", kind: kind, namespace: ns, name: name, demand: filled})
			}
		}
	}
	return out
}

// certRefs are those of cert-manager's objects. A ClusterIssuer's Secrets are in
// the namespace of cert-manager, which a chart fills.
func certRefs(o *object.Object, t map[string]any) []ref {
	switch o.Kind {
	case "Certificate", "CertificateRequest":
		group := str(t, "spec", "issuerRef", "group")
		if group != "" && group != certs {
			return nil // an issuer of somebody else's
		}
		return []ref{issuer("spec.issuerRef.name", str(t, "spec", "issuerRef", "kind"), o.Namespace, str(t, "spec", "issuerRef", "name"))}
	case "Issuer":
		return append(named(t["spec"], "spec", o.Namespace), plainRef("spec.ca.secretName", "Secret", o.Namespace, str(t, "spec", "ca", "secretName"))...)
	}
	return nil
}

func issuer(field, kind, namespace, name string) ref {
	r := ref{field: field, group: certs, kind: "Issuer", namespace: namespace, name: name}
	if kind == "ClusterIssuer" {
		r.kind, r.namespace = "ClusterIssuer", ""
	}
	return r
}

func veleroRefs(o *object.Object, t map[string]any) []ref {
	spec := "spec"
	switch o.Kind {
	case "Schedule":
		spec = "spec.template"
	case "Backup":
	case "Restore":
		if name := str(t, "spec", "scheduleName"); name != "" {
			return []ref{{field: "spec.scheduleName", group: velero, kind: "Schedule", namespace: o.Namespace, name: name}}
		}
		return nil
	case "BackupStorageLocation", "VolumeSnapshotLocation":
		return plainRef("spec.credential.name", "Secret", o.Namespace, str(t, "spec", "credential", "name"))
	default:
		return nil
	}
	path := strings.Split(spec, ".")
	var out []ref
	if name := str(t, append(path, "storageLocation")...); name != "" {
		out = append(out, ref{field: spec + ".storageLocation", group: velero, kind: "BackupStorageLocation", namespace: o.Namespace, name: name})
	}
	for i, name := range texts(value(t, append(path, "volumeSnapshotLocations")...)) {
		out = append(out, ref{field: fmt.Sprintf("%s.volumeSnapshotLocations[%d]", spec, i), group: velero, kind: "VolumeSnapshotLocation", namespace: o.Namespace, name: name})
	}
	return out
}

// plainRef is a reference to an object of the core group that the artifact must
// hold in the namespaces that it fills.
func plainRef(field, kind, namespace, name string) []ref {
	if name == "" {
		return nil
	}
	return []ref{{field: field, kind: kind, namespace: namespace, name: name, demand: filled}}
}

// str is the string at a path, or "".
func str(t map[string]any, path ...string) string {
	s, _ := value(t, path...).(string)
	return s
}
