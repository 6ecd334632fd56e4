/* SPDX-License-Identifier: MIT */
/* Diagnostics: what is wrong, where, and how to mend it.
 *
 * Every function that can fail takes a `struct diags *`, adds to it what it
 * has to say, and returns a negative errno. Nothing below main prints: the
 * verbs print a whole `struct diags` once, so that all errors of a file come
 * out of one run. */
#pragma once

#include "util.h"

#include <jansson.h>
#include <stdio.h>

/* A text that marks point into: a topology file, or a record. */
struct source {
	const char *name; /* as the user wrote it; "<stdin>" for standard input */
	const char *text;
	size_t size;
};

/* A place in a source. Lines and columns (characters) count from 1. Line 0: the
 * source as a whole, or nowhere when there is no source either. */
struct mark {
	const struct source *source;
	uint32_t line, column;
};
#define NO_MARK ((struct mark){0})
/* Where in its source's text a mark (with a line) points; the text's size when beyond it. */
size_t mark_offset(struct mark at);

enum severity { SEVERITY_ERROR, SEVERITY_WARNING };

struct diag {
	enum severity severity;
	int code; /* negative errno */
	struct mark mark;
	char *message;
	char *hint; /* NULL: none */
};

struct diags {
	ARRAY(struct diag) list; /* the first DIAGS_MAX errors and as many warnings */
	size_t errors, warnings; /* all of them, also those not kept */
	bool last_dropped;	 /* the one added last was not kept: neither is its hint */
};
#define DIAGS_MAX 50
#define FILES_HINT "each namespace takes up to two open files: raise `ulimit -Hn`"

/* Add an error, unless the same was said of the same place; return `code` (a negative errno),
 * so that failing is one line. -EMFILE comes with the hint FILES_HINT. */
int diag_error(struct diags *d, int code, struct mark at, const char *fmt, ...) PRINTF(4, 5);
/* Adds a warning, unless the same was said of the same place, or of none. */
void diag_warning(struct diags *d, struct mark at, const char *fmt, ...) PRINTF(3, 4);
/* Give the diagnostic added last, if it was added, a hint: how to mend it. */
void diag_hint(struct diags *d, const char *fmt, ...) PRINTF(2, 3);
/* The hint for the error of this code about a file in this folder, if there is one: it is full. */
void diag_hint_full(struct diags *d, int code, const char *folder);
/* What is in `from` is in d from now on. */
void diags_absorb(struct diags *d, struct diags *from);
/* What went wrong has been mended since: the errors become warnings. */
void diags_excuse(struct diags *d);
/* Drops those that were added when there were `n` already. */
void diags_cut(struct diags *d, size_t n);
void diags_free(struct diags *d);

/* Sort by place in the file (stable), as a reader expects them. */
void diags_sort(struct diags *d);
/* "file:line:col: error: message", the source line, a caret, "hint: ...";
 * afterwards "and N more errors" where the list was cut. */
void diags_print(const struct diags *d, FILE *out, bool color);
/* JSON holds only UTF-8: any other text is shown as a terminal would see it. */
json_t *json_text(const char *s);
/* [{"severity", "file", "line", "column", "message", "hint"}]; a new reference. */
json_t *diags_json(const struct diags *d);
