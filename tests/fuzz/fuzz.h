/* SPDX-License-Identifier: MIT */
/* What libFuzzer calls and what it offers (compiler-rt/include/fuzzer). A target is one
 * function; where there is no libFuzzer, replay.c calls it for each file of the corpus. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Optional: what an input is made into, in place. Returns the new size, at most max_size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's own way of doing that. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
