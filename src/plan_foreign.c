/* SPDX-License-Identifier: MIT */
/* Routes of others in an external namespace. With the last IPv4 address of an
 * interface the kernel drops its routes, whoever's they are, also those that were
 * there before it had any address. Those that the kernel would still take are
 * set again. */
#include "plan_internal.h"

#include <string.h>

static bool same_bytes(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool goes_down(const struct link *l)
{
	return l->match && l->match->given & LINK_BIT("state") && l->match->state == LINK_DOWN;
}

/* Will the address be there afterwards? */
static bool stays(const struct address *a)
{
	return !a->dropped || link_find_address(a->link->match, a);
}

static bool on_network_of(const struct link *l, const struct ip *via)
{
	if (l)
		array_each(&l->addresses, a)
			if (stays(*a) &&
			    ip_contains((*a)->peer.family ? &(*a)->peer : &(*a)->address, via))
				return true;
	return false;
}

static bool on_direct_route(const struct netns *n, const char *dev, const struct ip *via)
{
	array_each(&n->routes, r)
		if (!(*r)->via.family && str_equal((*r)->dev, dev) && ip_contains(&(*r)->to, via))
			return true;
	return false;
}

static bool way_stays(const struct netns_pair *pair, const struct route *r, const struct ip *via,
		      const char *dev, bool onlink)
{
	const struct link *l = dev ? netns_find_link(pair->have, dev) : NULL;

	if (!l || l->fate != LINK_STAYS || goes_down(l))
		return false;
	if (!via->family || via->family != r->to.family || onlink)
		return true;
	return on_network_of(l, via) || on_network_of(l->match, via) ||
	       on_direct_route(pair->have, dev, via);
}

bool plan_route_can_stay(const struct netns_pair *pair, const struct route *have)
{
	if (!have->nexthops.n && !way_stays(pair, have, &have->via, have->dev, have->onlink))
		return false;
	array_each(&have->nexthops, h)
		if (!way_stays(pair, have, &h->via, h->dev, h->onlink))
			return false;
	array_each(&pair->dropped, a)
		if (same_bytes(&(*a)->address, &have->src) && !stays(*a))
			return false;
	return true;
}
