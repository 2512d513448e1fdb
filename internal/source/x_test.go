package source
import ("testing";"os";"fmt";"time")
func TestX(t *testing.T){
 t0:=time.Now()
 s,f:=Load(os.DirFS("../.."),"examples/x")
 fmt.Println(f, time.Since(t0))
 t0=time.Now()
 p,f:=s.Decode()
 fmt.Println(f, time.Since(t0))
 for _,c:=range []string{"eu1","us1"} {
 for _,u:=range p.Units[c] {
 t0=time.Now()
   o,f:=s.Render(u.Template,u.In)
   fmt.Println(c,u.Name,len(o),f, time.Since(t0))
 }}
 t0=time.Now()
 fmt.Println(s.Locator().Field("eu1","cert-manager","release",[]string{"spec","values","replicaCount"}), time.Since(t0))
 fmt.Println(s.Locator().Field("eu1","cert-manager-config","issuer-platform",[]string{"spec","acme","server"}), time.Since(t0))
 fmt.Println(s.Locator().Field("eu1","cert-manager-config","secret-foo",[]string{"spec","data","0"}), time.Since(t0))
 fmt.Println(s.Locator().Field("eu1","access","grant-operator-acme-sre",[]string{"subjects","0","name"}), time.Since(t0))
 fmt.Println(s.Locator().Path("platform.clusters.eu1.infrastructure.workers.count"), time.Since(t0))
 fmt.Println(s.Locator().Path("platform.access.groups.\"acme-sre\".roles.operator"), time.Since(t0))
}
