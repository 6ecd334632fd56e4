/* SPDX-License-Identifier: MIT */
/* What a process inside a namespace sees beside its network, as `ip netns exec` has it.
 *
 * A process has more than a network namespace to it: /sys shows the devices of
 * the namespace it was mounted in, and files such as resolv.conf differ. So it
 * gets a mount namespace of its own, with a fresh /sys and the files of
 * /etc/netns/NAME bound over those in /etc. Nothing of that reaches the rest of
 * the machine, since mounts no longer propagate from there. */
#include "kernel_private.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#define ETC_NETNS "/etc/netns"

static int fail(struct diags *d, const char *what, const char *name)
{
	int code = -errno;

	return diag_error(d, code, NO_MARK, "%s %s: %s", what, name, strerror(-code));
}

/* A /sys that shows this network namespace, as read-only as the one it replaces. */
static int renew_sysfs(struct diags *d)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	struct statvfs old;

	if (statvfs("/sys", &old) == 0 && old.f_flag & ST_RDONLY)
		flags |= MS_RDONLY;
	/* It may not be mounted, or not be ours to unmount: then the new one goes on top. */
	umount2("/sys", MNT_DETACH);
	if (mount("sysfs", "/sys", "sysfs", flags, NULL) < 0)
		return fail(d, "cannot mount", "/sys");
	return 0;
}

/* Only what exists in /etc can be bound over: anything else is told and left out. */
static void bind_etc(const char *name, struct diags *d)
{
	cleanup_buf struct buf path = {0};
	struct dirent *entry;
	DIR *dir;

	buf_printf(&path, ETC_NETNS "/%s", name);
	dir = opendir(buf_text(&path));
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		cleanup_buf struct buf from = {0}, to = {0}, shown = {0};

		if (str_equal(entry->d_name, ".") || str_equal(entry->d_name, ".."))
			continue;
		buf_printf(&from, "%s/%s", buf_text(&path), entry->d_name);
		buf_printf(&to, "/etc/%s", entry->d_name);
		if (mount(buf_text(&from), buf_text(&to), NULL, MS_BIND, NULL) == 0)
			continue;
		int code = errno;
		buf_printable(&shown, buf_text(&from));
		buf_puts(&shown, " over ");
		buf_printable(&shown, buf_text(&to));
		diag_warning(d, NO_MARK, "cannot bind %s: %s", buf_text(&shown), strerror(code));
	}
	closedir(dir);
}

int private_surroundings(struct diags *d)
{
	if (unshare(CLONE_NEWNS) < 0)
		return fail(d, "cannot make", "a mount namespace");
	if (mount("", "/", "none", MS_SLAVE | MS_REC, NULL) < 0)
		return fail(d, "cannot make mounts private below", "/");
	return 0;
}

int private_show_netns(const char *name, struct diags *d)
{
	int r = renew_sysfs(d);

	if (r >= 0 && name)
		bind_etc(name, d);
	return r;
}
