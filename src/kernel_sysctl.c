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

#include <dirent.h>
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

int sysctl_get(struct kernel *k, const char *path, struct arena *a, const char **ret_value)
{
	cleanup_close int fd = sysctl_open(k, path, O_RDONLY);
	char small[256];
	cleanup_free char *large = NULL;
	char *text = small;
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, small, sizeof(small) - 1);
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

int kernel_sysctl_write(struct kernel *k, const struct netns *n, const char *path,
			const char *value)
{
	int error = kernel_enter(k, n->handle);

	if (error)
		return error;
	error = sysctl_put(k, path, value);
	kernel_leave(k);
	return error;
}

const char *kernel_sysctl_read(struct kernel *k, const struct netns *n, const char *path,
			       struct arena *a)
{
	const char *value = NULL;

	if (kernel_enter(k, n->handle))
		return NULL;
	if (sysctl_get(k, path, a, &value))
		value = NULL;
	kernel_leave(k);
	return value;
}

/* --- all of an interface --------------------------------------------------------------------- */

static bool is_known(const struct netns *n, size_t known, const char *path)
{
	for (size_t i = 0; i < known; i++)
		if (strcmp(n->sysctls.items[i]->path, path) == 0)
			return true;
	return false;
}

/* What a new interface starts with: `default`, or, as only the initial namespace has one
 * for neigh (net/core/neighbour.c, neigh_sysctl_register()), what lo was given. */
static bool is_initial(struct kernel *k, struct arena *a, const char *dir, const char *key,
		       const char *value)
{
	static const char *const models[] = {"default", "lo"};
	const char *initial = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		if (sysctl_get(k, arena_printf(a, "%s/%s/%s", dir, models[i], key), a, &initial) ==
		    0)
			return str_equal(value, initial);
	return false;
}

/* Of one directory; the namespace has been entered. */
static int read_dir(struct kernel *k, struct model *m, struct netns *n, const char *dir,
		    const char *name)
{
	char *path = arena_printf(&m->arena, "%s/%s", dir, name);
	int fd = sysctl_open(k, path, O_RDONLY | O_DIRECTORY);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	size_t known = n->sysctls.n;
	struct dirent *entry;

	if (!list) {
		int error = fd < 0 ? fd : -errno;

		if (fd >= 0)
			close(fd);
		return error == -ENOENT ? 0 : error; /* a protocol that it does not speak */
	}
	while ((entry = readdir(list))) {
		const char *value = NULL, *full;
		struct stat st;

		/* Read-only ones cannot be given back; the MTU is the link's own, and IPv6 follows it. */
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, "mtu") == 0 ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !(st.st_mode & S_IWUSR))
			continue;
		full = arena_printf(&m->arena, "%s/%s", path, entry->d_name);
		/* Some cannot be read while they are unset (stable_secret). */
		if (is_known(n, known, full) || sysctl_get(k, full, &m->arena, &value))
			continue;
		if (is_initial(k, &m->arena, dir, entry->d_name, value))
			continue;
		netns_add_sysctl(m, n, full, value);
	}
	closedir(list);
	return 0;
}

int kernel_sysctl_read_interface(struct kernel *k, struct model *m, struct netns *n,
				 const char *name, struct diags *d)
{
	int error = ifname_error(name) ? -EINVAL : kernel_enter(k, n->handle);

	for (size_t i = 0; i < SYSCTL_FOLDERS && !error; i++)
		error = read_dir(k, m, n, sysctl_folders[i], name);
	kernel_leave(k);
	netns_sort(n);
	if (error)
		diag_error(d, error, NO_MARK, "cannot read the sysctls of interface %s: %s", name,
			   strerror(-error));
	return error;
}
