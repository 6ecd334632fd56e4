/* SPDX-License-Identifier: MIT */
/* The meaning of a whole model. An error is what the kernel would refuse or what
 * cannot be meant; what is only suspicious is a warning. Of external namespaces
 * only what the file itself shows is judged: the rest exists without it.
 * check_*.c have the rules, this file what they share. */
#include "load_internal.h"

#include <errno.h>
#include <stdio.h>

struct mark value_mark(const struct node *mapping, const char *key)
{
	const struct node *value =
		mapping && mapping->kind == NODE_MAPPING ? node_get(mapping, key) : NULL;

	if (value)
		return value->mark;
	return mapping ? mapping->mark : NO_MARK;
}

bool check_is_enough(const struct checker *c)
{
	return c->d->errors >= DIAGS_MAX || c->d->warnings >= DIAGS_MAX;
}

const char *link_text(const struct link *k, char buf[static LINK_TEXT_MAX])
{
	snprintf(buf, LINK_TEXT_MAX, "%s:%s", k->netns->name, k->name);
	return buf;
}

void check_model(struct loader *l)
{
	struct checker c = {.m = l->m, .root = l->doc->root, .d = l->d, .unclear = &l->unclear};

	check_moves(&c);
	array_each(&c.m->namespaces, pn) {
		check_netns(&c, *pn);
		check_links(&c, *pn);
		check_addresses(&c, *pn);
		check_routes(&c, *pn);
		check_connected(&c, *pn);
	}
}
