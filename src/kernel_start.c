/* SPDX-License-Identifier: MIT */
/* Starting a process inside a namespace.
 *
 * Each gets a pid namespace, whose init is nsapply, executed once more (command_keep.c): when that
 * ends, the kernel ends all that the process has ever started, daemons too. Nothing of ours stays
 * in it: neither memory nor open files, locks, terminal or signal mask.
 *
 * Until it is told to go, it waits at a socket, and ends when that is closed. So nsapply may be killed at
 * any instant: a process whose pid is not on record has not begun, and never will.
 *
 * Traps: between fork and execve() the child is a copy of us, so it must return through _exit() and
 * touch no buffer of stdio. Our ends of other sockets are closed by execve(). */
#include "kernel_internal.h"
#include "kernel_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define SELF "/proc/self/exe"
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* Beyond what a child uses. */
#define HIGH_FD 16
#define WENT_MS 100

void process_report(int channel, int code, const char *what, const char *name)
{
	struct process_failure f = {.code = code};

	snprintf(f.what, sizeof(f.what), "%s %s", what, name);
	send(channel, &f, sizeof(f), MSG_NOSIGNAL);
}

static int failed(const struct process *p, const char *key, int code, const char *what,
		  struct diags *d)
{
	cleanup_buf struct buf id = {0};

	process_id(p, &id);
	return diag_error(d, code, process_key_mark(p, key),
			  "cannot start process %s: cannot %s: %s", buf_text(&id), what,
			  strerror(-code));
}

/* --- who it is ------------------------------------------------------------------------------- */

struct account {
	char *ids, *user, *home; /* "33:33" or "-"; a name or "-" */
};

static void account_free(struct account *who)
{
	free(who->ids);
	free(who->user);
	free(who->home);
}

static void set_ids(struct account *who, unsigned long uid, unsigned long gid)
{
	cleanup_buf struct buf ids = {0};

	buf_printf(&ids, "%lu:%lu", uid, gid);
	who->ids = xstrdup(buf_text(&ids));
}

/* A uid without a gid has that of its entry, or one of the same number. */
static int identify(const struct process *p, struct account *who, struct diags *d)
{
	bool named = p->user && !(p->user[0] >= '0' && p->user[0] <= '9');
	char *end = NULL;
	unsigned long uid = p->user && !named ? strtoul(p->user, &end, 10) : geteuid();
	const struct passwd *entry = named ? getpwnam(p->user) : getpwuid((uid_t)uid);

	if (named && !entry) {
		cleanup_buf struct buf id = {0};

		process_id(p, &id);
		diag_error(d, -ENOENT, process_key_mark(p, "user"),
			   "cannot start process %s: there is no user \"%s\"", buf_text(&id),
			   p->user);
		return -ENOENT;
	}
	if (named)
		set_ids(who, entry->pw_uid, entry->pw_gid);
	else if (p->user)
		set_ids(who, uid, *end ? strtoul(end + 1, NULL, 10) : entry ? entry->pw_gid : uid);
	else
		who->ids = xstrdup("-");
	/* Only who is named gets that user's other groups. */
	who->user = xstrdup(named ? p->user : "-");
	who->home = xstrdup(entry ? entry->pw_dir : "/");
	return 0;
}

/* --- its arguments and environment --------------------------------------------------------------- */

typedef ARRAY(char *) words;

static void words_free(words *list)
{
	array_each(list, word)
		free(*word);
	array_free(list);
}

static void add_variable(words *list, const char *name, const char *value)
{
	cleanup_buf struct buf text = {0};

	buf_printf(&text, "%s=%s", name, value);
	array_add(list, xstrdup(buf_text(&text)));
}

static bool is_set(const struct process *p, const char *name)
{
	array_each(&p->env, v)
		if (str_equal(v->name, name))
			return true;
	return false;
}

static void build_environment(const struct process *p, const struct account *who, words *ret)
{
	const char *user = who->user;
	const struct passwd *own = str_equal(user, "-") && !p->user ? getpwuid(geteuid()) : NULL;
	struct variable ours[] = {{"PATH", DEFAULT_PATH},
				  {"HOME", who->home},
				  {"USER", own ? own->pw_name : user},
				  {"LOGNAME", own ? own->pw_name : user}};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (!is_set(p, ours[i].name) && !str_equal(ours[i].value, "-"))
			add_variable(ret, ours[i].name, ours[i].value);
	array_each(&p->env, v)
		add_variable(ret, v->name, v->value);
	array_add(ret, NULL);
}

