/* SPDX-License-Identifier: MIT */
/* Routes: keys that do not go together, devices, gateways, sources. What the
 * kernel refuses is in net/ipv4/fib_semantics.c (fib_create_info(), fib_check_nh())
 * and net/ipv6/route.c (ip6_route_info_create(), ip6_route_check_nh()), and was
 * tried on Linux 6.18. In external namespaces nothing is concluded from what the
 * file does not show. */
#include "load_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

struct broadcast {
	uint8_t bytes[4];
};
/* What is needed of a namespace for all its routes. */
struct ground {
	struct checker *c;
	const struct netns *netns;
	struct networks networks, local;
	ARRAY(const struct address *) own;  /* sorted by by_bytes() */
	ARRAY(struct broadcast) broadcasts; /* sorted */
	/* All of them are known: absence can be judged. */
	bool knows_links, knows_addresses, knows_routes;
};
/* One way out of a route. */
struct way {
	const struct route *r;
	const struct node *node;
	const struct ip *via; /* family 0: none */
	const char *dev;
	bool dev_named, onlink;
};

static struct mark route_mark(const struct route *r, const char *key)
{
	return r->node ? value_mark(r->node, key) : NO_MARK;
}

static struct mark way_mark(const struct way *w, const char *key)
{
	return w->node ? value_mark(w->node, key) : NO_MARK;
}

static int by_bytes(const void *pa, const void *pb)
{
	const struct ip *a = &(*(struct address *const *)pa)->address;
	const struct ip *b = &(*(struct address *const *)pb)->address;
	int r = (int)a->family - (int)b->family;

	return r ? r : memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int by_value(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct broadcast));
}

/* The first of the namespace's addresses that is ip, or NULL. */
static const struct address *find_own(const struct ground *g, const struct ip *ip)
{
	const struct address key = {.address = *ip}, *pkey = &key;
	const struct address **found = NULL;

	if (g->own.n)
		found = bsearch(&pkey, g->own.items, g->own.n, sizeof(pkey), by_bytes);
	return found ? *found : NULL;
}

static bool is_loopback(const struct ip *ip)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	return ip->family == AF_INET ? ip->bytes[0] == 127 : !memcmp(ip->bytes, loopback6, 16);
}

/* Is all known that a gateway (behind dev, unless NULL) or a source address could be of? */
static bool is_complete(const struct ground *g, const char *dev)
{
	const struct link *k = dev ? netns_find_link(g->netns, dev) : NULL;

	if (!g->knows_routes || !g->knows_links)
		return false;
	return dev ? k && !unclear_key(g->c->unclear, k->node, "addresses") : g->knows_addresses;
}

/* Was one of these keys (the list ends with NULL) of the route not understood? */
static bool is_unclear(const struct ground *g, const struct route *r, const char *const *keys)
{
	for (; *keys; keys++)
		if (unclear_key(g->c->unclear, r->node, *keys))
			return true;
	return false;
}

/* --- keys that do not go together ---------------------------------------------------- */

static bool goes_nowhere(const struct route *r)
{
	return r->type != RTN_UNICAST && r->type != RTN_LOCAL;
}

/* Does the route's type fit what it says of where it goes? */
static bool check_type(struct ground *g, const struct route *r)
{
	struct diags *d = g->c->d;
	const char *key = r->via.family	  ? "via"
			  : r->nexthops.n ? "nexthops"
			  : r->dev	  ? "dev"
					  : NULL;

	if (goes_nowhere(r) && key) {
		diag_error(d, -EINVAL, route_mark(r, key),
			   "a route of type %s goes nowhere, and takes no '%s'",
			   route_type_name(r->type), key);
		return false;
	}
	if (r->type == RTN_LOCAL && (r->via.family || r->nexthops.n)) {
		diag_error(d, -EINVAL, route_mark(r, key),
			   "a route of type local ends here, and takes no '%s'", key);
		return false;
	}
	if (!goes_nowhere(r) && !key) {
		diag_error(d, -EINVAL, route_mark(r, "to"), "this route does not say where to");
		diag_hint(d, r->type == RTN_LOCAL ? "add 'dev: IFNAME', such as lo"
						  : "add 'via: GATEWAY' or 'dev: IFNAME'");
		return false;
	}
	if (r->nexthops.n && (r->via.family || r->dev)) {
		diag_error(d, -EINVAL, route_mark(r, r->via.family ? "via" : "dev"),
			   "a route has either nexthops or via and dev");
		return false;
	}
	return true;
}

