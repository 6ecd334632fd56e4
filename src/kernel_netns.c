/* SPDX-License-Identifier: MIT */
/* Namespaces that are held open, and moving this thread between them.
 *
 * Owns the table of spaces. A namespace is found again by device and inode of
 * its nsfs file, which cannot be reused while we hold it open; across runs it is
 * known by its cookie. The thread is in its own namespace whenever a function of
 * kernel.h returns. If it cannot go back (which takes a privilege lost
 * meanwhile) nothing more is done: it would be done in the wrong place. */
#include "kernel_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif
#ifndef NS_GET_ID
#define NS_GET_ID _IOR(NSIO, 13, uint64_t) /* Linux 6.18 */
#endif

#define OWN_NETNS "/proc/thread-self/ns/net"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
/* The way back opens /run/netns, a name in it, a sysctl below a procfs of its own, a socket that
 * hears of what is gone, and writes a record. */
#define FILES_HELD_BACK 10
/* The kernel may lack the memory for a moment, and there is no other place to be in. */
#define LEAVE_TRIES 10

/* --- the table of spaces ---------------------------------------------------------- */

struct space *kernel_space(const struct kernel *k, int handle)
{
	if (handle < 0 || (size_t)handle >= k->spaces.n || k->spaces.items[handle].fd < 0)
		return NULL;
	return &k->spaces.items[handle];
}

static int *bucket(struct kernel *k, ino_t ino)
{
	return &k->buckets[ino % SPACE_BUCKETS];
}

/* What the file itself says of its namespace; 0: nothing. */
static uint64_t read_id(int fd)
{
	uint64_t id = 0;

	return ioctl(fd, NS_GET_ID, &id) < 0 ? 0 : id;
}

/* Opens the socket of a namespace that this thread is in. */
static int open_socket(struct space *s)
{
	socklen_t len = sizeof(s->cookie);
	int error;

	s->socket = netlink_open(0);
	if (s->socket < 0)
		return s->socket;
	/* Linux before 5.14 has no cookies: 0, not known. */
	if (getsockopt(s->socket, SOL_SOCKET, SO_NETNS_COOKIE, &s->cookie, &len) == 0 ||
	    errno == ENOPROTOOPT)
		return 0;
	error = -errno;
	close(s->socket);
	return error;
}

static int find_space(struct kernel *k, dev_t dev, ino_t ino)
{
	int handle = *bucket(k, ino);

	while (handle != HANDLE_NONE) {
		const struct space *s = &k->spaces.items[handle];

		if (s->ino == ino && s->dev == dev)
			return handle;
		handle = s->next;
	}
	return HANDLE_NONE;
}

int kernel_find_space(struct kernel *k, const struct stat *st)
{
	return find_space(k, st->st_dev, st->st_ino);
}

static void close_files(struct space *s)
{
	if (s->fd < 0)
		return;
	if (s->socket >= 0)
		close(s->socket);
	close(s->fd);
	s->fd = s->socket = -1;
	buf_free(&s->queue);
	array_free(&s->requests);
}

int kernel_add_space(struct kernel *k, struct space *s)
{
	int handle = find_space(k, s->dev, s->ino), *head;

	if (handle != HANDLE_NONE) {
		close_files(s);
		return handle;
	}
	head = bucket(k, s->ino);
	handle = (int)k->spaces.n;
	s->next = *head;
	*head = handle;
	array_add(&k->spaces, *s);
	return handle;
}

void kernel_close_space(struct kernel *k, int handle)
{
	struct space *s = kernel_space(k, handle);
	int *link;

	if (!s)
		return;
	for (link = bucket(k, s->ino); *link != handle; link = &k->spaces.items[*link].next)
		;
	*link = s->next;
	close_files(s);
}

/* --- moving ------------------------------------------------------------------------ */

int kernel_enter(struct kernel *k, int handle)
{
	struct space *s = kernel_space(k, handle);

	if (k->lost)
		return -EIO;
	if (!s)
		return -ENOENT;
	if (k->current == handle)
		return 0;
	if (setns(s->fd, CLONE_NEWNET) < 0)
		return -errno;
	k->current = handle;
	return 0;
}

void kernel_leave(struct kernel *k)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	int tries = LEAVE_TRIES;

	if (k->current == HANDLE_HOST || k->lost)
		return;
	while (!k->lost && setns(k->spaces.items[HANDLE_HOST].fd, CLONE_NEWNET) < 0) {
		k->lost = --tries == 0;
		nanosleep(&pause, NULL);
	}
	k->current = HANDLE_HOST;
}

