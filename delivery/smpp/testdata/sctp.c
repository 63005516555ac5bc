// Preloaded into osmo-msc where the kernel has no SCTP: its SS7 side, which the
// test does not use, gets TCP sockets and is told that their options are set.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

int socket(int domain, int type, int protocol) {
	int (*real)(int, int, int) = dlsym(RTLD_NEXT, "socket");
	return real(domain, protocol == IPPROTO_SCTP ? SOCK_STREAM | (type & ~0xf) : type, protocol == IPPROTO_SCTP ? 0 : protocol);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
	int (*real)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");
	return level == IPPROTO_SCTP ? 0 : real(fd, level, name, value, length);
}
