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

/* plan_print.c. Opens or continues a parenthesis: " (a, b". */
void text_item(struct buf *out, bool *open);
/* "mtu 9000, ...": the rows of mask that say something. */
void text_rows(const struct attr_table *t, const void *object, uint64_t mask, bool *open,
	       struct buf *out);
/* ": mtu 1500 -> 9000, mac ..." */
void text_differences(const struct attr_table *t, uint64_t mask, const void *have,
		      uint64_t have_given, const void *want, uint64_t want_given, bool *open,
		      struct buf *out);

/* plan_process_text.c: the same of processes. Values of variables are not shown. */
void text_process(const struct process *p, bool *open, struct buf *out);
void text_process_changes(const struct change *c, bool *open, struct buf *out);
