/* SPDX-License-Identifier: MIT */
/* Starting processes, waiting until they are ready, and stopping them.
 *
 * A process is made first, and waits; when the record knows its pid, it is told to go. So at any instant
 * either the record knows it, or it ends with us. One that is to stop is on record as such until it is
 * gone: should we end meanwhile, it still runs, but not for long. */
#include "execute_internal.h"
#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* So many wait at a time, each with a socket; the record is written once for them. */
#define START_MAX 64
#define POLL_NS 10000000
#define OTHER_MS 200 /* whose a port is takes a look at all processes, and seldom changes */
#define LOG_LINES 5
#define LOG_TAIL 2000
#define LOG_CHUNK 65536
#define LOG_LOOK (16 * LOG_CHUNK) /* so much of a log is read between two looks at the clock */

/* A process of which we have the log open. */
struct starting {
	struct step *step;
	int log;
	bool said;	   /* `ready` has been found in the log */
	bool unread;	   /* there is more in the log than the last look has read */
	uint64_t searched; /* up to here it has not been found */
	int64_t other;	   /* until then (now_ms()) the port is taken to be another's */
	struct timespec since;
};
typedef ARRAY(struct starting) starting_list;

/* --- what it says ------------------------------------------------------------------------- */

/* Its last lines, one behind the other: a hint is a line. */
static void hint_log(int log, uint64_t from, struct diags *d)
{
	char text[LOG_TAIL + 1];
	struct stat st;
	uint64_t end = fstat(log, &st) < 0 ? 0 : (uint64_t)st.st_size;
	uint64_t start = end > from + LOG_TAIL ? end - LOG_TAIL : from;
	ssize_t n = end > from ? pread(log, text, LOG_TAIL, (off_t)start) : 0;
	cleanup_buf struct buf all = {0};
	char *at;
	int lines = 0;

	while (n > 0 && text[n - 1] == '\n')
		n--;
	if (n <= 0) {
		diag_hint(d, "its log has nothing");
		return;
	}
	for (at = text + n; at > text && lines < LOG_LINES; at--)
		lines += at[-1] == '\n';
	at += lines == LOG_LINES; /* behind the line break */
	for (; at < text + n; at++) {
		if (*at == '\n')
			buf_puts(&all, " | ");
		else
			buf_putc(&all, *at ? *at : ' ');
	}
	diag_hint(d, "its log ends: %s", buf_text(&all));
}

static void put_status(const struct process *p, struct buf *out)
{
	int status = kernel_process_status(p);

	if (status < 0)
		return;
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	buf_printf(out, " (status %d)", status);
}

/* when: "before it was ready". */
static int tell_ended(const struct process *p, const char *when, int log, uint64_t from,
		      struct diags *d)
{
	cleanup_buf struct buf id = {0}, status = {0};

	process_id(p, &id);
	put_status(p, &status);
	diag_error(d, -ESRCH, p->mark, "process %s has ended %s%s", buf_text(&id), when,
		   buf_text(&status));
	hint_log(log, from, d);
	return -ESRCH;
}

void execute_tell_ended(struct execution *e, const struct process *p, struct diags *d)
{
	const struct process *known = model_find_process(e->record->made, p);
	cleanup_close int log = -1;

	if (known && rundir_open_log(e->rundir, e->record->lab, known, &log, d) >= 0) {
		struct process ended = *known;

		ended.mark = p->mark;
		tell_ended(&ended, "already", log, known->log_from, d);
	}
}

/* --- ready ---------------------------------------------------------------------------------- */

/* No further than the log is long now: what has no size, as in /proc, may have its readers wait. */
static void read_on(struct starting *s, const char *text)
{
	size_t size = strlen(text), left = LOG_LOOK;
	struct stat st;
	uint64_t end = fstat(s->log, &st) < 0 ? 0 : (uint64_t)st.st_size;
	char *chunk = xmalloc(LOG_CHUNK);

	for (; left && !s->said && end >= s->searched + size; left -= LOG_CHUNK) {
		ssize_t n = pread(s->log, chunk, LOG_CHUNK, (off_t)s->searched);

		if (n < (ssize_t)size)
			break;
		s->said = memmem(chunk, (size_t)n, text, size);
		/* the beginning of it may stand at the end */
		s->searched += (uint64_t)n - size + 1;
	}
	s->unread = !left && !s->said;
	free(chunk);
}

static enum listener find_listener(struct execution *e, struct starting *s)
{
	const struct process *p = s->step->process;
	enum listener who;

	if (now_ms() < s->other)
		return LISTENER_OTHER;
	who = kernel_tcp_listener(e->kernel, p, s->step->netns, p->ready.tcp);
	if (who == LISTENER_OTHER)
		s->other = now_ms() + OTHER_MS;
	return who;
}

