/* SPDX-License-Identifier: MIT */
/* Sockets inside namespaces, for whoever sends packets rather than requests. A
 * socket stays in the namespace where it was made. */
#include "kernel_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int kernel_netns_open(struct kernel *k, struct netns *n, struct diags *d)
{
	cleanup_close int dir = kernel_open_netns_dir();
	int handle = HANDLE_NONE, error = kernel_open_netns(k, dir, n, &handle, d);

	kernel_leave(k);
	if (error == -ESTALE) /* of a name that is no namespace */
		return -ENOENT;
	if (error)
		return error;
	n->handle = handle;
	n->cookie = kernel_space(k, handle)->cookie;
	return 0;
}

int kernel_socket(struct kernel *k, const struct netns *n, int family, int type, int protocol)
{
	int fd, error = kernel_enter(k, n->handle);

	if (error)
		return error;
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	error = -errno;
	kernel_leave(k);
	if (!k->lost)
		return fd < 0 ? error : fd;
	if (fd >= 0)
		close(fd);
	return -EIO;
}
