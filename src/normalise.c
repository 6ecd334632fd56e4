/* SPDX-License-Identifier: MIT */
/* From what was written to what is meant: every interface that there is, with
 * all its values. Runs before anything is sorted, except for routes. */
#include "load_internal.h"

#include <errno.h>
#include <sys/socket.h>

/* --- ports become masters ------------------------------------------------------------ */

static void settle_port(struct loader *l, const struct claim *c)
{
	struct netns *n = c->link->netns;
	struct link *port = load_find_link(l, n, c->to.name);

	if (!port && !netns_is_external(n) && !l->state) {
		if (unclear_link(&l->unclear, n, c->to.name))
			return;
		diag_error(l->d, -EINVAL, c->node->mark,
			   "there is no interface '%s' in namespace '%s'", c->to.name, n->name);
		netns_hint_link(n, c->to.name, c->link->name, l->d);
		return;
	}
	if (!port) { /* an existing one, of which only this is said */
		port = load_add_link(l, n, c->to.name);
		port->mark = c->node->mark;
	}
	if (port->master && !str_equal(port->master, c->link->name)) {
		diag_error(l->d, -EINVAL, c->node->mark,
			   "%s cannot be a port of %s: its master is %s", port->name, c->link->name,
			   port->master);
		diag_hint(l->d, "an interface has one master");
		return;
	}
	port->master = c->link->name;
	port->given |= LINK_BIT("master");
}

void normalise_ports(struct loader *l)
{
	array_each(&l->ports, c)
		settle_port(l, c);
}

/* --- defaults ------------------------------------------------------------------------ */

static void copy_keys(struct loader *l, struct link *k, const struct node *keys, bool all)
{
	for (uint32_t i = 0; keys && keys->kind == NODE_MAPPING && i < keys->n; i++) {
		const struct pair *p = &keys->pairs[i];
		int row = attr_find(&link_table, p->key->text);
		const char *why, *hint;

		if (row < 0 || !attr_is_scalar(&link_table.rows[row]) ||
		    (!all && attr_find(&cable_table, p->key->text) < 0))
			continue;
		if (k->given & UINT64_C(1) << row || p->value->kind != NODE_SCALAR)
			continue;
		/* Reported where it stands, if it is wrong. */
		if (attr_parse(&link_table.rows[row], p->value->text, k, &l->m->arena, &why,
			       &hint) >= 0)
			k->given |= UINT64_C(1) << row;
	}
}

static void apply_default_sysctl(struct loader *l, struct link *k)
{
	const struct node *map = l->default_keys ? node_get(l->default_keys, "sysctl") : NULL;

	if (map && load_link_sysctl(l, map, k, true) < 0) /* once is enough */
		unclear_key_put(&l->unclear, l->default_keys, ANYTHING);
}

static bool is_loopback(const struct link *k)
{
	return str_equal(k->name, LOOPBACK);
}

static void normalise_link(struct loader *l, struct link *k)
{
	bool owned = !netns_is_external(k->netns);
	bool ours = link_is_made(k) || k->from.name || (owned && is_loopback(k));
	bool has_defaults = link_is_made(k) && !is_loopback(k) && l->default_keys;
	bool unclear_defaults = has_defaults && index_get(&l->unclear, l->default_keys, ANYTHING);

	if (has_defaults && !unclear_defaults) {
		copy_keys(l, k, l->default_keys, true);
		apply_default_sysctl(l, k);
	}
	attr_fill(&link_table, k, k->given);
	if (k->kind)
		attr_fill(&k->kind->table, k->data, k->kind_given);
	if (ours)
		k->given |= LINK_BIT("state");
	if (!(k->given & LINK_BIT("mtu")) && !unclear_defaults &&
	    !unclear_link_key(&l->unclear, k, "mtu"))
		k->mtu = link_default_mtu(k);
	array_each(&k->addresses, pa) {
		struct address *a = *pa;

		if (a->address.family == AF_INET && str_equal(a->label, k->name)) {
			a->label = NULL; /* what the kernel says when there is none */
			a->given &= ~attr_bit(&address_table, "label");
		}
		if (!(a->given & attr_bit(&address_table, "dad")))
			a->dad = a->address.family == AF_INET6 && !owned;
	}
}

static void add_loopback(struct loader *l, struct netns *n)
{
	if (!netns_is_external(n) && !load_find_link(l, n, LOOPBACK))
		load_add_link(l, n, LOOPBACK);
}

void normalise(struct loader *l)
{
	array_each(&l->m->namespaces, pn)
		add_loopback(l, *pn);
	normalise_ports(l);
	array_each(&l->cables, c)
		for (int i = 0; i < 2 && c->node->kind == NODE_MAPPING; i++)
			if (c->ends[i])
				copy_keys(l, c->ends[i], c->node, false);
	array_each(&l->m->namespaces, pn)
		array_each(&(*pn)->links, pk)
			normalise_link(l, *pk);
	normalise_sysctls(l);
	model_sort(l->m);
	normalise_routes(l);
}
