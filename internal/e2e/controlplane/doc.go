// Package controlplane runs a real Kubernetes control plane and real Flux
// controllers as ordinary processes on loopback, for tests: etcd,
// kube-apiserver, kube-controller-manager, source-controller and
// kustomize-controller. There are no nodes, so Pods are accepted and never run.
//
// The programs come from build.sh beside this file, which builds them from the
// nested modules that pin them; etcd is the one of the distribution. A test
// package starts one control plane and shares it:
//
//	crds, err := controlplane.ModuleCRDs(ctx, controlplane.FluxModules()...)
//	cp, err := controlplane.Start(ctx, controlplane.Options{Bin: bin, Dir: dir, Flux: true, CRDs: crds})
//	defer cp.Stop()
//	registry, err := controlplane.StartRegistry()
//	defer registry.Close()
//
//	err = cp.Apply(ctx, objs)                  // for real
//	refused, err := cp.DryRun(ctx, objs)       // strict, on the server, nothing stored
//	_, err = cp.WaitCondition(ctx, id, controlplane.Ready)
//	cp.Kubeconfig                              // for programs that are run beside it
//
// Invariants:
//   - Every port is on 127.0.0.1 and picked free; control planes run beside each
//     other.
//   - Everything that is written is under Options.Dir: certificates, data, and
//     one log per process, <name>.log.
//   - No process outlives the one that started it: each has its own process
//     group, killed by Stop, by the end of the context, and (on Linux) by the
//     kernel when the starting process dies.
//   - An error about a process holds the end of its log.
package controlplane
