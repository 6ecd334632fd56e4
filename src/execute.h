/* SPDX-License-Identifier: MIT */
/* Carries a plan out. */
#pragma once

#include "kernel.h"
#include "plan.h"
#include "record.h"

#include <signal.h>

struct execution {
	struct kernel *kernel;
	struct rundir *rundir;
	struct record *record; /* told of cookies and old values, and saved, as they become known */
	/* Called between steps; may be NULL. */
	void (*progress)(void *data, size_t done, size_t total);
	void *data;
	/* Signals (blocked by the caller) that end it between two steps. The one that came is left in
	 * `signal`. NULL: nothing may end it, not even that memory is low. */
	const sigset_t *stop_on;
	int signal;
	bool deleted; /* namespaces are gone, and what was in them: there is no way back */
};

/* Runs the steps in order, stops at the first that fails. Errors name the object,
 * its place in the file and the kernel's words. 0, -EINTR (see signal), or another
 * negative errno. */
int execute(struct execution *e, struct plan *p, struct diags *d);
/* Is it time to turn back? 0, -EINTR (see signal), or -ENOMEM. */
int execution_stopped(struct execution *e, struct diags *d);
