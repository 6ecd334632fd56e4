/* SPDX-License-Identifier: MIT */
/* --run: a lab of its own around one command, gone when the command ends.
 *
 * Three processes: the outer one (which the caller knows), init (the first one of a pid namespace,
 * where it makes the lab), and the command. They stay in the caller's process group, so that a
 * terminal's signals and job control, and pipelines, work as for any command. Everything there is
 * hangs on init: the kernel ends what is in its pid namespace when it ends, and ends init when the outer
 * process does (PR_SET_PDEATHSIG). Nothing has a name outside, so with the processes all is gone.
 *
 * Signals: what the terminal sends reaches the command by itself, and is not passed on. Other
 * signals to the outer process are, by way of init, as a queued real-time signal: those come one by
 * one, and signals proper do nothing to an init. So a signal to the whole group may reach the command
 * twice; never, not at all. Before there is a command, they end the run.
 *
 * Traps: the parent death signal is cleared by a change of credentials, so it is set last; it comes too late
 * for a parent that is dead already. A command that made a process group of its own the terminal's
 * (an interactive shell) leaves the terminal to nobody. */
#include "command_run.h"
#include "command_exec.h"
#include "interrupt.h"
#include "kernel_private.h"
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BY_TERMINAL 0x100 /* added to the number of a signal that is passed on */

struct run {
	char *const *command;
	bool keep_user;
	struct caller caller;
	struct lab lab;
	int started[2]; /* a pipe, from init to the outer process */
	/* as the command is to find it again */
	sigset_t mask;
	struct sigaction child_action;
	struct rlimit files;
};

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- the command ----------------------------------------------------------------------- */

/* In the command's process. Only returns where that failed. */
static int become_command(struct run *run)
{
	struct diags d = {0};
	int r;

	private_pretend_groups();
	r = run->keep_user ? private_leave_root(&run->caller, &d) : 0;
	diags_print(&d, stderr, run->lab.options->color_err);
	diags_free(&d);
	if (r < 0)
		return EXIT_EXEC_FAILED;
	sigaction(SIGCHLD, &run->child_action, NULL);
	interrupt_restore_actions();
	setrlimit(RLIMIT_NOFILE, &run->files);
	umask(run->lab.options->umask);
	sigprocmask(SIG_SETMASK, &run->mask, NULL);
	return command_exec("host", run->command);
}

/* --- init ------------------------------------------------------------------------------ */

static void pass_on(pid_t command, int what)
{
	/* The command has it, too. */
	if (what & BY_TERMINAL && getpgid(command) == getpgrp())
		return;
	kill(command, what & ~BY_TERMINAL);
}

/* Until the command ends. Orphans of the whole pid namespace become ours. */
static int be_init(pid_t command)
{
	sigset_t set;
	siginfo_t info;
	int status;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN);
	for (;;) {
		int number = sigwaitinfo(&set, &info);

		if (number == SIGRTMIN && info.si_code == SI_QUEUE)
			pass_on(command, info.si_value.sival_int);
		while (number == SIGCHLD && (pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == command)
				return exit_status(status);
	}
}

/* Before the command begins, and told on standard error: standard output is its own. */
static int check_privately(struct lab *lab)
{
	cleanup_buf struct buf out = {0};
	outcomes found = {0};
	int status = EXIT_FAILED;

	if (lab_check(lab, &found) >= 0) {
		outcomes_text(&found, lab->file, lab->options->verbose, lab->options->color_err,
			      &out);
		status = outcomes_failed(&found) ? EXIT_DIFFERENCES : EXIT_DONE;
	}
	if (status == EXIT_DIFFERENCES || lab->options->verbose)
		fputs(buf_text(&out), stderr);
	if (status == EXIT_DIFFERENCES)
		fputs("nsapply: not all checks hold: the command is not run\n", stderr);
	outcomes_free(&found);
	return status;
}

static int apply_privately(struct run *run)
{
	struct lab *lab = &run->lab;
	int status = EXIT_FAILED;

	if (private_mount(&lab->d) >= 0 &&
	    private_network(&run->caller, run->keep_user, &lab->kernel, &lab->d) >= 0)
		status = lab_apply(lab);
	if (status == EXIT_DONE && lab->options->checked)
		status = check_privately(lab);
	if (status == EXIT_DONE &&
	    (setenv("NSAPPLY_LAB", lab->name, 1) < 0 || setenv("NSAPPLY_FILE", lab->path, 1) < 0))
		memory_exhausted();
	status = lab_close(lab, status);
	return status == EXIT_DONE || status > EXIT_SIGNAL ? status : EXIT_EXEC_FAILED;
}

