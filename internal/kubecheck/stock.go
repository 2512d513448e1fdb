package kubecheck

import (
	"slices"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"

	"github.com/contain-platform/contain/internal/object"
)

// stock is what a cluster holds, as far as the artifact tells: its objects, what
// these make, and where others may make more.
type stock struct {
	w    *world
	made map[object.ID]bool
	// open namespaces are filled by others as well; all of them when everywhere.
	open       map[string]bool
	everywhere bool
	namespaces map[string]bool
	kinds      map[kindKey]bool // of classes that the artifact has or makes
}

// teamComponent is the component whose namespaces belong to teams, who fill
// them by their own means.
const teamComponent = "namespace-operator"

func (w *world) stock() *stock {
	s := &stock{w: w, made: map[object.ID]bool{}, open: map[string]bool{}, namespaces: map[string]bool{}, kinds: map[kindKey]bool{}}
	for id, at := range w.objects {
		s.kinds[kindKey{id.Group, id.Kind}] = true
		if id.Group == "" && id.Kind == "Namespace" {
			s.namespaces[id.Name] = true
			if at.unit.Component == teamComponent {
				s.open[id.Name] = true
			}
		}
		s.makes(at.object)
		s.opens(at.object)
	}
	for _, r := range w.releases {
		s.open[r.object.Namespace], s.open[r.namespace] = true, true
		if create, _ := value(r.object.Tree(), "spec", "install", "createNamespace").(bool); create {
			s.namespaces[r.namespace] = true
		}
		s.chart(r)
	}
	for _, k := range w.applied {
		namespaces, all := w.fills(k.object)
		for _, ns := range namespaces {
			s.open[ns] = true
		}
		s.everywhere = s.everywhere || all
	}
	return s
}

func (s *stock) make(group, kind, namespace, name string) {
	if name != "" {
		s.made[object.ID{Group: group, Kind: kind, Namespace: namespace, Name: name}] = true
		s.kinds[kindKey{group, kind}] = true
	}
}

// chart notes what a chart of the catalog makes by its values.
func (s *stock) chart(r release) {
	if r.chart != "contour" {
		return
	}
	// values.yaml of the chart, contour.ingressClass.
	if class, ok := value(r.values(), "contour", "ingressClass").(map[string]any); ok {
		if create, _ := class["create"].(bool); create {
			s.make(networking, "IngressClass", "", str(class, "name"))
		}
	}
}

// makes notes what an object's controller makes of it.
func (s *stock) makes(o *object.Object) {
	t := o.Tree()
	switch o.Group + "/" + o.Kind {
	case secrets + "/ExternalSecret":
		if str(t, "spec", "target", "creationPolicy") != "None" {
			s.make("", "Secret", o.Namespace, first(str(t, "spec", "target", "name"), o.Name))
		}
	case certs + "/Certificate":
		s.make("", "Secret", o.Namespace, str(t, "spec", "secretName"))
	case certs + "/Issuer":
		s.make("", "Secret", o.Namespace, str(t, "spec", "acme", "privateKeySecretRef", "name"))
	case "bitnami.com/SealedSecret":
		s.make("", "Secret", o.Namespace, first(str(t, "spec", "template", "metadata", "name"), o.Name))
	case networking + "/Ingress", gateway + "/Gateway":
		if len(annotatedIssuer(o)) > 0 {
			for _, e := range structs(t, "spec", "tls") {
				s.make("", "Secret", o.Namespace, str(e, "secretName"))
			}
			for _, l := range structs(t, "spec", "listeners") {
				for _, c := range structs(l, "tls", "certificateRefs") {
					s.make("", "Secret", o.Namespace, str(c, "name"))
				}
			}
		}
	}
}

// opens notes namespaces that an object lets others fill: bindings to roles that
// may write, and custom resources whose controllers may make anything.
func (s *stock) opens(o *object.Object) {
	switch {
	case o.Group == rbac:
		if o.Kind == "RoleBinding" && s.mayWrite(o) {
			s.open[o.Namespace] = true
		}
	case scheme.Scheme.IsGroupRegistered(o.Group), harmless(o):
	case o.Namespace == "":
		s.everywhere = true
	default:
		s.open[o.Namespace] = true
	}
}

