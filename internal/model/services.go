package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/contain-platform/contain/internal/diag"
)

// ServiceRequest asks for a managed service; Kinds are the variants that are
// set.
type ServiceRequest struct {
	Namespace string
	Clusters  ClusterSet
	Kinds     map[string]ServiceAsk
}

// ServiceAsk is what a request says of its kind. Storage is "" where the size
// says it.
type ServiceAsk struct {
	Size    string `json:"size"`
	Storage string `json:"storage"`
}

// UnmarshalJSON takes the fields that are no kinds out of the struct.
func (s *ServiceRequest) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	s.Kinds = map[string]ServiceAsk{}
	for k, raw := range all {
		var err error
		switch k {
		case "namespace":
			err = json.Unmarshal(raw, &s.Namespace)
		case "clusters":
			err = json.Unmarshal(raw, &s.Clusters)
		default:
			var ask ServiceAsk
			err = json.Unmarshal(raw, &ask)
			s.Kinds[k] = ask
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Services are the sizes of managed services, by kind and size.
type Services map[string]struct {
	Sizes map[string]ServiceSize `json:"sizes"`
}

// ServiceSize is a size class. A database has Instances, a queue Replicas.
type ServiceSize struct {
	Instances int    `json:"instances"`
	Replicas  int    `json:"replicas"`
	Memory    string `json:"memory"`
	Storage   string `json:"storage"`
}

// Offers are a cluster's, by kind.
type Offers map[string]Offer

// Offer is what a cluster has for teams. Retention is of databases' backups.
type Offer struct {
	PerTeam struct {
		Instances int    `json:"instances"`
		Storage   string `json:"storage"`
	} `json:"perTeam"`
	Retention string `json:"retention"`
}

// UnmarshalJSON leaves out what is no kind.
func (o *Offers) UnmarshalJSON(b []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	*o = Offers{}
	for _, k := range serviceKinds {
		if raw, ok := all[k]; ok {
			var offer Offer
			if err := json.Unmarshal(raw, &offer); err != nil {
				return err
			}
			(*o)[k] = offer
		}
	}
	return nil
}

// serviceKinds are the kinds of managed services (schema/teams.cue), sorted,
// serviceNames what people call them, and servers the components that run them.
var (
	serviceKinds = []string{"objectStorage", "postgresql", "queue"}
	serviceNames = map[string]string{"postgresql": "PostgreSQL", "objectStorage": "object storage", "queue": "queues"}
	servers      = map[string]string{"postgresql": "cloudnative-pg", "objectStorage": "buckets", "queue": "rabbitmq"}
)

const (
	findingService = "teams/service"
	findingOffer   = "services/offer"
)

// servicePrefix begins the names of the namespaces that services run in.
const servicePrefix = "services-"

// services checks what clusters offer, and what teams ask of them.
func (c *checker) services() {
	for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
		c.offers(n)
	}
	buckets := map[string][]string{} // path by bucket
	for _, n := range slices.Sorted(maps.Keys(c.p.Teams)) {
		t := c.p.Teams[n]
		path := []string{"platform", "teams", n}
		for _, ns := range slices.Sorted(maps.Keys(t.Namespaces)) {
			if strings.HasPrefix(ns, servicePrefix) {
				c.add("model/namespace-owner", fmt.Sprintf("namespace %q cannot be a team's: teams' services run in those that begin with %q", ns, servicePrefix), "", append(path, "namespaces", ns)...)
			}
		}
		if made := servicePrefix + n; len(t.Services) > 0 && len(made) > longestNamespace {
			c.add(findingService, tooLong("the namespace of the team's services", made, longestNamespace), "", path...)
		}
		for _, s := range slices.Sorted(maps.Keys(t.Services)) {
			at := append(slices.Clone(path), "services", s)
			c.service(t, t.Services[s], at...)
			c.serviceNames(n, s, buckets)
		}
		for _, cl := range slices.Sorted(maps.Keys(c.p.Clusters)) {
			c.serviceQuotas(n, cl)
		}
	}
}

// offers checks that what a cluster offers can run there.
func (c *checker) offers(name string) {
	cl := c.p.Clusters[name]
	if len(cl.Services) == 0 {
		return
	}
	path := []string{"platform", "clusters", name, "services"}
	without := func(component, message string, path ...string) {
		if off := c.off(name, component); off != nil {
			f := c.add(findingOffer, message, "switch "+component+" on, or take the offer out", path...)
			f.Also = []string{f.Path, Path(off...)}
		}
	}
	if len(c.p.Management.Secrets) == 0 {
		c.add(findingOffer, "services' credentials go through the secret store, and the platform has none", "describe management: secrets", path...)
	}
	without("external-secrets", "services' credentials go through the secret store, and what speaks to it is off", path...)
	without("namespace-operator", "services are for teams' namespaces, and what makes them is off", path...)
	for _, k := range serviceKinds {
		offer, ok := cl.Services[k]
		if !ok {
			continue
		}
		at := append(slices.Clone(path), k)
		what := "the cluster offers managed " + serviceNames[k]
		without(servers[k], what+", and what runs them is off", at...)
		switch k {
		case "objectStorage":
			without("cert-manager", what+", and what makes the certificates is off", at...)
			without("csi", what+" by Rook, and the cluster's storage is off", at...)
			if c.off(name, "csi") == nil && !c.has(name, "csi", "rookCeph") {
				c.add(findingOffer, what+", and it has no Ceph of its own to keep it in", "say components: csi: values: rookCeph: {}, or take the offer out", at...)
			}
		case "queue":
			without("cert-manager", what+", and what makes the certificates is off", at...)
		case "postgresql":
			if len(c.p.Management.Backups) == 0 {
				f := c.add(findingOffer, what+", and databases have no backups: the platform has nowhere to put them", "describe management: backups", at...)
				f.Severity = diag.Warning
			} else {
				without("cert-manager", what+" with backups, and what makes the plugin's certificates is off", at...)
			}
			if d, err := time.ParseDuration(offer.Retention); err == nil && d < 24*time.Hour {
				c.add(findingOffer, fmt.Sprintf("backups of databases are made each day, and are kept for %s", offer.Retention), "keep them for 24h at least", append(at, "retention")...)
			}
		}
	}
}

// has tells whether a layer says something of a component's value.
func (c *checker) has(cluster, component, value string) bool {
	return slices.ContainsFunc(c.layersOf(cluster), func(l said) bool {
		_, ok := l.components[component].Values[value]
		return ok
	})
}

// service checks a request against what the clusters that it is for offer.
func (c *checker) service(t Team, s ServiceRequest, path ...string) {
	set := Variants{}
	for k := range s.Kinds {
		set[k] = nil
	}
	c.exactlyOne(set, "kind", serviceKinds, path...)
	before := len(c.findings)
	c.clusterSet(s.Clusters, append(slices.Clone(path), "clusters")...)
	known := len(c.findings) == before
	c.own(t, s.Namespace, append(slices.Clone(path), "namespace")...)
	if len(s.Kinds) != 1 || !known {
		return
	}
	for k, ask := range s.Kinds {
		at := append(slices.Clone(path), k)
		var has, asked, offered, missing, all []string
		for _, n := range slices.Sorted(maps.Keys(c.p.Clusters)) {
			cl := c.p.Clusters[n]
			_, offers := cl.Services[k]
			if offers {
				all = append(all, n)
			}
			if t.Clusters.Has(n, cl) {
				has = append(has, n)
			}
			if !s.on(t, n, cl) {
				continue
			}
			asked = append(asked, n)
			if offers {
				offered = append(offered, n)
				c.serviceWorkers(n, k, ask, at...)
			} else {
				missing = append(missing, n)
			}
		}
		hint := "no cluster offers it: describe services: " + k + " of one"
		if len(all) > 0 {
			hint = "ask for it on " + and(all) + ", which " + plural(len(all), "offers", "offer") + " it"
		}
		switch {
		case len(asked) == 0:
			c.add(findingService, "the request is for none of the team's clusters", "the team has "+and(has), append(slices.Clone(path), "clusters")...)
		case len(offered) == 0:
			c.add(findingService, fmt.Sprintf("%s %s no managed %s, which the team asks for there", and(missing), plural(len(missing), "offers", "offer"), serviceNames[k]), hint, at...)
		case len(missing) > 0:
			c.add(findingService, fmt.Sprintf("%s %s no managed %s, which the team asks for there as well", and(missing), plural(len(missing), "offers", "offer"), serviceNames[k]),
				"narrow clusters of the request to "+and(offered)+", or offer it there", at...)
		}
		size := c.p.Services[k].Sizes[ask.Size]
		if k == "queue" && ask.Storage != "" && bytes(ask.Storage) < 2*bytes(size.Memory) {
			c.add(findingService, fmt.Sprintf("a queue of %s storage and %s memory takes no messages: it stops while less of its disk is free than it has memory", ask.Storage, size.Memory),
				"ask for twice the memory at least", append(at, "storage")...)
		}
	}
}

// on tells whether a request is for a cluster.
func (s ServiceRequest) on(t Team, name string, cl Cluster) bool {
	return t.Clusters.Has(name, cl) && s.Clusters.Has(name, cl)
}

// serviceWorkers checks that every instance has a node of its own.
func (c *checker) serviceWorkers(cluster, kind string, ask ServiceAsk, path ...string) {
	size := c.p.Services[kind].Sizes[ask.Size]
	need, workers := max(size.Instances, size.Replicas), c.p.Clusters[cluster].Infrastructure.Workers.Count
	if workers == 0 || need <= workers {
		return
	}
	f := c.add(findingService, fmt.Sprintf("size %s has %d instances, each on a node of its own, and %s has %d workers", ask.Size, need, cluster, workers),
		"ask for a smaller size, or raise workers.count", path...)
	f.Cluster, f.Also = cluster, []string{f.Path, Path("platform", "clusters", cluster, "infrastructure", "workers", "count")}
}

// Limits of names, of which each is a part: CloudNativePG takes 50 characters
// (its webhook); a StatefulSet's Pods carry its name and a hash of 11 in a label
// of 63, and RabbitMQ's is called <name>-server; a bucket's name has 63.
const (
	longestDatabase  = 50
	longestQueue     = 45
	longestBucket    = 63
	longestNamespace = 63
)

// serviceNames checks what is made of the names of a team and its service.
func (c *checker) serviceNames(team, name string, buckets map[string][]string) {
	path := []string{"platform", "teams", team, "services", name}
	services := c.p.Teams[team].Services
	long := func(what, made string, most int) {
		if len(made) > most {
			c.add(findingService, tooLong(what, made, most), "", path...)
		}
	}
	s := services[name]
	if _, ok := s.Kinds["postgresql"]; ok {
		long("the database", name, longestDatabase)
	}
	if _, ok := s.Kinds["objectStorage"]; ok {
		bucket := team + "-" + name
		long("the bucket", bucket, longestBucket)
		if other, ok := buckets[bucket]; ok {
			f := c.add(findingService, fmt.Sprintf("two buckets would be called %q", bucket), "", path...)
			f.Also = []string{f.Path, Path(other...)}
		}
		buckets[bucket] = path
	}
	if _, ok := s.Kinds["queue"]; !ok {
		return
	}
	long("the queue", name, longestQueue)
	// A queue's Service has its name, and what others call theirs after their own is
	// none of a queue's.
	for _, end := range []struct{ suffix, kind string }{{"-rw", "postgresql"}, {"-ro", "postgresql"}, {"-r", "postgresql"}, {"-nodes", "queue"}} {
		of, ok := strings.CutSuffix(name, end.suffix)
		if !ok {
			continue
		}
		if _, ok := services[of].Kinds[end.kind]; ok {
			f := c.add(findingService, fmt.Sprintf("%s has a Service called %q, as the queue would", of, name), "give the queue another name", path...)
			f.Also = []string{f.Path, Path("platform", "teams", team, "services", of)}
		}
	}
}

func tooLong(what, made string, most int) string {
	return fmt.Sprintf("%s would be called %q, which is longer than %d characters", what, made, most)
}

// serviceQuotas checks that what a team asks of a cluster is within what it
// offers to each. Storage counts once, however many copies there are.
func (c *checker) serviceQuotas(team, cluster string) {
	t, cl := c.p.Teams[team], c.p.Clusters[cluster]
	for _, k := range serviceKinds {
		offer, ok := cl.Services[k]
		if !ok {
			continue
		}
		var names []string
		var storage float64
		for _, n := range slices.Sorted(maps.Keys(t.Services)) {
			s := t.Services[n]
			ask, ok := s.Kinds[k]
			if !ok || len(s.Kinds) != 1 || !s.on(t, cluster, cl) {
				continue
			}
			names = append(names, n)
			if ask.Storage == "" {
				ask.Storage = c.p.Services[k].Sizes[ask.Size].Storage
			}
			storage += bytes(ask.Storage)
		}
		over := func(message, field string) {
			last := names[len(names)-1]
			f := c.add(findingService, message, "ask for less, or raise perTeam of the offer", "platform", "teams", team, "services", last, k)
			f.Cluster, f.Also = cluster, []string{f.Path, Path("platform", "clusters", cluster, "services", k, "perTeam", field)}
		}
		if len(names) > offer.PerTeam.Instances {
			over(fmt.Sprintf("%s are %d services of managed %s, and %s offers %d to a team", and(names), len(names), serviceNames[k], cluster, offer.PerTeam.Instances), "instances")
		}
		if most := bytes(offer.PerTeam.Storage); len(names) > 0 && most > 0 && storage > most {
			over(fmt.Sprintf("%s %s for %.4gGi of managed %s, and %s offers %s to a team", and(names), plural(len(names), "asks", "ask"), storage/(1<<30), serviceNames[k], cluster, offer.PerTeam.Storage), "storage")
		}
	}
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// bytes reads a schema.#Quantity; 0 for what is none.
func bytes(quantity string) float64 {
	digits := strings.TrimRight(quantity, "mkKMGTPi")
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0
	}
	factor, ok := map[string]float64{
		"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
		"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50,
	}[quantity[len(digits):]]
	if !ok {
		return 0
	}
	return n * factor
}