/* Takes fd over: what it stands for is not known yet. */
static int new_space(int fd, struct space *ret)
{
	struct stat st;
	int error;

	if (fstat(fd, &st) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*ret = (struct space){
		.fd = fd, .socket = -1, .dev = st.st_dev, .ino = st.st_ino, .sequence = 1};
	return 0;
}

static int add_own_space(struct kernel *k, int *ret_handle)
{
	int fd = open(OWN_NETNS, O_RDONLY | O_CLOEXEC), error;
	struct space s;

	if (fd < 0)
		return -errno;
	error = new_space(fd, &s);
	if (error)
		return error;
	error = open_socket(&s);
	if (error)
		close(fd);
	else
		*ret_handle = kernel_add_space(k, &s);
	return error;
}

int kernel_unshare(struct kernel *k, bool stay, int *ret_handle)
{
	int error;

	/* From our own namespace: what a new one inherits may come from the current one
	 * (net.core.devconf_inherit_init_net = 3). */
	kernel_leave(k);
	if (k->lost)
		return -EIO;
	if (!k->returns)
		return -EPERM;
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	k->current = HANDLE_NONE;
	error = add_own_space(k, ret_handle);
	if (error || !stay)
		kernel_leave(k);
	else
		k->current = *ret_handle;
	return error;
}

/* The cookie and, to talk, the socket. A netlink socket keeps its namespace for an RCU grace period after
 * it was closed (netlink_release() in net/netlink/af_netlink.c), so one that is about to go is not given any,
 * where its cookie is to be had without. */
static int complete_space(struct kernel *k, struct space *s, bool talk)
{
	if (k->lost)
		return -EIO;
	if (k->ids_are_cookies && !talk) {
		s->cookie = read_id(s->fd);
		if (s->cookie)
			return 0;
	}
	if (!k->returns)
		return -EPERM;
	if (setns(s->fd, CLONE_NEWNET) < 0)
		return -errno;
	k->current = HANDLE_NONE;
	return open_socket(s);
}

/* Takes fd over. A namespace that is open already has a handle; any other gets it from kernel_add_space(). */
static int hold_fd(struct kernel *k, int fd, bool talk, struct space *ret, int *ret_handle)
{
	struct space s;
	int error = new_space(fd, &s);

	if (error)
		return error;
	*ret_handle = find_space(k, s.dev, s.ino);
	if (*ret_handle == HANDLE_NONE) {
		error = complete_space(k, &s, talk);
		if (!error) {
			*ret = s;
			return 0;
		}
	}
	close(fd);
	return error;
}

/* --- opening by description ---------------------------------------------------------- */

int kernel_hold_netns(struct kernel *k, int dir, const struct netns *n, bool talk,
		      struct space *ret, int *ret_handle)
{
	bool named = n->class == NETNS_OWNED || n->class == NETNS_NAMED;
	int fd, is_netns;

	*ret_handle = HANDLE_HOST;
	if (n->class == NETNS_HOST)
		return 0;
	fd = kernel_open_netns_file(dir, n);
	if (fd < 0)
		return named && errno == ELOOP ? -ESTALE /* a symbolic link */ : -errno;
	is_netns = kernel_is_netns(fd);
	if (is_netns <= 0) {
		close(fd);
		return is_netns ? is_netns
				: -ESTALE; /* such as the file that a mount has left behind */
	}
	return hold_fd(k, fd, talk, ret, ret_handle);
}

void kernel_hint_root(const char *what, struct diags *d)
{
	diag_hint(
		d,
		"%s takes root (CAP_SYS_ADMIN); inside a user namespace, make a network namespace "
		"together with it (unshare --user --map-root-user --mount --net)",
		what);
}

int kernel_open_failed(const struct netns *n, int error, struct diags *d)
{
	if (error == -ENOENT || error == -ESTALE)
		return error;
	diag_error(d, error, n->mark, "cannot open namespace %s: %s", n->name, strerror(-error));
	if (error == -EPERM || error == -EACCES)
		kernel_hint_root("entering a namespace", d);
	return error;
}

int kernel_open_netns(struct kernel *k, int dir, const struct netns *n, int *ret_handle,
		      struct diags *d)
{
	struct space s;
	int error = kernel_hold_netns(k, dir, n, false, &s, ret_handle);

	if (error)
		return kernel_open_failed(n, error, d);
	if (*ret_handle == HANDLE_NONE)
		*ret_handle = kernel_add_space(k, &s);
	return 0;
}

uint64_t kernel_netns_cookie(struct kernel *k, const struct netns *n)
{
	cleanup_close int dir = kernel_open_netns_dir();
	struct diags ignored = {0}; /* whoever reads it will tell */
	int handle = HANDLE_NONE, error = kernel_open_netns(k, dir, n, &handle, &ignored);

	diags_free(&ignored);
	kernel_leave(k);
	return error ? 0 : kernel_space(k, handle)->cookie;
}

/* --- open and close -------------------------------------------------------------------- */

static int read_boot_id(struct kernel *k, struct diags *d)
{
	ssize_t n = read_start(BOOT_ID, k->boot_id, sizeof(k->boot_id));

	if (n < 0)
		return diag_error(d, (int)n, NO_MARK, "cannot read %s: %s", BOOT_ID,
				  strerror((int)-n));
	k->boot_id[strcspn(k->boot_id, "\n")] = '\0';
	return 0;
}

static void raise_file_limit(struct kernel *k)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &k->files) < 0)
		return;
	limit = k->files;
	limit.rlim_cur = limit.rlim_max;
	if (k->files.rlim_cur < limit.rlim_cur)
		setrlimit(RLIMIT_NOFILE, &limit);
}

