/* SPDX-License-Identifier: MIT */
/* Processes that were started: finding them again, and ending them.
 *
 * A pid is used again once its process is gone, so a process is known by its pid and its start. A
 * pidfd is opened first, and then it is asked when the process behind it began: whatever comes of
 * the number meanwhile, it is that process that a signal is sent to. /proc may be that of an outer pid
 * namespace, where it has another number: the pidfd's own entry there says which
 * (fs/pidfd.c, pidfd_show_fdinfo()).
 *
 * What a process is called says whether its init keeps a command, or waits yet to be told to start
 * it (kernel_start.c). */
#include "kernel_internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define KILL_SECONDS 10
/* How long one that waits may take to hear that nobody is there any more. */
#define WAITS_MS 10
#define WAITS_TRIES 500
/* Pidfds that are open at a time. */
#define STOP_MAX 256

static bool has_ended(int fd, int timeout)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout) == 1;
}

/* The number that /proc has for it: -1 once it has ended. */
static int seen_pid(int fd, pid_t *ret_pid)
{
	char path[64], text[1024];
	const char *line;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	n = read_start(path, text, sizeof(text));
	line = n > 0 ? strstr(text, "\nPid:") : NULL;
	if (!line)
		return n < 0 ? (int)n : -EPROTO;
	*ret_pid = (pid_t)strtol(line + strlen("\nPid:"), NULL, 10);
	return 0;
}

/* Fields 2, 4 and 22 of proc_pid_stat(5). The name, in parentheses, may have anything in it. */
static int read_stat(pid_t pid, struct identity *ret)
{
	char path[64], text[1024], *at, *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = read_start(path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	name = strchr(text, '(');
	at = strrchr(text, ')');
	if (!name || !at)
		return -EPROTO;
	*at = '\0';
	ret->keeps = strcmp(name + 1, PROCESS_KEEPS) == 0;
	at++;
	for (int field = 3; at && field < 22; field++) {
		at = strchr(at + 1, ' ');
		if (at && field == 3)
			ret->parent = (pid_t)strtol(at + 1, NULL, 10);
	}
	if (!at)
		return -EPROTO;
	ret->started = strtoull(at + 1, NULL, 10);
	return 0;
}

int kernel_process_identify(int fd, struct identity *ret)
{
	struct identity found = {0};
	int r = seen_pid(fd, &found.seen);

	if (r == 0 && found.seen > 0)
		r = read_stat(found.seen, &found);
	/* Only now: it was there when that was read. */
	if (has_ended(fd, 0))
		return -ESRCH;
	if (r < 0)
		return r;
	if (found.seen <= 0)
		return -EPROTO;
	*ret = found;
	return 0;
}

int kernel_pid_space(uint64_t *ret_space)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	*ret_space = st.st_ino;
	return 0;
}

/* 1: to us its pid is another's. */
static int is_of_another_space(const struct process *p)
{
	uint64_t space;
	int r = kernel_pid_space(&space);

	return r < 0 ? r : p->space != space;
}

/* A pidfd of exactly this process; -ESRCH: it is no more. One that waits for an nsapply that is no more, or
 * for us, is about to end, or has just been told to go. */
static int open_process(struct kernel *k, const struct process *p, pid_t *ret_seen, int *ret_fd)
{
	struct identity found = {0};
	int fd, r;

	r = is_of_another_space(p);
	if (r < 0)
		return r;
	if (r > 0 || !p->pid)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (fd < 0) /* EINVAL: it is a thread's by now */
		return errno == EINVAL ? -ESRCH : -errno;
	r = kernel_process_identify(fd, &found);
	if (r == 0 && found.started != p->started)
		r = -ESRCH;
	if (r == 0 && !found.keeps)
		kernel_process_forget(k, p->pid);
	for (int tries = WAITS_TRIES; r == 0 && !found.keeps && tries > 0; tries--) {
		has_ended(fd, WAITS_MS);
		r = kernel_process_identify(fd, &found);
	}
	if (r == 0 && !found.keeps)
		r = -EBUSY;
	if (r < 0) {
		close(fd);
		return r;
	}
	if (ret_seen)
		*ret_seen = found.seen;
	*ret_fd = fd;
	return 0;
}

