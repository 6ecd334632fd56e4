/* SPDX-License-Identifier: MIT */
/* Document -> model: every key through its row, every error in one run, then
 * the meaning of the whole checked. Offline: reads nothing of the machine but
 * iproute2's tables of names. */
#pragma once

#include "model.h"

/* Loads a topology file's document. On success the model is normalised: cables
 * have become pairs of links, `ports` has become `master`, `forwarding` and
 * interfaces' `sysctl` have become sysctls, defaults are filled in, owned
 * namespaces have their `lo`, everything is sorted, and its meaning is checked.
 * Errors and warnings go to d. 0 or -EINVAL. The document must outlive the model, its
 * nodes until load_keep_marks(). */
int load_topology(const struct document *doc, struct model **ret_model, struct diags *d);

/* A model of nothing but the lab's name, and the namespaces by name and class, as far as they can be
 * made out: what else the file says need not be right. */
int load_lab_name(const struct document *doc, struct model **ret_model, struct diags *d);

/* Loads one `namespaces` mapping as a record keeps it (and a test's live state):
 * the same keys and rows, plus `cookie`, `index`, `home` and `away`, but only as it stands: nothing is
 * filled in beyond the rows' initial values and nothing is checked across objects. */
int load_state(const struct node *namespaces, struct model **ret_model, struct diags *d);

/* Of what a file says only where it says so is of interest when its meaning has been looked at: for
 * messages. Copies the marks that it takes, so that the document's nodes, which need more memory than
 * the model, can be forgotten. */
void load_keep_marks(struct model *m);

/* Adds the processes of a record, a list, to a model: with `namespace`, `name`, `pid` and `started`. */
int load_started(const struct node *list, struct model *m, struct diags *d);
