/* SPDX-License-Identifier: MIT */
/* The made-up machine: addresses and routes, and what of them goes with what. */
#include "fake_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define IPV6_METRIC 1024

static bool same_bytes(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* --- what routes hang on ---------------------------------------------------------------------- */

static struct link *find_dev(const struct netns *n, const char *name)
{
	array_each(&n->links, l)
		if (name && str_equal((*l)->name, name))
			return *l;
	return NULL;
}

static bool is_dead(const struct netns *n, const char *dev, const struct link *going)
{
	const struct link *l = find_dev(n, dev);

	return l && (l == going || l->state == LINK_DOWN);
}

/* A route of several ways lives on with one of them, but not without an interface of it
 * (net/ipv4/fib_semantics.c, fib_sync_down_dev(); net/ipv6/route.c, fib6_ifdown()). */
static bool dies_with(const struct route *r, const struct link *going, bool unregistered)
{
	bool all = true, any = false;

	if (!r->nexthops.n)
		return r->dev && str_equal(r->dev, going->name);
	array_each(&r->nexthops, h) {
		any = any || str_equal(h->dev, going->name);
		all = all && is_dead(going->netns, h->dev, going);
	}
	return any && (all || unregistered);
}

static void drop_routes(struct link *going, int family, bool unregistered)
{
	struct netns *n = going->netns;
	size_t kept = 0;

	array_each(&n->routes, r)
		if ((!family || (*r)->to.family == family) && dies_with(*r, going, unregistered))
			array_free(&(*r)->nexthops);
		else
			n->routes.items[kept++] = *r;
	n->routes.n = kept;
}

static bool is_local(const struct netns *n, const struct ip *ip)
{
	array_each(&n->links, l)
		array_each(&(*l)->addresses, a)
			if (same_bytes(&(*a)->address, ip))
				return true;
	return false;
}

/* IPv4 drops the routes that prefer the address (fib_sync_down_addr()), IPv6 their preference
 * (net/ipv6/route.c, rt6_remove_prefsrc()). */
static void drop_source(struct netns *n, const struct ip *ip)
{
	size_t kept = 0;

	if (is_local(n, ip))
		return;
	array_each(&n->routes, r) {
		bool prefers = same_bytes(&(*r)->src, ip);

		if (prefers && ip->family == AF_INET) {
			array_free(&(*r)->nexthops);
			continue;
		}
		if (prefers) {
			(*r)->src = (struct ip){0};
			(*r)->given &= ~attr_bit(&route_table, "src");
		}
		n->routes.items[kept++] = *r;
	}
	n->routes.n = kept;
}

/* --- addresses ----------------------------------------------------------------------------------- */

static const struct ip *network_of(const struct address *a)
{
	return a->peer.family ? &a->peer : &a->address;
}

static struct address *find_address(struct fake_link *l, const struct address *like)
{
	struct address here = *like;

	here.link = &l->link;
	array_each(&l->link.addresses, a)
		if (address_compare(*a, &here) == 0)
			return *a;
	return NULL;
}

static bool same_network(const struct address *a, const struct address *b)
{
	return a->address.family == AF_INET && b->address.family == AF_INET &&
	       a->address.len == b->address.len && ip_contains(network_of(a), network_of(b));
}

/* Takes those out for which `goes`, and what hangs on them. */
static void drop_addresses(struct fake_link *l, bool (*goes)(const struct address *, const void *),
			   const void *data)
{
	ARRAY(struct ip) gone = {0};
	bool ipv4_left = false, ipv4_gone = false;
	size_t kept = 0;

	array_each(&l->link.addresses, a) {
		bool ipv4 = (*a)->address.family == AF_INET;

		if (goes(*a, data)) {
			array_add(&gone, (*a)->address);
			ipv4_gone = ipv4_gone || ipv4;
		} else {
			l->link.addresses.items[kept++] = *a;
			ipv4_left = ipv4_left || ipv4;
		}
	}
	l->link.addresses.n = kept;
	array_each(&gone, ip)
		drop_source(l->link.netns, ip);
	if (ipv4_gone && !ipv4_left) /* fib_del_ifaddr(), fib_disable_ip() */
		drop_routes(&l->link, AF_INET, false);
	array_free(&gone);
}

/* A primary address takes the secondary ones of its network along (inet_del_ifa()). */
static bool goes_with(const struct address *a, const void *data)
{
	const struct address *deleted = data;

	return a == deleted || (!deleted->secondary && a->secondary && same_network(deleted, a));
}

static bool is_ipv6(const struct address *a, const void *data)
{
	(void)data;
	return a->address.family == AF_INET6;
}

static bool is_any(const struct address *a, const void *data)
{
	(void)a;
	(void)data;
	return true;
}

void fake_drop_inet(struct fake_link *l, enum fake_end end)
{
	switch (end) {
	case FAKE_DOWN:
		drop_addresses(l, is_ipv6, NULL);
		drop_routes(&l->link, 0, false);
		break;
	case FAKE_IPV6_OFF:
		drop_addresses(l, is_ipv6, NULL);
		drop_routes(&l->link, AF_INET6, true);
		break;
	case FAKE_GONE:
		drop_addresses(l, is_any, NULL);
		drop_routes(&l->link, 0, true);
		array_free(&l->link.addresses);
		break;
	}
}

static struct address *add_address(struct fake_machine *m, struct fake_link *l,
				   const struct address *from)
{
	struct address *a = arena_alloc(&m->arena, sizeof(*a));

	*a = *from;
	a->link = &l->link;
	a->node = NULL;
	a->label = from->label ? arena_strdup(&m->arena, from->label) : NULL;
	address_set_found(&m->arena, a, address_found(from));
	array_add(&l->link.addresses, a);
	if (a->address.family == AF_INET)
		fake_own_values(l);
	return a;
}

void fake_loopback_up(struct fake_machine *m, struct fake_link *lo)
{
	static const char *const texts[] = {"127.0.0.1/8", "::1/128"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct address a = {.given = attr_bit(&address_table, "address"),
				    .automatic = true};

		ip_parse(texts[i], true, &a.address);
		a.scope = a.address.family == AF_INET ? RT_SCOPE_HOST : 0;
		if (!find_address(lo, &a))
			add_address(m, lo, &a);
	}
}

static int try_address(struct kernel *k, const struct address *want, bool replace)
{
	struct fake_link *l = fake_link_of(k, want->link);
	struct address *have = l ? find_address(l, want) : NULL, *made;
	bool secondary = false;

	if (!l || !want->link->index)
		return -ENODEV;
	if (want->address.family == AF_INET6 && !fake_has_ipv6(l))
		return -EINVAL;
	if (have && !replace)
		return -EEXIST;
	if (have) {
		have->dad = want->dad;
		l->unconnected = false;
		address_set_found(&k->machine->arena, have, address_found(want));
		return 0;
	}
	array_each(&l->link.addresses, a) {
		bool same = !(*a)->secondary && same_network(*a, want);

		if (same && (*a)->scope != want->scope)
			return -EINVAL; /* __inet_insert_ifa() */
		secondary = secondary || same;
	}
	made = add_address(k->machine, l, want);
	made->automatic = made->dropped = made->tentative = made->dad_failed = false;
	made->secondary = secondary;
	return 0;
}

void kernel_address_add(struct kernel *k, const struct address *a, bool replace, const void *tag)
{
	int r = fake_change(k);

	fake_answer(k, tag, r < 0 ? r : try_address(k, a, replace));
}

void kernel_address_delete(struct kernel *k, const struct address *a, const void *tag)
{
	struct fake_link *l = fake_link_of(k, a->link);
	struct address *have = l ? find_address(l, a) : NULL;
	int r = fake_change(k);

	if (r >= 0)
		r = !l ? -ENODEV : !have ? -EADDRNOTAVAIL : 0;
	if (r >= 0)
		drop_addresses(l, goes_with, have);
	fake_answer(k, tag, r);
}

/* --- routes ---------------------------------------------------------------------------------------- */

static bool is_connected(const struct netns *n, const struct link *l, const struct ip *via)
{
	const struct fake_link *here = (const struct fake_link *)l;

	array_each(&l->addresses, a)
		if (ip_contains(network_of(*a), via) &&
		    !(here->unconnected && via->family == AF_INET6))
			return true;
	array_each(&n->routes, r)
		if (!(*r)->via.family && str_equal((*r)->dev, l->name) &&
		    ip_contains(&(*r)->to, via))
			return true;
	return false;
}

/* One way of a route; *ret_dev: where it leads out. */
static int check_way(const struct fake_netns *n, const struct ip *via, bool onlink,
		     const struct link *dev, const char **ret_dev)
{
	array_each(&n->netns.links, l)
		if (!dev && via->family && (*l)->state == LINK_UP &&
		    is_connected(&n->netns, *l, via))
			dev = *l;
	if (!dev)
		return via->family == AF_INET6 ? -EHOSTUNREACH
		       : via->family	       ? -ENETUNREACH
					       : -ENODEV;
	if (dev->state == LINK_DOWN)
		return -ENETDOWN;
	*ret_dev = dev->name;
	if (!via->family || onlink || ip_is_link_local(via) || is_connected(&n->netns, dev, via))
		return 0;
	return via->family == AF_INET6 ? -EHOSTUNREACH : -ENETUNREACH;
}

static int find_way(const struct fake_netns *n, const struct route *r, const struct ip *via,
		    bool onlink, const char **dev)
{
	uint32_t index = *dev ? netns_link_index(r->netns, *dev) : 0;
	const struct fake_link *l = index ? fake_find_index(n, index) : NULL;

	return *dev && !l ? -ENODEV : check_way(n, via, onlink, l ? &l->link : NULL, dev);
}

static int check_route(const struct fake_netns *n, struct route *r)
{
	int result = 0;

	if (r->src.family && !is_local(&n->netns, &r->src))
		return -EINVAL;
	if (r->type != RTN_UNICAST && r->type != RTN_LOCAL)
		return 0;
	array_each(&r->nexthops, h)
		if (result >= 0)
			result = find_way(n, r, &h->via, h->onlink, &h->dev);
	if (r->nexthops.n)
		return result;
	return find_way(n, r, &r->via, r->onlink, &r->dev);
}

static void set_given(struct route *r)
{
	static const char *const always[] = {"to", "metric", "table", "type", "proto", "onlink"};
	const struct {
		const char *key;
		bool given;
	} rows[] = {
		{"scope", r->to.family == AF_INET},
		{"via", r->via.family},
		{"dev", r->dev},
		{"src", r->src.family},
		{"mtu", r->mtu},
		{"advmss", r->advmss},
		{"nexthops", r->nexthops.n},
	};

	r->given = 0;
	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		r->given |= attr_find_bit(&route_table, always[i]);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].given)
			r->given |= attr_find_bit(&route_table, rows[i].key);
}

