/* SPDX-License-Identifier: MIT */
/* Runs a command up to one point of it, and there kills it or refuses what it asks.
 *
 *     at [-vp] [-a TEXT] [-r FD] count CLASS COMMAND...      how many points are there?
 *     at [-vp] [-a TEXT] [-r FD] kill CLASS N COMMAND...     SIGKILL right before point N (from 1)
 *     at [-vp] [-a TEXT] [-r FD] refuse CLASS N ERROR COMMAND...  fail point N with this errno
 *     at [-vp] [-a TEXT] [-s N] [-r FD] signal CLASS N COMMAND...  SIGINT right before point N
 *
 * A class says what is a point:
 *     call     every system call
 *     change   every system call that may change what outlives the process. What is not known
 *              to be harmless counts, so a new one is a point more and never one missed.
 *     file     every call that works on files, mounts, namespaces, sockets or memory
 *     request  every netlink message that changes something
 *     dump     every netlink message that asks for something
 *     answer   every call that receives what the kernel answers; refused, the answer stays where
 *              it is, and comes too late
 *
 * -a TEXT counts only from the write to standard error on that holds this text; -s N sends a SIGINT
 * right before point N already, counted from the start; -v shows each point on standard error; -p is
 * for commands that start processes, which run free; -r FD is where the outcome goes, one line:
 * "count N", "at N of M WHAT" (M: how many there were until the end; where one was refused, N), or
 * "past N" (the command ended before). The status is the command's own, 128+N for a signal.
 *
 * Killing before a call stands for killing after the one before it as well: in between the process
 * runs in its own memory only.
 *
 * A netlink message is refused by the kernel itself: its type is changed into one that there is
 * not, so that the answer comes from the kernel, in its place among the others, and the rest of the
 * datagram is worked off as ever. In the answer the error (it is EOPNOTSUPP) and the type are
 * changed on the way to the process.
 *
 * The process is traced with ptrace(2), and a filter of seccomp(2) tells the kernel which calls are
 * worth a stop: a stop costs two switches between processes, and on a busy machine a switch may
 * take as long as all the rest. Only the process itself is traced, and none of its children (threads
 * nsapply has only where labs are larger). But a child inherits the filter, and without a tracer
 * finds that there are no such calls: with -p there is no filter, and every call stops. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define FD_MAX 4096
#define TYPE_OF_NOBODY 0x7ff0

enum class { CLASS_CALL, CLASS_CHANGE, CLASS_FILE, CLASS_REQUEST, CLASS_DUMP, CLASS_ANSWER };
static const char *const class_names[] = {"call", "change", "file", "request", "dump", "answer"};

enum mode { MODE_COUNT, MODE_KILL, MODE_REFUSE, MODE_SIGNAL };
static const char *const mode_names[] = {"count", "kill", "refuse", "signal"};

/* What is known of a system call. */
enum {
	INERT = 1, /* nothing that outlives the process comes of it */
	FILE_CALL = 2,
	ANSWER_CALL = 4,
};

struct call {
	long number;
	const char *name;
	int flags;
	int path; /* which argument is a path; 0: none, else its place from 1 */
};

#define CALL(name, flags)                   \
	{                                   \
		SYS_##name, #name, flags, 0 \
	}
#define PATH_CALL(name, flags, path)           \
	{                                      \
		SYS_##name, #name, flags, path \
	}

