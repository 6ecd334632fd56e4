/* SPDX-License-Identifier: MIT */
/* Routes. The kernel replaces a route in place when destination, table and
 * metric are the same, so those are the identity; another metric is another
 * route. Routes that a step for links or addresses drops are set again. */
#include "plan_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static bool same_hop(const struct nexthop *want, const struct nexthop *have)
{
	return ip_compare(&want->via, &have->via) == 0 &&
	       (!want->dev || str_equal(want->dev, have->dev)) && want->weight == have->weight &&
	       want->onlink == have->onlink;
}

/* Order does not count: IPv6 keeps its own. */
static bool same_nexthops(const struct route *want, const struct route *have)
{
	if (want->nexthops.n != have->nexthops.n)
		return false;
	array_each(&want->nexthops, w) {
		bool found = false;
		array_each(&have->nexthops, h)
			found = found || same_hop(w, h);
		if (!found)
			return false;
	}
	return true;
}

static uint64_t differences(const struct route *want, const struct route *have)
{
	uint64_t given = want->given, mask;
	const uint64_t proto = attr_bit(&route_table, "proto"), dev = attr_bit(&route_table, "dev");

	if (want->dev)
		given |= dev;
	mask = attr_differences(&route_table, want, given, have, UINT64_MAX, true);
	/* iproute2 says boot when it is not told: a route of either is ours. */
	if (!(given & proto) && (have->proto == RTPROT_BOOT || have->proto == RTPROT_STATIC))
		mask &= ~proto;
	if (want->to.family == AF_INET6)
		mask &= ~attr_bit(&route_table, "scope");
	if (!same_nexthops(want, have))
		mask |= attr_bit(&route_table, "nexthops");
	return mask;
}

static const struct link *find_dev(const struct netns *n, const char *dev)
{
	return n && dev ? netns_find_link(n, dev) : NULL;
}

/* What becomes of a way that leads out of a live interface; NULL: it stays. */
static const char *way_ends(const struct link *l)
{
	switch (l->fate) {
	case LINK_GOES:
		return "its interface is replaced";
	case LINK_MOVES:
		return "its interface is moved";
	case LINK_STAYS:
	case LINK_COMES:
		break;
	}
	return NULL;
}

static const char *way_dies(const struct link *l, int family)
{
	bool dies = family == AF_INET6 ? l->loses_ipv6_routes : l->loses_ipv4_routes;

	return dies ? "a change of its interface or its addresses drops it" : NULL;
}

/* Will a live route of several ways be gone? It lives on with one of them, but not without any
 * interface of it: fib_sync_down_dev() in net/ipv4/fib_semantics.c, fib6_ifdown() in
 * net/ipv6/route.c. */
static const char *nexthops_drop(const struct netns *n, const struct route *have)
{
	const char *dies = NULL;
	bool lives = false;

	array_each(&have->nexthops, h) {
		const struct link *l = find_dev(n, h->dev);
		const char *why;

		if (l && way_ends(l))
			return way_ends(l);
		why = l ? way_dies(l, have->to.family) : NULL;
		lives = lives || (!why && !(l && l->state == LINK_DOWN));
		dies = why ? why : dies;
	}
	return lives ? NULL : dies;
}

static const char *drop_reason(const struct netns_pair *pair, const struct route *have)
{
	const struct link *l = find_dev(pair->have, have->dev);
	const char *why = l ? way_ends(l) : NULL;

	if (!why && l)
		why = way_dies(l, have->to.family);
	if (!why && have->nexthops.n)
		why = nexthops_drop(pair->have, have);
	if (why || !have->src.family)
		return why;
	array_each(&pair->dropped, a) {
		if ((*a)->address.family == have->src.family &&
		    memcmp((*a)->address.bytes, have->src.bytes, sizeof(have->src.bytes)) == 0)
			return "removing its source address drops it";
	}
	return NULL;
}

static bool is_direct(const struct route *r)
{
	bool direct = !r->via.family;

	array_each(&r->nexthops, h)
		direct = direct && !h->via.family;
	return direct;
}

/* What is wanted may belong to the file: n is the goal's namespace. */
static struct change *change_route(struct planner *p, const struct netns *n, enum action action,
				   const struct route *want, const struct route *have,
				   const char *reason)
{
	struct change *c = plan_change(p, action, OBJECT_ROUTE, n);

	c->want.route = want;
	c->have.route = have;
	c->reason = reason;
	return c;
}

static void step_route(struct planner *p, enum op op, struct netns *n, const struct route *r)
{
	struct step *s = plan_step(p, op, n);

	s->route = r;
	s->level = r->type == RTN_LOCAL ? 0 : 1; /* others may have its address for their source */
}

static void add_route(struct planner *p, const struct netns_pair *pair, const struct route *want)
{
	change_route(p, pair->want, ACTION_CREATE, want, NULL, NULL);
	step_route(p, is_direct(want) ? OP_ROUTE_ADD_DIRECT : OP_ROUTE_ADD, pair->want, want);
}

static void set_route(struct planner *p, struct netns *n, const struct route *want)
{
	step_route(p, is_direct(want) ? OP_ROUTE_SET_DIRECT : OP_ROUTE_SET, n, want);
}

/* Somebody else's, which goes with addresses of the lab. */
static void bring_back(struct planner *p, const struct netns_pair *pair, const struct route *have)
{
	const char *why = drop_reason(pair, have);

	if (!why)
		return;
	if (!plan_route_can_stay(pair, have)) {
		plan_tell_lost_route(p, have);
		return;
	}
	change_route(p, have->netns, ACTION_REPLACE, have, have, why);
	set_route(p, have->netns, have);
}

