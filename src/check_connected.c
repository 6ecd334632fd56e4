/* SPDX-License-Identifier: MIT */
/* Routes in the place of one that the kernel makes of an address by itself. It knows a route by
 * its table, destination and metric only, and refuses a second one (EEXIST), wherever that leads
 * (net/ipv4/fib_trie.c, fib_table_insert(); net/ipv6/ip6_fib.c, fib6_add_rt2node()). In external
 * namespaces addresses may come after the route, which the kernel takes: nothing is concluded. */
#include "load_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

struct connected {
	struct route route; /* its identity */
	const struct address *address;
};
typedef ARRAY(struct connected) connected_list;

static int by_route(const void *pa, const void *pb)
{
	const struct connected *a = pa, *b = pb;

	return route_compare(&a->route, &b->route);
}

static void add_address(connected_list *list, const struct address *a)
{
	struct address_route routes[ADDRESS_ROUTES_MAX];
	size_t n = address_routes(a, routes);

	for (size_t i = 0; i < n; i++)
		array_add(list, ((struct connected){.route = {.to = routes[i].to,
							      .table = routes[i].table,
							      .metric = routes[i].metric},
						    .address = a}));
}

/* Is it known to be up? Only then are all its routes there. */
static bool is_up(const struct checker *c, const struct link *k)
{
	return !(k->given & LINK_BIT("state") && k->state == LINK_DOWN) &&
	       !unclear_key(c->unclear, k->node, "state");
}

static void tell(struct checker *c, const struct route *r, const struct connected *found)
{
	const struct address *a = found->address;
	char to[IP_TEXT_MAX], from[IP_TEXT_MAX];

	ip_format(&r->to, true, to);
	ip_format(&a->address, true, from);
	diag_error(c->d, -EEXIST, value_mark(r->node, "to"),
		   "the kernel makes the route to %s itself: %s has the address %s", to,
		   a->link->name, from);
	if (r->table == RT_TABLE_LOCAL)
		diag_hint(c->d, "leave the route out");
	else
		diag_hint(c->d, "leave the route out, or give it %s 'metric'",
			  r->metric ? "another" : "a");
}

static bool is_unclear(const struct checker *c, const struct route *r)
{
	return unclear_key(c->unclear, r->node, "table") ||
	       unclear_key(c->unclear, r->node, "metric") ||
	       unclear_key(c->unclear, r->node, "type");
}

void check_connected(struct checker *c, const struct netns *n)
{
	struct link lo = {.name = LOOPBACK};
	const struct address loopback = {
		.link = &lo, .address = {.family = AF_INET, .len = 8, .bytes = {127, 0, 0, 1}}};
	connected_list list = {0};

	if (netns_is_external(n) || !n->routes.n)
		return;
	add_address(&list, &loopback);
	array_each(&n->links, pk)
		for (size_t i = 0; i < (*pk)->addresses.n && is_up(c, *pk); i++)
			add_address(&list, (*pk)->addresses.items[i]);
	array_sort(&list, by_route);
	array_each(&n->routes, pr) {
		const struct connected key = {
			.route = {.to = (*pr)->to, .table = (*pr)->table, .metric = (*pr)->metric}};
		const struct connected *found =
			bsearch(&key, list.items, list.n, sizeof(key), by_route);

		if (found && !is_unclear(c, *pr))
			tell(c, *pr, found);
	}
	array_free(&list);
}