static const struct call calls[] = {
#ifdef SYS_open
	PATH_CALL(open, FILE_CALL, 1),
	PATH_CALL(mkdir, FILE_CALL, 1),
	PATH_CALL(rmdir, FILE_CALL, 1),
	PATH_CALL(unlink, FILE_CALL, 1),
	PATH_CALL(rename, FILE_CALL, 1),
	PATH_CALL(access, INERT | FILE_CALL, 1),
	PATH_CALL(readlink, INERT | FILE_CALL, 1),
	PATH_CALL(stat, INERT | FILE_CALL, 1),
	PATH_CALL(lstat, INERT | FILE_CALL, 1),
	CALL(poll, INERT),
	CALL(arch_prctl, INERT),
#endif
	PATH_CALL(openat, FILE_CALL, 2),
	PATH_CALL(mkdirat, FILE_CALL, 2),
	PATH_CALL(unlinkat, FILE_CALL, 2),
	PATH_CALL(renameat, FILE_CALL, 2),
	PATH_CALL(renameat2, FILE_CALL, 2),
	CALL(write, FILE_CALL),
	CALL(pwrite64, FILE_CALL),
	CALL(writev, FILE_CALL),
	CALL(ftruncate, FILE_CALL),
	CALL(fsync, FILE_CALL),
	CALL(fchmod, FILE_CALL),
	PATH_CALL(mount, FILE_CALL, 2),
	PATH_CALL(umount2, FILE_CALL, 1),
	CALL(move_mount, FILE_CALL),
	/* What these make goes with the process until a name is mounted on it. */
	CALL(unshare, INERT | FILE_CALL),
	CALL(setns, INERT | FILE_CALL),
	CALL(fsopen, INERT | FILE_CALL),
	CALL(fsconfig, INERT | FILE_CALL),
	CALL(fsmount, INERT | FILE_CALL),
	CALL(flock, INERT | FILE_CALL),
	CALL(fcntl, INERT | FILE_CALL),
	CALL(read, INERT | FILE_CALL),
	CALL(pread64, INERT | FILE_CALL),
	CALL(getdents64, INERT | FILE_CALL),
	CALL(fstat, INERT | FILE_CALL),
	PATH_CALL(newfstatat, INERT | FILE_CALL, 2),
	PATH_CALL(statx, INERT | FILE_CALL, 2),
	PATH_CALL(statfs, INERT | FILE_CALL, 1),
	CALL(fstatfs, INERT | FILE_CALL),
	PATH_CALL(faccessat, INERT | FILE_CALL, 2),
	PATH_CALL(readlinkat, INERT | FILE_CALL, 2),
	CALL(lseek, INERT | FILE_CALL),
	CALL(ioctl, INERT | FILE_CALL),
	CALL(socket, INERT | FILE_CALL),
	CALL(bind, INERT | FILE_CALL),
	CALL(setsockopt, INERT | FILE_CALL),
	CALL(getsockopt, INERT | FILE_CALL),
	/* What a child does is not looked at; that there is one is a point. */
	CALL(clone, FILE_CALL),
	CALL(socketpair, INERT | FILE_CALL),
	CALL(pipe2, INERT | FILE_CALL),
	CALL(pidfd_open, INERT | FILE_CALL),
	CALL(fchown, FILE_CALL),
	CALL(waitid, INERT),
	CALL(mmap, INERT | FILE_CALL),
	CALL(mremap, INERT | FILE_CALL),
	CALL(brk, INERT),
	CALL(close, INERT),
	CALL(munmap, INERT),
	CALL(mprotect, INERT),
	CALL(madvise, INERT),
	CALL(recvmsg, INERT | ANSWER_CALL),
	CALL(recvfrom, INERT | ANSWER_CALL),
	CALL(ppoll, INERT),
	CALL(getsockname, INERT),
	CALL(clock_gettime, INERT),
	CALL(clock_nanosleep, INERT),
	CALL(nanosleep, INERT),
	CALL(rt_sigprocmask, INERT),
	CALL(rt_sigaction, INERT),
	CALL(rt_sigtimedwait, INERT),
	CALL(rt_sigreturn, INERT),
	CALL(uname, INERT),
	CALL(getpid, INERT),
	CALL(gettid, INERT),
	CALL(getuid, INERT),
	CALL(geteuid, INERT),
	CALL(getgid, INERT),
	CALL(getegid, INERT),
	CALL(prlimit64, INERT),
	CALL(getrandom, INERT),
	CALL(futex, INERT),
	CALL(set_tid_address, INERT),
	CALL(set_robust_list, INERT),
	CALL(rseq, INERT),
	CALL(exit_group, INERT),
	CALL(sendto, 0),
	CALL(sendmsg, 0),
};

