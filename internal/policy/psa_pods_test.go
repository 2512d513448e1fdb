package policy_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// psaPod is a Pod and how it came to be.
type psaPod struct {
	changes string
	pod     *corev1.Pod
}

// change is one step away from a Pod that everybody allows.
type change struct {
	name  string
	apply func(*corev1.Pod)
}

// psaPods are Pods around the edges of the Pod Security Standards: several good
// ones, each with every single change, and with random handfuls of changes.
func psaPods(r *rand.Rand) []psaPod {
	all := changes()
	var out []psaPod
	add := func(start change, cs ...change) {
		pod := &corev1.Pod{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pod-%d", len(out)), Namespace: "default"},
		}
		names := []string{start.name}
		start.apply(pod)
		for _, c := range cs {
			c.apply(pod)
			names = append(names, c.name)
		}
		out = append(out, psaPod{strings.Join(names, ", "), pod})
	}
	for _, start := range starts() {
		add(start)
		for _, c := range all {
			add(start, c)
		}
		for range 80 {
			cs := make([]change, 2+r.IntN(6))
			for i := range cs {
				cs[i] = all[r.IntN(len(all))]
			}
			add(start, cs...)
		}
	}
	return out
}

// starts are Pods that the profile restricted allows: once by what the Pod
// says, once by what its containers say, once on Windows.
func starts() []change {
	containers := func(sc func() *corev1.SecurityContext) corev1.PodSpec {
		one := func(name string) corev1.Container {
			return corev1.Container{Name: name, Image: "ghcr.io/acme/app:v1", SecurityContext: sc()}
		}
		return corev1.PodSpec{
			Containers:     []corev1.Container{one("proxy"), one("app")},
			InitContainers: []corev1.Container{one("init")},
			EphemeralContainers: []corev1.EphemeralContainer{
				{EphemeralContainerCommon: corev1.EphemeralContainerCommon(one("debug"))},
			},
		}
	}
	drop := func() *corev1.SecurityContext {
		return &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	}
	runtimeDefault := &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	return []change{
		{"by the Pod", func(p *corev1.Pod) {
			p.Spec = containers(drop)
			p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: runtimeDefault.DeepCopy()}
		}},
		{"by the containers", func(p *corev1.Pod) {
			p.Spec = containers(func() *corev1.SecurityContext {
				sc := drop()
				sc.RunAsNonRoot, sc.SeccompProfile = new(true), runtimeDefault.DeepCopy()
				return sc
			})
		}},
		{"on Windows", func(p *corev1.Pod) {
			p.Spec = containers(func() *corev1.SecurityContext { return nil })
			p.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
			p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true)}
		}},
	}
}

func changes() []change {
	out := podChanges()
	for _, where := range []struct {
		name string
		of   func(*corev1.Pod) *corev1.Container
	}{
		{"app", func(p *corev1.Pod) *corev1.Container { return &p.Spec.Containers[1] }},
		{"init", func(p *corev1.Pod) *corev1.Container { return &p.Spec.InitContainers[0] }},
		{"debug", func(p *corev1.Pod) *corev1.Container {
			return (*corev1.Container)(&p.Spec.EphemeralContainers[0].EphemeralContainerCommon)
		}},
	} {
		for _, c := range containerChanges() {
			out = append(out, change{where.name + " " + c.name, func(p *corev1.Pod) { c.apply(where.of(p)) }})
		}
		for _, v := range []string{"", "runtime/default", "localhost/app", "localhost/", "unconfined", "RuntimeDefault"} {
			out = append(out, change{where.name + " annotated " + v, func(p *corev1.Pod) {
				if p.Annotations == nil {
					p.Annotations = map[string]string{}
				}
				p.Annotations["container.apparmor.security.beta.kubernetes.io/"+where.name] = v
			}})
		}
	}
	return out
}

// booleans are what an optional boolean can be.
func booleans() map[string]*bool {
	return map[string]*bool{"unset": nil, "true": new(true), "false": new(false)}
}

var (
	seccompTypes  = []corev1.SeccompProfileType{"", "Localhost", "RuntimeDefault", "Unconfined", "runtime/default"}
	appArmorTypes = []corev1.AppArmorProfileType{"", "Localhost", "RuntimeDefault", "Unconfined"}
)

