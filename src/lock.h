/* SPDX-License-Identifier: MIT */
/* flock() with a deadline, and the name of who one waits for. */
#pragma once

#include "error.h"

#include <time.h>

/* One wait, for whatever locks are in the way. */
struct waiting {
	unsigned timeout; /* seconds */
	/* Called when it takes longer than a moment, with what is in the way: "X is locked by ...".
	 * May be NULL. */
	void (*tell)(void *data, const char *text);
	void *data;
	struct timespec deadline; /* waiting_start() sets it */
};

void waiting_start(struct waiting *w);

/* 0, -EBUSY without a diagnostic when somebody else has it, or another negative errno. */
int lock_try(int fd, bool exclusive);
/* Waits for it. `what` is what the file stands for, in messages. */
int lock_wait(int fd, bool exclusive, const char *what, const struct waiting *w, struct diags *d);