struct tracer {
	pid_t pid;
	enum mode mode;
	enum class class;
	unsigned long n, seen;
	unsigned long early; /* so many points until the first of two signals; 0: none */
	int error;
	const char *after;
	bool verbose, running, started, reached;
	bool unfiltered; /* every call stops: the filter would be the children's too */
	char what[300];
	bool point_open; /* until the exit of a call that is a point */
	bool restarts;	 /* the kernel tries the call again that has just ended */
	/* of the netlink message whose answer is changed */
	bool answer_awaited;
	int socket;
	uint32_t sequence;
	uint16_t type;
	uint64_t type_at; /* where the type stands in the sender's memory, to be put back */
	bool put_back;
};

static void die(const char *what)
{
	perror(what);
	exit(125);
}

/* --- the other's memory ------------------------------------------------------------ */

static bool peek(const struct tracer *t, uint64_t at, void *buf, size_t size)
{
	struct iovec to = {buf, size}, from = {(void *)(uintptr_t)at, size};

	return process_vm_readv(t->pid, &to, 1, &from, 1, 0) == (ssize_t)size;
}

static void poke(const struct tracer *t, uint64_t at, const void *buf, size_t size)
{
	struct iovec from = {(void *)(uintptr_t)buf, size}, to = {(void *)(uintptr_t)at, size};

	if (process_vm_writev(t->pid, &from, 1, &to, 1, 0) != (ssize_t)size)
		die("process_vm_writev");
}

static void peek_text(const struct tracer *t, uint64_t at, char *buf, size_t size)
{
	size_t n = 0;

	/* byte by byte: the text may end right before an unmapped page */
	while (n + 1 < size && peek(t, at + n, buf + n, 1) && buf[n])
		n++;
	buf[n] = '\0';
}

#if defined(__x86_64__)
static void skip_call(const struct tracer *t, long result)
{
	if (ptrace(PTRACE_POKEUSER, t->pid, offsetof(struct user_regs_struct, orig_rax), -1) < 0 ||
	    ptrace(PTRACE_POKEUSER, t->pid, offsetof(struct user_regs_struct, rax), result) < 0)
		die("PTRACE_POKEUSER");
}
#elif defined(__aarch64__)
static void skip_call(const struct tracer *t, long result)
{
	int none = -1;
	struct user_regs_struct regs;
	struct iovec number = {&none, sizeof(none)}, iov = {&regs, sizeof(regs)};

	if (ptrace(PTRACE_SETREGSET, t->pid, NT_ARM_SYSTEM_CALL, &number) < 0 ||
	    ptrace(PTRACE_GETREGSET, t->pid, NT_PRSTATUS, &iov) < 0)
		die("PTRACE_SETREGSET");
	regs.regs[0] = (unsigned long)result;
	if (ptrace(PTRACE_SETREGSET, t->pid, NT_PRSTATUS, &iov) < 0)
		die("PTRACE_SETREGSET");
}
#else
#error "how a system call is skipped is known for x86_64 and aarch64 only"
#endif

/* --- points -------------------------------------------------------------------------- */

static const struct call *find_call(uint64_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if ((uint64_t)calls[i].number == number)
			return &calls[i];
	return NULL;
}

/* Has the point been reached that is asked for? */
/* Is it the next one, or are all to be shown? Else nobody needs to know what it is. */
static bool is_to_be_told(const struct tracer *t)
{
	return t->verbose || t->seen + 1 == t->n;
}

static bool count_point(struct tracer *t, const char *what)
{
	t->seen++;
	if (t->verbose)
		fprintf(stderr, "%lu %s\n", t->seen, what);
	if (t->mode == MODE_COUNT || t->seen != t->n)
		return false;
	t->reached = true;
	snprintf(t->what, sizeof(t->what), "%s", what);
	return true;
}

