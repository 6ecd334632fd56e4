/* SPDX-License-Identifier: MIT */
/* What packets would do in the lab that a file describes, from the file alone:
 * the answers to its checks, and what is surely a mistake. Pure: sees no kernel.
 *
 * What the file does not say (the rest of an external namespace, what an existing
 * interface is plugged into, who listens on a port) is unknown, and so is what
 * hangs on it. */
#pragma once

#include "model.h"

enum verdict { VERDICT_HOLDS, VERDICT_FAILS, VERDICT_UNKNOWN };

struct prediction {
	const struct probe *probe;
	enum verdict verdict;
	const char *why;   /* NULL: there is nothing to say */
	struct mark cause; /* what of the file that comes from; line 0: nothing in particular */
};

struct predictions {
	struct arena arena;	       /* of the texts */
	ARRAY(struct prediction) list; /* in the order of the probes */
	size_t count[3];	       /* by verdict */
};

/* Of the loader's normalised model, which must outlive it. Mistakes that no check asks about are
 * warnings in d. */
void predict(const struct model *m, struct predictions *ret, struct diags *d);
void predictions_free(struct predictions *p);
/* An error in d for each check that is going to fail. */
void predictions_tell(const struct predictions *p, struct diags *d);
json_t *predictions_json(const struct predictions *p); /* a list; a new reference */
