/* SPDX-License-Identifier: MIT */
/* Carries a plan out. */
#pragma once

#include "kernel.h"
#include "plan.h"
#include "record.h"

struct execution {
	struct kernel *kernel;
	struct rundir *rundir;
	struct record *record; /* told of cookies and old values, and saved, as they become known */
	/* Called between steps; may be NULL. */
	void (*progress)(void *data, size_t done, size_t total);
	void *data;
	bool remakes;	/* namespaces that go can be made anew, with all that was in them */
	bool no_return; /* nothing may end it: it is the way back, or there is none any more */
	/* Those steps are due that are of the first of these or come after it, and come before the
	 * second. */
	enum op from, until;
};

static inline bool execution_is_due(const struct execution *e, const struct step *s)
{
	return s->op >= e->from && s->op < e->until;
}
static inline bool execution_has_work(const struct execution *e, const struct plan *p)
{
	array_each(&p->steps, s)
		if (execution_is_due(e, s))
			return true;
	return false;
}

/* Runs the steps that are due in order, stops at the first that fails. Errors name the object,
 * its place in the file and the kernel's words. 0, -EINTR (interrupt_came()), or another
 * negative errno. */
int execute(struct execution *e, struct plan *p, struct diags *d);
/* Is it time to turn back? 0, -EINTR (interrupt_came()), or -ENOMEM. */
int execution_stopped(const struct execution *e, struct diags *d);
/* execute_process.c: says that a process which was to stay has ended, and what it wrote. */
void execute_tell_ended(struct execution *e, const struct process *p, struct diags *d);
