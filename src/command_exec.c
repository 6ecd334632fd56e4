/* SPDX-License-Identifier: MIT */
/* --exec: a command inside a namespace, set up as `ip netns exec` does it.
 *
 * The process becomes the command: signals, standard streams and exit status
 * need nothing done for them. Symbolic links in /run/netns and /etc/netns are
 * followed: they are root's own, and a link to /proc/PID/ns/net is how people
 * give a container's namespace a name. */
#include "command_exec.h"
#include "kernel_private.h"
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <sched.h>
#include <string.h>
#include <sys/vfs.h>

#define RUN_NETNS "/run/netns"
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

static int enter(const char *name, struct diags *d)
{
	int r = enter_network(name, d);

	if (r < 0)
		return r;
	r = private_surroundings(d);
	return r < 0 ? r : private_show_netns(name, d);
}

static bool is_in_path(const char *name)
{
	const char *path = getenv("PATH"), *end;
	bool found = false;

	for (path = path ? path : _PATH_DEFPATH; !found; path = end + 1) {
		cleanup_buf struct buf file = {0};

		end = strchrnul(path, ':');
		buf_printf(&file, "%.*s%s%s", (int)(end - path), path, end > path ? "/" : "", name);
		found = faccessat(AT_FDCWD, buf_text(&file), F_OK, AT_EACCESS) == 0;
		if (!*end)
			break;
	}
	return found;
}

/* execvp() says EACCES also where no folder has the program, but one of them may not be searched. */
static int why_not_run(const char *name, int code)
{
	return code == EACCES && !strchr(name, '/') && !is_in_path(name) ? ENOENT : code;
}

int command_exec(const char *netns, char *const argv[])
{
	struct diags d = {0};
	int code, r = 0;

	if (!str_equal(netns, HOST))
		r = enter(netns, &d);
	diags_print(&d, stderr, false); /* warnings also when all went well */
	diags_free(&d);
	if (r < 0)
		return EXIT_EXEC_FAILED;

	fflush(NULL);
	execvp(argv[0], argv);
	code = why_not_run(argv[0], errno);
	cleanup_buf struct buf shown = {0};
	buf_printable(&shown, argv[0]);
	d = (struct diags){0};
	diag_error(&d, -code, NO_MARK, "cannot run %s: %s", buf_text(&shown), strerror(code));
	diags_print(&d, stderr, false);
	diags_free(&d);
	return code == ENOENT || code == ENOTDIR ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
