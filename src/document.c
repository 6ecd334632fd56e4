/* SPDX-License-Identifier: MIT */
/* YAML text -> nodes, over libyaml's events.
 *
 * Nodes live in an arena of their own. Nothing recurses: open containers are
 * frames on a stack of fixed size, and their items wait on one stack of values
 * (an item that was refused is NULL there, and left out). An alias becomes a
 * pointer to the anchor's node, but counts with the size and the height that
 * it has expanded, so that whoever walks the tree is safe from bombs.
 *
 * Tags: !!str (the scalar counts as quoted), !!map and !!seq may be written
 * where they change nothing; all others are errors, since a value's type comes
 * from its key. */
#include "document_internal.h"

#include <errno.h>
#include <malloc.h>
#include <search.h>
#include <string.h>
#include <yaml.h>

struct anchor {
	const char *name;
	const struct node *node;
	uint64_t size;	 /* nodes, aliases expanded */
	unsigned height; /* levels of containers */
	bool open;	 /* its end was not yet seen */
};

struct frame {
	struct node *node;
	size_t base;	       /* of its items on the stack of values */
	struct anchor *anchor; /* or NULL */
	uint64_t nodes_before;
	unsigned height;
};

struct builder {
	yaml_parser_t parser;
	struct document *doc;
	struct diags *d;
	struct frame frames[DOCUMENT_MAX_DEPTH];
	unsigned depth;
	ARRAY(const struct node *) values;
	struct mapping_scratch scratch;
	void *anchors; /* tsearch() tree: no file can make it slow */
	uint64_t nodes;
	bool has_document;
	struct mark quote;
	uint32_t quote_last_line;
};

static struct mark mark_at(const struct builder *b, yaml_mark_t m)
{
	return (struct mark){&b->doc->source, (uint32_t)m.line + 1, (uint32_t)m.column + 1};
}

static bool expects_key(const struct builder *b)
{
	const struct frame *f = b->depth ? &b->frames[b->depth - 1] : NULL;

	return f && f->node->kind == NODE_MAPPING && (b->values.n - f->base) % 2 == 0;
}

/* Adds a finished value (or NULL, for one that was refused) to what is open. */
static void add_value(struct builder *b, const struct node *node, unsigned height)
{
	bool nothing = node && node->kind == NODE_SCALAR && node->null;

	if (node && (node->kind != NODE_SCALAR || nothing) && expects_key(b)) {
		diag_error(b->d, -EINVAL, node->mark, "a key must be text, this is %s",
			   node_describe(node));
		diag_hint(b->d, "put it in quotes if %s",
			  nothing ? "it is a name" : "the brackets are part of the text");
		node = NULL;
	}
	if (b->depth == 0) {
		b->doc->root = node;
		return;
	}
	if (b->frames[b->depth - 1].height < height)
		b->frames[b->depth - 1].height = height;
	array_add(&b->values, node);
}

static int count_nodes(struct builder *b, uint64_t n, struct mark at)
{
	b->nodes += n;
	if (b->nodes <= DOCUMENT_MAX_NODES)
		return 0;
	return diag_error(b->d, -E2BIG, at, "more than %d values%s", DOCUMENT_MAX_NODES,
			  n > 1 ? ", with aliases expanded" : "");
}

static int anchor_compare(const void *a, const void *b)
{
	return strcmp(((const struct anchor *)a)->name, ((const struct anchor *)b)->name);
}

/* A later anchor of the same name replaces the earlier one (YAML 1.2, 7.1). */
static struct anchor *anchor_new(struct builder *b, const yaml_char_t *name,
				 const struct node *node)
{
	struct anchor *anchor, **slot;

	if (!name)
		return NULL;
	anchor = arena_alloc(&b->doc->arena, sizeof(*anchor));
	anchor->name = arena_strdup(&b->doc->arena, (const char *)name);
	anchor->node = node;
	anchor->size = 1;
	anchor->open = node->kind != NODE_SCALAR;
	slot = tsearch(anchor, &b->anchors, anchor_compare);
	if (slot)
		*slot = anchor;
	/* Without memory for the tree: aliases to it will be undefined, an error. */
	return anchor;
}

/* What is said of a key is about this place of it, not about the one that it repeats. */
static const struct node *key_at(struct builder *b, const struct node *node, struct mark at)
{
	struct node *key = arena_alloc(&b->doc->nodes, sizeof(*key));

	*key = *node;
	key->mark = at;
	return key;
}

