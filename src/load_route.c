/* SPDX-License-Identifier: MIT */
/* Routes, and what follows for each from its own keys: the family of a default
 * route, and iproute2's defaults for table and scope (iproute.c,
 * iproute_modify()). Which interface a gateway is behind is found later, when
 * all addresses are known (normalise_route.c). */
#include "load_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define NEXTHOPS_MAX 256
/* net/ipv6/route.c puts this (IP6_RT_PRIO_USER) where a route has no metric. */
#define IPV6_METRIC 1024

#define ROUTE_BIT(key) attr_bit(&route_table, key)

static int load_nexthops(struct loader *l, const struct node *list, void *route)
{
	struct route *r = route;
	int ret = load_expect(l, list, NODE_SEQUENCE, "nexthops", NULL);

	if (ret < 0)
		return ret;
	if (list->n == 0 || list->n > NEXTHOPS_MAX) {
		unclear_key_put(&l->unclear, list, ANYTHING);
		return diag_error(l->d, -EINVAL, list->mark, "nexthops must be a list of 1 to %d",
				  NEXTHOPS_MAX);
	}
	for (uint32_t i = 0; i < list->n; i++) {
		struct nexthop hop = {.node = list->items[i]};
		struct load_target t = {&nexthop_table, &hop, &hop.given, NULL};

		if (load_mapping(l, list->items[i], hop.node->mark, "a nexthop", &t, 1) < 0) {
			ret = -EINVAL;
			continue;
		}
		if (!hop.given)
			ret = diag_error(l->d, -EINVAL, list->items[i]->mark,
					 "a nexthop needs via or dev");
		attr_fill(&nexthop_table, &hop, hop.given);
		array_add(&r->nexthops, hop);
	}
	if (ret < 0)
		unclear_key_put(&l->unclear, list, ANYTHING);
	return ret;
}

/* One nexthop is an ordinary route. */
static int flatten_nexthop(struct loader *l, struct route *r)
{
	struct nexthop hop = r->nexthops.items[0];

	if (hop.given & attr_bit(&nexthop_table, "weight") && hop.weight != 1) {
		diag_error(l->d, -EINVAL, value_mark(hop.node, "weight"),
			   "a weight says nothing where there is one nexthop");
		return -EINVAL;
	}
	r->via = hop.via;
	r->dev = hop.dev;
	r->onlink |= hop.onlink;
	r->given |= (hop.via.family ? ROUTE_BIT("via") : 0) | (hop.dev ? ROUTE_BIT("dev") : 0) |
		    (hop.given & attr_bit(&nexthop_table, "onlink") ? ROUTE_BIT("onlink") : 0);
	r->given &= ~ROUTE_BIT("nexthops");
	array_free(&r->nexthops);
	return 0;
}

/* --- family -------------------------------------------------------------------------- */

/* IPv6 only if all gateways are: an IPv4 route may have IPv6 ones, but then says so. */
static uint8_t gateway_family(const struct route *r)
{
	uint8_t family = r->via.family;

	array_each(&r->nexthops, hop)
		if (hop->via.family && family != AF_INET)
			family = hop->via.family;
	return family;
}

static int settle_family(struct loader *l, struct route *r)
{
	const struct node *n = r->node;

	if (!r->to.family) {
		r->to.family = (uint8_t)r->family;
		if (!r->to.family)
			r->to.family = r->src.family;
		if (!r->to.family)
			r->to.family = gateway_family(r);
		if (!r->to.family) {
			diag_error(l->d, -EINVAL, value_mark(n, "to"),
				   "this default route could be IPv4 or IPv6");
			diag_hint(l->d, "add 'family: inet' or 'family: inet6'");
			return -EINVAL;
		}
	} else if (r->family && r->family != r->to.family) {
		return diag_error(l->d, -EINVAL, value_mark(n, "family"),
				  "the family is not that of 'to'");
	}
	/* It has done its work: to.family is what counts, and what is compared. */
	r->family = r->to.family;
	return 0;
}

