/* SPDX-License-Identifier: MIT */
/* In place of kernel_netns.c and kernel_sysctl.c, and (with the linker's --wrap) of the system calls
 * that are about sockets. Each datagram stands in memory of just its size, so that the sanitizer
 * sees any byte read beyond. */
#include "fake_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define SPACES_MAX 8

static struct {
	struct kernel *kernel;
	const uint8_t *stream;
	size_t left;
	uint32_t sequence; /* of the message sent last */
} fake;

/* --- namespaces ------------------------------------------------------------------ */

static void add_space(struct kernel *k)
{
	struct space *s = array_push(&k->spaces);

	s->fd = s->socket = 0;
	s->cookie = k->spaces.n;
	s->sequence = 1;
	s->max_replies = 3;
}

struct kernel *fake_kernel_open(const uint8_t *stream, size_t size)
{
	struct kernel *k = xcalloc(1, sizeof(*k));

	k->scratch = k->proc = k->netns_dir = -1;
	for (size_t i = 0; i < SPACES_MAX; i++)
		add_space(k);
	fake.kernel = k;
	fake.stream = stream;
	fake.left = size;
	fake.sequence = 0;
	return k;
}

void fake_kernel_close(struct kernel *k)
{
	array_each(&k->spaces, s) {
		buf_free(&s->queue);
		array_free(&s->requests);
	}
	if (k->message)
		nlmsg_free(k->message);
	array_free(&k->spaces);
	array_free(&k->queued);
	array_free(&k->refused);
	free(k->reply);
	free(k);
}

struct space *kernel_space(const struct kernel *k, int handle)
{
	return handle >= 0 && (size_t)handle < k->spaces.n ? &k->spaces.items[handle] : NULL;
}

int kernel_enter(struct kernel *k, int handle)
{
	return kernel_space(k, handle) ? 0 : -ENOENT;
}

void kernel_leave(struct kernel *k)
{
	(void)k;
}

int kernel_unshare(struct kernel *k, bool stay, int *ret_handle)
{
	(void)k, (void)stay;
	*ret_handle = SPACES_MAX - 1;
	return 0;
}

/* The first letter tells: namespaces a, b, c, ..., all of which are open. */
int kernel_hold_netns(struct kernel *k, int dir, const struct netns *n, bool talk,
		      struct space *ret, int *ret_handle)
{
	(void)k, (void)dir, (void)talk, (void)ret;
	*ret_handle = n->class == NETNS_HOST ? HANDLE_HOST : 1 + (n->name[0] - 'a');
	return *ret_handle >= 0 && *ret_handle < SPACES_MAX - 1 ? 0 : -ENOENT;
}

int kernel_add_space(struct kernel *k, struct space *s)
{
	(void)k, (void)s;
	abort();
}

int kernel_open_failed(const struct netns *n, int error, struct diags *d)
{
	(void)n, (void)d;
	return error;
}

int kernel_open_stray(int dir, const char *name)
{
	(void)dir;
	(void)name;
	return -ENOENT;
}

int kernel_open_netns_dir(void)
{
	errno = ENOENT;
	return -1;
}

int read_processes(struct reader *r)
{
	(void)r;
	return 0;
}

int sysctl_get(struct kernel *k, const char *path, struct arena *a, const char **ret_value)
{
	(void)k, (void)path;
	*ret_value = arena_strdup(a, "0");
	return 0;
}

/* --- sockets --------------------------------------------------------------------- */

int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int socket, const struct sockaddr *address, socklen_t size);
int __wrap_setsockopt(int socket, int level, int option, const void *value, socklen_t size);
int __wrap_getsockopt(int socket, int level, int option, void *value, socklen_t *size);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
ssize_t __wrap_send(int socket, const void *data, size_t size, int flags);
ssize_t __wrap_recvmsg(int socket, struct msghdr *msg, int flags);

int __wrap_socket(int domain, int type, int protocol)
{
	(void)domain, (void)type, (void)protocol;
	return open("/dev/null", O_RDWR | O_CLOEXEC); /* it will be closed */
}

int __wrap_bind(int socket, const struct sockaddr *address, socklen_t size)
{
	(void)socket, (void)address, (void)size;
	return 0;
}

int __wrap_setsockopt(int socket, int level, int option, const void *value, socklen_t size)
{
	(void)socket, (void)level, (void)option, (void)value, (void)size;
	return 0;
}

int __wrap_getsockopt(int socket, int level, int option, void *value, socklen_t *size)
{
	(void)socket, (void)level, (void)option, (void)value, (void)size;
	return 0;
}

/* No time passes: there is something to be read, or there never will be. */
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)timeout;
	if (fake.left < sizeof(struct frame))
		return 0;
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = fds[i].events;
	return (int)n;
}

ssize_t __wrap_send(int socket, const void *data, size_t size, int flags)
{
	const struct nlmsghdr *h = data;
	int left = (int)size;

	(void)socket, (void)flags;
	for (; nlmsg_ok(h, left); h = nlmsg_next((struct nlmsghdr *)h, &left))
		fake.sequence = h->nlmsg_seq;
	return (ssize_t)size;
}

static void set_sequences(void *datagram, size_t size)
{
	struct nlmsghdr *h = datagram;
	int left = (int)size;

	for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
		h->nlmsg_seq += fake.sequence;
}

static struct frame next_frame(const uint8_t **ret_data)
{
	struct frame frame;

	memcpy(&frame, fake.stream, sizeof(frame));
	fake.stream += sizeof(frame);
	fake.left -= sizeof(frame);
	if (frame.size > fake.left)
		frame.size = (uint16_t)fake.left;
	*ret_data = fake.stream;
	fake.stream += frame.size;
	fake.left -= frame.size;
	return frame;
}

ssize_t __wrap_recvmsg(int socket, struct msghdr *msg, int flags)
{
	struct sockaddr_nl *from = msg->msg_name;
	const uint8_t *data;
	struct frame frame;

	(void)socket, (void)flags;
	if (fake.left < sizeof(frame)) {
		errno = EAGAIN;
		return -1;
	}
	frame = next_frame(&data);
	if (frame.kind == FRAME_LOST) {
		errno = ENOBUFS;
		return -1;
	}
	*from = (struct sockaddr_nl){.nl_family = AF_NETLINK,
				     .nl_pid = frame.kind == FRAME_STRANGER};
	msg->msg_flags = frame.kind == FRAME_CUT ? MSG_TRUNC : 0;
	free(fake.kernel->reply);
	fake.kernel->reply = xmalloc(frame.size);
	if (frame.size)
		memcpy(fake.kernel->reply, data, frame.size);
	set_sequences(fake.kernel->reply, frame.size);
	return frame.size;
}
