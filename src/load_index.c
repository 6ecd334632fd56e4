/* SPDX-License-Identifier: MIT */
/* Finding things by name while a file is being loaded, when nothing is sorted
 * yet, and remembering what was not understood. A hash table with open
 * addressing. So that no file can be made to collide, what it hashes by
 * (SipHash-1-3) has a secret: the random bytes that the kernel gives every
 * process. Nothing depends on the order. */
#include "load_internal.h"

#include <string.h>
#include <sys/auxv.h>

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[static 4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void sip_add(uint64_t v[static 4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

static uint64_t hash(const uint64_t secret[static 2], const void *scope, const char *name)
{
	uint64_t v[] = {secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
			secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};
	size_t size = strlen(name), rest = size % sizeof(uint64_t);
	const char *end = name + size - rest;
	uint64_t word, last = (uint64_t)size << 56;

	sip_add(v, (uintptr_t)scope);
	for (; name < end; name += sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		sip_add(v, word);
	}
	for (size_t i = 0; i < rest; i++)
		last |= (uint64_t)(unsigned char)end[i] << 8 * i;
	sip_add(v, last);
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Where it is, or else where it would be: a slot without a name. */
static struct named *find_slot(const struct name_index *x, const struct named *wanted)
{
	struct named *slot;

	for (size_t i = wanted->hash;; i++) {
		slot = &x->slots[i & (x->size - 1)];
		if (!slot->name || (slot->hash == wanted->hash && slot->scope == wanted->scope &&
				    str_equal(slot->name, wanted->name)))
			return slot;
	}
}

static void grow(struct name_index *x)
{
	struct name_index larger = {.n = x->n, .size = x->size ? x->size * 2 : 16};

	/* getauxval() cannot fail here: Linux has had AT_RANDOM since 2.6.29. */
	memcpy(larger.secret, (const void *)getauxval(AT_RANDOM), sizeof(larger.secret));
	larger.slots = xcalloc(larger.size, sizeof(larger.slots[0]));
	for (size_t i = 0; i < x->size; i++)
		if (x->slots[i].name)
			*find_slot(&larger, &x->slots[i]) = x->slots[i];
	free(x->slots);
	*x = larger;
}

void index_put(struct name_index *x, const void *scope, const char *name, void *value)
{
	struct named wanted = {.scope = scope, .name = name, .value = value}, *slot;

	if (x->n >= x->size / 4 * 3)
		grow(x);
	wanted.hash = hash(x->secret, scope, name);
	slot = find_slot(x, &wanted);
	x->n += !slot->name;
	*slot = wanted;
}

void *index_get(const struct name_index *x, const void *scope, const char *name)
{
	struct named wanted = {.scope = scope, .name = name};

	if (!x->n)
		return NULL;
	wanted.hash = hash(x->secret, scope, name);
	return find_slot(x, &wanted)->value;
}

void index_free(struct name_index *x)
{
	free(x->slots);
	*x = (struct name_index){0};
}

/* --- what is unclear ----------------------------------------------------------------- */

void unclear_key_put(struct name_index *x, const struct node *n, const char *key)
{
	index_put(x, n, key, x);
}

bool unclear_key(const struct name_index *x, const struct node *mapping, const char *key)
{
	const struct node *value;

	if (!mapping || !x->n) /* of most files all is clear */
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
