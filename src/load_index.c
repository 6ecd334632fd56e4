/* SPDX-License-Identifier: MIT */
/* Finding things by name while a file is being loaded, when nothing is sorted
 * yet, and remembering what was not understood. libc's tsearch() keeps a
 * balanced tree: a hash table would need a secret to be safe from files that are
 * made to collide. Entries belong to the index's arena, names to whoever gave
 * them. */
#include "load_internal.h"

#include <search.h>
#include <string.h>

struct named {
	const void *scope;
	const char *name;
	void *value;
};

static int entry_compare(const void *pa, const void *pb)
{
	const struct named *a = pa, *b = pb;
	uintptr_t x = (uintptr_t)a->scope, y = (uintptr_t)b->scope;

	if (x != y)
		return x < y ? -1 : 1;
	return strcmp(a->name, b->name);
}

void index_put(struct name_index *x, const void *scope, const char *name, void *value)
{
	struct named *e = arena_alloc(&x->arena, sizeof(*e));
	struct named **slot;

	*e = (struct named){.scope = scope, .name = name, .value = value};
	slot = tsearch(e, &x->root, entry_compare);
	if (slot)
		(*slot)->value = value;
	else
		memory_exhausted();
}

static bool index_is_empty(const struct name_index *x)
{
	return !x->root;
}

void *index_get(const struct name_index *x, const void *scope, const char *name)
{
	const struct named key = {.scope = scope, .name = name};
	struct named *const *slot = tfind(&key, &x->root, entry_compare);

	return slot ? (*slot)->value : NULL;
}

static void keep(void *entry)
{
	(void)entry; /* the arena's */
}

void index_free(struct name_index *x)
{
	tdestroy(x->root, keep);
	x->root = NULL;
	arena_free(&x->arena);
}

/* --- what is unclear ----------------------------------------------------------------- */

void unclear_key_put(struct name_index *x, const struct node *n, const char *key)
{
	index_put(x, n, key, x);
}

bool unclear_key(const struct name_index *x, const struct node *mapping, const char *key)
{
	const struct node *value;

	if (!mapping || index_is_empty(x)) /* of most files all is clear */
		return false;
	value = node_get(mapping, key);
	return index_get(x, mapping, key) || index_get(x, value ? value : mapping, ANYTHING);
}

bool unclear_link_key(const struct name_index *x, const struct link *k, const char *key)
{
	return unclear_key(x, k->node, key) || unclear_key(x, k->cable, key) ||
	       unclear_key(x, k->netns->node, "interfaces");
}

void unclear_link_put(struct name_index *x, const struct netns *n, const char *name)
{
	index_put(x, n, name, x);
}

bool unclear_link(const struct name_index *x, const struct netns *n, const char *name)
{
	return index_get(x, n, name) || index_get(x, NULL, name) || index_get(x, NULL, ANYTHING) ||
	       unclear_key(x, n->node, "interfaces");
}
