/* SPDX-License-Identifier: MIT */
/* Between the files of the YAML reader; nobody else needs this. */
#pragma once

#include "document.h"

/* document_text.c: the file at `path` ("-": standard input) into doc->arena and
 * doc->source, whose name is set already. 0 or a negative errno. */
int document_read(struct document *doc, const char *path, struct diags *d);
/* Refuses what is no YAML text at all: other encodings, control characters. 0 or -EINVAL. */
int document_check_text(const struct source *source, struct diags *d);
/* The bytes of a byte order mark at the start. */
size_t document_bom_length(const struct source *source);

/* document_mapping.c */
/* A pair that may belong to a mapping: its own, or one that is merged into it. */
struct candidate {
	struct pair pair;
	const struct candidate *first; /* the one with the same key that wins */
	bool own, merge;	       /* merge: the key is << */
};

/* Memory that one mapping after the other uses while it is put together. */
struct mapping_scratch {
	ARRAY(struct candidate) candidates;
	ARRAY(struct candidate *) sorted;
};
/* Fills in node->pairs and node->n from keys and values in turn; where one of
 * them is NULL, it was refused and the pair is left out. */
void mapping_finish(struct mapping_scratch *s, struct arena *arena, struct node *node,
		    const struct node *const *values, size_t n_values, struct diags *d);
void mapping_scratch_free(struct mapping_scratch *s);
/* The beginning of a key or name, as long as a message should repeat it. */
const char *document_shorten(struct buf *b, const char *s);

/* document_problem.c: what libyaml found wrong, in its words. */
struct yaml_problem {
	const char *text, *context; /* context NULL: none */
	struct mark at, context_at;
	struct mark open; /* the innermost container that is open; NO_MARK: none */
	/* The last quoted text that spans lines, which often is a quote not closed. */
	struct mark quote;
	uint32_t quote_last_line;
};
/* Adds it to d in words for people, at the place that they must look at. */
void document_problem(const struct yaml_problem *p, struct diags *d);
