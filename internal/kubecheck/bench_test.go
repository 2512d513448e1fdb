package kubecheck

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/contain-platform/contain/internal/model"
	"github.com/contain-platform/contain/internal/object"
	"github.com/contain-platform/contain/internal/render"
)

// BenchmarkFleet is a fleet in which most units are the same objects in every
// cluster, and one in eight is the cluster's own.
func BenchmarkFleet(b *testing.B) {
	files, err := filepath.Glob(filepath.Join("..", "..", "catalog", "testdata", "*.txtar"))
	if err != nil {
		b.Fatal(err)
	}
	var texts [][]byte
	for _, f := range files {
		a, err := txtar.ParseFile(f)
		if err != nil {
			b.Fatal(err)
		}
		for _, file := range a.Files {
			if strings.HasSuffix(file.Name, "/want.yaml") {
				texts = append(texts, file.Data)
				break // one variant of each component
			}
		}
	}
	p := &model.Platform{Clusters: map[string]model.Cluster{}}
	shared := make([][]*object.Object, len(texts))
	for i, text := range texts {
		shared[i] = objectsIn(b, text)
	}
	var clusters []render.Cluster
	n := 0
	for c := range 100 {
		name := fmt.Sprintf("c%d", c)
		p.Clusters[name] = model.Cluster{Kubernetes: model.Kubernetes{Version: "1.36"}}
		cluster := render.Cluster{Name: name}
		for i, text := range texts {
			objs := shared[i]
			if i%8 == 0 {
				objs = objectsIn(b, text)
			}
			n += len(objs)
			cluster.Units = append(cluster.Units, render.Unit{Unit: model.Unit{Name: fmt.Sprintf("u%02d", i)}, Objects: objs})
		}
		clusters = append(clusters, cluster)
	}
	for b.Loop() {
		Check(p, clusters)
	}
	b.ReportMetric(float64(n), "objects")
}
