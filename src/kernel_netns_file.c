/* SPDX-License-Identifier: MIT */
/* The files that stand for namespaces: below /run/netns, in /proc, or anywhere. */
#include "kernel_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

int kernel_is_netns(int fd)
{
	struct statfs fs;
	int type;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (fs.f_type != NSFS_MAGIC)
		return 0;
	type = ioctl(fd, NS_GET_NSTYPE);
	return type < 0 ? -errno : type == CLONE_NEWNET;
}

int kernel_open_netns_dir(void)
{
	return open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Any file may be named, and to be opened may be enough for a device or a FIFO to do something. So what is no
 * namespace is only pointed at. */
static int open_path(const char *path)
{
	cleanup_close int place = open(path, O_PATH | O_CLOEXEC);
	char self[64];
	struct statfs fs;
	int fd;

	if (place >= 0 && fstatfs(place, &fs) == 0 && fs.f_type == NSFS_MAGIC) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", place);
		return open(self, O_RDONLY | O_CLOEXEC);
	}
	fd = place;
	place = -1;
	return fd;
}

int kernel_open_netns_file(int dir, const struct netns *n)
{
	char path[64];

	switch (n->class) {
	case NETNS_OWNED:
	case NETNS_NAMED:
		if (netns_name_error(n->name))
			return errno = EINVAL, -1;
		if (dir < 0)
			return errno = ENOENT, -1;
		/* Without O_NONBLOCK a FIFO of that name would keep us waiting for ever. */
		return openat(dir, n->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	case NETNS_PID:
		snprintf(path, sizeof(path), "/proc/%u/ns/net", n->pid);
		return open(path, O_RDONLY | O_CLOEXEC);
	case NETNS_PATH:
		return open_path(n->path);
	case NETNS_HOST:
		break;
	}
	return errno = EINVAL, -1;
}
