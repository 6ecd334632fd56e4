/* SPDX-License-Identifier: MIT */
/* Labs from seeds: valid files for the made-up machine of machine_state. Their names are few, so that
 * one lab over another changes things, and does not only make and remove them. */
#pragma once

#include "util.h"

/* What is there before any lab, for load_state(). */
extern const char *const machine_state;

/* Below `below`; *random is the generator's state, not 0. */
uint32_t random_number(uint64_t *random, uint32_t below);
/* order: the things in the file come in another order for another number; 0: as they were made. */
void random_lab(uint64_t seed, uint64_t order, struct buf *out);
