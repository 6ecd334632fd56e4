/* SPDX-License-Identifier: MIT */
/* Making, naming and deleting namespaces, and looking at all that have a name.
 *
 * A name is a file under /run/netns with the namespace mounted on it, as
 * iproute2's `ip netns add` leaves it (ip/ipnetns.c), so that either tool can work
 * with what the other has made. Traps: the folder must be a shared mount of its
 * own before the first name is mounted, or a later `ip netns` turns it into one
 * and our mounts vanish below it (EBUSY on deletion); the order of the default sysctls
 * matters, since writing one can change others. */
#include "kernel_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#define DEFAULTS_ROUNDS 4

/* --- the defaults ------------------------------------------------------------------- */

static int default_failed(const struct sysctl_default *s, int error, struct diags *d)
{
	cleanup_buf struct buf name = {0};

	sysctl_name(s->path, &name);
	diag_error(d, error, NO_MARK, "cannot set %s to %s in a new namespace: %s", buf_text(&name),
		   s->value, strerror(-error));
	if (error == -EROFS)
		diag_hint(d,
			  "/proc/sys is mounted read-only here, as in an unprivileged container");
	return error;
}

bool kernel_ipv6_is_plain(void)
{
	char inherit[4];

	/* Where it inherits nothing, it gets what is compiled in (net/ipv6/addrconf.c,
	 * addrconf_init_net()). That only the initial namespace tells; and what later kernels have
	 * compiled in, nobody knows yet. */
	return !kernel_release_at_least(6, 19) &&
	       read_start("/proc/sys/net/core/devconf_inherit_init_net", inherit, sizeof(inherit)) >
		       0 &&
	       (inherit[0] == '0' || inherit[0] == '2');
}

static bool is_plain(const struct kernel *k, const struct sysctl_default *s)
{
	return k->ipv6_is_plain && str_starts(s->path, "ipv6/") && !s->ours && !s->parameter;
}

/* Which of the defaults does a new namespace of this host not have? */
static int find_unlike(struct kernel *k, struct arena *a, struct indexes *ret, struct diags *d)
{
	for (size_t i = 0; i < netns_defaults_n; i++) {
		const struct sysctl_default *s = &netns_defaults[i];
		const char *value;
		int error;

		if (is_plain(k, s))
			continue;
		error = sysctl_get(k, s->path, a, &value);
		/* One that this kernel lacks behaves as its default anyway. */
		if (sysctl_has_no_value(error))
			continue;
		if (error)
			return default_failed(s, error, d);
		if (!str_equal(value, s->value))
			array_add(ret, i);
	}
	return 0;
}

/* Does writing it leave all others as they are? What only later interfaces start with does. */
static bool is_apart(const struct sysctl_default *s)
{
	return strstr(s->path, "/conf/default/");
}

static int forget_defaults(struct kernel *k, int error)
{
	k->defaults.n = 0;
	k->defaults_known = false;
	return error;
}

/* In the first namespace: find and write the defaults that differ, until all hold (writing
 * ip_forward, for one, resets others). What was written is what the next ones need. */
static int learn_defaults(struct kernel *k, struct diags *d)
{
	for (int round = 0; round < DEFAULTS_ROUNDS; round++) {
		struct indexes unlike = {0};
		struct arena a = {0};
		int error = find_unlike(k, &a, &unlike, d);

		k->defaults_known = !error;
		for (size_t i = 0; i < unlike.n && !error; i++) {
			const struct sysctl_default *s = &netns_defaults[unlike.items[i]];

			k->defaults_known = k->defaults_known && is_apart(s);
			error = sysctl_put(k, s->path, s->value);
			if (error)
				default_failed(s, error, d);
			array_add(&k->defaults, unlike.items[i]);
		}
		array_free(&unlike);
		arena_free(&a);
		if (error)
			return forget_defaults(k, error);
		if (k->defaults_known)
			return 0;
	}
	forget_defaults(k, -EIO);
	return diag_error(d, -EIO, NO_MARK,
			  "the default sysctls of a new namespace do not stay as they are set");
}

int kernel_write_defaults(struct kernel *k, struct diags *d)
{
	if (!k->defaults_known)
		return learn_defaults(k, d);
	array_each(&k->defaults, i) {
		const struct sysctl_default *s = &netns_defaults[*i];
		int error = sysctl_put(k, s->path, s->value);

		if (error)
			return default_failed(s, error, d);
	}
	return 0;
}

