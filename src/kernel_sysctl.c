/* SPDX-License-Identifier: MIT */
/* Sysctls below net, of any namespace.
 *
 * The files under /proc/sys/net are those of the thread's current network
 * namespace, so it is entered first. Every namespace adds an entry of the same
 * name to the procfs instance's directory cache, and they are searched one by one:
 * over /proc the cost grows with the square of the number of namespaces. A private
 * instance, thrown away after a few namespaces, keeps it linear. Where it is
 * refused (a user namespace whose /proc is not whole) /proc does. */
#include "kernel_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define NAMESPACES_PER_PROC 16
#define VALUE_MAX 65536
#define PATH_MAX_NET 512

static int private_proc(void)
{
	cleanup_close int fs = fsopen("proc", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(fs, FSMOUNT_CLOEXEC,
		       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/* A directory that has sys/net below it, or -1 for /proc. */
static int proc_root(struct kernel *k)
{
	if (k->proc_handle != k->current) {
		k->proc_handle = k->current;
		if (++k->proc_uses > NAMESPACES_PER_PROC && k->proc >= 0) {
			close(k->proc);
			k->proc = -1;
		}
	}
	if (k->proc < 0 && !k->proc_refused) {
		k->proc = private_proc();
		k->proc_refused = k->proc < 0;
		k->proc_uses = 1;
	}
	return k->proc;
}

/* Callers have checked the path; a slip here would write to any file of the machine. */
static bool path_is_safe(const char *path)
{
	size_t left = strlen(path);

	if (left == 0 || left > PATH_MAX_NET)
		return false;
	for (const char *p = path;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

int sysctl_open(struct kernel *k, const char *path, int flags)
{
	char full[PATH_MAX_NET + 32];
	int root, fd;

	if (!path_is_safe(path))
		return -EINVAL;
	root = proc_root(k);
	snprintf(full, sizeof(full), "%ssys/net/%s", root < 0 ? "/proc/" : "", path);
	fd = openat(root, full, flags | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_put(struct kernel *k, const char *path, const char *value)
{
	int fd = sysctl_open(k, path, O_WRONLY);
	size_t size;
	ssize_t n;
	int error;

	if (fd < 0)
		return fd;
	/* Writing nothing changes nothing; this empties a list (proc_do_large_bitmap()). */
	if (!*value)
		value = "\n";
	size = strlen(value);
	/* One write: a second one would be another value. */
	n = write(fd, value, size);
	error = n < 0 ? -errno : (size_t)n != size ? -EINVAL : 0;
	close(fd);
	return error;
}

int sysctl_read(int fd, struct arena *a, const char **ret_value)
{
	char small[256];
	cleanup_free char *large = NULL;
	char *text = small;
	ssize_t n = read(fd, small, sizeof(small) - 1);

	if (n == sizeof(small) - 1) {
		/* Some are long (lists of congestion controls); procfs wants them read at once. */
		text = large = xmalloc(VALUE_MAX);
		n = pread(fd, large, VALUE_MAX - 1, 0);
	}
	if (n < 0)
		return -errno;
	text[n] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	*ret_value = sysctl_normalise(a, text);
	return 0;
}

int sysctl_get(struct kernel *k, const char *path, struct arena *a, const char **ret_value)
{
	cleanup_close int fd = sysctl_open(k, path, O_RDONLY);

	return fd < 0 ? fd : sysctl_read(fd, a, ret_value);
}

int kernel_sysctl_write(struct kernel *k, const struct netns *n, const char *path,
			const char *value)
{
	int error = kernel_enter(k, n->handle);

	return error ? error : sysctl_put(k, path, value);
}

bool sysctl_has_no_value(int error)
{
	/* What was never set is an I/O error (addrconf_sysctl_stable_secret(), net/ipv6/addrconf.c). */
	return error == -EIO || error == -ENOENT || error == -ENOTDIR;
}

int kernel_sysctl_read(struct kernel *k, const struct netns *n, const char *path, struct arena *a,
		       const char **ret_value, struct diags *d)
{
	int error = kernel_enter(k, n->handle);

	*ret_value = NULL;
	if (!error)
		error = sysctl_get(k, path, a, ret_value);
	kernel_leave(k);
	if (!error || sysctl_has_no_value(error))
		return 0;
	return sysctl_tell_unreadable(path, n->name, error, NO_MARK, d);
}
