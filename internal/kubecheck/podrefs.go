package kubecheck

import (
	"fmt"

	"github.com/contain-platform/contain/internal/object"
)

// podSpec is the specification of the Pods that an object of Kubernetes' own
// makes, and its path.
func podSpec(o *object.Object, t map[string]any) (map[string]any, string) {
	path := []string{"spec", "template", "spec"}
	switch o.Group + "/" + o.Kind {
	case "/Pod":
		path = []string{"spec"}
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet", "batch/Job", "/ReplicationController":
	case "/PodTemplate":
		path = []string{"template", "spec"}
	case "batch/CronJob":
		path = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	default:
		return nil, ""
	}
	spec, _ := value(t, path...).(map[string]any)
	return spec, join(path)
}

// podRefs are the references of workloads and claims.
func podRefs(o *object.Object, t map[string]any) []ref {
	var out []ref
	if o.Group == "" && o.Kind == "PersistentVolumeClaim" {
		return storageClass("spec.storageClassName", t)
	}
	spec, at := podSpec(o, t)
	if spec == nil {
		return nil
	}
	p := podReader{namespace: o.Namespace}
	if name := first(str(spec, "serviceAccountName"), str(spec, "serviceAccount")); name != "default" {
		p.add(at+".serviceAccountName", "ServiceAccount", name)
	}
	for i, s := range structs(spec, "imagePullSecrets") {
		p.add(fmt.Sprintf("%s.imagePullSecrets[%d].name", at, i), "Secret", str(s, "name"))
	}
	for i, v := range structs(spec, "volumes") {
		p.volume(fmt.Sprintf("%s.volumes[%d]", at, i), v)
	}
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for i, c := range structs(spec, list) {
			p.container(fmt.Sprintf("%s.%s[%d]", at, list, i), c)
		}
	}
	out = append(out, p.refs...)
	if name := str(spec, "priorityClassName"); name != "" && name != "system-cluster-critical" && name != "system-node-critical" {
		out = append(out, ref{field: at + ".priorityClassName", group: "scheduling.k8s.io", kind: "PriorityClass", name: name, demand: class})
	}
	if name := str(spec, "runtimeClassName"); name != "" {
		out = append(out, ref{field: at + ".runtimeClassName", group: "node.k8s.io", kind: "RuntimeClass", name: name, demand: class})
	}
	if o.Kind == "StatefulSet" {
		for i, c := range structs(t, "spec", "volumeClaimTemplates") {
			out = append(out, storageClass(fmt.Sprintf("spec.volumeClaimTemplates[%d].spec.storageClassName", i), c)...)
		}
	}
	return out
}

func storageClass(field string, claim map[string]any) []ref {
	name := str(claim, "spec", "storageClassName")
	if name == "" || str(claim, "spec", "volumeName") != "" {
		return nil // the default, or a volume that is there already
	}
	return []ref{{field: field, group: storage, kind: "StorageClass", name: name, demand: class}}
}

type podReader struct {
	namespace string
	refs      []ref
}

func (p *podReader) add(field, kind, name string) {
	p.refs = append(p.refs, plainRef(field, kind, p.namespace, name)...)
}

// maybe adds what a field names unless it says that it is optional.
func (p *podReader) maybe(field, kind, key string, m map[string]any) {
	if optional, _ := m["optional"].(bool); !optional {
		p.add(field+"."+key, kind, str(m, key))
	}
}

func (p *podReader) volume(at string, v map[string]any) {
	sub := func(m map[string]any, k string) map[string]any {
		s, _ := m[k].(map[string]any)
		return s
	}
	p.maybe(at+".secret", "Secret", "secretName", sub(v, "secret"))
	p.maybe(at+".configMap", "ConfigMap", "name", sub(v, "configMap"))
	p.add(at+".persistentVolumeClaim.claimName", "PersistentVolumeClaim", str(v, "persistentVolumeClaim", "claimName"))
	p.add(at+".csi.nodePublishSecretRef.name", "Secret", str(v, "csi", "nodePublishSecretRef", "name"))
	for i, s := range structs(v, "projected", "sources") {
		p.maybe(fmt.Sprintf("%s.projected.sources[%d].secret", at, i), "Secret", "name", sub(s, "secret"))
		p.maybe(fmt.Sprintf("%s.projected.sources[%d].configMap", at, i), "ConfigMap", "name", sub(s, "configMap"))
	}
	if t, ok := value(v, "ephemeral", "volumeClaimTemplate").(map[string]any); ok {
		p.refs = append(p.refs, storageClass(at+".ephemeral.volumeClaimTemplate.spec.storageClassName", t)...)
	}
}

func (p *podReader) container(at string, c map[string]any) {
	for i, e := range structs(c, "envFrom") {
		for field, kind := range map[string]string{"secretRef": "Secret", "configMapRef": "ConfigMap"} {
			if m, ok := e[field].(map[string]any); ok {
				p.maybe(fmt.Sprintf("%s.envFrom[%d].%s", at, i, field), kind, "name", m)
			}
		}
	}
	for i, e := range structs(c, "env") {
		for field, kind := range map[string]string{"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"} {
			if m, ok := value(e, "valueFrom", field).(map[string]any); ok {
				p.maybe(fmt.Sprintf("%s.env[%d].valueFrom.%s", at, i, field), kind, "name", m)
			}
		}
	}
}
