/* SPDX-License-Identifier: MIT */
/* Between the files of the executor; nobody else needs this. */
#pragma once

#include "execute.h"

/* execute_delete.c: carries out n steps of OP_NETNS_DEL. */
int execute_delete_namespaces(struct execution *e, const struct plan *p, struct step *s, size_t n,
			      struct diags *d);
