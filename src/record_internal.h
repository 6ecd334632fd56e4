/* SPDX-License-Identifier: MIT */
#pragma once

#include "record.h"

/* record_claim.c */
/* All that the goal names in this external namespace, and what that takes along. */
void record_claim_netns(struct record *r, const struct plan *p, const struct netns *n);
/* What an interface loses that is moved away from home. to: of `before`. */
void record_claim_moved(struct record *r, const struct plan *p, struct link *to,
			const struct link *source);

/* record_take.c: copying into a record's models, which own what is in them. What a record knows
 * already stays as it is: the value found first is the one to go back to. */
/* The namespace of the same name, made if need be; it is the live one that `like` is. */
struct netns *record_netns(struct model *m, const struct netns *like);
struct link *record_link(struct model *m, struct netns *n, const char *name);
void take_rows(struct model *m, struct link *to, const struct link *from, uint64_t rows);
/* Its kind, the values of that, and the other end. */
void take_kind(struct model *m, struct link *to, const struct link *from);
void take_address(struct model *m, struct link *to, const struct address *from);
void take_route(struct model *m, struct netns *to, const struct route *from);
void take_sysctl(struct model *m, struct netns *to, const char *path, const char *value);
