/* SPDX-License-Identifier: MIT */
/* Routes of others in an external namespace. With the last IPv4 address of an
 * interface the kernel drops its routes, whoever's they are, also those that were
 * there before it had any address. Those that the kernel would still take are
 * set again. And there are some that cannot be: what would cost them is refused. */
#include "plan_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

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
			if (stays(*a) && ip_contains(address_far(*a), via))
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

/* --- what cannot be put back ------------------------------------------------------- */

/* What the interface loses by what the file says, and where it says so (line 0: it does not). */
static unsigned find_loss(const struct planner *p, const struct netns_pair *pair,
			  const struct link *have, struct mark *ret_mark)
{
	const struct link *want = have->match, *peer = link_peer(p->live, have);

	if (have->fate == LINK_GOES) { /* with the other end, which is the lab's to take away */
		*ret_mark = peer ? plan_live_mark(p, peer) : NO_MARK;
		return LOSS_MOVED;
	}
	if (have->fate == LINK_MOVES && have->index != want->away) {
		*ret_mark = want->mark.line ? link_key_mark(want, "from") : NO_MARK;
		return LOSS_MOVED;
	}
	*ret_mark = plan_loss_mark(pair->want, have->name);
	return netns_link_loss(pair->want, have->name);
}

static int refuse_loss(struct planner *p, const struct netns_pair *pair, const char *dev,
		       const struct route *route, const char *why)
{
	const struct link *have = dev ? netns_find_link(pair->have, dev) : NULL;
	cleanup_buf struct buf what = {0};
	struct mark at = NO_MARK;

	if (!have || plan_link_is_ours(pair, dev) ||
	    !loss_takes_route(find_loss(p, pair, have, &at), route) || !at.line)
		return 0;
	route_id(route, &what);
	diag_error(p->d, -EPERM, at, "this would cost %s:%s the route %s, which %s",
		   have->netns->name, have->name, buf_text(&what), why);
	diag_hint(p->d, "nsapply could not set it again: delete it first, or leave this out");
	return -EPERM;
}

static int check_ways(struct planner *p, const struct netns_pair *pair, const struct route *route,
		      const char *why)
{
	int r = refuse_loss(p, pair, route_dev(route), route, why);

	array_each(&route->nexthops, h)
		if (r >= 0)
			r = refuse_loss(p, pair, h->dev, route, why);
	return r;
}

/* Has the file one of its own? */
static bool has_default(const struct netns *want, uint8_t family)
{
	array_each(&want->routes, r)
		if ((*r)->to.family == family && !(*r)->to.len && (*r)->table == RT_TABLE_MAIN &&
		    (*r)->type == RTN_UNICAST)
			return true;
	return false;
}

static bool takes_default_along(const struct planner *p, const struct netns_pair *pair,
				const struct link *have, uint8_t family, struct mark *ret_mark)
{
	return have->fate == LINK_MOVES && find_loss(p, pair, have, ret_mark) == LOSS_MOVED &&
	       ret_mark->line && !has_default(pair->want, family);
}

static bool tell_default_route(struct planner *p, const struct netns_pair *pair,
			       const struct route *route, const char *dev)
{
	const struct link *have = dev ? netns_find_link(pair->have, dev) : NULL;
	cleanup_buf struct buf text = {0};
	struct mark at;

	if (!have || !takes_default_along(p, pair, have, route->to.family, &at))
		return false;
	buf_printf(&text, "%s loses its route ", have->netns->name);
	route_id(route, &text);
	buf_printf(&text, " with %s, which is to be moved; it has it again when that comes home",
		   have->name);
	diag_warning(p->d, at, "%s", buf_text(&text));
	return true;
}

static void tell_advertised_routes(struct planner *p, const struct netns_pair *pair)
{
	struct mark at;

	array_each(&pair->have->links, l)
		if ((*l)->advertised && takes_default_along(p, pair, *l, AF_INET6, &at))
			diag_warning(p->d, at,
				     "%s loses the default route that a router advertised to %s, "
				     "which is to be moved; once that is home, it may be "
				     "advertised again",
				     (*l)->netns->name, (*l)->name);
}

/* Who sits at another machine may be cut off by it. */
static void tell_default_routes(struct planner *p, const struct netns_pair *pair,
				const struct route *route)
{
	bool told = false;

	if (route->to.len || route->table != RT_TABLE_MAIN)
		return;
	told = tell_default_route(p, pair, route, route_dev(route));
	for (size_t i = 0; i < route->nexthops.n && !told; i++)
		told = tell_default_route(p, pair, route, route->nexthops.items[i].dev);
}

/* IPv4 lets several have one destination, table and metric (`ip route append`). */
static bool is_one_of_several(const struct netns *n, size_t i)
{
	struct route *const *at = n->routes.items + i;

	return (i > 0 && route_compare(at[0], at[-1]) == 0) ||
	       (i + 1 < n->routes.n && route_compare(at[0], at[1]) == 0);
}

int plan_check_special_routes(struct planner *p, const struct netns_pair *pair)
{
	int result = 0, r = 0;

	if (!pair->want || !pair->have || pair->ours || p->options->rollback)
		return 0;
	for (size_t i = 0; i < pair->have->routes.n; i++) {
		const struct route *route = pair->have->routes.items[i];
		const char *why = is_one_of_several(pair->have, i)
					  ? "is one of several of this destination and metric"
					  : route->special;

		if (why && (r = check_ways(p, pair, route, why)) < 0)
			result = r;
		if (!why)
			tell_default_routes(p, pair, route);
	}
	array_each(&pair->have->strange, route)
		if ((r = check_ways(p, pair, *route, (*route)->special)) < 0)
			result = r;
	tell_advertised_routes(p, pair);
	return result;
}
