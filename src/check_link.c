/* SPDX-License-Identifier: MIT */
/* Interfaces: what they are, whose ports they are, and both ends of cables. */
#include "load_internal.h"

#include <errno.h>
#include <string.h>

#define MASTERS_MAX 64 /* nesting; a longer chain is a loop */

#define has(k, key) !!((k)->given & LINK_BIT(key))

/* Where `master`, or the list of ports that says the same, stands. */
static struct mark master_mark(const struct checker *c, const struct link *k,
			       const struct link *master)
{
	const struct node *n = k->node, *ports;

	if (n && n->kind == NODE_MAPPING && node_get(n, "master"))
		return node_get(n, "master")->mark;
	n = master ? master->node : NULL;
	ports = n && n->kind == NODE_MAPPING ? node_get(n, "ports") : NULL;
	for (uint32_t i = 0;
	     ports && !check_is_enough(c) && ports->kind == NODE_SEQUENCE && i < ports->n; i++)
		if (ports->items[i]->kind == NODE_SCALAR &&
		    str_equal(ports->items[i]->text, k->name))
			return ports->items[i]->mark;
	return k->mark;
}

/* --- what it is ---------------------------------------------------------------------- */

static void check_loopback(struct checker *c, const struct link *k)
{
	static const char *const refused[] = {"kind", "peer", "from", "master"};
	char id[LINK_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (k->given & attr_find_bit(&link_table, refused[i]))
			diag_error(c->d, -EINVAL,
				   str_equal(refused[i], "master")
					   ? master_mark(c, k, netns_find_link(k->netns, k->master))
					   : link_key_mark(k, refused[i]),
				   "%s is the kernel's own and takes no '%s'", link_text(k, id),
				   refused[i]);
	if (!netns_is_external(k->netns) && k->state == LINK_DOWN)
		diag_error(c->d, -EINVAL, link_key_mark(k, "state"),
			   "lo is always up in a namespace that the lab owns");
}

/* May the file say what it is, and it was not understood? */
static bool is_unclear(const struct checker *c, const struct link *k)
{
	return unclear_link(c->unclear, k->netns, k->name) ||
	       unclear_link_key(c->unclear, k, "kind") || unclear_link_key(c->unclear, k, "peer") ||
	       unclear_link_key(c->unclear, k, "from");
}

static void check_identity(struct checker *c, const struct link *k)
{
	char id[LINK_TEXT_MAX];

	if (k->from.name && (k->kind || k->cable)) {
		diag_error(c->d, -EINVAL, link_key_mark(k, "from"),
			   "%s is moved here, and cannot also %s", link_text(k, id),
			   k->cable ? "be an end of a cable" : "have a kind");
		return;
	}
	if (is_unclear(c, k))
		return;
	if (k->kind && k->kind->is_pair && !k->peer.name) {
		diag_error(c->d, -EINVAL, link_key_mark(k, "kind"), "%s has no other end",
			   link_text(k, id));
		diag_hint(c->d,
			  "name it with 'peer: NAMESPACE:IFNAME', or by an entry under 'links:'");
		return;
	}
	if (k->kind || k->from.name || k->cable || netns_is_external(k->netns))
		return;
	diag_error(c->d, -EINVAL, k->mark, "nothing says what %s is", link_text(k, id));
	diag_hint(c->d,
		  "give it a kind, a peer or from, or make it an end of a cable under 'links:'");
}

/* --- master -------------------------------------------------------------------------- */

static bool is_in_loop(const struct netns *n, const struct link *k)
{
	const struct link *at = k;

	for (int i = 0; i < MASTERS_MAX && at && at->master; i++) {
		at = netns_find_link(n, at->master);
		if (at == k)
			return true;
	}
	return false;
}

static void check_master(struct checker *c, const struct netns *n, const struct link *k)
{
	const struct link *master = netns_find_link(n, k->master);
	struct mark at = master_mark(c, k, master);

	if (!master) {
		if (netns_is_external(n) || unclear_link(c->unclear, n, k->master))
			return;
		diag_error(c->d, -EINVAL, at, "there is no interface '%s' in namespace '%s'",
			   k->master, n->name);
		if (!netns_hint_link(n, k->master, k->name, c->d))
			diag_hint(c->d, "a master is an interface of the same namespace");
		return;
	}
	if (master == k) {
		diag_error(c->d, -EINVAL, at, "%s cannot be a port of itself", k->name);
	} else if (is_in_loop(n, k)) {
		diag_error(c->d, -EINVAL, at, "%s and %s are ports of each other", k->name,
			   k->master);
	} else if (master->kind ? !master->kind->is_master
				: !netns_is_external(n) && !is_unclear(c, master)) {
		diag_error(c->d, -EINVAL, at, "%s cannot have ports: it is %s%s", k->master,
			   master->kind ? "of kind " : "no bridge",
			   master->kind ? master->kind->name : "");
	} else if (k->kind && k->kind == master->kind) {
		diag_error(c->d, -EINVAL, at, "a %s cannot be a port of a %s", k->kind->name,
			   k->kind->name);
		diag_hint(c->d, "connect the two by a cable, one end a port of each");
	} else if (k->addresses.n) {
		struct address *first = k->addresses.items[0];

		diag_warning(c->d, first->node ? first->node->mark : at,
			     "%s has addresses and is a port of %s: they will not answer", k->name,
			     k->master);
		diag_hint(c->d, "give them to %s", k->master);
	}
}

/* --- cables -------------------------------------------------------------------------- */

static void check_same_address(struct checker *c, const struct link *a, const struct link *b)
{
	char text[IP_TEXT_MAX];
	size_t i = 0, j = 0;

	/* Both are sorted by address_compare(), which looks at the address first. */
	while (i < a->addresses.n && j < b->addresses.n) {
		const struct address *x = a->addresses.items[i], *y = b->addresses.items[j];
		int order = ip_compare(&x->address, &y->address);

		if (order == 0) {
			diag_warning(c->d, y->node ? y->node->mark : b->mark,
				     "both ends of the cable have the address %s",
				     ip_format(&y->address, false, text));
			i++;
			j++;
		} else if (order < 0) {
			i++;
		} else {
			j++;
		}
	}
}

/* From one of the two ends only. */
static void check_cable(struct checker *c, const struct link *k)
{
	int order = str_compare(k->netns->name, k->peer.netns);
	char a[LINK_TEXT_MAX], b[LINK_TEXT_MAX];
	const struct link *peer;

	if (order > 0 || (order == 0 && strcmp(k->name, k->peer.name) > 0))
		return;
	peer = link_peer(c->m, k);
	if (!peer)
		return;
	if (k->mtu && peer->mtu && k->mtu != peer->mtu) {
		diag_warning(c->d, link_key_mark(k->given & LINK_BIT("mtu") ? k : peer, "mtu"),
			     "the ends of the cable have different MTUs: %s %u, %s %u",
			     link_text(k, a), k->mtu, link_text(peer, b), peer->mtu);
		diag_hint(c->d, "larger packets are lost on the way to the smaller one");
	}
	if (k->mac.set && peer->mac.set && !memcmp(k->mac.bytes, peer->mac.bytes, 6))
		diag_warning(c->d, link_key_mark(peer, "mac"),
			     "both ends of the cable have this hardware address");
	check_same_address(c, k, peer);
}

/* What the values of its kind's keys mean together. */
static void check_kind(struct checker *c, const struct link *k)
{
	struct arena arena = {0};
	const char *why;

	if (!k->kind || !k->kind->check)
		return;
	for (size_t i = 0; i < k->kind->table.n; i++)
		if (unclear_link_key(c->unclear, k, k->kind->table.rows[i].key))
			return;
	why = k->kind->check(k->data, &arena);
	if (why)
		diag_error(c->d, -EINVAL, k->mark, "%s", why);
	arena_free(&arena);
}

void check_links(struct checker *c, const struct netns *n)
{
	array_each(&n->links, pk) {
		const struct link *k = *pk;

		if (str_equal(k->name, LOOPBACK)) {
			check_loopback(c, k);
			continue;
		}
		check_identity(c, k);
		check_kind(c, k);
		if (k->master)
			check_master(c, n, k);
		if (k->peer.name)
			check_cable(c, k);
	}
}