static int cannot(const struct process *p, const char *what, int code, struct diags *d)
{
	cleanup_buf struct buf id = {0};

	process_id(p, &id);
	diag_error(d, code, p->mark, "cannot %s process %s (%u): %s", what, buf_text(&id), p->pid,
		   strerror(-code));
	if (code == -ENOENT || code == -EPROTO)
		diag_hint(d, "what is in /proc must be that of this machine's processes");
	return code;
}

int kernel_process_runs(struct kernel *k, const struct process *p, struct diags *d)
{
	cleanup_close int fd = -1;
	int r = open_process(k, p, NULL, &fd);

	if (r == -ESRCH)
		return 0;
	return r < 0 ? cannot(p, "find", r, d) : 1;
}

int kernel_process_status(const struct process *p)
{
	siginfo_t info = {0};

	if (waitid(P_PID, p->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || !info.si_pid)
		return -1;
	return info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status & 0x7f;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* It may have ended by now, and be in none. */
static bool is_elsewhere(const struct reader *r, const struct process *p, pid_t seen)
{
	const struct netns *n = NULL;
	const struct space *s;
	char path[64];
	struct stat st;

	array_each(&r->found, f)
		if (str_equal(f->live->name, p->netns))
			n = f->live;
	s = n ? kernel_space(r->k, n->handle) : NULL;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)seen);
	return !s || stat(path, &st) < 0 || st.st_dev != s->dev || st.st_ino != s->ino;
}

/* Started in a container, say, that shares /run with this one. */
static void warn_of_another_space(const struct process *p, struct diags *d)
{
	cleanup_buf struct buf id = {0};

	if (is_of_another_space(p) <= 0)
		return;
	process_id(p, &id);
	diag_warning(d, p->mark,
		     "process %s was started in another pid namespace: it is not seen from here",
		     buf_text(&id));
	diag_hint(d, "if that is there still, nsapply finds it there");
}

int read_processes(struct reader *r)
{
	const struct model *started = r->scope->started;
	int result = 0;

	if (!started)
		return 0;
	array_each(&started->processes, p) {
		cleanup_close int fd = -1;
		pid_t seen = 0;
		int error = open_process(r->k, *p, &seen, &fd);

		if (error == -ESRCH) {
			warn_of_another_space(*p, r->d);
			continue;
		}
		if (error < 0)
			result = cannot(*p, "find", error, r->d);
		else
			model_copy_process(r->live, *p)->elsewhere = is_elsewhere(r, *p, seen);
	}
	return result;
}

/* --- ending ------------------------------------------------------------------------------------ */

struct ending {
	const struct process *process;
	int fd; /* -1: it has ended */
};

/* Where we are its parent, it is ours to bury. */
static void bury(int fd)
{
	siginfo_t info;

	waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
}

/* Returns how many are left. */
static size_t await_end(struct ending *list, size_t n, int seconds)
{
	const int64_t end = now_ms() + seconds * 1000;
	size_t left = n;

	while (left) {
		struct pollfd fds[STOP_MAX];
		int64_t wait = end - now_ms();

		left = 0;
		for (size_t i = 0; i < n; i++)
			fds[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
		poll(fds, n, wait > 0 ? (int)wait : 0);
		for (size_t i = 0; i < n; i++) {
			if (list[i].fd >= 0 && has_ended(list[i].fd, 0)) {
				bury(list[i].fd);
				close(list[i].fd);
				list[i].fd = -1;
			}
			left += list[i].fd >= 0;
		}
		if (wait <= 0)
			break;
	}
	return left;
}

static void send_all(const struct ending *list, size_t n, int number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].fd >= 0)
			syscall(SYS_pidfd_send_signal, list[i].fd, number, NULL, 0);
}