static int on_alias(struct builder *b, const yaml_event_t *event)
{
	const struct anchor wanted = {.name = (const char *)event->data.alias.anchor};
	struct anchor *const *slot = tfind(&wanted, &b->anchors, anchor_compare);
	struct mark at = mark_at(b, event->start_mark);
	cleanup_buf struct buf name = {0};
	int r;

	if (!slot || (*slot)->open) {
		diag_error(b->d, -EINVAL, at,
			   slot ? "the alias *%s stands inside the value that it repeats"
				: "there is no anchor &%s before this alias",
			   document_shorten(&name, wanted.name));
		add_value(b, NULL, 0);
		return 0;
	}
	r = count_nodes(b, (*slot)->size, at);
	if (r < 0)
		return r;
	if (b->depth + (*slot)->height > DOCUMENT_MAX_DEPTH)
		return diag_error(b->d, -E2BIG, at,
				  "nested deeper than %d levels, with aliases expanded",
				  DOCUMENT_MAX_DEPTH);
	add_value(b, expects_key(b) ? key_at(b, (*slot)->node, at) : (*slot)->node,
		  (*slot)->height);
	return 0;
}

static void check_tag(struct builder *b, const yaml_char_t *tag, enum node_kind kind,
		      struct mark at)
{
	static const char *const harmless[] = {
		[NODE_SCALAR] = YAML_STR_TAG,
		[NODE_SEQUENCE] = YAML_SEQ_TAG,
		[NODE_MAPPING] = YAML_MAP_TAG,
	};
	static const char prefix[] = "tag:yaml.org,2002:";
	const char *text = (const char *)tag;
	cleanup_buf struct buf name = {0};

	if (!text || strcmp(text, harmless[kind]) == 0)
		return;
	if (str_starts(text, prefix)) {
		buf_puts(&name, "!!");
		text += sizeof(prefix) - 1;
	}
	diag_error(b->d, -EINVAL, at, "tags like %s are not supported",
		   document_shorten(&name, text));
	diag_hint(b->d, "leave it out: what a value means depends on its key only");
}

/* Most scalars are none by their first letter. */
static bool is_null(const char *text)
{
	if (*text && *text != '~' && *text != 'n' && *text != 'N')
		return false;
	return !*text || !strcmp(text, "~") || !strcmp(text, "null") || !strcmp(text, "Null") ||
	       !strcmp(text, "NULL");
}

static int on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length;
	struct mark at = mark_at(b, event->start_mark);
	struct node *node;
	int r = count_nodes(b, 1, at);

	if (r < 0)
		return r;
	check_tag(b, event->data.scalar.tag, NODE_SCALAR, at);
	if (strlen(text) != size) {
		diag_error(b->d, -EINVAL, at, "a text must not contain a NUL character (\"\\0\")");
		add_value(b, NULL, 0);
		return 0;
	}
	node = arena_alloc(&b->doc->nodes, sizeof(*node));
	node->mark = at;
	node->kind = NODE_SCALAR;
	node->text = arena_strndup(&b->doc->nodes, text, size);
	node->size = (uint32_t)size;
	node->quoted =
		event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || event->data.scalar.tag;
	node->null = !node->quoted && is_null(text);
	anchor_new(b, event->data.scalar.anchor, node);
	add_value(b, node, 0);
	if (event->start_mark.line != event->end_mark.line &&
	    (event->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
	     event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE)) {
		b->quote = at;
		b->quote_last_line = (uint32_t)event->end_mark.line + 1;
	}
	return 0;
}

static int on_start(struct builder *b, const yaml_event_t *event, enum node_kind kind,
		    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct mark at = mark_at(b, event->start_mark);
	uint64_t before = b->nodes;
	struct node *node;
	int r = count_nodes(b, 1, at);

	if (r < 0)
		return r;
	if (b->depth == DOCUMENT_MAX_DEPTH)
		return diag_error(b->d, -E2BIG, at, "nested deeper than %d levels",
				  DOCUMENT_MAX_DEPTH);
	check_tag(b, tag, kind, at);
	node = arena_alloc(&b->doc->nodes, sizeof(*node));
	node->mark = at;
	node->kind = kind;
	b->frames[b->depth++] = (struct frame){
		.node = node,
		.base = b->values.n,
		.anchor = anchor_new(b, anchor, node),
		.nodes_before = before,
	};
	return 0;
}

static void finish_sequence(struct builder *b, const struct frame *f)
{
	struct node *node = f->node;

	node->items = arena_alloc(&b->doc->nodes, (b->values.n - f->base) * sizeof(node->items[0]));
	for (size_t i = f->base; i < b->values.n; i++)
		if (b->values.items[i])
			node->items[node->n++] = b->values.items[i];
}

