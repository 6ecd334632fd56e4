/* SPDX-License-Identifier: MIT */
/* Value <-> netlink: one row becomes an attribute, and back. */
#pragma once

#include "attr.h"

struct nl_msg;
struct nlattr;

/* Appends the row's value; one that is not set (a text, an address) appends
 * nothing, and so does a row that travels in another way (WIRE_NONE).
 * 0, or -EMSGSIZE when the message is full. */
int attr_put(struct nl_msg *msg, const struct attr *row, const void *object);
/* The same for all rows of the mask. */
int attr_put_rows(struct nl_msg *msg, const struct attr_table *t, uint64_t mask,
		  const void *object);

/* Reads the attribute into the row's field. False, and the field untouched,
 * when the attribute has not the size that the row's wire form asks for. */
bool attr_get(const struct attr *row, const struct nlattr *nla, struct arena *a, void *object);
/* All rows that are in `tb` (by attribute number, up to `max`); returns their mask. */
uint64_t attr_get_rows(const struct attr_table *t, struct nlattr *const *tb, int max,
		       struct arena *a, void *object);