static void describe(const struct tracer *t, const struct call *call,
		     const struct __ptrace_syscall_info *info, char *buf, size_t size)
{
	char path[200] = "";

	if (call && call->path)
		peek_text(t, info->entry.args[call->path - 1], path, sizeof(path));
	else if (call && strchr(call->name, 'w') == call->name) /* write: what of a record, say */
		peek_text(t, info->entry.args[1], path, 24);
	for (char *c = path; *c; c++)
		if (*c < ' ')
			*c = ' ';
	if (call)
		snprintf(buf, size, "%s(%s)", call->name, path);
	else
		snprintf(buf, size, "syscall %llu", (unsigned long long)info->entry.nr);
}

static bool is_open(const struct call *call)
{
	return call && strncmp(call->name, "open", 4) == 0;
}

static bool is_write(const struct call *call)
{
	return call && (call->number == SYS_write || call->number == SYS_writev);
}

static bool writes_to_user(const struct call *call, const struct __ptrace_syscall_info *info)
{
	return is_write(call) && info->entry.args[0] <= 2;
}

static bool is_send(const struct call *call)
{
	return call && (call->number == SYS_sendto || call->number == SYS_sendmsg);
}

/* rtnetlink types come in fours: new, delete, get, set. */
static bool asks_only(uint16_t type)
{
	return (type & 3) == 2;
}

/* The datagram's place and size; false: not known. */
static bool datagram(const struct tracer *t, const struct call *call,
		     const struct __ptrace_syscall_info *info, uint64_t *at, uint64_t *size)
{
	struct msghdr msg;
	struct iovec iov;

	if (call->number == SYS_sendto) {
		*at = info->entry.args[1];
		*size = info->entry.args[2];
		return true;
	}
	if (!peek(t, info->entry.args[1], &msg, sizeof(msg)) || msg.msg_iovlen != 1 ||
	    !peek(t, (uintptr_t)msg.msg_iov, &iov, sizeof(iov)))
		return false;
	*at = (uintptr_t)iov.iov_base;
	*size = iov.iov_len;
	return true;
}

static bool sends_change(const struct tracer *t, const struct call *call,
			 const struct __ptrace_syscall_info *info)
{
	uint64_t at, size;
	struct nlmsghdr h;

	if (!datagram(t, call, info, &at, &size))
		return true;
	for (uint64_t done = 0; done + sizeof(h) <= size; done += NLMSG_ALIGN(h.nlmsg_len)) {
		if (!peek(t, at + done, &h, sizeof(h)) || !h.nlmsg_len || !asks_only(h.nlmsg_type))
			return true;
	}
	return false;
}

/* Which calls are points of this class; 0: that is not a matter of calls. */
static int flag_of(enum class class)
{
	return class == CLASS_FILE ? FILE_CALL : class == CLASS_ANSWER ? ANSWER_CALL : 0;
}

static bool is_point(struct tracer *t, const struct call *call,
		     const struct __ptrace_syscall_info *info)
{
	char path[64];

	if (t->class == CLASS_CALL)
		return true;
	if (t->class == CLASS_CHANGE) {
		if (!call)
			return true;
		if (is_send(call))
			return sends_change(t, call, info);
		return !(call->flags & INERT) && !writes_to_user(call, info);
	}
	if (!call || !(call->flags & flag_of(t->class)) || writes_to_user(call, info))
		return false;
	if (t->started || t->class == CLASS_ANSWER)
		return true;
	/* What the dynamic loader does is not the program's: from the first other file on. */
	if (!is_open(call))
		return false;
	peek_text(t, info->entry.args[call->path - 1], path, sizeof(path));
	t->started = !strstr(path, "/lib") && !strstr(path, "/etc/ld.so") && !strstr(path, ".so");
	return t->started;
}

static void start_after(struct tracer *t, const struct call *call,
			const struct __ptrace_syscall_info *info)
{
	char text[512];

	if (!t->after || !is_write(call) || info->entry.args[0] != 2)
		return;
	peek_text(t, info->entry.args[1], text, sizeof(text));
	if (strstr(text, t->after))
		t->after = NULL;
}

/* --- which calls stop ------------------------------------------------------------------ */

