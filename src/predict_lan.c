/* SPDX-License-Identifier: MIT */
/* Broadcast domains: a cable joins its two ends, a bridge its ports, as far as
 * they are up. Union-find, so the whole lab takes about as long as reading it.
 *
 * A spanning tree cuts circles without cutting the domain. It takes its time to
 * begin with (twice forward_delay); what is predicted is how it ends. */
#include "predict_internal.h"

#include <string.h>

static struct nic *root_of(struct nic *n)
{
	while (n->joined != n) {
		n->joined = n->joined->joined;
		n = n->joined;
	}
	return n;
}

/* By size would be better still; halving paths is enough. */
static void join(struct nic *a, struct nic *b)
{
	struct nic *x = root_of(a), *y = root_of(b);

	if (x == y) {
		x->circular = true;
		return;
	}
	y->joined = x;
	x->circular |= y->circular;
}

static bool has_spanning_tree(const struct nic *n)
{
	const struct kind *kind = n->link->kind;
	int row = kind ? attr_find(&kind->table, "stp") : -1;
	uint32_t value;

	if (row < 0 || !n->link->data)
		return false;
	memcpy(&value, (const char *)n->link->data + kind->table.rows[row].offset, sizeof(value));
	return value;
}

static void join_all(struct world *w)
{
	for (size_t i = 0; i < w->n_nics; i++) {
		struct nic *n = &w->nics[i];

		if (!n->up)
			continue;
		if (n->peer && n->peer->up && n < n->peer)
			join(n, n->peer);
		if (n->master && n->master->up)
			join(n->master, n);
	}
}

static void note_station(struct lan *l, struct nic *n)
{
	array_add(&l->stations, n);
	l->has_helpers |= n->place->has_helpers;
	if (n->place->complete)
		return;
	l->outsiders |= l->outsider && l->outsider != n->place;
	l->outsider = n->place;
}

static void note(struct lan *l, struct nic *n, bool *no_tree)
{
	n->lan = l;
	l->foreign |= n->foreign;
	if (nic_is_station(n))
		note_station(l, n);
	if (!n->mtu)
		l->mtu_unclear = true;
	else if (!l->mtu || n->mtu < l->mtu)
		l->mtu = n->mtu;
	if (n->ports && !has_spanning_tree(n))
		*no_tree = true;
}

static int by_mac(const void *pa, const void *pb)
{
	const struct nic *a = *(struct nic *const *)pa, *b = *(struct nic *const *)pb;
	int r = (a->lan > b->lan) - (a->lan < b->lan);

	if (!r)
		r = memcmp(a->link->mac.bytes, b->link->mac.bytes, sizeof(a->link->mac.bytes));
	return r ? r : (a > b) - (a < b);
}

static bool same_mac(const struct nic *a, const struct nic *b)
{
	return a->lan == b->lan &&
	       memcmp(a->link->mac.bytes, b->link->mac.bytes, sizeof(a->link->mac.bytes)) == 0;
}

/* Does the one not mind that the other has its address? The two ends of a cable, and a bridge and its port. */
static bool is_no_harm(const struct nic *a, const struct nic *b)
{
	return (a->peer == b && nic_is_station(b)) || a->master == b || b->master == a;
}

/* What is for one of them may go to the other: a bridge sends it where it has last heard either, and takes
 * for itself what is for a port of its own. */
static void find_twins(struct world *w)
{
	ARRAY(struct nic *) all = {0};

	for (size_t i = 0; i < w->n_nics; i++)
		if (w->nics[i].lan && w->nics[i].link->mac.set)
			array_add(&all, &w->nics[i]);
	array_sort(&all, by_mac);
	for (size_t i = 0, first = 0; i < all.n; i++) {
		struct nic *n = all.items[i];

		if (!same_mac(n, all.items[first]))
			first = i;
		/* Those that do no harm are its own cable's end, and its own ports: all in all not many. */
		for (size_t j = first;
		     nic_is_station(n) && !n->twin && j < all.n && same_mac(n, all.items[j]); j++)
			if (j != i && !is_no_harm(n, all.items[j]))
				n->twin = all.items[j];
	}
	array_free(&all);
}

void world_join(struct world *w)
{
	bool *no_tree;

	join_all(w);
	w->lans = xcalloc(w->n_nics + 1, sizeof(*w->lans));
	no_tree = xcalloc(w->n_nics + 1, sizeof(*no_tree));
	for (int round = 0; round < 2; round++) /* the first of each, then the others */
		for (size_t i = 0; i < w->n_nics; i++) {
			struct nic *n = &w->nics[i], *root = root_of(n);
			struct lan *l = root->lan ? root->lan : &w->lans[w->n_lans];

			if (!n->up || (round == 0) != (n == root))
				continue;
			if (n == root) {
				w->n_lans++;
				l->circular = root->circular;
			}
			note(l, n, &no_tree[l - w->lans]);
		}
	for (size_t i = 0; i < w->n_lans; i++)
		w->lans[i].circular &= no_tree[i];
	free(no_tree);
	find_twins(w);
}

/* --- the way through one ------------------------------------------------------------------- */

struct queue {
	struct nic **items;
	size_t n;
};

static void visit(struct queue *q, struct nic *n, struct nic *before, size_t search)
{
	if (!n || !n->up || n->search == search)
		return;
	n->search = search;
	n->before = before;
	q->items[q->n++] = n;
}

/* From a on, until b is found: each knows which one is before it. */
static bool search_way(struct world *w, struct nic *a, struct nic *b)
{
	struct queue q = {.items = xcalloc(w->n_nics + 1, sizeof(*q.items))};
	size_t search = ++w->searches;

	visit(&q, a, NULL, search);
	for (size_t i = 0; i < q.n && b->search != search; i++) {
		struct nic *n = q.items[i];

		visit(&q, n->peer, n, search);
		visit(&q, n->master, n, search);
		for (struct nic *port = n->ports; port; port = port->next_port)
			visit(&q, port, n, search);
	}
	free(q.items);
	return b->search == search;
}

/* net/core/dev.c, __is_skb_forwardable(): whoever takes a frame from a cable, and a bridge's port
 * that sends one, lets pass what is larger than its MTU by no more than a VLAN's tag. */
#define TOLERATED 4

/* What br_netfilter makes of it, where it is loaded (net/bridge/br_netfilter_hooks.c,
 * br_nf_dev_queue_xmit()): a port sends nothing beyond its MTU, but may fragment. */
static bool hangs_on_netfilter(const struct nic *port, uint32_t size, bool whole)
{
	return (size <= port->mtu + TOLERATED) == whole;
}

const struct nic *lan_narrow(struct world *w, struct nic *a, struct nic *b, uint32_t size,
			     bool whole, bool *ret_sure)
{
	const struct nic *doubtful = NULL;

	*ret_sure = true;
	if ((!b->lan->mtu_unclear && size <= b->lan->mtu) || !search_way(w, a, b))
		return NULL;
	for (struct nic *n = b; n->before; n = n->before) {
		bool from_bridge = n->before == n->master, over_cable = n->before == n->peer;

		if (!n->mtu || size <= n->mtu || (!from_bridge && !over_cable))
			continue;
		if (from_bridge && hangs_on_netfilter(n, size, whole))
			doubtful = n;
		else if (size > n->mtu + TOLERATED)
			return n;
	}
	*ret_sure = !doubtful;
	return doubtful;
}
