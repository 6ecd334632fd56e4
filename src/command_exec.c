/* SPDX-License-Identifier: MIT */
/* --exec: a command inside a namespace, set up as `ip netns exec` does it.
 *
 * A process has more than a network namespace to it: /sys shows the devices of
 * the namespace it was mounted in, and files such as resolv.conf differ. So the
 * command gets a mount namespace of its own, with a fresh /sys and the files of
 * /etc/netns/NAME bound over those in /etc. Nothing of that reaches the rest of
 * the machine, since mounts no longer propagate from there.
 *
 * The process becomes the command: signals, standard streams and exit status
 * need nothing done for them. Symbolic links in /run/netns and /etc/netns are
 * followed: they are root's own, and a link to /proc/PID/ns/net is how people
 * give a container's namespace a name. */
#include "command_exec.h"
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#define RUN_NETNS "/run/netns"
#define ETC_NETNS "/etc/netns"
#define NSFS_MAGIC_NUMBER 0x6e736673 /* linux/magic.h, NSFS_MAGIC */

static int fail(struct diags *d, const char *what, const char *name)
{
	int code = -errno;

	diag_error(d, code, NO_MARK, "%s %s: %s", what, name, strerror(-code));
	if (code == -EPERM)
		diag_hint(d, "this takes root");
	return code;
}

static int enter_network(const char *name, struct diags *d)
{
	const char *why = netns_name_error(name);
	cleanup_close int dir = -1, fd = -1;
	cleanup_buf struct buf shown = {0};
	struct statfs fs;

	buf_printable(&shown, name);
	if (why)
		return diag_error(d, -EINVAL, NO_MARK, "namespace name \"%s\" %s", buf_text(&shown),
				  why);
	dir = open(RUN_NETNS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		diag_error(d, -ENOENT, NO_MARK, "there is no namespace \"%s\"", buf_text(&shown));
		diag_hint(d, "`ip netns` lists those that have a name");
		return -ENOENT;
	}
	if (fd < 0)
		return fail(d, "cannot open namespace", buf_text(&shown));
	/* A name whose namespace was never mounted is an empty file. */
	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC_NUMBER)
		return diag_error(d, -EINVAL, NO_MARK, RUN_NETNS "/%s is no network namespace",
				  buf_text(&shown));
	if (setns(fd, CLONE_NEWNET) < 0)
		return fail(d, "cannot enter namespace", buf_text(&shown));
	return 0;
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

static int enter(const char *name, struct diags *d)
{
	int r = enter_network(name, d);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0)
		return fail(d, "cannot make", "a mount namespace");
	if (mount("", "/", "none", MS_SLAVE | MS_REC, NULL) < 0)
		return fail(d, "cannot make mounts private below", "/");
	r = renew_sysfs(d);
	if (r < 0)
		return r;
	bind_etc(name, d);
	return 0;
}

int command_exec(const char *netns, char *const argv[])
{
	struct diags d = {0};
	int code, r = 0;

	if (!argv[0])
		r = diag_error(&d, -EINVAL, NO_MARK, "there is no command to run");
	else if (!str_equal(netns, HOST))
		r = enter(netns, &d);
	diags_print(&d, stderr, false); /* warnings also when all went well */
	diags_free(&d);
	if (r < 0)
		return EXIT_EXEC_FAILED;

	fflush(NULL);
	execvp(argv[0], argv);
	code = errno;
	cleanup_buf struct buf shown = {0};
	buf_printable(&shown, argv[0]);
	d = (struct diags){0};
	diag_error(&d, -code, NO_MARK, "cannot run %s: %s", buf_text(&shown), strerror(code));
	diags_print(&d, stderr, false);
	diags_free(&d);
	return code == ENOENT || code == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