static void check_scope(struct ground *g, const struct route *r)
{
	struct diags *d = g->c->d;
	struct mark at = route_mark(r, "scope");
	bool gateway = r->via.family || r->nexthops.n;

	if (r->to.family == AF_INET6) {
		if (r->scope != RT_SCOPE_UNIVERSE) {
			diag_error(d, -EINVAL, at, "IPv6 routes have no scope");
			diag_hint(d, "leave 'scope' out");
		}
	} else if (r->type == RTN_LOCAL && r->scope < RT_SCOPE_HOST) {
		diag_error(d, -EINVAL, at, "a route of type local has scope host");
	} else if (gateway && r->scope >= RT_SCOPE_LINK) {
		diag_error(d, -EINVAL, at, "a route with a gateway cannot have scope %s",
			   r->scope == RT_SCOPE_LINK ? "link" : "host");
		diag_hint(d, "leave 'scope' out");
	}
}

/* Live routes of these are the kernel's, and not ours to make (kernel_read_route.c). */
static void check_proto(struct ground *g, const struct route *r)
{
	struct diags *d = g->c->d;
	struct mark at = route_mark(r, "proto");

	if (r->proto == RTPROT_KERNEL || r->proto == RTPROT_RA || r->proto == RTPROT_REDIRECT) {
		diag_error(d, -EINVAL, at, "'proto: %s' is for routes that the kernel makes itself",
			   r->proto == RTPROT_KERNEL ? "kernel"
			   : r->proto == RTPROT_RA   ? "ra"
						     : "redirect");
		diag_hint(d, "leave 'proto' out (static), or name another");
	} else if (r->proto == RTPROT_UNSPEC && r->to.family == AF_INET6) {
		diag_error(d, -EINVAL, at, "an IPv6 route has a 'proto' other than unspec");
		diag_hint(d, "leave 'proto' out (static), or name another");
	}
}

/* --- gateways ----------------------------------------------------------------------------- */

/* What cannot be a gateway anywhere. */
static bool check_gateway_value(struct ground *g, const struct way *w)
{
	struct diags *d = g->c->d;
	char text[IP_TEXT_MAX];

	if (w->r->to.family == AF_INET6 && w->via->family == AF_INET) {
		diag_error(d, -EINVAL, way_mark(w, "via"),
			   "the gateway %s is of the wrong family: the route is IPv6",
			   ip_format(w->via, false, text));
		return false;
	}
	if (!check_is_unicast(w->via)) {
		diag_error(d, -EINVAL, way_mark(w, "via"), "%s cannot be a gateway",
			   ip_format(w->via, false, text));
		return false;
	}
	if (w->via->family == AF_INET6 && ip_is_link_local(w->via) && !w->dev) {
		diag_error(d, -EINVAL, way_mark(w, "via"),
			   "the link-local gateway %s needs a device",
			   ip_format(w->via, false, text));
		diag_hint(d, "add 'dev: IFNAME': link-local addresses are on every interface");
		return false;
	}
	if (w->onlink && !w->dev_named) {
		diag_error(d, -EINVAL, way_mark(w, "via"), "'onlink' needs a device");
		diag_hint(d, "add 'dev: IFNAME'");
		return false;
	}
	return true;
}

static bool is_own_gateway(struct ground *g, const struct way *w)
{
	const struct address *own = find_own(g, w->via);
	char text[IP_TEXT_MAX];

	if (!own)
		return false;
	if (ip_is_link_local(w->via) && !str_equal(own->link->name, w->dev))
		return false;
	ip_format(w->via, false, text);
	if (w->via->family == AF_INET6 || w->onlink) {
		diag_error(g->c->d, -EINVAL, way_mark(w, "via"),
			   "the gateway %s is an address of this namespace", text);
		diag_hint(g->c->d,
			  "the kernel refuses it; the gateway is the machine at the other end");
	} else {
		diag_warning(g->c->d, way_mark(w, "via"),
			     "the gateway %s is an address of this namespace", text);
		diag_hint(g->c->d, "the gateway is the machine at the other end");
	}
	return true;
}

