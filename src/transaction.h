/* SPDX-License-Identifier: MIT */
/* Carries a lab's plan out, as a whole or not at all. */
#pragma once

#include "lab.h"

struct transaction {
	const char *done; /* "applied", for people */
	/* Are the lab's own namespaces that go read like the others? Then even what was in them can be
	 * made anew. Otherwise there is no way back once they are gone, which is at the very end. */
	bool deep;
	/* Brings the record in line with what was done; the transaction's last step. */
	int (*conclude)(struct lab *lab);
};

/* lab->plan is made, lab->record is there; after a failure the one on disk is again as lab->record was
 * loaded, or none. Returns the exit status. */
int transact(struct lab *lab, const struct transaction *t);
