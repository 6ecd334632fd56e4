/* SPDX-License-Identifier: MIT */
/* Who is in a namespace. A namespace that loses its name lives on for as long as a
 * process is in it.
 *
 * Of a process only its main thread is looked at. A namespace is known by device
 * and inode, which are its own while we hold it open, or while somebody is in it. */
#include "kernel_internal.h"

#include <dirent.h>
#include <stdio.h>

/* Which namespace a process is in. It may have ended, or be about to and be in none. */
static bool find_netns_of(pid_t pid, struct stat *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	return stat(path, ret) == 0;
}

static void read_name(struct resident *r)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)r->pid);
	n = read_start(path, r->name, sizeof(r->name));
	while (n > 0 && r->name[n - 1] == '\n')
		n--;
	r->name[n > 0 ? n : 0] = '\0';
}

static int by_netns(const void *a, const void *b)
{
	const struct resident *x = a, *y = b;
	int order = str_compare(x->netns->name, y->netns->name);

	return order ? order : (x->pid > y->pid) - (x->pid < y->pid);
}

void kernel_find_residents(struct kernel *k, const struct netns *const *list, size_t n,
			   residents *ret)
{
	const struct netns **wanted = xcalloc(k->spaces.n + 1, sizeof(*wanted)); /* by handle */
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	for (size_t i = 0; i < n; i++)
		if (kernel_space(k, list[i]->handle))
			wanted[list[i]->handle] = list[i];
	while (proc && (entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);
		struct stat st;
		int handle;

		if (pid <= 0 || *end || pid == getpid() || !find_netns_of((pid_t)pid, &st))
			continue;
		handle = kernel_find_space(k, &st);
		if (handle == HANDLE_NONE || !wanted[handle])
			continue;
		struct resident *r = array_push(ret);
		*r = (struct resident){.netns = wanted[handle],
				       .pid = (pid_t)pid,
				       .dev = st.st_dev,
				       .ino = st.st_ino};
		read_name(r);
	}
	if (proc)
		closedir(proc);
	free(wanted);
	array_sort(ret, by_netns);
}

bool kernel_is_resident(const struct resident *r)
{
	struct stat st;

	return find_netns_of(r->pid, &st) && st.st_dev == r->dev && st.st_ino == r->ino;
}