static void build_arguments(const struct process *p, const struct account *who, words *ret)
{
	cleanup_buf struct buf id = {0};

	process_id(p, &id);
	array_add(ret, xstrdup(PROCESS_INIT));
	array_add(ret, xstrdup(buf_text(&id)));
	array_add(ret, xstrdup(who->ids));
	array_add(ret, xstrdup(who->user));
	array_add(ret, xstrdup(p->cwd ? p->cwd : "/"));
	array_each(&p->command, word)
		array_add(ret, xstrdup(*word));
	array_add(ret, NULL);
}

/* --- the child ---------------------------------------------------------------------------------- */

struct birth {
	const struct process *process;
	const struct netns *netns;
	int space; /* nsfs; -1: it is in its namespace already */
	int input, log, channel;
	struct rlimit files;
	words arguments, environment;
};

/* What it reads is all there already: a pipe holds that much. */
static int open_input(const struct process *p, struct diags *d)
{
	size_t size = p->input ? strlen(p->input) : 0;
	int ends[2];

	if (!size) {
		ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return ends[0] < 0 ? failed(p, "stdin", -errno, "open /dev/null", d) : ends[0];
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return failed(p, "stdin", -errno, "make a pipe", d);
	fcntl(ends[1], F_SETPIPE_SZ, PROCESS_TEXT_MAX);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	if (write(ends[1], p->input, size) != (ssize_t)size) {
		close(ends[0]);
		ends[0] = failed(p, "stdin", -ENOBUFS, "keep its standard input", d);
	}
	close(ends[1]);
	return ends[0];
}

/* Out of the way of 0 to PROCESS_CHANNEL, some of which may be among them. */
static bool raise_fds(struct birth *b)
{
	int *fds[] = {&b->input, &b->log, &b->channel};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		*fds[i] = fcntl(*fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
		if (*fds[i] < 0)
			return false;
	}
	return true;
}

static void place_fds(const struct birth *b)
{
	dup2(b->input, STDIN_FILENO);
	dup2(b->log, STDOUT_FILENO);
	dup2(b->log, STDERR_FILENO);
	dup2(b->channel, PROCESS_CHANNEL);
	closefrom(PROCESS_CHANNEL + 1);
}

static bool is_named(const struct netns *n)
{
	return n->class == NETNS_OWNED || n->class == NETNS_NAMED;
}

/* Goes to the log: from here on that is its standard error. */
static int look_around(const struct birth *b, struct diags *d)
{
	const struct netns *n = b->netns;
	int r = private_surroundings(d);

	if (r >= 0 && b->space >= 0)
		r = private_show_netns(is_named(n) ? n->name : NULL, d);
	/* Where it cannot be had, as in a container that hides parts of it, the old one stays. */
	if (r >= 0)
		mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	return r;
}

/* Becomes the init. Only returns where that failed; that is told then. */
static void be_born(struct birth *b)
{
	struct diags d = {0};
	sigset_t all;
	int r = 0;

	sigfillset(&all); /* until the init asks for them */
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	umask(022);
	if (b->space >= 0 && setns(b->space, CLONE_NEWNET) < 0) {
		process_report(b->channel, -errno, "enter the namespace", b->netns->name);
		return;
	}
	if (!raise_fds(b)) {
		process_report(b->channel, -errno, "open", "files");
		return;
	}
	place_fds(b);
	if (chdir("/") < 0) { /* the init is in nobody's way there */
		process_report(PROCESS_CHANNEL, -errno, "enter the folder", "/");
		return;
	}
	if (b->files.rlim_max)
		setrlimit(RLIMIT_NOFILE, &b->files);
	r = look_around(b, &d);
	diags_print(&d, stderr, false);
	fflush(stderr);
	if (r < 0) {
		process_report(PROCESS_CHANNEL, r, "make", "a mount namespace");
		return;
	}
	execve(SELF, b->arguments.items, b->environment.items);
	process_report(PROCESS_CHANNEL, -errno, "execute", SELF);
}

/* fork(2), and a pid namespace at once: unshare(2) would change us for good. */
static pid_t clone_init(int *ret_pidfd)
{
	int pidfd = -1;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_PIDFD | SIGCHLD, NULL, &pidfd,
				   NULL, NULL);

	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

/* --- making ------------------------------------------------------------------------------------- */

static int clone_process(struct process *p, struct birth *b, struct diags *d)
{
	cleanup_close int pidfd = -1;
	struct identity found = {0};
	pid_t pid;
	int r = kernel_pid_space(&p->space);

	if (r < 0)
		return failed(p, "command", r, "find its pid namespace in /proc", d);
	pid = clone_init(&pidfd);
	if (pid == 0) {
		be_born(b);
		_exit(EXIT_FAILURE);
	}
	if (pid < 0)
		return private_refused("start a process in a pid namespace", "max_pid_namespaces",
				       -errno, d);
	p->pid = (uint32_t)pid;
	r = kernel_process_identify(pidfd, &found);
	p->started = found.started;
	if (r == -ESRCH) /* kernel_process_went() will tell what went wrong */
		r = 0;
	return r < 0 ? failed(p, "command", r, "find it in /proc", d) : 0;
}

static int make(struct kernel *k, struct process *p, struct birth *b, struct diags *d)
{
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return failed(p, "command", -errno, "make a socket", d);
	b->channel = ends[1];
	r = clone_process(p, b, d);
	close(ends[1]);
	if (r < 0)
		close(ends[0]);
	else
		array_add(&k->waiting, ((struct waiting_process){p->pid, ends[0]}));
	return r;
}

/* What is /dev/stderr to it, it may want to open. Where it is refused it works but for that. */
static void give_log(int log, const struct account *who)
{
	if (fchown(log, (uid_t)strtoul(who->ids, NULL, 10), (gid_t)-1) < 0)
		return;
}

int kernel_process_make(struct kernel *k, struct process *p, const struct netns *n, int log,
			struct diags *d)
{
	const struct space *s = kernel_space(k, n->handle);
	struct birth b = {.process = p, .netns = n, .space = -1, .log = log, .files = k->files};
	struct account who = {0};
	int r = s ? identify(p, &who, d) : failed(p, "command", -ENOENT, "find its namespace", d);

	b.input = r < 0 ? -1 : open_input(p, d);
	if (r >= 0 && b.input < 0)
		r = b.input;
	if (r >= 0) {
		if (n->handle != HANDLE_HOST)
			b.space = s->fd;
		if (!p->log && p->user)
			give_log(log, &who);
		build_arguments(p, &who, &b.arguments);
		build_environment(p, &who, &b.environment);
		r = make(k, p, &b, d);
	}
	if (b.input >= 0)
		close(b.input);
	words_free(&b.arguments);
	words_free(&b.environment);
	account_free(&who);
	return r;
}

/* --- letting it go -------------------------------------------------------------------------------- */

static struct waiting_process *find_waiting(struct kernel *k, uint32_t pid)
{
	array_each(&k->waiting, w)
		if (w->pid == pid)
			return w;
	return NULL;
}

void kernel_process_forget(struct kernel *k, uint32_t pid)
{
	struct waiting_process *w = find_waiting(k, pid);

	if (!w)
		return;
	close(w->channel);
	*w = k->waiting.items[--k->waiting.n];
}

static void hint_failure(const struct process *p, const struct process_failure *f, struct diags *d)
{
	const char *path = DEFAULT_PATH;

	if (f->code == -EINVAL && str_starts(f->what, "become"))
		diag_hint(d, "in a private lab of an ordinary user there is no user but uid 0, "
			     "which outside is who started it: leave `user` out");
	if (f->code != -ENOENT || !str_starts(f->what, "run ") || strchr(f->what, '/'))
		return;
	array_each(&p->env, v)
		if (str_equal(v->name, "PATH"))
			path = v->value;
	diag_hint(d, "it is looked for in %s, unless `env` has another PATH", path);
}

void kernel_process_go(struct kernel *k, const struct process *p)
{
	const struct waiting_process *w = find_waiting(k, p->pid);

	if (w) /* where it has ended already, it has told why */
		send(w->channel, "", 1, MSG_NOSIGNAL);
}

static int tell_failure(const struct process *p, struct process_failure *f, struct diags *d)
{
	const char *key = "command";

	f->what[sizeof(f->what) - 1] = '\0';
	if (str_starts(f->what, "become"))
		key = "user";
	if (str_starts(f->what, "enter the folder"))
		key = "cwd";
	failed(p, key, f->code, f->what, d);
	hint_failure(p, f, d);
	return f->code;
}

/* A program takes the channel's other end along when it begins; what fails is told before. */
int kernel_process_went(struct kernel *k, const struct process *p, struct diags *d)
{
	const struct waiting_process *w = find_waiting(k, p->pid);
	struct process_failure f = {0};
	ssize_t n;

	if (!w)
		return failed(p, "command", -ESRCH, "find it", d);
	if (poll(&(struct pollfd){.fd = w->channel, .events = POLLIN}, 1, WENT_MS) <= 0)
		return 0;
	n = recv(w->channel, &f, sizeof(f), MSG_WAITALL);
	kernel_process_forget(k, p->pid);
	if (n == 0)
		return 1;
	return n == sizeof(f) ? tell_failure(p, &f, d)
			      : failed(p, "command", -EIO, "hear of it", d);
}
