// What a release of the stub installs as data/<hash>/bin/k3s: a few kilobytes,
// told apart by what is appended, since Belay hashes it several times in a run
// and there are thousands of runs. What it does is in the library beside the
// node's directories (lab/bench/cmd/stubk3s).
#include <dlfcn.h>
#include <stdio.h>

int main(void) {
	void *library = dlopen("/stub/k3s.so", RTLD_NOW);
	int (*k3s)(void) = library ? (int (*)(void))dlsym(library, "K3s") : NULL;
	if (!k3s) {
		fprintf(stderr, "stub: %s\n", dlerror());
		return 1;
	}
	return k3s();
}
