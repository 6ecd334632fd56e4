/* SPDX-License-Identifier: MIT */
/* A kind of interface: its name, its keys and what is special about it.
 *
 * To add one, write kind_NAME.c with a struct, a table of rows and a struct
 * kind, and add it to the table in kind.c (and to meson.build). */
#pragma once

#include "attr.h"

struct kind {
	const char *name; /* as in IFLA_INFO_KIND */
	const char *help;
	struct attr_table table; /* rows inside IFLA_INFO_DATA */
	size_t size;		 /* of the struct that the rows' offsets are into; 0: no rows */
	uint32_t mtu;	/* the kernel's own MTU for it; 0: follows its ports or its lower device */
	bool is_master; /* takes `ports` */
	bool is_pair;	/* made with its peer by one request, and gone with it */
	bool is_fixed;	/* ends in the namespace that it was made in */
	/* Where its ports say how they are, inside IFLA_INFO_SLAVE_DATA (a byte), and in which of
	 * those states, bits, nothing goes through yet. 0: nowhere. */
	uint16_t port_state;
	uint32_t port_unsettled;
	/* Rows, bits, whose values the kernel may have changed for a time, and then puts back. May be
	 * NULL. */
	uint64_t (*passing)(const void *data);
	/* Meaning that one row cannot say: NULL, or a message ("hello_time must be ...")
	 * allocated in the arena, for values that the kernel would refuse together. May be NULL. */
	const char *(*check)(const void *data, struct arena *arena);
};

extern const struct kind kind_veth, kind_bridge;

const struct kind *kind_find(const char *name); /* NULL when there is none */
uint64_t kind_passing(const struct kind *kind, const void *data);
/* All of them, in the order of the manual. */
const struct kind *const *kind_list(size_t *ret_n);