static void check_gateway_reach(struct ground *g, const struct way *w)
{
	char text[IP_TEXT_MAX];

	if (w->dev && !w->dev_named) /* it is the one whose network holds the gateway */
		return;
	if (w->onlink || ip_is_link_local(w->via) ||
	    networks_find(&g->networks, w->via, w->dev, w->r->table, NULL) ||
	    !is_complete(g, w->dev))
		return;
	ip_format(w->via, false, text);
	if (w->dev)
		diag_error(g->c->d, -EINVAL, way_mark(w, "via"),
			   "the gateway %s is on no network of %s", text, w->dev);
	else
		diag_error(g->c->d, -EINVAL, way_mark(w, "via"),
			   "the gateway %s is on no network of namespace '%s'", text,
			   g->netns->name);
	diag_hint(g->c->d,
		  "give an interface an address of the gateway's network, or add a route to it "
		  "without a gateway, or 'onlink: true' with 'dev'");
}

/* The kernel has a broadcast route for the last address of each network. */
static void check_broadcast_gateway(struct ground *g, const struct way *w)
{
	char text[IP_TEXT_MAX];

	if (!g->broadcasts.n || !bsearch(w->via->bytes, g->broadcasts.items, g->broadcasts.n,
					 sizeof(g->broadcasts.items[0]), by_value))
		return;
	diag_error(g->c->d, -EINVAL, way_mark(w, "via"),
		   "the gateway %s is the broadcast address of its network",
		   ip_format(w->via, false, text));
}

/* --- devices ----------------------------------------------------------------------------- */

static bool check_dev(struct ground *g, const struct way *w)
{
	const struct netns *n = g->netns;
	const struct link *k = netns_find_link(n, w->dev);

	if (!k) {
		if (netns_is_external(n) || unclear_link(g->c->unclear, n, w->dev))
			return true;
		diag_error(g->c->d, -EINVAL, way_mark(w, w->dev_named ? "dev" : "via"),
			   "there is no interface '%s' in namespace '%s'", w->dev, n->name);
		netns_hint_link(n, w->dev, NULL, g->c->d);
		return false;
	}
	if (k->given & LINK_BIT("state") && k->state == LINK_DOWN) {
		diag_error(g->c->d, -EINVAL, way_mark(w, w->dev_named ? "dev" : "via"),
			   "the route goes out of %s, which is down", w->dev);
		diag_hint(g->c->d, "the kernel takes routes only out of interfaces that are up");
		return false;
	}
	return true;
}

static void check_way(struct ground *g, const struct way *w)
{
	if (w->onlink && !w->via->family) {
		diag_error(g->c->d, -EINVAL, way_mark(w, "onlink"),
			   "'onlink' says something of a gateway, and there is none");
		return;
	}
	if (w->dev && !check_dev(g, w))
		return;
	if (!w->via->family || !check_gateway_value(g, w) || is_own_gateway(g, w))
		return;
	check_gateway_reach(g, w);
	if (w->via->family == AF_INET)
		check_broadcast_gateway(g, w);
}

/* --- the rest ----------------------------------------------------------------------------- */

static void check_src(struct ground *g, const struct route *r)
{
	struct mark at = route_mark(r, "src");
	char text[IP_TEXT_MAX];

	if (r->src.family != r->to.family) {
		diag_error(g->c->d, -EINVAL, at, "the source address %s is of the wrong family",
			   ip_format(&r->src, false, text));
		return;
	}
	if (is_loopback(&r->src) || find_own(g, &r->src) ||
	    networks_find(&g->local, &r->src, NULL, RT_TABLE_MAIN, NULL) || !is_complete(g, NULL))
		return;
	diag_error(g->c->d, -EINVAL, at, "the source address %s is no address of namespace '%s'",
		   ip_format(&r->src, false, text), g->netns->name);
	diag_hint(g->c->d, "the kernel only takes addresses that an interface has");
}

/* They are sorted by gateway and device. The kernel takes equal ones for IPv4 (net/ipv6/ip6_fib.c,
 * fib6_add_rt2node(): each is a route that is there already). */
