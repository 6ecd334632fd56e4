/* SPDX-License-Identifier: MIT */
/* Logs of processes, in the lab's folder. Their names have a colon, which no other file's has, and no
 * name of a namespace or a process. */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_END ".log"
/* As wide as it must be: a process may run as another user, who has no business in the others'. */
#define LOG_MODE 0600
/* Read as well: by us, who look for what makes it ready. A FIFO in its place must not block. */
#define LOG_FLAGS (O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)

bool rundir_is_log(const char *name)
{
	size_t n = strlen(name), end = strlen(LOG_END);

	return strchr(name, ':') && n > end && str_equal(name + n - end, LOG_END);
}

static int empty_log(int folder, const char *name, void *data)
{
	bool *any = data;
	int flags = O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	int fd = rundir_is_log(name) ? openat(folder, name, flags) : -1;

	if (fd < 0)
		return 0;
	close(fd);
	*any = true;
	return 0;
}

bool rundir_empty_logs(int folder)
{
	bool any = false;

	rundir_each_entry(folder, empty_log, &any);
	return any;
}

static int open_at(int folder, const char *name, int *ret_fd)
{
	int fd = openat(folder, name, LOG_FLAGS, LOG_MODE);
	struct stat st;
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) /* /dev/null */
		r = -EINVAL;
	/* It was for the opening alone: the process is to wait where it has to. */
	if (r == 0 && fcntl(fd, F_SETFL, O_APPEND) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

int rundir_open_log(struct rundir *dir, const char *lab, const struct process *p, int *ret_fd,
		    struct diags *d)
{
	cleanup_buf struct buf name = {0}, shown = {0};
	cleanup_close int folder = -1;
	int r = 0;

	process_id(p, &name);
	buf_puts(&name, LOG_END);
	if (!p->log)
		r = rundir_open_lab(dir, lab, &folder, d);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0)
		r = open_at(folder, p->log ? p->log : buf_text(&name), ret_fd);
	if (r == 0)
		return 0;
	buf_printable(&shown, p->log ? p->log : buf_text(&name));
	diag_error(d, r, process_key_mark(p, "log"), "cannot open the log %s: %s", buf_text(&shown),
		   strerror(-r));
	if (r == -EINVAL || r == -ELOOP)
		diag_hint(d, "it must be an ordinary file, and no link to one");
	return r;
}
