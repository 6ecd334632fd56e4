/* SPDX-License-Identifier: MIT */
/* Copying into a record's models, which own what is in them (record_take.c). What a
 * record knows already stays as it is: the value found first is the one to go back to. */
#pragma once

#include "record.h"

/* The namespace of the same name, made if need be; it is the live one that `like` is. */
struct netns *record_netns(struct model *m, const struct netns *like);
struct link *record_link(struct model *m, struct netns *n, const char *name);
void take_rows(struct model *m, struct link *to, const struct link *from, uint64_t rows);
/* Its kind, the values of that, and the other end. */
void take_kind(struct model *m, struct link *to, const struct link *from);
void take_address(struct model *m, struct link *to, const struct address *from);
void take_route(struct model *m, struct netns *to, const struct route *from);
void take_sysctl(struct model *m, struct netns *to, const char *path, const char *value);