func podChanges() []change {
	var out []change
	context := func(name string, f func(*corev1.PodSecurityContext)) {
		out = append(out, change{"Pod " + name, func(p *corev1.Pod) {
			if p.Spec.SecurityContext == nil {
				p.Spec.SecurityContext = &corev1.PodSecurityContext{}
			}
			f(p.Spec.SecurityContext)
		}})
	}
	spec := func(name string, f func(*corev1.PodSpec)) {
		out = append(out, change{name, func(p *corev1.Pod) { f(&p.Spec) }})
	}
	spec("no securityContext", func(s *corev1.PodSpec) { s.SecurityContext = nil })
	spec("hostNetwork", func(s *corev1.PodSpec) { s.HostNetwork = true })
	spec("hostPID", func(s *corev1.PodSpec) { s.HostPID = true })
	spec("hostIPC", func(s *corev1.PodSpec) { s.HostIPC = true })
	spec("no os", func(s *corev1.PodSpec) { s.OS = nil })
	spec("linux", func(s *corev1.PodSpec) { s.OS = &corev1.PodOS{Name: corev1.Linux} })
	spec("windows", func(s *corev1.PodSpec) { s.OS = &corev1.PodOS{Name: corev1.Windows} })
	for name, b := range booleans() {
		spec("hostUsers "+name, func(s *corev1.PodSpec) { s.HostUsers = b })
		context("runAsNonRoot "+name, func(c *corev1.PodSecurityContext) { c.RunAsNonRoot = b })
		context("hostProcess "+name, func(c *corev1.PodSecurityContext) {
			c.WindowsOptions = &corev1.WindowsSecurityContextOptions{HostProcess: b}
		})
	}
	context("runAsUser unset", func(c *corev1.PodSecurityContext) { c.RunAsUser = nil })
	context("runAsUser 0", func(c *corev1.PodSecurityContext) { c.RunAsUser = new(int64(0)) })
	context("runAsUser 1", func(c *corev1.PodSecurityContext) { c.RunAsUser = new(int64(1)) })
	context("no seccomp", func(c *corev1.PodSecurityContext) { c.SeccompProfile = nil })
	for _, t := range seccompTypes {
		context("seccomp "+string(t), func(c *corev1.PodSecurityContext) { c.SeccompProfile = &corev1.SeccompProfile{Type: t} })
	}
	for _, t := range appArmorTypes {
		context("AppArmor "+string(t), func(c *corev1.PodSecurityContext) { c.AppArmorProfile = &corev1.AppArmorProfile{Type: t} })
	}
	for name, o := range seLinux() {
		context(name, func(c *corev1.PodSecurityContext) { c.SELinuxOptions = o.DeepCopy() })
	}
	for _, name := range []string{
		"", "kernel.msgmax", "kernel.shm_rmid_forced", "kernel.shm_rmid_forced2", "net.core.somaxconn",
		"net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem", "net/ipv4/tcp_wmem",
	} {
		context("sysctl "+name, func(c *corev1.PodSecurityContext) {
			c.Sysctls = append(c.Sysctls, corev1.Sysctl{Name: name, Value: "1"})
		})
	}
	spec("volume without source", func(s *corev1.PodSpec) { s.Volumes = append(s.Volumes, corev1.Volume{Name: "bare"}) })
	source := reflect.TypeFor[corev1.VolumeSource]()
	for i := range source.NumField() {
		spec("volume "+source.Field(i).Name, func(s *corev1.PodSpec) {
			v := corev1.Volume{Name: fmt.Sprintf("v%d", len(s.Volumes))}
			setSource(&v, i)
			s.Volumes = append(s.Volumes, v)
		})
	}
	spec("volume of two sources", func(s *corev1.PodSpec) {
		v := corev1.Volume{Name: "two"}
		v.EmptyDir, v.HostPath = &corev1.EmptyDirVolumeSource{}, &corev1.HostPathVolumeSource{}
		s.Volumes = append(s.Volumes, v)
	})
	return out
}

func setSource(v *corev1.Volume, i int) {
	f := reflect.ValueOf(&v.VolumeSource).Elem().Field(i)
	f.Set(reflect.New(f.Type().Elem()))
}

// sourcesOf are the fields of a volume's source that are set.
func sourcesOf(v corev1.Volume) []string {
	var out []string
	source := reflect.ValueOf(v.VolumeSource)
	for i := range source.NumField() {
		if !source.Field(i).IsNil() {
			out = append(out, source.Type().Field(i).Name)
		}
	}
	return out
}

func seLinux() map[string]*corev1.SELinuxOptions {
	out := map[string]*corev1.SELinuxOptions{
		"no SELinux":         nil,
		"SELinux empty":      {},
		"SELinux level":      {Level: "s0:c1,c2"},
		"SELinux user":       {User: "system_u"},
		"SELinux role":       {Role: "sysadm_r"},
		"SELinux everything": {User: "system_u", Role: "sysadm_r", Type: "spc_t", Level: "s0"},
	}
	for _, t := range []string{"container_t", "container_init_t", "container_kvm_t", "container_engine_t", "container_x", "spc_t"} {
		out["SELinux type "+t] = &corev1.SELinuxOptions{Type: t}
	}
	return out
}

type containerChange struct {
	name  string
	apply func(*corev1.Container)
}

