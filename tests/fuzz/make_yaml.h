/* SPDX-License-Identifier: MIT */
/* Topologies and records from random numbers: mostly right, now and then not. */
#pragma once

#include "util.h"

struct maker {
	uint64_t random; /* the generator's state */
	struct buf *out;
};

uint32_t make_number(struct maker *m, uint32_t below);
/* A whole topology file. */
void make_topology(struct maker *m);
/* A whole record; its texts are those of fuzz_record.c. */
void make_record(struct maker *m);
/* The value of some key, and some line that may stand in a file. */
void make_value(struct maker *m);
void make_line(struct maker *m);