// mayWrite tells whether a RoleBinding lets people, or ServiceAccounts, write.
func (s *stock) mayWrite(o *object.Object) bool {
	id := object.ID{Group: rbac, Kind: str(o.Tree(), "roleRef", "kind"), Name: str(o.Tree(), "roleRef", "name")}
	if id.Kind == "Role" {
		id.Namespace = o.Namespace
	}
	role, ok := s.w.objects[id]
	if !ok {
		return id.Name != "view"
	}
	for _, r := range structs(role.object.Tree(), "rules") {
		for _, v := range texts(r["verbs"]) {
			if v != "get" && v != "list" && v != "watch" {
				return true
			}
		}
	}
	return false
}

// harmless custom resources make nothing that others refer to, but what makes
// notes.
func harmless(o *object.Object) bool {
	switch o.Group {
	case helm, kustomize: // releases and applied have them
		return true
	case secrets:
		return o.Kind != "ClusterExternalSecret"
	case velero:
		return o.Kind != "Restore"
	case source, notification, certs, "acme.cert-manager.io", contour, gateway, snapshots, "bitnami.com",
		"image.toolkit.fluxcd.io", "generators.external-secrets.io", "externaldns.k8s.io", "cilium.io",
		constraintGroup, "templates.gatekeeper.sh", "config.gatekeeper.sh", "mutations.gatekeeper.sh",
		"expansion.gatekeeper.sh", "syncset.gatekeeper.sh", "externaldata.gatekeeper.sh", "connection.gatekeeper.sh",
		"apiextensions.k8s.io", "apiregistration.k8s.io":
		return true
	case "monitoring.coreos.com":
		return slices.Contains([]string{"ServiceMonitor", "PodMonitor", "Probe", "PrometheusRule", "ScrapeConfig"}, o.Kind)
	}
	return false
}

// namespace tells whether a namespace is there.
func (s *stock) namespace(name string) bool { return name == "" || given(name) || s.namespaces[name] }

// closed tells whether all namespaces are in the artifact: charts of the
// platform's own, operators and Kustomizations of other sources may make more.
func (s *stock) closed() bool { return !s.everywhere && !s.w.foreignCharts() && !s.w.writes("") }

// has tells whether the artifact holds or makes what a reference names.
func (s *stock) has(r ref) bool {
	id := r.id()
	if s.w.has(id) || s.made[id] {
		return true
	}
	if r.kind == "ConfigMap" && r.name == "kube-root-ca.crt" || r.kind == "ServiceAccount" && r.name == "default" {
		return true // in every namespace
	}
	return r.kind == "PersistentVolumeClaim" && s.claimed(r)
}

// claimed: a StatefulSet makes claims template-name-0 and up.
func (s *stock) claimed(r ref) bool {
	for id, at := range s.w.objects {
		if id.Kind != "StatefulSet" || id.Namespace != r.namespace {
			continue
		}
		for _, c := range structs(at.object.Tree(), "spec", "volumeClaimTemplates") {
			if strings.HasPrefix(r.name, str(c, "metadata", "name")+"-"+id.Name+"-") {
				return true
			}
		}
	}
	return false
}

// demands tells whether the artifact must hold what a reference names.
func (s *stock) demands(r ref) bool {
	if r.namespace != "" && s.w.writes(r.namespace) || r.namespace == "" && s.w.writes("") {
		return false
	}
	switch r.demand {
	case filled:
		return s.namespaces[r.namespace] && !s.open[r.namespace] && !s.everywhere
	case class:
		return s.kinds[kindKey{r.group, r.kind}] && !s.w.foreignCharts() && !s.w.namedByChart(r.name)
	}
	return r.group != rbac || !s.w.namedByChart(r.name)
}