func containerChanges() []containerChange {
	var out []containerChange
	context := func(name string, f func(*corev1.SecurityContext)) {
		out = append(out, containerChange{name, func(c *corev1.Container) {
			if c.SecurityContext == nil {
				c.SecurityContext = &corev1.SecurityContext{}
			}
			f(c.SecurityContext)
		}})
	}
	out = append(out, containerChange{"no securityContext", func(c *corev1.Container) { c.SecurityContext = nil }})
	for name, b := range booleans() {
		context("privileged "+name, func(c *corev1.SecurityContext) { c.Privileged = b })
		context("allowPrivilegeEscalation "+name, func(c *corev1.SecurityContext) { c.AllowPrivilegeEscalation = b })
		context("runAsNonRoot "+name, func(c *corev1.SecurityContext) { c.RunAsNonRoot = b })
		context("hostProcess "+name, func(c *corev1.SecurityContext) {
			c.WindowsOptions = &corev1.WindowsSecurityContextOptions{HostProcess: b}
		})
	}
	context("runAsUser unset", func(c *corev1.SecurityContext) { c.RunAsUser = nil })
	context("runAsUser 0", func(c *corev1.SecurityContext) { c.RunAsUser = new(int64(0)) })
	context("runAsUser 1", func(c *corev1.SecurityContext) { c.RunAsUser = new(int64(1)) })
	for name, d := range map[string][]corev1.Capability{
		"nothing": nil, "ALL": {"ALL"}, "all": {"all"}, "NET_RAW": {"NET_RAW"}, "CHOWN and ALL": {"CHOWN", "ALL"},
	} {
		context("drop "+name, func(c *corev1.SecurityContext) { capabilitiesOf(c).Drop = d })
	}
	context("no capabilities", func(c *corev1.SecurityContext) { c.Capabilities = nil })
	for _, a := range []corev1.Capability{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP",
		"SETUID", "SYS_CHROOT", "NET_RAW", "SYS_ADMIN", "ALL", "CAP_CHOWN", "chown",
	} {
		context("add "+string(a), func(c *corev1.SecurityContext) {
			capabilitiesOf(c).Add = append(capabilitiesOf(c).Add, a)
		})
	}
	context("no seccomp", func(c *corev1.SecurityContext) { c.SeccompProfile = nil })
	for _, t := range seccompTypes {
		context("seccomp "+string(t), func(c *corev1.SecurityContext) { c.SeccompProfile = &corev1.SeccompProfile{Type: t} })
	}
	for _, t := range appArmorTypes {
		context("AppArmor "+string(t), func(c *corev1.SecurityContext) { c.AppArmorProfile = &corev1.AppArmorProfile{Type: t} })
	}
	for name, o := range seLinux() {
		context(name, func(c *corev1.SecurityContext) { c.SELinuxOptions = o.DeepCopy() })
	}
	for _, m := range []corev1.ProcMountType{"Default", "Unmasked", ""} {
		context("procMount "+string(m), func(c *corev1.SecurityContext) { c.ProcMount = &m })
	}
	for _, port := range []int32{0, 1, 8080} {
		out = append(out, containerChange{fmt.Sprintf("hostPort %d", port), func(c *corev1.Container) {
			c.Ports = append(c.Ports, corev1.ContainerPort{ContainerPort: 8080, HostPort: port})
		}})
	}
	return append(out, hookChanges()...)
}

func capabilitiesOf(c *corev1.SecurityContext) *corev1.Capabilities {
	if c.Capabilities == nil {
		c.Capabilities = &corev1.Capabilities{}
	}
	return c.Capabilities
}

// hookChanges set each probe and hook, by each way of calling a host.
func hookChanges() []containerChange {
	var out []containerChange
	for _, host := range []string{"", "127.0.0.1", "other.example"} {
		for way, h := range map[string]corev1.LifecycleHandler{
			"httpGet":   {HTTPGet: &corev1.HTTPGetAction{Host: host}},
			"tcpSocket": {TCPSocket: &corev1.TCPSocketAction{Host: host}},
			"exec":      {Exec: &corev1.ExecAction{Command: []string{host}}},
		} {
			probe := func() *corev1.Probe {
				return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: h.Exec, HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket}}
			}
			lifecycle := func(c *corev1.Container) *corev1.Lifecycle {
				if c.Lifecycle == nil {
					c.Lifecycle = &corev1.Lifecycle{}
				}
				return c.Lifecycle
			}
			for name, set := range map[string]func(*corev1.Container){
				"livenessProbe":  func(c *corev1.Container) { c.LivenessProbe = probe() },
				"readinessProbe": func(c *corev1.Container) { c.ReadinessProbe = probe() },
				"startupProbe":   func(c *corev1.Container) { c.StartupProbe = probe() },
				"postStart":      func(c *corev1.Container) { lifecycle(c).PostStart = h.DeepCopy() },
				"preStop":        func(c *corev1.Container) { lifecycle(c).PreStop = h.DeepCopy() },
			} {
				out = append(out, containerChange{fmt.Sprintf("%s %s %q", name, way, host), set})
			}
		}
	}
	return out
}
