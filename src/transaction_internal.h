/* SPDX-License-Identifier: MIT */
#pragma once

#include "transaction.h"

/* transaction_read.c */
/* Adds the value to the live namespace, unless it is there already or there is none. Negative, with a
 * diagnostic, when it cannot be read. */
int transaction_read_value(struct kernel *k, struct model *live, struct netns *n, const char *path,
			   struct diags *d);
/* Adds to the live model the values that go as a side effect of the plan, with an interface or
 * along with other values, so that the record, and the way back, know them. */
int transaction_read_side_effects(struct lab *lab);