int kernel_netns_make(struct kernel *k, struct netns *n, struct diags *d)
{
	int handle, error;

	if (!k->defaults_known)
		k->ipv6_is_plain = kernel_ipv6_is_plain();
	error = kernel_unshare(k, true, &handle);
	if (error) {
		diag_error(d, error, NO_MARK, "cannot make namespace %s: %s", n->name,
			   strerror(-error));
		if (error == -ENOSPC)
			diag_hint(d, "see the sysctl user.max_net_namespaces");
		else if (error == -EPERM)
			kernel_hint_root("making a namespace", d);
		return error;
	}
	error = kernel_write_defaults(k, d);
	kernel_leave(k);
	if (error) {
		kernel_close_space(k, handle);
		return error;
	}
	n->handle = handle;
	n->cookie = kernel_space(k, handle)->cookie;
	return 0;
}

/* --- names ---------------------------------------------------------------------------- */

/* As ip does: a folder that is a shared mount point, made one by mounting it on itself. */
static int share_netns_dir(void)
{
	bool mounted = false;

	while (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0) {
		if (errno != EINVAL || mounted)
			return -errno;
		if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0)
			return -errno;
		mounted = true;
	}
	return 0;
}

static int prepare_netns_dir(struct kernel *k, struct diags *d)
{
	cleanup_close int lock = -1;
	int error = 0;

	if (k->netns_dir >= 0)
		return 0;
	if (mkdir(NETNS_DIR, 0755) < 0 && errno != EEXIST)
		return diag_error(d, -errno, NO_MARK, "cannot make %s: %s", NETNS_DIR,
				  strerror(errno));
	/* iproute2 takes the same lock, so that only one of us mounts. */
	lock = kernel_open_netns_dir();
	if (lock < 0 || flock(lock, LOCK_EX) < 0 || share_netns_dir() < 0)
		error = -errno;
	if (!error) {
		k->netns_dir = kernel_open_netns_dir(); /* the mount, not what is below it */
		error = k->netns_dir < 0 ? -errno : 0;
	}
	if (error)
		return diag_error(d, error, NO_MARK, "cannot prepare %s: %s", NETNS_DIR,
				  strerror(-error));
	return 0;
}