/* Of a call that may be a point, or that something hangs on. */
static bool is_of_interest(const struct tracer *t, const struct call *call)
{
	if (t->class == CLASS_CALL || (t->after && is_write(call)))
		return true;
	if (t->class == CLASS_CHANGE)
		return !(call->flags & INERT);
	if (flag_of(t->class))
		return call->flags & flag_of(t->class);
	return is_send(call);
}

/* Does this class stop only at those that make a file or empty one? */
static bool only_to_write(const struct tracer *t, const struct call *call)
{
	return t->class == CLASS_CHANGE && is_open(call);
}

/* What the filter tells, of a call that stops in any case. */
static bool is_worth_a_stop(const struct tracer *t, const struct __ptrace_syscall_info *info)
{
	const struct call *call = find_call(info->entry.nr);

	if (!call)
		return t->class == CLASS_CALL || t->class == CLASS_CHANGE;
	if (only_to_write(t, call))
		return info->entry.args[call->path] & (O_CREAT | O_TRUNC);
	return is_of_interest(t, call);
}

struct filter {
	struct sock_filter code[8 * ARRAY_SIZE(calls)];
	unsigned short n;
};

static void add(struct filter *f, uint16_t code, uint8_t no, uint32_t value)
{
	f->code[f->n++] = (struct sock_filter){.code = code, .jf = no, .k = value};
}

static void use_filter(const struct tracer *t)
{
	const uint32_t stop = SECCOMP_RET_TRACE, go = SECCOMP_RET_ALLOW;
	static struct filter f;
	struct sock_fprog program;

	add(&f, BPF_LD | BPF_W | BPF_ABS, 0, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		const struct call *call = &calls[i];
		bool to_write = only_to_write(t, call);

		add(&f, BPF_JMP | BPF_JEQ | BPF_K, to_write ? 4 : 1, (uint32_t)call->number);
		if (to_write) {
			add(&f, BPF_LD | BPF_W | BPF_ABS, 0,
			    (uint32_t)offsetof(struct seccomp_data, args[call->path]));
			add(&f, BPF_JMP | BPF_JSET | BPF_K, 1, O_CREAT | O_TRUNC);
			add(&f, BPF_RET | BPF_K, 0, stop);
		}
		add(&f, BPF_RET | BPF_K, 0, is_of_interest(t, call) && !to_write ? stop : go);
	}
	add(&f, BPF_RET | BPF_K, 0, t->class == CLASS_CALL || t->class == CLASS_CHANGE ? stop : go);
	program = (struct sock_fprog){.len = f.n, .filter = f.code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		die("seccomp");
}

/* --- netlink ------------------------------------------------------------------------- */

static void refuse_message(struct tracer *t, const struct call *call,
			   const struct __ptrace_syscall_info *info)
{
	const uint16_t nobody = TYPE_OF_NOBODY;
	uint64_t at, size;
	struct nlmsghdr h;
	char what[64];

	if (!datagram(t, call, info, &at, &size))
		return;
	for (uint64_t done = 0; done + sizeof(h) <= size; done += NLMSG_ALIGN(h.nlmsg_len)) {
		/* The packets of a check are no netlink messages. */
		if (!peek(t, at + done, &h, sizeof(h)) || h.nlmsg_len < sizeof(h) ||
		    h.nlmsg_len > size - done)
			return;
		if (asks_only(h.nlmsg_type) != (t->class == CLASS_DUMP))
			continue;
		snprintf(what, sizeof(what), "netlink message of type %u, number %u", h.nlmsg_type,
			 h.nlmsg_seq);
		if (!count_point(t, what))
			continue;
		t->answer_awaited = t->put_back = true;
		t->socket = (int)info->entry.args[0];
		t->sequence = h.nlmsg_seq;
		t->type = h.nlmsg_type;
		t->type_at = at + done + offsetof(struct nlmsghdr, nlmsg_type);
		poke(t, t->type_at, &nobody, sizeof(nobody));
	}
}

/* Where recvmsg() or recvfrom() has put what it received. */
static uint64_t received_at(const struct tracer *t, const struct call *call, const uint64_t args[6])
{
	struct msghdr msg;
	struct iovec iov;

	if (call->number == SYS_recvfrom)
		return args[1];
	if (!peek(t, args[1], &msg, sizeof(msg)) || msg.msg_iovlen < 1 ||
	    !peek(t, (uintptr_t)msg.msg_iov, &iov, sizeof(iov)))
		return 0;
	return (uintptr_t)iov.iov_base;
}

static void change_answer(struct tracer *t, const struct call *call, const uint64_t args[6],
			  int64_t size)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} m;
	uint64_t at = received_at(t, call, args);

	for (int64_t done = 0; at && done + (int64_t)sizeof(m) <= size;
	     done += NLMSG_ALIGN(m.h.nlmsg_len)) {
		if (!peek(t, at + (uint64_t)done, &m, sizeof(m)) || !m.h.nlmsg_len)
			return;
		if (m.h.nlmsg_type != NLMSG_ERROR || m.h.nlmsg_seq != t->sequence)
			continue;
		m.e.error = -t->error;
		m.e.msg.nlmsg_type = t->type;
		poke(t, at + (uint64_t)done, &m, sizeof(m));
		t->answer_awaited = false;
	}
}