/* last: there is no other look. */
static bool is_ready(struct execution *e, struct starting *s, bool last)
{
	const struct process *p = s->step->process;

	if (last)
		s->other = 0;
	if (p->ready.log && !s->said)
		read_on(s, p->ready.log);
	if (p->ready.log && !s->said)
		return false;
	return !p->ready.tcp || find_listener(e, s) == LISTENER_IT;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static int tell_late(struct execution *e, struct starting *s, struct diags *d)
{
	const struct process *p = s->step->process;
	const struct attr *row = &ready_table.rows[attr_find(&ready_table, "within")];
	cleanup_buf struct buf id = {0}, within = {0};

	process_id(p, &id);
	attr_format(row, &p->ready, &within);
	if (p->ready.tcp && find_listener(e, s) == LISTENER_OTHER)
		buf_printf(&within, ": it is another process that listens on port %u",
			   p->ready.tcp);
	diag_error(d, -ETIMEDOUT, process_key_mark(p, "ready"),
		   "process %s was not ready within %s", buf_text(&id), buf_text(&within));
	hint_log(s->log, p->log_from, d);
	return -ETIMEDOUT;
}

static int wait_ready(struct execution *e, struct starting *s, struct diags *d)
{
	const struct process *p = s->step->process;
	double within = p->ready.within / 1e6;
	struct timespec begun;
	int runs;

	if (!p->ready.tcp && !p->ready.log)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (;;) {
		bool late = seconds_since(&s->since) > within;

		runs = kernel_process_runs(e->kernel, p, d);
		if (runs < 0)
			return runs;
		if (!runs)
			return tell_ended(p, "before it was ready", s->log, p->log_from, d);
		if (is_ready(e, s, late))
			return 0;
		/* What it wrote while others were waited for is read, but for no longer than that. */
		if (late && (!s->unread || seconds_since(&begun) > within))
			return tell_late(e, s, d);
		if (!s->unread)
			interrupt_wait(POLL_NS);
		runs = execution_stopped(e, d);
		if (runs < 0)
			return runs;
	}
}

/* --- starting --------------------------------------------------------------------------------- */

/* What is written to a device is gone, and what it has to read is its own. The log in the lab's
 * folder is none. */
static int expect_readable(const struct process *p, const struct stat *log, struct diags *d)
{
	cleanup_buf struct buf id = {0}, path = {0};

	if (!p->ready.log || !p->log || S_ISREG(log->st_mode))
		return 0;
	process_id(p, &id);
	buf_printable(&path, p->log);
	diag_error(d, -EINVAL, process_key_mark(p, "ready"),
		   "what process %s writes to %s cannot be read there", buf_text(&id),
		   buf_text(&path));
	diag_hint(d, "ready: {log: ...} takes a log that is an ordinary file");
	return -EINVAL;
}

static int make(struct execution *e, struct step *step, starting_list *list, struct diags *d)
{
	struct process *p = step->process;
	struct starting s = {.step = step, .log = -1};
	struct stat st = {0};
	int r = rundir_open_log(e->rundir, e->record->lab, p, &s.log, d);

	if (r < 0)
		return r;
	clock_gettime(CLOCK_MONOTONIC, &s.since);
	p->ends = false;
	p->log_from = s.searched = fstat(s.log, &st) < 0 ? 0 : (uint64_t)st.st_size;
	array_add(list, s);
	r = expect_readable(p, &st, d);
	return r < 0 ? r : kernel_process_make(e->kernel, p, step->netns, s.log, d);
}

/* A folder or a program may be on a disk that does not answer. */
static int wait_begun(struct execution *e, const struct process *p, struct diags *d)
{
	int went, r = 0;

	do {
		went = kernel_process_went(e->kernel, p, d);
		if (!went)
			r = execution_stopped(e, d);
	} while (!went && r >= 0);
	return went < 0 ? went : r;
}

static int start_some(struct execution *e, struct step *s, size_t n, starting_list *list,
		      struct diags *d)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		r = make(e, &s[i], list, d);
		if (r >= 0)
			record_add_process(e->record, s[i].process)->is_new = true;
	}
	if (r >= 0)
		r = record_save(e->rundir, e->record, d);
	for (size_t i = 0; i < n && r >= 0; i++)
		kernel_process_go(e->kernel, s[i].process);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = wait_begun(e, s[i].process, d);
	return r;
}

int execute_start_processes(struct execution *e, struct step *s, size_t n, struct diags *d)
{
	starting_list list = {0};
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i += START_MAX)
		r = start_some(e, s + i, n - i < START_MAX ? n - i : START_MAX, &list, d);
	/* All of them are on their way: they may need each other. */
	for (size_t i = 0; i < list.n && r >= 0; i++)
		r = wait_ready(e, &list.items[i], d);
	array_each(&list, started)
		close(started->log);
	array_free(&list);
	return r;
}

/* --- stopping --------------------------------------------------------------------------------- */

static int record_ends(struct execution *e, const struct process *const *list, size_t n, bool ends,
		       struct diags *d)
{
	for (size_t i = 0; i < n; i++) {
		struct process *known = model_find_process(e->record->made, list[i]);

		if (known)
			known->ends = ends;
	}
	return ends ? record_save(e->rundir, e->record, d) : 0;
}

int execute_stop_processes(struct execution *e, const struct step *s, size_t n, struct diags *d)
{
	const struct process **list = xcalloc(n, sizeof(*list));
	int r;

	for (size_t i = 0; i < n; i++)
		list[i] = s[i].process;
	r = record_ends(e, list, n, true, d);
	if (r < 0) /* they are not told */
		record_ends(e, list, n, false, d);
	else
		r = kernel_process_stop(e->kernel, list, n, d);
	for (size_t i = 0; i < n && r >= 0; i++)
		record_drop_process(e->record, s[i].process);
	free(list);
	return r < 0 ? r : record_save(e->rundir, e->record, d);
}
