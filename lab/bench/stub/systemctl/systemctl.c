// systemctl and journalctl in a world of the crash tests: asks process 1
// (lab/bench/stub/systemd). It is started forty times in a run, and there are
// thousands of runs, so it is static and in C: a third of a millisecond.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct sockaddr_un process1 = {AF_UNIX, "/run/systemd/private"};
static char text[1 << 16];

// All of text, or nothing.
static int put(int fd, const char *from, size_t n) {
	while (n > 0) {
		ssize_t wrote = write(fd, from, n);
		if (wrote <= 0) return 0;
		from += wrote, n -= wrote;
	}
	return 1;
}

// The question is the arguments with NUL between them and a line's end; the answer is code, NUL, output, NUL, errors. Its
// length, or -1.
static ssize_t ask(int argc, char **argv) {
	size_t n = 0;
	for (int i = 1; i < argc; i++) {
		size_t more = strlen(argv[i]);
		if (n + more + 2 > sizeof text) return -1;
		memcpy(text + n, argv[i], more);
		n += more;
		text[n++] = i + 1 < argc ? 0 : '\n';
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&process1, sizeof process1) != 0 || !put(fd, text, n)) return -1;
	size_t got = 0;
	for (;;) {
		ssize_t more = read(fd, text + got, sizeof text - 1 - got);
		if (more < 0) return -1;
		if (more == 0) break;
		got += more;
	}
	text[got] = 0;
	return got;
}

int main(int argc, char **argv) {
	size_t name = strlen(argv[0]);
	if (name >= 10 && strcmp(argv[0] + name - 10, "journalctl") == 0) {
		puts("nothing is logged here");
		return 0;
	}
	ssize_t got = argc > 1 ? ask(argc, argv) : -1;
	char *out = got > 2 && text[1] == 0 ? text + 2 : NULL;
	char *errors = out && strlen(out) < (size_t)got - 2 ? out + strlen(out) + 1 : NULL;
	if (!errors) {
		fputs("System has not been booted with systemd as init system, or it does not answer\n", stderr);
		return 1;
	}
	put(1, out, strlen(out));
	put(2, errors, strlen(errors));
	return text[0] - '0';
}
