/* SPDX-License-Identifier: MIT */
/* Any bytes as a YAML document, and whatever comes of it printed. The limits
 * that the header promises to whoever walks the tree are checked, too. */
#include "document.h"
#include "fuzz.h"

#include <string.h>

/* Nodes below n, aliases expanded; recursion is safe within the promised depth. */
static uint64_t walk(const struct node *n, unsigned depth)
{
	uint64_t nodes = 1;

	if (n->kind == NODE_SCALAR) {
		if (strlen(n->text) != n->size || !str_is_utf8(n->text, n->size))
			abort();
		return nodes;
	}
	if (depth > DOCUMENT_MAX_DEPTH || !node_describe(n))
		abort();
	for (uint32_t i = 0; i < n->n; i++) {
		const struct pair *pair = n->kind == NODE_MAPPING ? &n->pairs[i] : NULL;

		if (pair && (pair->key->kind != NODE_SCALAR || !node_get(n, pair->key->text)))
			abort();
		nodes += walk(pair ? pair->value : n->items[i], depth + 1) + (pair != NULL);
	}
	return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct document doc;
	struct diags d = {0};
	/* A copy of just this size lets the sanitizer see any byte read beyond. */
	char *text = xmalloc(size);
	int r;

	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	if (!nowhere)
		abort();
	if (size)
		memcpy(text, data, size);
	r = document_parse(&doc, "fuzz.yaml", text, size, &d);
	if ((r == 0) != (d.errors == 0))
		abort();
	if (r == 0 && walk(doc.root, 1) > DOCUMENT_MAX_NODES)
		abort();
	diags_sort(&d);
	diags_print(&d, nowhere, true);
	json_decref(diags_json(&d));
	diags_free(&d);
	document_free(&doc);
	free(text);
	return 0;
}
