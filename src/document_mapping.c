/* SPDX-License-Identifier: MIT */
/* The pairs of a mapping: duplicate keys, merge keys, looking them up.
 *
 * Pairs come in the order of the file; merged ones follow the mapping's own,
 * with the nodes, and so the marks, of where they are written. Keys are
 * sorted, not compared with each other, so that large mappings stay fast, and
 * not hashed, so that no choice of keys makes them slow. */
#include "document_internal.h"

#include <errno.h>
#include <string.h>

/* At most this much of a key or name is repeated in a message. */
#define SHOWN_BYTES 60

const char *document_shorten(struct buf *b, const char *s)
{
	size_t n = strlen(s), cut = n;

	if (n > SHOWN_BYTES)
		for (cut = SHOWN_BYTES; cut > 0 && ((unsigned char)s[cut] & 0xC0) == 0x80;)
			cut--;
	buf_add(b, s, cut);
	if (cut < n)
		buf_puts(b, "...");
	return buf_text(b);
}

static int candidate_compare(const void *a, const void *b)
{
	const struct candidate *x = *(struct candidate *const *)a;
	const struct candidate *y = *(struct candidate *const *)b;
	int order = strcmp(x->pair.key->text, y->pair.key->text);

	return order ? order : x->merge - y->merge; /* "<<" in quotes is a key like any other */
}

static void merge_mapping(struct mapping_scratch *s, const struct node *from, struct diags *d)
{
	if (from->kind != NODE_MAPPING) {
		diag_error(d, -EINVAL, from->mark,
			   "<< merges a mapping, or a list of mappings; this is %s",
			   node_describe(from));
		return;
	}
	for (uint32_t i = 0; i < from->n; i++)
		array_push(&s->candidates)->pair = from->pairs[i];
}

/* The mapping's own pairs, then those of its merge key: the first of a key wins. */
static void collect_candidates(struct mapping_scratch *s, const struct node *const *values,
			       size_t n, struct diags *d)
{
	size_t own;

	s->candidates.n = 0;
	for (size_t i = 0; i + 1 < n; i += 2) {
		const struct node *key = values[i], *value = values[i + 1];
		struct candidate *c;

		if (!key || !value)
			continue;
		c = array_push(&s->candidates);
		c->pair = (struct pair){key, value};
		c->own = true;
		c->merge = !key->quoted && strcmp(key->text, "<<") == 0;
	}
	own = s->candidates.n;
	for (size_t i = 0; i < own; i++) {
		const struct node *from = s->candidates.items[i].pair.value;

		if (!s->candidates.items[i].merge)
			continue;
		if (from->kind != NODE_SEQUENCE)
			merge_mapping(s, from, d);
		else
			for (uint32_t j = 0; j < from->n; j++)
				merge_mapping(s, from->items[j], d);
	}
}

static void report_duplicate(const struct candidate *c, struct diags *d)
{
	const struct mark *first = &c->first->pair.key->mark;
	cleanup_buf struct buf key = {0};

	diag_error(d, -EINVAL, c->pair.key->mark,
		   "duplicate key \"%s\", first given at line %u, column %u",
		   document_shorten(&key, c->pair.key->text), first->line, first->column);
	if (c->merge)
		diag_hint(d, "one << can merge several: <<: [*first, *second]");
}

void mapping_finish(struct mapping_scratch *s, struct arena *arena, struct node *node,
		    const struct node *const *values, size_t n_values, struct diags *d)
{
	size_t n = 0;

	collect_candidates(s, values, n_values, d);
	s->sorted.n = 0;
	array_each(&s->candidates, c)
		array_add(&s->sorted, c);
	array_sort(&s->sorted, candidate_compare);
	for (size_t i = 1; i < s->sorted.n; i++) {
		struct candidate *last = s->sorted.items[i - 1], *c = s->sorted.items[i];

		if (last->merge == c->merge && !strcmp(last->pair.key->text, c->pair.key->text))
			c->first = last->first ? last->first : last;
	}
	array_each(&s->candidates, c) {
		n += !c->first && !c->merge;
		if (c->first && c->own)
			report_duplicate(c, d);
	}
	if (n)
		node->pairs = arena_alloc(arena, n * sizeof(node->pairs[0]));
	array_each(&s->candidates, c)
		if (!c->first && !c->merge)
			node->pairs[node->n++] = c->pair;
}

void mapping_scratch_free(struct mapping_scratch *s)
{
	array_free(&s->candidates);
	array_free(&s->sorted);
}

static const struct pair *find_pair(const struct node *mapping, const char *key)
{
	for (uint32_t i = 0; mapping->kind == NODE_MAPPING && i < mapping->n; i++)
		if (strcmp(mapping->pairs[i].key->text, key) == 0)
			return &mapping->pairs[i];
	return NULL;
}

const struct node *node_get(const struct node *mapping, const char *key)
{
	const struct pair *pair = find_pair(mapping, key);

	return pair ? pair->value : NULL;
}

struct mark node_key_mark(const struct node *mapping, const char *key)
{
	const struct pair *pair = find_pair(mapping, key);

	return pair ? pair->key->mark : mapping->mark;
}

const char *node_describe(const struct node *n)
{
	switch (n->kind) {
	case NODE_SCALAR:
		return n->null ? "nothing" : "text";
	case NODE_SEQUENCE:
		return "a list";
	case NODE_MAPPING:
		return "a mapping";
	}
	return "nothing";
}