static struct route *copy_route(struct fake_machine *m, struct fake_netns *n,
				const struct route *from)
{
	struct route *r = arena_alloc(&m->arena, sizeof(*r));

	*r = *from;
	r->netns = &n->netns;
	r->node = NULL;
	r->match = NULL;
	r->dropped = r->dev_resolved = false;
	r->found = from->found ? arena_strdup(&m->arena, from->found) : NULL;
	memset(&r->nexthops, 0, sizeof(r->nexthops));
	array_each(&from->nexthops, h)
		array_add(&r->nexthops, *h);
	if (r->to.family == AF_INET6 && !r->metric)
		r->metric = IPV6_METRIC;
	return r;
}

static size_t find_route(const struct netns *n, const struct route *r)
{
	size_t i = 0;

	while (i < n->routes.n && route_compare(n->routes.items[i], r) != 0)
		i++;
	return i;
}

/* The kernel lets several routes of one identity be; here there is one. */
static int put_route(struct fake_netns *n, struct route *r, bool replace)
{
	size_t i = find_route(&n->netns, r);
	int error = i < n->netns.routes.n && !replace && !r->beside ? -EEXIST : 0;

	r->netns = &n->netns;
	if (error)
		return error;
	set_given(r);
	if (i == n->netns.routes.n) {
		array_add(&n->netns.routes, r);
		return 0;
	}
	array_free(&n->netns.routes.items[i]->nexthops);
	n->netns.routes.items[i] = r;
	return 0;
}

void kernel_route_add(struct kernel *k, const struct netns *in, const struct route *want,
		      bool replace, const void *tag)
{
	struct fake_netns *n = fake_space(k, in);
	int error = fake_change(k);
	struct route *r;

	if (error >= 0 && !n)
		error = -ENOENT;
	if (error < 0) {
		fake_answer(k, tag, error);
		return;
	}
	r = copy_route(k->machine, n, want);
	r->netns = (struct netns *)in; /* whose names check_route() looks up */
	error = check_route(n, r);
	if (error >= 0)
		error = put_route(n, r, replace);
	if (error < 0)
		array_free(&r->nexthops);
	fake_answer(k, tag, error);
}

void kernel_route_delete(struct kernel *k, const struct netns *in, const struct route *r,
			 const void *tag)
{
	struct fake_netns *n = fake_space(k, in);
	size_t i = n ? find_route(&n->netns, r) : 0;
	int error = fake_change(k);

	if (error >= 0 && (!n || i == n->netns.routes.n))
		error = -ESRCH;
	if (error >= 0) {
		array_free(&n->netns.routes.items[i]->nexthops);
		n->netns.routes.items[i] = n->netns.routes.items[--n->netns.routes.n];
	}
	fake_answer(k, tag, error);
}