static int name_taken(struct kernel *k, const char *name, struct diags *d)
{
	cleanup_close int fd =
		openat(k->netns_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	diag_error(d, -EEXIST, NO_MARK, "cannot name namespace %s: %s/%s exists%s", name, NETNS_DIR,
		   name, fd >= 0 && kernel_is_netns(fd) > 0 ? "" : " and is not a namespace");
	diag_hint(d, "`ip netns delete` or rm takes it away, if nobody needs it");
	return -EEXIST;
}

int kernel_open_stray(int dir, const char *name)
{
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct statfs fs;
	struct stat st;
	int stray;

	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	/* A namespace of any type looks like an empty file. */
	if (fs.f_type == NSFS_MAGIC || !S_ISREG(st.st_mode) || st.st_size)
		return -EEXIST;
	stray = fd;
	fd = -1;
	return stray;
}

static int make_name_file(struct kernel *k, const struct netns *n)
{
	int file = openat(k->netns_dir, n->name,
			  O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);

	if (file < 0 && errno == EEXIST && n->stray)
		return kernel_open_stray(k->netns_dir, n->name);
	return file < 0 ? -errno : file;
}

/* By descriptors: whatever happens to the name meanwhile, these are the two. */
static int mount_on(const struct space *s, int file)
{
	char from[64], to[64];

	snprintf(from, sizeof(from), "/proc/self/fd/%d", s->fd);
	snprintf(to, sizeof(to), "/proc/self/fd/%d", file);
	return mount(from, to, "none", MS_BIND, NULL) < 0 ? -errno : 0;
}

int kernel_netns_name(struct kernel *k, const struct netns *n, struct diags *d)
{
	struct space *s = kernel_space(k, n->handle);
	cleanup_close int file = -1;
	int error = s && !netns_name_error(n->name) ? 0 : -EINVAL;

	if (error)
		return diag_error(d, error, NO_MARK, "namespace %s cannot be named", n->name);
	error = prepare_netns_dir(k, d);
	if (error)
		return error;
	file = make_name_file(k, n);
	if (file == -EEXIST)
		return name_taken(k, n->name, d);
	error = file < 0 ? file : 0;
	if (!error) {
		error = mount_on(s, file);
		if (!error)
			return 0;
		unlinkat(k->netns_dir, n->name, 0);
	}
	diag_error(d, error, NO_MARK, "cannot name namespace %s: %s", n->name, strerror(-error));
	diag_hint_full(d, error, NETNS_DIR);
	return error;
}

/* --- deleting ---------------------------------------------------------------------------- */

static int not_the_same(const struct netns *n, struct diags *d)
{
	return diag_error(d, -ESTALE, NO_MARK,
			  "namespace %s is not the one that was there before: left alone", n->name);
}

/* Is the namespace behind `handle` the one that n means? */
static bool is_same(const struct kernel *k, const struct netns *n, int handle)
{
	if (handle == HANDLE_HOST)
		return false;
	return n->cookie ? kernel_space(k, handle)->cookie == n->cookie : handle == n->handle;
}

/* There is a file of that name, and no namespace on it. One that was there is gone: somebody has
 * taken it away, and `ip netns delete`, say, is about to remove the file. */
static int check_stray(int dir, const struct netns *n)
{
	cleanup_close int stray = kernel_open_stray(dir, n->name);

	if (stray >= 0)
		return n->stray ? 0 : -ENOENT;
	return stray == -ENOENT ? -ENOENT : -ESTALE;
}

/* What has the name now? 0: what n means; -ENOENT: nothing, it never had it or has lost it. */
static int check_name(struct kernel *k, const struct netns *n, struct diags *d)
{
	struct netns by_name = {.name = n->name, .class = NETNS_NAMED};
	cleanup_close int dir = kernel_open_netns_dir();
	int handle = HANDLE_NONE, error = kernel_open_netns(k, dir, &by_name, &handle, d);

	kernel_leave(k);
	if (error == 0 && !is_same(k, n, handle))
		error = -ESTALE;
	else if (error == -ESTALE)
		error = check_stray(dir, n);
	return error == -ESTALE ? not_the_same(n, d) : error;
}

/* Where the file cannot go, it is the namespace's name again: without it that would end with us. */
static void give_name_back(struct kernel *k, const struct netns *n)
{
	struct space *s = kernel_space(k, n->handle);
	cleanup_close int dir = kernel_open_netns_dir();
	cleanup_close int file = kernel_open_stray(dir, n->name);

	if (s && file >= 0)
		mount_on(s, file);
}

static int take_name_away(struct kernel *k, const struct netns *n, struct diags *d)
{
	cleanup_buf struct buf path = {0};
	int mounts = 0, error;
	bool unmounted;

	buf_printf(&path, "%s/%s", NETNS_DIR, n->name);
	/* Where it was mounted on more than once the file is busy still. */
	do {
		unmounted = umount2(path.s, MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
		mounts += unmounted;
		if (unlink(path.s) == 0 || errno == ENOENT)
			return 0;
	} while (errno == EBUSY && unmounted && mounts < 16);
	error = -errno;
	if (mounts)
		give_name_back(k, n);
	return diag_error(d, error, NO_MARK, "cannot remove %s: %s", path.s, strerror(-error));
}

int kernel_netns_unname(struct kernel *k, const struct netns *n, struct diags *d)
{
	int error;

	if (n->class != NETNS_OWNED || netns_name_error(n->name))
		return diag_error(d, -EINVAL, NO_MARK, "namespace %s is not ours to delete",
				  n->name);
	error = check_name(k, n, d);
	if (error)
		return error == -ENOENT ? 0 : error;
	return take_name_away(k, n, d);
}

void kernel_netns_release(struct kernel *k, const struct netns *n)
{
	if (n->class == NETNS_OWNED && n->handle != HANDLE_HOST)
		kernel_close_space(k, n->handle);
}

/* --- all names ------------------------------------------------------------------------ */

/* What was not open before is closed again: there may be more of them than files may be open. */
static void add_named(struct kernel *k, int dir, const char *name, struct model *m)
{
	struct netns *n = model_add_netns(m, name, NETNS_NAMED);
	const size_t open = k->spaces.n;
	struct diags ignored = {0};
	int handle = HANDLE_NONE;

	n->path = arena_printf(&m->arena, NETNS_DIR "/%s", name);
	if (kernel_open_netns(k, dir, n, &handle, &ignored) == 0)
		n->cookie = kernel_space(k, handle)->cookie;
	else
		m->namespaces.n--;
	if (k->spaces.n > open)
		kernel_close_space(k, handle);
	diags_free(&ignored);
}

struct model *kernel_named_netns(struct kernel *k)
{
	struct model *m = model_new();
	int fd = kernel_open_netns_dir();
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		add_named(k, fd, entry->d_name, m);
	kernel_leave(k);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return m;
}

bool kernel_leads_to(struct kernel *k, const found_ends *ends, const struct netns *n)
{
	cleanup_close int dir = kernel_open_netns_dir();
	const struct netns *asked = NULL;
	const size_t open = k->spaces.n;
	struct diags ignored = {0};
	int32_t nsid = NSID_UNKNOWN;
	int handle = HANDLE_NONE;
	bool found = false;

	if (kernel_open_netns(k, dir, n, &handle, &ignored) == 0)
		for (size_t i = 0; i < ends->n && !found; i++) {
			const struct link *l = ends->items[i];

			if (l->netns != asked)
				nsid = ask_nsid(k, l->netns->handle, handle);
			asked = l->netns;
			found = nsid != NSID_UNKNOWN && l->beyond == (uint32_t)nsid + 1;
		}
	kernel_leave(k);
	if (k->spaces.n > open) /* as in add_named() */
		kernel_close_space(k, handle);
	diags_free(&ignored);
	return found;
}
