/* SPDX-License-Identifier: MIT */
/* Between the files of the executor; nobody else needs this. */
#pragma once

#include "execute.h"

/* execute_delete.c: carries out n steps of OP_NETNS_DEL. */
int execute_delete_namespaces(struct execution *e, const struct plan *p, struct step *s, size_t n,
			      struct diags *d);

/* execute_process.c: n steps of OP_PROCESS_START, which are ready afterwards, and of OP_PROCESS_STOP. */
int execute_start_processes(struct execution *e, struct step *s, size_t n, struct diags *d);
int execute_stop_processes(struct execution *e, const struct step *s, size_t n, struct diags *d);

/* execute_refused.c: the kernel's refusal of a step is told. Its code, or 0 where that is no reason to stop. */
int execute_refused(struct execution *e, const struct plan *p, const struct refusal *f,
		    struct diags *d);

/* execute_route.c: was a route refused that the kernel may take a moment later? Then again, until it
 * does, or not; that is told. */
bool execute_may_be_early(const struct refusal *f);
int execute_early_route(struct execution *e, const struct plan *p, const struct refusal *f,
			struct diags *d);