static int stop_some(struct kernel *k, const struct process *const *list, size_t n, struct diags *d)
{
	struct ending open[STOP_MAX];
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		int error;

		open[i] = (struct ending){list[i], -1};
		error = open_process(k, list[i], NULL, &open[i].fd);
		if (error < 0 && error != -ESRCH)
			r = cannot(list[i], "stop", error, d);
	}
	send_all(open, n, SIGTERM);
	if (await_end(open, n, PROCESS_GRACE)) {
		send_all(open, n, SIGKILL);
		await_end(open, n, KILL_SECONDS);
	}
	for (size_t i = 0; i < n; i++) {
		if (open[i].fd < 0)
			continue;
		r = cannot(list[i], "stop", -EBUSY, d);
		close(open[i].fd);
	}
	return r;
}

int kernel_process_stop(struct kernel *k, const struct process *const *list, size_t n,
			struct diags *d)
{
	int result = 0, r;

	for (size_t i = 0; i < n; i += STOP_MAX) {
		r = stop_some(k, list + i, n - i < STOP_MAX ? n - i : STOP_MAX, d);
		result = r < 0 ? r : result;
	}
	return result;
}

/* --- readiness ---------------------------------------------------------------------------------- */

typedef ARRAY(uint64_t) inodes;

/* Those that listen stand first. "  0: 00000000:1F90 00000000:0000 0A 00000000:00000000
 * 00:00000000 00000000     0        0 12345 ..." */
static void find_listening(const char *path, uint32_t port, inodes *ret)
{
	FILE *file = fopen(path, "re");
	bool listens = true;
	char line[512];

	while (file && listens && fgets(line, sizeof(line), file)) {
		unsigned local, state;
		uint64_t inode;

		if (sscanf(line,
			   "%*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*d "
			   "%" SCNu64,
			   &local, &state, &inode) != 3)
			continue;
		listens = state == 0x0a; /* include/net/tcp_states.h: TCP_LISTEN */
		if (listens && local == port)
			array_add(ret, inode);
	}
	if (file)
		fclose(file);
}

static bool is_one_of(const inodes *list, const char *link)
{
	uint64_t inode;

	if (sscanf(link, "socket:[%" SCNu64 "]", &inode) == 1)
		array_each(list, i)
			if (*i == inode)
				return true;
	return false;
}

static bool is_denied(int error)
{
	return error == EACCES || error == EPERM;
}

/* Where we may not look, as into another user's in a container, it may well have it. */
static bool has_one_of(const inodes *list, pid_t pid)
{
	char path[64], link[64];
	struct dirent *entry;
	bool found = false;
	DIR *files;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	files = opendir(path);
	if (!files)
		return is_denied(errno);
	while (!found && (entry = readdir(files))) {
		ssize_t n = readlinkat(dirfd(files), entry->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = n < 0 ? is_denied(errno) : is_one_of(list, link);
	}
	closedir(files);
	return found;
}

/* Orphans have the init of their pid namespace for a parent. */
static bool comes_from(pid_t pid, pid_t ancestor)
{
	struct identity found = {.parent = pid};

	while (found.parent > 0 && found.parent != ancestor)
		if (read_stat(found.parent, &found) < 0)
			return false;
	return found.parent == ancestor;
}

static bool family_has_one_of(const inodes *list, pid_t init)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (proc && !found && (entry = readdir(proc))) {
		char *end;
		pid_t pid = (pid_t)strtol(entry->d_name, &end, 10);

		found = pid > 0 && !*end && comes_from(pid, init) && has_one_of(list, pid);
	}
	if (proc)
		closedir(proc);
	return found;
}

enum listener kernel_tcp_listener(struct kernel *k, const struct process *p, const struct netns *n,
				  uint32_t port)
{
	cleanup_close int fd = -1;
	enum listener who = LISTENER_NONE;
	inodes list = {0};
	pid_t seen;

	if (kernel_enter(k, n->handle) == 0) {
		find_listening("/proc/thread-self/net/tcp", port, &list);
		find_listening("/proc/thread-self/net/tcp6", port, &list);
	}
	kernel_leave(k);
	if (list.n && open_process(k, p, &seen, &fd) >= 0)
		who = family_has_one_of(&list, seen) ? LISTENER_IT : LISTENER_OTHER;
	array_free(&list);
	return who;
}