int kernel_hold_back_files(struct kernel *k, struct diags *d)
{
	for (int i = 0; i < FILES_HELD_BACK; i++) {
		int fd = fcntl(k->spaces.items[HANDLE_HOST].fd, F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return diag_error(d, -errno, NO_MARK,
					  "cannot open the files that this takes: %s",
					  strerror(errno));
		array_add(&k->held_back, fd);
	}
	return 0;
}

void kernel_let_go_files(struct kernel *k)
{
	array_each(&k->held_back, fd)
		close(*fd);
	k->held_back.n = 0;
}

bool kernel_release_at_least(int major, int minor)
{
	struct utsname name;
	int a = 0, b = 0;

	if (uname(&name) < 0 || sscanf(name.release, "%d.%d", &a, &b) != 2)
		return false;
	return a > major || (a == major && b >= minor);
}

int kernel_open(struct kernel **ret_kernel, struct diags *d)
{
	struct kernel *k = xcalloc(1, sizeof(*k));
	const struct space *own;
	int handle, error;

	k->current = HANDLE_HOST;
	k->scratch = k->proc = k->proc_handle = k->netns_dir = -1;
	for (size_t i = 0; i < SPACE_BUCKETS; i++)
		k->buckets[i] = HANDLE_NONE;
	k->has_address_proto = kernel_release_at_least(5, 18);
	k->chooses_index = kernel_release_at_least(5, 12);
	raise_file_limit(k);
	error = read_boot_id(k, d);
	if (error)
		goto fail;
	error = add_own_space(k, &handle);
	if (error) {
		diag_error(d, error, NO_MARK, "cannot open our own network namespace: %s",
			   strerror(-error));
		goto fail;
	}
	/* Who may not is to be told so at the first look, not when a part of a lab is made or gone. */
	own = &k->spaces.items[handle];
	k->returns = setns(own->fd, CLONE_NEWNET) == 0;
	k->ids_are_cookies = k->returns && own->cookie && read_id(own->fd) == own->cookie;
	*ret_kernel = k;
	return 0;
fail:
	kernel_close(k);
	return error;
}

static int close_one(void *arg, size_t i)
{
	struct kernel *k = arg;

	close_files(&k->spaces.items[i]);
	return 0;
}

static void close_all(struct kernel *k)
{
	void *args[THREADS_MAX];

	for (size_t i = 0; i < THREADS_MAX; i++)
		args[i] = k; /* which is only read */
	threads_run(close_one, k->spaces.n, args, threads_worth(k->spaces.n));
}

void kernel_close(struct kernel *k)
{
	if (!k)
		return;
	close_all(k);
	if (k->message)
		nlmsg_free(k->message);
	if (k->proc >= 0)
		close(k->proc);
	if (k->netns_dir >= 0)
		close(k->netns_dir);
	while (k->waiting.n)
		kernel_process_forget(k, k->waiting.items[0].pid);
	array_free(&k->waiting);
	if (k->files.rlim_max) /* whoever comes next is to find it as it was, too */
		setrlimit(RLIMIT_NOFILE, &k->files);
	kernel_let_go_files(k);
	array_free(&k->held_back);
	array_free(&k->spaces);
	array_free(&k->queued);
	array_free(&k->refused);
	array_free(&k->defaults);
	free(k->reply);
	free(k);
}

const char *kernel_boot_id(const struct kernel *k)
{
	return k->boot_id;
}

uint64_t kernel_host_cookie(const struct kernel *k)
{
	return k->spaces.items[HANDLE_HOST].cookie;
}
