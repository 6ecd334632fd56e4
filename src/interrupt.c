/* SPDX-License-Identifier: MIT */
/* Being asked to stop: SIGHUP, SIGINT and SIGTERM.
 *
 * Once the machine may be changed they wait, until somebody who can turn back asks for them. The
 * first one that comes is remembered; from then on the next one ends the process at once, as it
 * always would, for whoever does not want to wait. But for SIGHUP: when a terminal goes, both the shell and
 * the kernel send one. What the caller had ignored stays ignored. Signals belong to the whole process,
 * and so does this state.
 *
 * What is written must not end the process either: neither to standard error, with nobody left who
 * reads that, nor a record that is larger than files may be. Then the writing fails. */
#include "interrupt.h"

#include "util.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>

static const int by_writing[] = {SIGPIPE, SIGXFSZ};

static struct {
	bool held, ignoring;
	sigset_t signals, old_mask;
	struct sigaction old_actions[2]; /* of those by writing */
	int came;
} interrupt;

static void add_unless_ignored(int number)
{
	struct sigaction action;

	/* The kernel keeps also what is ignored, while it is blocked: sig_ignored(). */
	if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(&interrupt.signals, number);
}

static void ignore_by_writing(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (size_t i = 0; i < ARRAY_SIZE(by_writing) && !interrupt.ignoring; i++)
		sigaction(by_writing[i], &ignore, &interrupt.old_actions[i]);
	interrupt.ignoring = true;
}

void interrupt_restore_actions(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(by_writing) && interrupt.ignoring; i++)
		sigaction(by_writing[i], &interrupt.old_actions[i], NULL);
	interrupt.ignoring = false;
}

void interrupt_hold(void)
{
	ignore_by_writing();
	sigemptyset(&interrupt.signals);
	add_unless_ignored(SIGHUP);
	add_unless_ignored(SIGINT);
	add_unless_ignored(SIGTERM);
	sigprocmask(SIG_BLOCK, &interrupt.signals, &interrupt.old_mask);
	interrupt.held = true;
}

/* The next one ends the process. */
static void let_through(void)
{
	sigset_t mask = interrupt.old_mask;

	if (sigismember(&interrupt.signals, SIGHUP))
		sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	interrupt.held = false;
}

int interrupt_wait(long ns)
{
	const struct timespec time = {.tv_nsec = ns};
	int number;

	if (!interrupt.held) {
		if (ns && !interrupt.came)
			nanosleep(&time, NULL);
		return interrupt.came;
	}
	number = sigtimedwait(&interrupt.signals, NULL, &time);
	if (number > 0) {
		interrupt.came = number;
		let_through();
	}
	return interrupt.came;
}

int interrupt_open(void)
{
	return interrupt.held ? signalfd(-1, &interrupt.signals, SFD_CLOEXEC) : -1;
}

int interrupt_came(void)
{
	return interrupt_wait(0);
}