/* Ends when the outer process does. false: it has ended already. */
static bool hang_on_outer(int started)
{
	struct pollfd reader = {.fd = started};

	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && poll(&reader, 1, 0) == 0;
}

static int run_init(struct run *run)
{
	pid_t command;
	int status;

	close(run->started[0]);
	if (!hang_on_outer(run->started[1]))
		return EXIT_EXEC_FAILED;
	status = apply_privately(run);
	if (status)
		return status;
	fflush(NULL);
	command = fork();
	if (command == 0)
		return become_command(run);
	if (command < 0) {
		fprintf(stderr, "nsapply: cannot start a process: %s\n", strerror(errno));
		return EXIT_EXEC_FAILED;
	}
	if (write(run->started[1], "", 1) < 0)
		return EXIT_EXEC_FAILED;
	return be_init(command);
}

/* --- outside --------------------------------------------------------------------------- */

/* The signals to be passed on are held back from now on, unless the caller ignores them. */
static void hold_signals(struct run *run, sigset_t *ret)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
	const struct sigaction child = {.sa_handler = SIG_DFL};
	struct sigaction action;
	sigset_t all;

	sigemptyset(ret);
	sigaddset(ret, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(ret, numbers[i]);
	all = *ret;
	sigaddset(&all, SIGRTMIN); /* init's */
	sigaction(SIGCHLD, &child, &run->child_action);
	sigprocmask(SIG_BLOCK, &all, &run->mask);
}

static int wait_outside(const struct run *run, pid_t init, const sigset_t *set)
{
	bool started = false;
	int came = 0, status;
	siginfo_t info;
	char byte;

	for (;;) {
		int number = sigwaitinfo(set, &info);

		if (number < 0)
			continue;
		if (number == SIGCHLD) {
			if (waitpid(init, &status, WNOHANG) == init)
				return came ? EXIT_SIGNAL + came : exit_status(status);
			continue;
		}
		started = started || read(run->started[0], &byte, 1) == 1;
		if (started) {
			union sigval what = {.sival_int = number};

			if (info.si_code == SI_KERNEL)
				what.sival_int |= BY_TERMINAL;
			sigqueue(init, SIGRTMIN, what);
		} else {
			came = came ? came : number;
			kill(init, SIGKILL);
		}
	}
}

/* The terminal's foreground may be a process group of the command's that is no more. */
static void take_terminal_back(void)
{
	cleanup_close int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid_t foreground = terminal < 0 ? -1 : tcgetpgrp(terminal);
	sigset_t set;

	if (foreground <= 0 || kill(-foreground, 0) == 0 || errno != ESRCH)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, NULL);
	tcsetpgrp(terminal, getpgrp());
}

static int run_outside(struct run *run, pid_t init, const sigset_t *set)
{
	int status;

	close(run->started[1]);
	diags_free(&run->lab.d); /* init's to tell */
	lab_close(&run->lab, EXIT_DONE);
	status = wait_outside(run, init, set);
	take_terminal_back();
	return status;
}

int command_run(const struct options *o, char *const command[])
{
	struct options quiet = *o;
	struct run run = {
		.command = command, .keep_user = o->keep_user, .lab = {.options = &quiet}};
	const char *file;
	sigset_t set;
	pid_t init;

	/* The command's standard error is its own. */
	quiet.quiet = !o->verbose;
	quiet.n_args = 1;
	file = lab_find_file(&run.lab);
	if (!file || lab_load_file(&run.lab, file) < 0 ||
	    private_enter(&run.caller, &run.lab.d) < 0)
		return lab_close(&run.lab, EXIT_EXEC_FAILED);
	unsetenv("NSAPPLY_RUNDIR"); /* /run/nsapply is a private one */
	getrlimit(RLIMIT_NOFILE, &run.files);
	hold_signals(&run, &set);
	fflush(NULL);
	init = pipe2(run.started, O_CLOEXEC | O_NONBLOCK) < 0 ? -1 : fork();
	if (init == 0)
		return run_init(&run);
	if (init < 0) {
		diag_error(&run.lab.d, -errno, NO_MARK, "cannot start a process: %s",
			   strerror(errno));
		return lab_close(&run.lab, EXIT_EXEC_FAILED);
	}
	return run_outside(&run, init, &set);
}
