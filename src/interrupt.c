/* SPDX-License-Identifier: MIT */
/* Being asked to stop: SIGINT and SIGTERM.
 *
 * Once the machine may be changed they wait, until somebody who can turn back asks for them. The
 * first one that comes is remembered; from then on the next one ends the process at once, as it
 * always would, for whoever does not want to wait. What the caller had ignored stays ignored. Signals
 * belong to the whole process, and so does this state. */
#include "interrupt.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>

static struct {
	bool held;
	sigset_t signals, old_mask;
	int came;
} interrupt;

static void add_unless_ignored(int number)
{
	struct sigaction action;

	/* The kernel keeps also what is ignored, while it is blocked: sig_ignored(). */
	if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
		sigaddset(&interrupt.signals, number);
}

void interrupt_hold(void)
{
	sigemptyset(&interrupt.signals);
	add_unless_ignored(SIGINT);
	add_unless_ignored(SIGTERM);
	sigprocmask(SIG_BLOCK, &interrupt.signals, &interrupt.old_mask);
	interrupt.held = true;
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
		interrupt.held = false;
		sigprocmask(SIG_SETMASK, &interrupt.old_mask, NULL);
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
