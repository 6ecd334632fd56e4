/* SPDX-License-Identifier: MIT */
/* Does each address have the routes to its networks?
 *
 * The kernel makes them by itself. But somebody may delete one (`ip route flush table main` does), and
 * of an IPv6 address whose interface comes up the kernel goes without it where it has no memory of a kind
 * of which little is kept ready (net/ipv6/addrconf.c, fixup_permanent_addr()). Then nothing on that
 * network is reached, though the address is there. */
#include "kernel_internal.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

static int connected_compare(const void *pa, const void *pb)
{
	const struct connected *a = pa, *b = pb;

	return a->index != b->index ? (a->index > b->index) - (a->index < b->index)
				    : ip_compare(&a->to, &b->to);
}

void connected_note(struct reader *r, const struct ip *to, uint32_t index)
{
	array_add(&r->connected, ((struct connected){.to = *to, .index = index}));
}

void connected_forget(struct reader *r, uint8_t family)
{
	while (r->connected.n && r->connected.items[r->connected.n - 1].to.family == family)
		r->connected.n--;
}

/* net/ipv4/fib_frontend.c (fib_add_ifaddr()), net/ipv6/addrconf.c (addrconf_prefix_route()). */
static bool makes_route(const struct address *a, const struct ip *to, uint32_t metric)
{
	const struct found_address *found = address_found(a);
	struct address_route routes[ADDRESS_ROUTES_MAX];
	size_t n = found->noprefixroute || a->secondary ? 0 : address_routes(a, routes);

	for (size_t i = 0; i < n; i++) {
		uint32_t own = found->metric ? found->metric : routes[i].metric;

		if (routes[i].type == RTN_UNICAST && own == metric &&
		    ip_compare(&routes[i].to, to) == 0)
			return true;
	}
	return false;
}

bool connected_is_kernels(const struct reader *r, const struct ip *to, uint32_t index,
			  uint32_t metric, uint32_t table)
{
	const struct found_link *f = index ? found_by_index(r->now, index) : NULL;

	if (!f || !netns_is_external(r->now->want))
		return true;
	/* A vrf, and what is in it, has a table of its own. */
	if (table != RT_TABLE_MAIN && !f->link->master && !str_equal(f->link->kind_name, "vrf"))
		return false;
	if (to->family == AF_INET6 && metric == ADDRCONF_METRIC)
		return true;
	array_each(&f->link->addresses, a)
		if (makes_route(*a, to, metric))
			return true;
	return false;
}

static bool has_kernel_route(const struct reader *r, const struct link *l, const struct ip *to)
{
	const struct connected key = {.to = *to, .index = l->index};

	return r->connected.n &&
	       bsearch(&key, r->connected.items, r->connected.n, sizeof(key), connected_compare);
}

/* Where somebody has put a route of their own in its place, the network is reached. */
static bool has_own_route(const struct link *l, const struct ip *to)
{
	array_each(&l->netns->routes, route)
		if ((*route)->type == RTN_UNICAST && !(*route)->via.family &&
		    str_equal((*route)->dev, l->name) && ip_compare(&(*route)->to, to) == 0)
			return true;
	return false;
}

/* Secondary ones have the route of the primary one. The route to an IPv6 peer comes and goes in ways of its own
 * (plan_addresses.c). */
static bool should_be_connected(const struct address *a)
{
	if (a->automatic || a->secondary || address_found(a)->noprefixroute)
		return false;
	return a->address.family == AF_INET || !a->peer.family;
}

/* Networks in 0.0.0.0/8 get no route (net/ipv4/fib_frontend.c, fib_add_ifaddr()). */
static bool is_expected(const struct address_route *r)
{
	return r->type == RTN_UNICAST && (r->to.family != AF_INET || r->to.bytes[0]);
}

static bool is_connected(const struct reader *r, const struct address *a)
{
	struct address_route routes[ADDRESS_ROUTES_MAX];
	size_t n = address_routes(a, routes);

	for (size_t i = 0; i < n; i++) {
		if (is_expected(&routes[i]) && !has_kernel_route(r, a->link, &routes[i].to) &&
		    !has_own_route(a->link, &routes[i].to))
			return false;
	}
	return true;
}

void connected_check(struct reader *r)
{
	array_sort(&r->connected, connected_compare);
	array_each(&r->now->live->links, l) {
		if ((*l)->state != LINK_UP || strcmp((*l)->name, LOOPBACK) == 0)
			continue;
		array_each(&(*l)->addresses, a)
			(*a)->unconnected = should_be_connected(*a) && !is_connected(r, *a);
	}
	r->connected.n = 0;
}
