/* SPDX-License-Identifier: MIT */
/* The verbs: compositions of load, goal, plan, execute and record. Each prints
 * what it has to say and returns the exit status. */
#pragma once

#include "error.h"

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* the machine is as before */
	EXIT_DIFFERENCES = 2,
	EXIT_FILE_WRONG = 3, /* nothing was touched */
	EXIT_NOT_UNDONE = 4, /* failed, and not put back in full */
	EXIT_USAGE = 64,
	EXIT_SIGNAL = 128,
};

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_IP, FORMAT_TAP, FORMAT_JUNIT };

struct options {
	enum format format;
	bool adopt, no_rollback, no_verify, keep_user, checked, quiet, verbose;
	unsigned lock_timeout; /* seconds */
	unsigned wait;	       /* ms, until the lab is ready; 0: whether it is does not matter */
	unsigned umask;	       /* the caller's; what we make has the mode that it is to have */
	bool color_out, color_err;
	char *const *args;
	int n_args;
};

int command_apply(const struct options *o);
int command_plan(const struct options *o);
int command_validate(const struct options *o);
int command_destroy(const struct options *o);
int command_check(const struct options *o);
int command_list(const struct options *o);
