/* SPDX-License-Identifier: MIT */
/* A YAML document as a tree of nodes that know where they stand.
 *
 * Scalars keep their text as written: what a value means is decided by the key
 * it belongs to, never by how it looks, so YAML 1.1's surprises (1:30, 0o17,
 * no, 1e3) cannot happen. Anchors, aliases and merge keys are resolved here;
 * duplicate keys, undefined aliases, a second document, tags and everything
 * beyond the limits are errors here. */
#pragma once

#include "error.h"

#define DOCUMENT_MAX_BYTES (64u << 20)
#define DOCUMENT_MAX_DEPTH 64
#define DOCUMENT_MAX_NODES 1000000 /* after aliases have been expanded */

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node {
	struct mark mark;
	enum node_kind kind : 8;
	bool quoted; /* scalar: was written with quotes (or as a block) */
	bool null;   /* scalar: unquoted and empty, ~, null, Null or NULL */
	union {
		uint32_t n;    /* sequence: items; mapping: pairs */
		uint32_t size; /* scalar: bytes of text, which holds no NUL */
	};
	union {
		const char *text;	   /* scalar, NUL-terminated UTF-8 */
		const struct node **items; /* sequence */
		struct pair *pairs;	   /* mapping, in the order of the file */
	};
};

struct pair {
	const struct node *key; /* always a scalar */
	const struct node *value;
};

/* Marks point to `source`: a document must not be moved in memory, and also after
 * a failure it must live until the diagnostics have been printed. Free it then, too. */
struct document {
	struct arena arena; /* the name, anchors */
	char *text;	    /* of the file, where one was read */
	struct arena nodes;
	struct source source;
	const struct node *root; /* never NULL after document_load() succeeded */
};

/* Reads `text` (of `size` bytes, which must outlive the document) as one YAML
 * document. Adds every error found to d. 0, or -EINVAL (-E2BIG for a limit). */
int document_parse(struct document *doc, const char *name, const char *text, size_t size,
		   struct diags *d);
/* Reads the file at `path` ("-": standard input) and parses it. Errors of the
 * system come back as their negative errno. The text is kept. */
int document_load(struct document *doc, const char *path, struct diags *d);
/* Frees the nodes. Marks, and the text that they are in, remain. */
void document_forget_nodes(struct document *doc);
void document_free(struct document *doc);

/* The value of a key of a mapping, or NULL. Linear: for mappings of known keys. */
const struct node *node_get(const struct node *mapping, const char *key);
/* Where key stands in a mapping; the mapping's own mark when it is not there. */
struct mark node_key_mark(const struct node *mapping, const char *key);
/* What a node is, for messages: "a mapping", "a list", "text", "nothing". */
const char *node_describe(const struct node *n);