/* --- the run --------------------------------------------------------------------------- */

/* While the RTNL lock is taken, some sysctls have the kernel restart the call, a thousand times if
 * need be: restart_syscall() in net/ipv6/addrconf.c. That is one point. */
static bool may_restart(uint64_t number)
{
	return number == SYS_read || number == SYS_pread64 || number == SYS_write;
}

/* Returns false when the process is to be killed. */
static bool on_call(struct tracer *t, const struct __ptrace_syscall_info *info)
{
	const struct call *call = find_call(info->entry.nr);
	bool again = t->restarts, point = again || is_point(t, call, info);
	char what[300] = "";

	t->restarts = false;
	t->point_open = point && may_restart(info->entry.nr);
	if (t->early && point && !again && --t->early == 0)
		kill(t->pid, SIGINT);
	if (t->after) {
		start_after(t, call, info);
		return true;
	}
	if (t->class == CLASS_REQUEST || t->class == CLASS_DUMP) {
		if (is_send(call))
			refuse_message(t, call, info);
		return true;
	}
	if (again || !point)
		return true;
	if (is_to_be_told(t))
		describe(t, call, info, what, sizeof(what));
	if (!count_point(t, what))
		return true;
	if (t->mode == MODE_REFUSE)
		skip_call(t, -t->error);
	if (t->mode == MODE_SIGNAL)
		kill(t->pid, SIGINT);
	return t->mode != MODE_KILL;
}

static bool is_restart(int64_t result)
{
	const int64_t restart_sys = -512, restart_no_intr = -513; /* linux/errno.h */

	return result == restart_sys || result == restart_no_intr;
}

static void on_exit_of(struct tracer *t, const struct __ptrace_syscall_info *entry,
		       const struct __ptrace_syscall_info *info)
{
	const struct call *call = find_call(entry->entry.nr);

	t->restarts = is_restart(info->exit.rval);
	/* Two processes that wake each other leave nothing of a processor to whoever has the lock. */
	if (t->restarts)
		usleep(1000);
	t->point_open = false;
	if (t->put_back)
		poke(t, t->type_at, &t->type, sizeof(t->type));
	t->put_back = false;
	if (t->answer_awaited && call && (int)entry->entry.args[0] == t->socket &&
	    (call->number == SYS_recvmsg || call->number == SYS_recvfrom))
		change_answer(t, call, entry->entry.args, info->exit.rval);
}

/* At a stop in a system call. */
static void on_stop(struct tracer *t, struct __ptrace_syscall_info *entry)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof(info), &info) < 0)
		die("PTRACE_GET_SYSCALL_INFO");
	if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		on_exit_of(t, entry, &info);
		return;
	}
	*entry = info; /* number and arguments are in the same place for either */
	if ((info.op == PTRACE_SYSCALL_INFO_SECCOMP ||
	     (t->unfiltered && is_worth_a_stop(t, &info))) &&
	    !on_call(t, &info))
		kill(t->pid, SIGKILL);
}

