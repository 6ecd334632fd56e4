/* SPDX-License-Identifier: MIT */
/* A namespace's routes, its own and those that the kernel makes of its addresses,
 * and the lookup of the longest prefix. Policy rules are not in the file: only the
 * tables local, main and (IPv4) default are asked. */
#include "predict_internal.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Prefixes lie together, the best route of each first. */
static int prefix_compare(const struct entry *a, const struct entry *b)
{
	int r = (int)a->pass - (int)b->pass;

	return r ? r : ip_compare(&a->to, &b->to);
}

static int worth_compare(const struct entry *a, const struct entry *b)
{
	if (a->main != b->main)
		return a->main ? 1 : -1;
	return a->metric == b->metric ? 0 : a->metric < b->metric ? -1 : 1;
}

static int entry_compare(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int r = prefix_compare(a, b);

	if (!r)
		r = worth_compare(a, b);
	if (!r && a->route != b->route)
		r = a->route && b->route ? route_compare(a->route, b->route) : a->route ? 1 : -1;
	if (!r && a->nic != b->nic)
		r = a->nic < b->nic ? -1 : 1;
	return r;
}

/* --- building ------------------------------------------------------------------------------ */

static void add(struct place *p, struct entry e)
{
	int family = family_of(&e.to);
	struct table *t = &p->tables[family];

	e.to = ip_network(&e.to);
	e.pass = family && e.main;
	if (e.route && e.route->table == RT_TABLE_DEFAULT)
		e.pass = 1;
	t->lengths[e.pass][e.to.len] = true;
	array_add(&t->entries, e);
}

static void add_address(struct place *p, struct nic *n, const struct address *a)
{
	struct address_route routes[ADDRESS_ROUTES_MAX];
	size_t count = address_routes(a, routes);
	bool ipv6 = a->address.family == AF_INET6;

	if (ipv6 && (!n->up || ip_is_link_local(&a->address)))
		return;
	for (size_t i = 0; i < (n->up ? count : 1); i++)
		add(p, (struct entry){.to = routes[i].to,
				      .main = routes[i].table == RT_TABLE_MAIN,
				      .metric = routes[i].metric,
				      .type = routes[i].type,
				      .nic = n,
				      .address = a});
}

static void add_loopback(struct place *p)
{
	static const struct ip networks[] = {
		{.family = AF_INET, .len = 8, .bytes = {127}},
		{.family = AF_INET6, .len = 128, .bytes = {[15] = 1}},
	};
	struct nic *lo = place_nic(p, LOOPBACK);

	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		add(p, (struct entry){.to = networks[i], .type = RTN_LOCAL, .nic = lo});
}

static bool is_asked(const struct route *r)
{
	return r->table == RT_TABLE_LOCAL || r->table == RT_TABLE_MAIN ||
	       (r->table == RT_TABLE_DEFAULT && r->to.family == AF_INET);
}

void place_build_tables(struct world *w, struct place *p)
{
	(void)w;
	for (size_t i = 0; i < p->n_nics; i++)
		array_each(&p->nics[i].addresses, pa)
			add_address(p, &p->nics[i], *pa);
	add_loopback(p);
	array_each(&p->netns->routes, pr)
		if (is_asked(*pr))
			add(p, (struct entry){.to = (*pr)->to,
					      .main = (*pr)->table != RT_TABLE_LOCAL,
					      .metric = (*pr)->metric,
					      .type = (*pr)->type,
					      .route = *pr});
	for (int f = 0; f < FAMILIES; f++)
		array_sort(&p->tables[f].entries, entry_compare);
}

/* --- finding ------------------------------------------------------------------------------- */

/* The best routes of this very prefix. */
static struct found find_prefix(const struct table *t, const struct ip *net, int pass)
{
	const struct entry key = {.to = *net, .pass = (uint8_t)pass};
	size_t low = 0, high = t->entries.n, n = 1;
	const struct entry *first;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (prefix_compare(&t->entries.items[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == t->entries.n || prefix_compare(&t->entries.items[low], &key) != 0)
		return (struct found){0};
	first = &t->entries.items[low];
	while (low + n < t->entries.n && !prefix_compare(&first[n], first) &&
	       !worth_compare(&first[n], first))
		n++;
	return (struct found){first, n};
}

static struct found find_in_pass(const struct table *t, const struct ip *to, int pass)
{
	for (int len = (int)ip_bits(to); len >= 0; len--) {
		struct ip net = *to;
		struct found found;

		if (!t->lengths[pass][len])
			continue;
		net.len = (uint8_t)len;
		net = ip_network(&net);
		found = find_prefix(t, &net, pass);
		if (found.n)
			return found;
	}
	return (struct found){0};
}

struct found place_lookup(const struct place *p, const struct ip *to)
{
	const struct table *t = &p->tables[family_of(to)];
	struct found found = {0};

	for (int pass = 0; pass < PASSES && !found.n; pass++) {
		found = find_in_pass(t, to, pass);
		if (found.n && found.entries[0].type == RTN_THROW)
			found.n = 0;
	}
	return found;
}

struct found place_lookup_default(const struct place *p, uint8_t family)
{
	const struct ip all = {.family = family};
	struct found found = {0};

	for (int pass = 0; pass < PASSES && !found.n; pass++)
		found = find_prefix(&p->tables[family_of(&all)], &all, pass);
	return found;
}

bool place_has(const struct place *p, const struct ip *ip)
{
	struct found found = place_lookup(p, ip);

	return found.n && found.entries[0].type == RTN_LOCAL;
}

/* --- ways out -------------------------------------------------------------------------------- */

/* The interface behind which the gateway is, where the route does not say. */
static struct nic *nic_towards(const struct place *p, const struct ip *via)
{
	struct found found = place_lookup(p, via);

	if (found.n != 1 || found.entries[0].type != RTN_UNICAST)
		return NULL;
	if (found.entries[0].route)
		return place_nic(p, found.entries[0].route->dev);
	return found.entries[0].nic;
}

static struct way way_of(const struct place *p, const struct entry *e, const struct nexthop *hop)
{
	const struct ip *via = hop ? &hop->via : &e->route->via;
	const char *dev = hop ? hop->dev : e->route->dev;

	return (struct way){.entry = e,
			    .hop = hop,
			    .via = *via,
			    .nic = dev		 ? place_nic(p, dev)
				   : via->family ? nic_towards(p, via)
						 : NULL};
}

void found_ways(const struct place *p, const struct found *f, ways *ret)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct entry *e = &f->entries[i];

		if (!e->route) {
			array_add(ret, ((struct way){.entry = e, .nic = e->nic}));
		} else if (e->route->nexthops.n) {
			array_each(&e->route->nexthops, hop)
				array_add(ret, way_of(p, e, hop));
		} else {
			array_add(ret, way_of(p, e, NULL));
		}
	}
}

struct mark way_mark(const struct way *w, const char *key)
{
	const struct node *n = w->hop		   ? w->hop->node
			       : w->entry->route   ? w->entry->route->node
			       : w->entry->address ? w->entry->address->node
						   : NULL;
	const struct node *value = n && n->kind == NODE_MAPPING ? node_get(n, key) : NULL;

	return value ? value->mark : n ? n->mark : NO_MARK;
}
