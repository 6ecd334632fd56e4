/* SPDX-License-Identifier: MIT */
/* Mistakes that show without a packet: in how things are plugged together, and in
 * the addresses of one broadcast domain. */
#include "predict_internal.h"

#include <sys/socket.h>

/* An address of a station, which is up. */
struct resident {
	const struct lan *lan;
	const struct nic *nic;
	const struct address *address;
	struct ip net;
	bool skipped; /* its length is no network's */
};
typedef ARRAY(struct resident) residents;

static struct mark mark_of(const struct resident *r)
{
	return r->address->node ? r->address->node->mark : r->nic->link->mark;
}

/* --- cables -------------------------------------------------------------------------------------- */

static void find_down_ends(struct world *w, struct diags *d)
{
	for (size_t i = 0; i < w->n_nics; i++) {
		const struct nic *n = &w->nics[i], *peer = n->peer;
		cleanup_buf struct buf id = {0}, other = {0};

		if (n->up || !peer || !peer->up || !peer->addresses.n)
			continue;
		link_id(n->link, &id);
		link_id(peer->link, &other);
		diag_warning(d, link_key_mark(n->link, "state"),
			     "%s is down, so %s at the other end of the cable leads nowhere",
			     buf_text(&id), buf_text(&other));
	}
}

static void find_circles(struct world *w, struct diags *d)
{
	for (size_t i = 0; i < w->n_nics; i++) {
		const struct nic *n = &w->nics[i];
		cleanup_buf struct buf id = {0};

		if (!n->circular || n->joined != n || !n->lan || !n->lan->circular)
			continue;
		link_id(n->link, &id);
		diag_warning(d, n->link->mark,
			     "the cables of %s's network make a circle: frames go round for ever",
			     buf_text(&id));
		diag_hint(d, "take one of them away, or add 'stp: true' to the bridges");
	}
}

/* --- the same address ------------------------------------------------------------------------------ */

static int lan_compare(const struct resident *a, const struct resident *b)
{
	return a->lan == b->lan ? 0 : a->lan < b->lan ? -1 : 1;
}

static uint32_t line_of(const struct resident *r)
{
	return mark_of(r).line;
}

static int by_address(const void *pa, const void *pb)
{
	const struct resident *a = pa, *b = pb;
	struct ip x = a->address->address, y = b->address->address;
	int r = lan_compare(a, b);

	x.len = y.len = 0;
	if (!r)
		r = ip_compare(&x, &y);
	if (!r)
		r = line_of(a) < line_of(b) ? -1 : line_of(a) > line_of(b);
	return r ? r : (a->nic > b->nic) - (a->nic < b->nic);
}

static void find_duplicates(residents *all, struct diags *d)
{
	array_sort(all, by_address);
	for (size_t i = 1; i < all->n; i++) {
		const struct resident *a = &all->items[i - 1], *b = &all->items[i];
		cleanup_buf struct buf id = {0}, other = {0};
		char text[IP_TEXT_MAX];

		/* check_link.c and check_address.c tell of the ends of one cable, and of one namespace. */
		if (a->lan != b->lan || !same_ip(&a->address->address, &b->address->address) ||
		    a->nic->place == b->nic->place || a->nic->peer == b->nic)
			continue;
		link_id(a->nic->link, &other);
		link_id(b->nic->link, &id);
		diag_warning(d, mark_of(b),
			     "%s has the address %s, which %s on the same network has",
			     buf_text(&id), ip_format(&b->address->address, false, text),
			     buf_text(&other));
		if (line_of(a))
			diag_hint(d, "the other one is in line %u", line_of(a));
	}
}

static void find_twins(const struct world *w, struct diags *d)
{
	for (size_t i = 0; i < w->n_nics; i++) {
		const struct nic *n = &w->nics[i];
		cleanup_buf struct buf id = {0}, other = {0};

		if (!n->twin || (n->twin->twin == n && n->twin > n)) /* once of two */
			continue;
		link_id(n->link, &id);
		link_id(n->twin->link, &other);
		diag_warning(d, link_key_mark(n->link, "mac"),
			     "%s has the hardware address of %s, which is on the same network",
			     buf_text(&id), buf_text(&other));
		diag_hint(d, "give each its own, or none: then the kernel chooses");
	}
}

/* --- the wrong length -------------------------------------------------------------------------------- */

