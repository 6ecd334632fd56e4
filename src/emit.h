/* SPDX-License-Identifier: MIT */
/* Model -> YAML, by walking the same rows as the loader. */
#pragma once

#include "model.h"

/* Writes the `namespaces` mapping of m, given rows only, in a form that
 * load_state() reads back to the same model; `indent` spaces before each line.
 * Used for records, and for what --export will print. */
void emit_state(const struct model *m, struct buf *out);
/* The processes of m that were started, as a list, in a form that load_started() reads back. */
void emit_started(const struct model *m, struct buf *out);
/* A scalar that any YAML parser reads back as this text: double-quoted where needed. */
void emit_scalar(const char *text, struct buf *out);
