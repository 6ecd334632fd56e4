/* SPDX-License-Identifier: MIT */
/* The init of a process: the first one of its pid namespace, which keeps it.
 *
 * To a first process signals proper do nothing, and its orphans are its to bury; so a command is
 * rarely fit to be one. This one waits to be told to go, starts the command, passes signals on, and
 * stays until nothing is left that the command has started: so a program that leaves a daemon
 * behind is kept as well, and one that fails is not kept by what it leaves. When it ends, by SIGKILL
 * too, the kernel ends all that is in the namespace.
 *
 * SIGTERM is for everything in it. Only what comes from outside counts (to us si_pid is 0 then, since
 * the sender has no number here): a command has no business to end its init. */
#include "command_keep.h"
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

bool is_process_init(int argc, char *const argv[])
{
	return argc > PROCESS_ARG_COMMAND && strcmp(argv[0], PROCESS_INIT) == 0 && getpid() == 1;
}

/* --- the command ------------------------------------------------------------------------- */

/* Where groups are denied, as in a user namespace of an ordinary user, there are none to lose. */
static bool set_groups(const char *user, gid_t gid)
{
	int r = strcmp(user, "-") == 0 ? setgroups(0, NULL) : initgroups(user, gid);
	char denied[8];

	return r == 0 || (read_start("/proc/self/setgroups", denied, sizeof(denied)) > 0 &&
			  str_starts(denied, "deny"));
}

static bool become_user(const char *ids, const char *user)
{
	char *end;
	uid_t uid = (uid_t)strtoul(ids, &end, 10);
	gid_t gid = *end ? (gid_t)strtoul(end + 1, NULL, 10) : uid;

	if (strcmp(ids, "-") == 0)
		return true;
	return set_groups(user, gid) && setgid(gid) == 0 && setuid(uid) == 0;
}

static void reset_signals(void)
{
	const struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int number = 1; number <= SIGRTMAX; number++)
		sigaction(number, &action, NULL); /* some cannot be set */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only returns where that failed; that is told then. */
static void become_command(char *const argv[])
{
	char *const *command = argv + PROCESS_ARG_COMMAND;

	setsid();
	if (!become_user(argv[PROCESS_ARG_IDS], argv[PROCESS_ARG_USER])) {
		process_report(PROCESS_CHANNEL, -errno, "become user", argv[PROCESS_ARG_IDS]);
		return;
	}
	if (chdir(argv[PROCESS_ARG_CWD]) < 0) {
		process_report(PROCESS_CHANNEL, -errno, "enter the folder", argv[PROCESS_ARG_CWD]);
		return;
	}
	reset_signals();
	execvp(command[0], command);
	process_report(PROCESS_CHANNEL, -errno, "run", command[0]);
}

/* --- the init ------------------------------------------------------------------------------ */

struct kept {
	pid_t command; /* 0: it has ended */
	int failed;    /* with this status */
};

/* All who have ended. false: nobody is left. */
static bool bury(struct kept *kept)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != kept->command)
			continue;
		kept->command = 0;
		kept->failed = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return pid == 0;
}

static void pass_on(const struct kept *kept, int number)
{
	if (number == SIGTERM)
		kill(-1, number);
	else if (kept->command)
		kill(kept->command, number);
}

static int keep(pid_t command)
{
	struct kept kept = {.command = command};
	sigset_t all;
	siginfo_t info;

	sigfillset(&all);
	while (!kept.failed) {
		int number = sigwaitinfo(&all, &info);

		if (number == SIGCHLD && !bury(&kept))
			break;
		if (number > 0 && number != SIGCHLD && info.si_pid == 0)
			pass_on(&kept, number);
	}
	return kept.failed;
}

/* false: nobody is there any more to say so. */
static bool wait_for_go(void)
{
	char byte;
	ssize_t n;

	do
		n = read(PROCESS_CHANNEL, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

int command_keep(char *const argv[])
{
	pid_t command;

	fcntl(PROCESS_CHANNEL, F_SETFD, FD_CLOEXEC);
	if (!wait_for_go())
		return EXIT_FAILURE;
	prctl(PR_SET_NAME, PROCESS_KEEPS);
	command = fork();
	if (command == 0) {
		become_command(argv);
		_exit(127);
	}
	if (command < 0)
		process_report(PROCESS_CHANNEL, -errno, "start", "a process");
	close(PROCESS_CHANNEL);
	close(STDIN_FILENO); /* the command's alone: a pipe ends with its last reader */
	return command < 0 ? EXIT_FAILURE : keep(command);
}
