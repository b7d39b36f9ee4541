// Kubernetes 1.37 under K3s' face; what differs from other minors is in deps.mod.
package main

import "belay.test/dist/inner"

func main() { inner.Main() }
