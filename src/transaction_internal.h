/* SPDX-License-Identifier: MIT */
#pragma once

#include "transaction.h"

/* What the kernel changes by itself is planned once more, but not for ever. */
#define ROUNDS_MAX 4

struct run {
	struct lab *lab;
	struct execution execution;
	bool deep;  /* how the lab's own namespaces that go are read: kernel_read() */
	bool begun; /* the record may name more than before, and the machine be another */
	bool told;  /* what the plan is, by the one before */
	size_t count[4];
	json_t *plan;	 /* plan_json() of what is done; NULL unless wanted */
	int64_t started; /* now_ms() */
	bool shown;
};

/* transaction_undo.c: after a failure, which is told. Returns the exit status. */
int transaction_undo(struct run *run);

/* transaction_ready.c */
struct readiness {
	struct lab *lab;
	const struct execution *execution;
	/* Called before something is waited for, with what it is. */
	void (*tell)(void *data, const char *what);
	void *data;
	int64_t end; /* 0: the time has not begun yet */
};
/* Waits until what was made is usable. The state that was read last (lab->live, lab->goal) says what
 * is missing; where there was something to wait for, it is read again, and lab->plan with it. */
int transaction_wait_ready(struct readiness *r);

/* transaction_touched.c */
/* Marks the namespaces of live in which something may be otherwise when the plan has run. */
void transaction_touch(struct model *live, const struct plan *p);

/* transaction_read.c */
/* Adds the value to the live namespace, unless it is there already or there is none. Negative, with a
 * diagnostic, when it cannot be read. */
int transaction_read_value(struct kernel *k, struct model *live, struct netns *n, const char *path,
			   struct diags *d);
/* Adds to the live model the values that go as a side effect of the plan, with an interface or
 * along with other values, so that the record, and the way back, know them. */
int transaction_read_side_effects(struct lab *lab);
