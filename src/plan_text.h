/* SPDX-License-Identifier: MIT */
/* What plan_describe.c has for plan_print.c: pieces of text, safe to show. */
#pragma once

#include "plan.h"

/* The side of a change that says which object it is. */
union object_ptr change_subject(const struct change *c);
/* Appends what is in `text`, safe to show. */
void text_printable(struct buf *out, const struct buf *text);
/* A row's value; an automatic one that nobody gave is the kernel's to choose. */
void text_value(const struct attr *row, const void *object, bool given, struct buf *out);
void text_nexthops(const struct route *r, struct buf *out);
void text_link(const struct link *l, struct buf *out);
/* "link foo:eth0", with `other` "link foo:eth0 -- bar:eth0". Rows of a route in `without` are
 * what changes, so they are not shown as if they were part of its name. */
void text_change(const struct change *c, const struct link *other, uint64_t without,
		 struct buf *out);
/* The rows of a route that its description shows, so that its details need not. */
uint64_t text_route_rows(void);