static void prune(struct planner *p, const struct netns_pair *pair, const struct route *have)
{
	const struct link *l = find_dev(pair->have, have->dev);
	bool known = netns_find_route(pair->made, have) || netns_find_route(pair->undone, have);

	if (l && l->fate != LINK_STAYS) /* goes with its interface */
		return;
	if (!pair->ours && !known) {
		bring_back(p, pair, have);
		return;
	}
	if (!known &&
	    (plan_leaves_route(pair->want, have) || plan_leaves_route(pair->undone, have)))
		return;
	plan_tell_lost_route(p, have);
	change_route(p, have->netns, ACTION_DELETE, NULL, have, NULL);
	step_route(p, OP_ROUTE_DEL, have->netns, have);
}

static int check_owner(struct planner *p, const struct netns_pair *pair, const struct route *want)
{
	cleanup_buf struct buf what = {0};

	if (pair->ours || !want->node || netns_find_route(pair->made, want))
		return 0;
	buf_puts(&what, "route ");
	route_id(want, &what);
	buf_printf(&what, " in %s", want->netns->name);
	return plan_conflict(p, want->node->mark, buf_text(&what));
}

/* One wanted route and the live ones of its identity (the kernel lets IPv4 have several). */
static int plan_route(struct planner *p, const struct netns_pair *pair, struct route *want,
		      struct route **have, size_t n)
{
	size_t best = 0;
	const char *why;
	uint64_t mask = 0;
	int r;

	if (n == 0) {
		add_route(p, pair, want);
		return 0;
	}
	r = check_owner(p, pair, want);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint64_t differs = differences(want, have[i]);

		if (i == 0 || !differs) {
			best = i;
			mask = differs;
		}
		if (!differs)
			break;
	}
	want->match = have[best];
	why = drop_reason(pair, have[best]);
	if (why || mask) {
		struct change *c = change_route(p, pair->want, why ? ACTION_REPLACE : ACTION_CHANGE,
						want, have[best], why);
		c->mask = mask;
		set_route(p, pair->want, want);
	}
	for (size_t i = 0; pair->ours && i < n; i++)
		if (i != best && !plan_leaves_route(pair->want, have[i]))
			prune(p, pair, have[i]);
	return 0;
}

/* Routes that only the record knows, out of an interface that is gone or goes, cannot be put
 * back. (On the way back there is no record: the goal names every interface.) */
static bool is_lost(const struct netns_pair *pair, const struct route *want)
{
	const struct link *l = find_dev(pair->want, want->dev);

	if (want->node || !want->dev)
		return false;
	if (!l)
		l = find_dev(pair->have, want->dev);
	return !l || l->fate == LINK_GOES;
}

static bool is_matched(struct route *const *want, size_t n, const struct route *have)
{
	for (size_t i = 0; i < n; i++)
		if (want[i]->match == have)
			return true;
	return false;
}

/* On the way back several routes may be wanted that have one identity (`ip route append`): those that are
 * there stay as they are, the others are put beside them. */
static void plan_several(struct planner *p, const struct netns_pair *pair, struct route **want,
			 size_t n_want, struct route **have, size_t n_have)
{
	for (size_t i = 0; i < n_want; i++) {
		for (size_t j = 0; j < n_have && !want[i]->match; j++)
			if (!differences(want[i], have[j]) && !drop_reason(pair, have[j]) &&
			    !is_matched(want, i, have[j]))
				want[i]->match = have[j];
		if (want[i]->match || is_lost(pair, want[i]))
			continue;
		want[i]->beside = true;
		add_route(p, pair, want[i]);
	}
	for (size_t j = 0; pair->ours && j < n_have; j++)
		if (!is_matched(want, n_want, have[j]) && !plan_leaves_route(pair->want, have[j]))
			prune(p, pair, have[j]);
}

/* How many at the start have the identity of `as`? */
static size_t count_same(struct route *const *routes, size_t n, const struct route *as)
{
	size_t same = 0;

	while (same < n && route_compare(as, routes[same]) == 0)
		same++;
	return same;
}

int plan_routes(struct planner *p, struct netns_pair *pair)
{
	size_t i = 0, w = 0, nh = pair->have ? pair->have->routes.n : 0;
	struct route **have = pair->have ? pair->have->routes.items : NULL;
	int result = 0, r;

	if (!pair->want || pair->want->absent)
		return 0;
	while (w < pair->want->routes.n || i < nh) {
		struct route *want = w < pair->want->routes.n ? pair->want->routes.items[w] : NULL;
		int order = !want ? 1 : i >= nh ? -1 : route_compare(want, have[i]);
		size_t same = 0, wanted;
		struct route **first;

		if (order > 0) {
			prune(p, pair, have[i++]);
			continue;
		}
		wanted = count_same(pair->want->routes.items + w, pair->want->routes.n - w, want);
		if (order == 0)
			same = count_same(have + i, nh - i, want);
		/* Without live routes there is no array, and NULL + 0 is undefined. */
		first = same ? have + i : NULL;
		if (wanted > 1)
			plan_several(p, pair, pair->want->routes.items + w, wanted, first, same);
		else if (!is_lost(pair, want) && (r = plan_route(p, pair, want, first, same)) < 0)
			result = r;
		i += same;
		w += wanted;
	}
	return result;
}