static int run(struct tracer *t)
{
	struct __ptrace_syscall_info entry = {0};
	int status, deliver = 0;

	for (;;) {
		bool pending = t->point_open || t->put_back || t->answer_awaited;
		bool done = t->reached && t->mode == MODE_REFUSE && !pending && !t->verbose;
		bool at_calls = !done && (pending || t->unfiltered);

		if (ptrace(at_calls ? PTRACE_SYSCALL : PTRACE_CONT, t->pid, 0, deliver) < 0 &&
		    errno != ESRCH)
			die("PTRACE_CONT");
		deliver = 0;
		if (waitpid(t->pid, &status, __WALL) < 0)
			die("waitpid");
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (WIFSIGNALED(status))
			return 128 + WTERMSIG(status);
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			t->running = true; /* before, it was a copy of this program */
		else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) ||
			 WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (t->running && !done)
				on_stop(t, &entry);
		} else {
			deliver = WSTOPSIG(status);
		}
	}
}

static void start(struct tracer *t, char **command)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC |
			     PTRACE_O_TRACESECCOMP;
	int status;

	t->pid = fork();
	if (t->pid < 0)
		die("fork");
	if (t->pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			die("PTRACE_TRACEME");
		signal(SIGINT, SIG_DFL); /* a shell has its background jobs ignore it */
		raise(SIGSTOP);
		if (!t->unfiltered)
			use_filter(t);
		execvp(command[0], command);
		die(command[0]);
	}
	if (waitpid(t->pid, &status, 0) < 0 || !WIFSTOPPED(status))
		exit(125);
	if (ptrace(PTRACE_SETOPTIONS, t->pid, 0, options) < 0)
		die("PTRACE_SETOPTIONS");
}

/* --- the command line -------------------------------------------------------------------- */

static void usage(void)
{
	fputs("usage: at [-vp] [-a TEXT] [-r FD] count CLASS COMMAND...\n"
	      "       at [-vp] [-a TEXT] [-r FD] kill CLASS N COMMAND...\n"
	      "       at [-vp] [-a TEXT] [-r FD] refuse CLASS N ERROR COMMAND...\n"
	      "       at [-vp] [-a TEXT] [-s N] [-r FD] signal CLASS N COMMAND...\n",
	      stderr);
	exit(64);
}

static int find_name(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name && strcmp(name, names[i]) == 0)
			return (int)i;
	usage();
	return 0;
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text ? text : "", &end, 10);

	if (!n || *end)
		usage();
	return n;
}

int main(int argc, char **argv)
{
	struct tracer t = {0};
	int report = 1, option, status;

	while ((option = getopt(argc, argv, "+vpa:r:s:")) != -1) {
		if (option == 'v')
			t.verbose = true;
		else if (option == 'p')
			t.unfiltered = true;
		else if (option == 'a')
			t.after = optarg;
		else if (option == 's')
			t.early = number(optarg);
		else if (option == 'r')
			report = (int)number(optarg);
		else
			usage();
	}
	argv += optind;
	if (argc - optind < 3)
		usage();
	t.mode = (enum mode)find_name(*argv++, mode_names, ARRAY_SIZE(mode_names));
	t.class = (enum class)find_name(*argv++, class_names, ARRAY_SIZE(class_names));
	if (t.mode != MODE_COUNT)
		t.n = number(*argv++);
	if (t.mode == MODE_REFUSE)
		t.error = (int)number(*argv++);
	if (!*argv)
		usage();
	if (report > 2)
		fcntl(report, F_SETFD, FD_CLOEXEC);
	start(&t, argv);
	status = run(&t);
	if (t.mode == MODE_COUNT)
		dprintf(report, "count %lu\n", t.seen);
	else if (t.reached)
		dprintf(report, "at %lu of %lu %s\n", t.n, t.seen, t.what);
	else
		dprintf(report, "past %lu\n", t.seen);
	return status;
}