static int check_host_bits(struct loader *l, const struct route *r)
{
	struct ip net = ip_network(&r->to);
	char text[IP_TEXT_MAX];

	if (!memcmp(net.bytes, r->to.bytes, sizeof(net.bytes)))
		return 0;
	diag_error(l->d, -EINVAL, value_mark(r->node, "to"),
		   "'%s' is not a network: bits are set beyond the prefix length",
		   ip_format(&r->to, true, text));
	diag_hint(l->d, "the network is %s", ip_format(&net, true, text));
	return -EINVAL;
}

/* --- defaults ------------------------------------------------------------------------ */

static uint32_t default_scope(const struct route *r)
{
	if (r->to.family == AF_INET6)
		return RT_SCOPE_UNIVERSE; /* IPv6 routes have none: the kernel reports this */
	if (r->type == RTN_LOCAL)
		return RT_SCOPE_HOST;
	if (r->type == RTN_UNICAST && !r->via.family && !r->nexthops.n)
		return RT_SCOPE_LINK;
	return RT_SCOPE_UNIVERSE;
}

int load_route_defaults(struct loader *l, struct route *r)
{
	if (r->nexthops.n == 1 && flatten_nexthop(l, r) < 0)
		return -EINVAL;
	if (settle_family(l, r) < 0 || check_host_bits(l, r) < 0)
		return -EINVAL;
	attr_fill(&route_table, r, r->given);
	r->family = r->to.family;
	if (!(r->given & ROUTE_BIT("table")) && r->type == RTN_LOCAL)
		r->table = RT_TABLE_LOCAL;
	if (!(r->given & ROUTE_BIT("scope")))
		r->scope = default_scope(r);
	if (r->to.family == AF_INET6 && !r->metric)
		r->metric = IPV6_METRIC;
	return 0;
}

/* Is enough known of a route with errors to judge the rest of it? */
static bool is_known(struct loader *l, const struct route *r)
{
	static const char *const keys[] = {"to", "via", "nexthops", "type", "family"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (unclear_key(&l->unclear, r->node, keys[i]))
			return false;
	return r->to.family || !unclear_key(&l->unclear, r->node, "src");
}

/* A route that is not known could be to a network without a gateway, unless it has one. */
static bool may_be_direct(const struct node *n, const struct load_target *t)
{
	return n->kind != NODE_MAPPING || (!node_get(n, "via") && !load_find_meant(n, "via", t, 1));
}

/* *ret_unclear: it, and so where it leads, is not known. */
static int load_route(struct loader *l, const struct node *n, struct netns *netns,
		      bool *ret_unclear)
{
	static const struct load_part parts[] = {{"nexthops", load_nexthops}, {NULL, NULL}};
	struct route r = {.node = n, .netns = netns}, *added;
	uint64_t found = 0;
	struct load_target t[] = {
		{&route_table, &r, &r.given, parts},
		{&found_route_table, &r, &found, NULL}, /* load_state() only */
	};
	int result = load_mapping(l, n, n->mark, "a route", t, l->state ? 2 : 1);

	if (!is_known(l, &r) || !node_get(n, "to") || load_route_defaults(l, &r) < 0) {
		array_free(&r.nexthops);
		*ret_unclear = may_be_direct(n, t);
		return -EINVAL;
	}
	added = netns_add_route(l->m, netns);
	*added = r;
	return result;
}

int load_routes(struct loader *l, const struct node *list, void *netns)
{
	int ret = load_expect(l, list, NODE_SEQUENCE, "routes", NULL);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < list->n; i++) {
		bool unclear = false;

		if (load_route(l, list->items[i], netns, &unclear) < 0)
			ret = -EINVAL;
		if (unclear)
			unclear_key_put(&l->unclear, list, ANYTHING);
	}
	return ret;
}
