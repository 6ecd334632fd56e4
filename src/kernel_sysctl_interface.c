/* SPDX-License-Identifier: MIT */
/* All that interfaces are set to. There are some two hundred files for each of them, so nothing is
 * asked twice: which files there are, and what a new interface starts with. */
#include "kernel_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A file that there is for each interface. */
struct setting {
	const char *key;
	const char *initial; /* what a new interface starts with; NULL: that was never set */
};

struct search {
	struct kernel *k;
	const struct netns *n;
	const char *folder; /* of sysctl_folders */
	struct arena arena;
	ARRAY(struct setting) settings; /* of the folder */
	ARRAY(struct sysctl) found;
};

/* -ENOENT: a protocol that the interface does not speak. */
static int open_folder(const struct search *s, const char *name)
{
	char path[SYSCTL_PATH_MAX + 1];

	snprintf(path, sizeof(path), "%s/%s", s->folder, name);
	return sysctl_open(s->k, path, O_RDONLY | O_DIRECTORY);
}

/* *ret_value stays as it is where there is none. */
static int read_value(int folder, struct arena *a, const char *key, const char **ret_value)
{
	cleanup_close int fd = openat(folder, key, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int error = fd < 0 ? -errno : sysctl_read(fd, a, ret_value);

	return sysctl_has_no_value(error) ? 0 : error;
}

/* What cannot be read or written cannot be given back; the MTU is the link's own, and IPv6 follows it.
 * Negative: it is not known. */
static int can_be_given_back(int folder, const char *key)
{
	struct stat st;

	if (key[0] == '.' || strcmp(key, "mtu") == 0)
		return 0;
	if (fstatat(folder, key, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return (st.st_mode & S_IWUSR) && (st.st_mode & S_IRUSR);
}

/* They are the same for all interfaces. */
static int list_settings(struct search *s, int folder)
{
	int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0), r;
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!list) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((r = next_entry(list, &entry)) > 0) {
		r = can_be_given_back(folder, entry->d_name);
		if (r < 0)
			break;
		if (r)
			array_add(
				&s->settings,
				((struct setting){.key = arena_strdup(&s->arena, entry->d_name)}));
	}
	closedir(list);
	return r;
}

/* It is that of `default`, or, as only the initial namespace has one for neigh (net/core/neighbour.c,
 * neigh_sysctl_register()), what lo was given. */
static int read_initials(struct search *s)
{
	static const char *const models[] = {"default", "lo"};

	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		cleanup_close int folder = open_folder(s, models[i]);

		if (folder < 0 && folder != -ENOENT)
			return folder;
		for (size_t j = 0; j < s->settings.n && folder >= 0; j++) {
			struct setting *set = &s->settings.items[j];
			int error = set->initial ? 0
						 : read_value(folder, &s->arena, set->key,
							      &set->initial);

			if (error)
				return error;
		}
	}
	return 0;
}

static int read_settings(struct search *s, int folder, const char *name)
{
	char path[SYSCTL_PATH_MAX + 1];

	array_each(&s->settings, set) {
		const char *value = NULL;
		int error;

		snprintf(path, sizeof(path), "%s/%s/%s", s->folder, name, set->key);
		if (netns_find_sysctl(s->n, path))
			continue;
		error = read_value(folder, &s->arena, set->key, &value);
		if (error)
			return error;
		if (value && !str_equal(value, set->initial))
			array_add(&s->found, ((struct sysctl){.path = arena_strdup(&s->arena, path),
							      .value = value}));
	}
	return 0;
}

static int read_interface(struct search *s, const char *name)
{
	cleanup_close int folder = ifname_error(name) ? -EINVAL : open_folder(s, name);
	int error = 0;

	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	if (!s->settings.n) {
		error = list_settings(s, folder);
		if (!error)
			error = read_initials(s);
	}
	return error ? error : read_settings(s, folder, name);
}

static int read_folder(struct search *s, const struct link **ret_link)
{
	int error = 0;

	array_each(&s->n->links, l) {
		if (!(*l)->recalled)
			continue;
		*ret_link = *l;
		error = read_interface(s, (*l)->name);
		if (error)
			break;
	}
	array_free(&s->settings);
	return error;
}

int kernel_sysctl_read_interfaces(struct kernel *k, struct model *m, struct netns *n,
				  struct diags *d)
{
	struct search s = {.k = k, .n = n};
	const struct link *at = NULL;
	int error = kernel_enter(k, n->handle);

	for (size_t i = 0; i < SYSCTL_FOLDERS && !error; i++) {
		s.folder = sysctl_folders[i];
		error = read_folder(&s, &at);
	}
	kernel_leave(k);
	array_each(&s.found, found)
		netns_add_sysctl(m, n, found->path, found->value);
	netns_sort(n);
	array_free(&s.found);
	arena_free(&s.arena);
	if (error)
		diag_error(d, error, NO_MARK, "cannot read the sysctls of interface %s: %s",
			   at ? at->name : n->name, strerror(-error));
	return error;
}
