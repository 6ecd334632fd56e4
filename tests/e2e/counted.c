/* SPDX-License-Identifier: MIT */
/* Preloaded into nsapply (LD_PRELOAD): counts allocations and netlink requests, and at the end
 * writes "allocations N", "changes N", "dumps N" and "questions N" to the file that
 * NSAPPLY_COUNTS names. glibc's own names of malloc and the like are called directly, because
 * dlsym() would allocate. */
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static atomic_ulong allocations, changes, dumps, questions;

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	allocations++;
	return __libc_realloc(p, size);
}

static int is_netlink(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK;
}

static void count_requests(const char *data, size_t size)
{
	uint32_t left = (uint32_t)size;

	for (const struct nlmsghdr *h = (const void *)data; NLMSG_OK(h, left);
	     h = NLMSG_NEXT(h, left)) {
		if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
			dumps++;
		else if ((h->nlmsg_type & 3) == (RTM_GETLINK & 3))
			questions++;
		else
			changes++;
	}
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
	       socklen_t to_size)
{
	if (is_netlink(fd))
		count_requests(data, size);
	return syscall(SYS_sendto, fd, data, size, flags, to, to_size);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	return sendto(fd, data, size, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (is_netlink(fd))
		for (size_t i = 0; i < m->msg_iovlen; i++)
			count_requests(m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
	return syscall(SYS_sendmsg, fd, m, flags);
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("NSAPPLY_COUNTS");
	unsigned long n = allocations;
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return;
	dprintf(fd, "allocations %lu\nchanges %lu\ndumps %lu\nquestions %lu\n", n, changes, dumps,
		questions);
	close(fd);
}