static int by_network(const void *pa, const void *pb)
{
	const struct resident *a = pa, *b = pb;
	int r = lan_compare(a, b);

	if (!r && a->skipped != b->skipped)
		return a->skipped - b->skipped;
	if (!r)
		r = ip_compare(&a->net, &b->net);
	if (!r)
		r = line_of(a) < line_of(b) ? -1 : line_of(a) > line_of(b);
	return r ? r : (a->nic > b->nic) - (a->nic < b->nic);
}

/* All of one network; ip_compare() has a network right before those inside it. */
struct group {
	const struct resident *first;
	size_t n;
};

static struct group group_at(const residents *all, size_t i)
{
	struct group g = {&all->items[i], 1};

	while (i + g.n < all->n && !lan_compare(&g.first[g.n], g.first) &&
	       g.first[g.n].skipped == g.first->skipped &&
	       !ip_compare(&g.first[g.n].net, &g.first->net))
		g.n++;
	return g;
}

/* Somebody who has an address of both networks knows what they are. */
static bool share_a_nic(const struct group *a, const struct group *b)
{
	for (size_t i = 0; i < b->n; i++)
		array_each(&b->first[i].nic->addresses, pa) {
			struct ip net = ip_network(&(*pa)->address);

			if (!ip_compare(&net, &a->first->net))
				return true;
		}
	return false;
}

static void tell_length(const struct group *outer, const struct group *inner, struct diags *d)
{
	bool host = inner->first->net.len == ip_bits(&inner->first->net); /* hardly a network's */
	bool blame_outer =
		!host && (outer->n < inner->n ||
			  (outer->n == inner->n && line_of(outer->first) > line_of(inner->first)));
	const struct resident *wrong = blame_outer ? outer->first : inner->first;
	const struct resident *right = blame_outer ? inner->first : outer->first;
	cleanup_buf struct buf id = {0}, other = {0};
	char text[IP_TEXT_MAX], other_text[IP_TEXT_MAX];

	link_id(wrong->nic->link, &id);
	link_id(right->nic->link, &other);
	diag_warning(d, mark_of(wrong),
		     "%s has %s, and %s on the same network %s: one of the lengths is wrong",
		     buf_text(&id), ip_format(&wrong->address->address, true, text),
		     buf_text(&other), ip_format(&right->address->address, true, other_text));
	if (line_of(right))
		diag_hint(d, "the other one is in line %u", line_of(right));
}

static void find_lengths(residents *all, struct diags *d)
{
	struct group outer = {0};

	array_sort(all, by_network);
	for (size_t i = 0; i < all->n;) {
		struct group g = group_at(all, i);

		i += g.n;
		if (g.first->skipped)
			continue;
		if (outer.n && outer.first->lan == g.first->lan &&
		    outer.first->net.family == g.first->net.family &&
		    ip_contains(&outer.first->net, &g.first->net)) {
			if (!share_a_nic(&outer, &g) && !share_a_nic(&g, &outer))
				tell_length(&outer, &g, d);
			continue; /* the widest one stays the measure */
		}
		outer = g;
	}
}

/* --- both -------------------------------------------------------------------------------------------- */

/* A host's length is meant where a route says how its network is reached. */
static bool has_direct_route(const struct nic *n)
{
	array_each(&n->place->netns->routes, pr) {
		const struct route *r = *pr;

		if (r->dev && !r->dev_resolved && str_equal(r->dev, n->link->name))
			return true;
		array_each(&r->nexthops, hop)
			if (hop->onlink)
				return true;
	}
	return false;
}

static void add_resident(struct nic *n, const struct address *a, residents *all)
{
	struct resident r = {.lan = n->lan, .nic = n, .address = a, .net = ip_network(&a->address)};

	r.skipped = a->peer.family || a->address.len == 0 || ip_is_link_local(&a->address) ||
		    (a->address.len == ip_bits(&a->address) &&
		     (a->address.family == AF_INET6 || has_direct_route(n)));
	array_add(all, r);
}

void find_lan_mistakes(struct world *w, struct diags *d)
{
	residents all = {0};

	find_down_ends(w, d);
	find_circles(w, d);
	find_twins(w, d);
	for (size_t i = 0; i < w->n_nics; i++) {
		struct nic *n = &w->nics[i];

		/* Alone it can agree with everybody. */
		if (nic_is_station(n) && n->lan->stations.n > 1)
			array_each(&n->addresses, pa)
				add_resident(n, *pa, &all);
	}
	find_duplicates(&all, d);
	find_lengths(&all, d);
	array_free(&all);
}
