/* SPDX-License-Identifier: MIT */
/* flock() has no timeout, and would not be ended by signals that wait: so it is tried again and
 * again. A lock ends with its process however that ends, since no descriptor here is inherited. */
#include "lock.h"

#include "interrupt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define POLL_NS 20000000 /* between two tries */
#define MOMENT 5	 /* as many tries are not worth telling */

/* --- who has it ------------------------------------------------------------------ */

/* What a file of /proc/PID says in one line: NULs separate the words of a command line. */
static void read_line(int pid, const char *name, struct buf *out)
{
	char path[64], text[201];
	ssize_t n, first = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	n = read_start(path, text, sizeof(text));
	for (ssize_t i = 0; i < n; i++)
		if (!text[i] || text[i] == '\n')
			text[i] = ' ';
	while (n > 0 && text[n - 1] == ' ')
		n--;
	while (first < n && text[first] == ' ')
		first++;
	if (first < n)
		buf_add(out, text + first, (size_t)(n - first));
}

/* "nsapply topo.yaml" (pid 7). A process may have an empty command line (it is about to end,
 * or was started so), but always has a name. Nothing, if there is no such process any more. */
static void put_process(int pid, struct buf *out)
{
	cleanup_buf struct buf command = {0};

	read_line(pid, "cmdline", &command);
	if (!command.n)
		read_line(pid, "comm", &command);
	if (!command.n)
		return;
	buf_puts(out, "\"");
	buf_printable(out, buf_text(&command));
	buf_printf(out, "\" (pid %d)", pid);
}

static void put_holder(int fd, struct buf *out)
{
	FILE *locks = fopen("/proc/locks", "re");
	size_t before = out->n;
	struct stat st;
	char line[256];

	if (locks && fstat(fd, &st) == 0)
		while (out->n == before && fgets(line, sizeof(line), locks)) {
			unsigned long inode;
			unsigned dev[2];
			int pid;

			if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &dev[0], &dev[1],
				   &inode) == 4 &&
			    pid > 0 && inode == st.st_ino && dev[0] == major(st.st_dev) &&
			    dev[1] == minor(st.st_dev))
				put_process(pid, out);
		}
	if (locks)
		fclose(locks);
	if (out->n == before)
		buf_puts(out, "another process");
}

static void put_lock(int fd, const char *what, struct buf *out)
{
	buf_printf(out, "%s is locked by ", what);
	put_holder(fd, out);
}

/* --- taking it -------------------------------------------------------------------- */

void waiting_start(struct waiting *w)
{
	clock_gettime(CLOCK_MONOTONIC, &w->deadline);
	w->deadline.tv_sec += w->timeout;
}

static bool is_over(const struct waiting *w)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > w->deadline.tv_sec ||
	       (now.tv_sec == w->deadline.tv_sec && now.tv_nsec >= w->deadline.tv_nsec);
}

int lock_try(int fd, bool exclusive)
{
	if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK || errno == EINTR ? -EBUSY : -errno;
}

static int timed_out(int fd, const char *what, const struct waiting *w, struct diags *d)
{
	cleanup_buf struct buf text = {0};

	put_lock(fd, what, &text);
	diag_error(d, -EAGAIN, NO_MARK, "%s (waited %u seconds)", buf_text(&text), w->timeout);
	diag_hint(d, "one nsapply at a time works on a lab, and on what labs share; wait longer "
		     "with --lock-timeout SECONDS");
	return -EAGAIN;
}

int lock_wait(int fd, bool exclusive, const char *what, const struct waiting *w, struct diags *d)
{
	for (unsigned tries = 0;; tries++) {
		int r = lock_try(fd, exclusive);
		bool over = is_over(w);

		if (r == 0)
			return 0;
		if (r != -EBUSY)
			return diag_error(d, r, NO_MARK, "cannot lock %s: %s", what, strerror(-r));
		if (tries == MOMENT && !over && w->tell) {
			cleanup_buf struct buf text = {0};
			put_lock(fd, what, &text);
			w->tell(w->data, buf_text(&text));
		}
		/* Also where the time is over: the machine may have slept since the signal came. */
		if (interrupt_wait(over ? 0 : POLL_NS))
			return diag_error(d, -EINTR, NO_MARK,
					  "interrupted while waiting for the lock of %s", what);
		if (over)
			return timed_out(fd, what, w, d);
	}
}