static void on_end(struct builder *b)
{
	struct frame *f = &b->frames[b->depth - 1];
	size_t n = b->values.n - f->base;

	if (n && f->node->kind == NODE_MAPPING)
		mapping_finish(&b->scratch, &b->doc->nodes, f->node, b->values.items + f->base, n,
			       b->d);
	else if (n)
		finish_sequence(b, f);
	if (f->anchor) {
		f->anchor->open = false;
		f->anchor->size = b->nodes - f->nodes_before;
		f->anchor->height = f->height + 1;
	}
	b->values.n = f->base;
	b->depth--;
	add_value(b, f->node, f->height + 1);
}

static int on_document(struct builder *b, const yaml_event_t *event)
{
	if (b->has_document)
		return diag_error(b->d, -EINVAL, mark_at(b, event->start_mark),
				  "a second document begins here; a file holds one");
	b->has_document = true;
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, event);
	case YAML_ALIAS_EVENT:
		return on_alias(b, event);
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, event, NODE_SEQUENCE, event->data.sequence_start.anchor,
				event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_start(b, event, NODE_MAPPING, event->data.mapping_start.anchor,
				event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_end(b);
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

static int parser_failed(struct builder *b)
{
	const yaml_parser_t *parser = &b->parser;
	struct yaml_problem problem = {
		.text = parser->problem ? parser->problem : "unknown",
		.context = parser->context,
		.at = mark_at(b, parser->problem_mark),
		.context_at = mark_at(b, parser->context_mark),
		.open = b->depth ? b->frames[b->depth - 1].node->mark : NO_MARK,
		.quote = b->quote,
		.quote_last_line = b->quote_last_line,
	};

	if (parser->error == YAML_MEMORY_ERROR)
		return diag_error(b->d, -ENOMEM, (struct mark){.source = &b->doc->source},
				  "there is not enough memory to read the file");
	document_problem(&problem, b->d);
	return -EINVAL;
}

static int build(struct builder *b)
{
	for (bool end = false; !end;) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(&b->parser, &event))
			return parser_failed(b);
		end = event.type == YAML_STREAM_END_EVENT;
		r = on_event(b, &event);
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	return 0;
}

static void keep_in_arena(void *anchor)
{
	(void)anchor;
}

static int parse_source(struct document *doc, struct diags *d)
{
	struct mark file = {.source = &doc->source};
	size_t bom, errors = d->errors;
	struct builder b = {.doc = doc, .d = d};
	int r;

	if (doc->source.size > DOCUMENT_MAX_BYTES)
		return diag_error(d, -E2BIG, file, "the file is larger than %u MiB",
				  DOCUMENT_MAX_BYTES >> 20);
	r = document_check_text(&doc->source, d);
	if (r < 0)
		return r;
	if (!yaml_parser_initialize(&b.parser))
		return diag_error(d, -ENOMEM, file, "there is not enough memory to read the file");
	/* libyaml counts a byte order mark as a column of the first line. */
	bom = document_bom_length(&doc->source);
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)doc->source.text + bom,
				     doc->source.size - bom);
	r = build(&b);
	yaml_parser_delete(&b.parser);
	tdestroy(b.anchors, keep_in_arena);
	array_free(&b.values);
	mapping_scratch_free(&b.scratch);
	if (r < 0)
		return r;
	if (d->errors > errors)
		return -EINVAL;
	if (!doc->root || (doc->root->null && doc->root->size == 0))
		return diag_error(d, -EINVAL, file, "the file is empty");
	return 0;
}

int document_parse(struct document *doc, const char *name, const char *text, size_t size,
		   struct diags *d)
{
	*doc = (struct document){0};
	doc->source = (struct source){arena_strdup(&doc->arena, name), text, size};
	return parse_source(doc, d);
}

int document_load(struct document *doc, const char *path, struct diags *d)
{
	const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;
	int r;

	*doc = (struct document){0};
	doc->source.name = arena_strdup(&doc->arena, name);
	r = document_read(doc, path, d);
	return r < 0 ? r : parse_source(doc, d);
}

void document_forget_nodes(struct document *doc)
{
	arena_free(&doc->nodes);
	doc->root = NULL;
	malloc_trim(0); /* they lay among other things, and left holes that little fits into */
}

void document_free(struct document *doc)
{
	if (!doc)
		return;
	arena_free(&doc->nodes);
	arena_free(&doc->arena);
	free(doc->text);
	*doc = (struct document){0};
}
