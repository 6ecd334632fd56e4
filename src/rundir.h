/* SPDX-License-Identifier: MIT */
/* The run folder as rundir.c and record.c share it. */
#pragma once

#include "record.h"

#define RECORD_FILE "record"
#define RECORD_NEW_FILE ".record.new"

struct rundir {
	char *path;
	int fd, lock;
	bool tidy; /* was opened to be written: remove it when it holds no lab */
};

/* Opens a lab's folder; -ENOENT without a diagnostic when there is none and it is not to
 * be made. */
int rundir_open_lab(const struct rundir *dir, const char *lab, bool create, int *ret_fd,
		    struct diags *d);
/* Removes a lab's folder and what record.c may have left in it, if there is no record. */
void rundir_clean_lab(const struct rundir *dir, const char *lab);