static void check_equal_nexthops(struct ground *g, const struct route *r)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 1; r->to.family == AF_INET6 && i < r->nexthops.n; i++) {
		const struct nexthop *a = &r->nexthops.items[i - 1], *b = &r->nexthops.items[i];

		if (!b->via.family || ip_compare(&a->via, &b->via) || !str_equal(a->dev, b->dev))
			continue;
		diag_error(g->c->d, -EEXIST, b->node ? b->node->mark : NO_MARK,
			   "the gateway %s is named twice in an IPv6 route",
			   ip_format(&b->via, false, text));
		diag_hint(g->c->d, "how much of the traffic goes by way of it is its 'weight'");
	}
}

static void check_nexthops(struct ground *g, const struct route *r)
{
	check_equal_nexthops(g, r);
	array_each(&r->nexthops, hop) {
		struct way w = {r,
				hop->node,
				&hop->via,
				hop->dev,
				hop->given & attr_bit(&nexthop_table, "dev"),
				hop->onlink};

		if (r->to.family == AF_INET6 && !hop->via.family) {
			diag_error(g->c->d, -EINVAL, hop->node ? hop->node->mark : NO_MARK,
				   "each nexthop of an IPv6 route needs a gateway");
			continue;
		}
		check_way(g, &w);
	}
}

static void check_route(struct ground *g, const struct route *r)
{
	static const char *const way_keys[] = {"dev", "onlink", "table", NULL};
	struct way w = {r, r->node, &r->via, r->dev, r->dev && !r->dev_resolved, r->onlink};

	check_proto(g, r);
	if (r->src.family)
		check_src(g, r);
	if (is_unclear(g, r, way_keys) || !check_type(g, r))
		return;
	check_scope(g, r);
	if (r->nexthops.n)
		check_nexthops(g, r);
	else
		check_way(g, &w);
}

static void check_duplicates(struct ground *g)
{
	static const char *const id_keys[] = {"to", "table", "metric", NULL};

	for (size_t i = 1; i < g->netns->routes.n; i++) {
		const struct route *a = g->netns->routes.items[i - 1];
		const struct route *b = g->netns->routes.items[i];
		cleanup_buf struct buf id = {0};

		if (route_compare(a, b) || is_unclear(g, a, id_keys) || is_unclear(g, b, id_keys))
			continue;
		if (a->node && b->node && a->node->mark.line > b->node->mark.line) {
			const struct route *swap = a;

			a = b;
			b = swap;
		}
		buf_puts(&id, "");
		route_id(b, &id);
		diag_error(g->c->d, -EINVAL, b->node ? b->node->mark : NO_MARK,
			   "there are two routes '%s'", buf_text(&id));
		if (a->node)
			diag_hint(g->c->d,
				  "the other one is in line %u; two ways to one place are "
				  "'nexthops', or routes of different 'metric'",
				  a->node->mark.line);
	}
}

static void add_broadcast(struct ground *g, const struct address *a)
{
	struct ip last = a->address;

	if (last.family != AF_INET || last.len >= 31 || a->peer.family)
		return;
	for (unsigned bit = last.len; bit < 32; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	memcpy(array_push(&g->broadcasts)->bytes, last.bytes, sizeof(struct broadcast));
}

static void build_ground(struct ground *g)
{
	networks_build(g->netns, true, &g->networks);
	networks_build_local(g->netns, &g->local);
	array_each(&g->netns->links, pk)
		array_each(&(*pk)->addresses, pa) {
			array_add(&g->own, *pa);
			add_broadcast(g, *pa);
		}
	array_sort(&g->own, by_bytes);
	array_sort(&g->broadcasts, by_value);
}

static void judge_ground(struct ground *g)
{
	const struct name_index *unclear = g->c->unclear;
	const struct netns *n = g->netns;

	if (netns_is_external(n))
		return;
	g->knows_routes = !unclear_key(unclear, n->node, "routes");
	g->knows_links = !unclear_key(unclear, n->node, "interfaces");
	g->knows_addresses = true;
	array_each(&n->links, pk)
		if (unclear_key(unclear, (*pk)->node, "addresses"))
			g->knows_addresses = false;
}

void check_routes(struct checker *c, const struct netns *n)
{
	struct ground g = {.c = c, .netns = n};

	if (!n->routes.n)
		return;
	build_ground(&g);
	judge_ground(&g);
	array_each(&n->routes, pr)
		check_route(&g, *pr);
	check_duplicates(&g);
	array_free(&g.own);
	array_free(&g.broadcasts);
	networks_free(&g.networks);
	networks_free(&g.local);
}
