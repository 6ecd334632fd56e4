/* SPDX-License-Identifier: MIT */
/* Addresses.
 *
 * What the kernel does behind one's back, and the plan therefore accounts for:
 * removing a primary IPv4 address removes the secondary ones of its network
 * (unless promote_secondaries is set); removing the last IPv4 address of an
 * interface flushes its routes (fib_del_ifaddr(), fib_disable_ip() in
 * net/ipv4/fib_frontend.c); routes that prefer a removed address as their
 * source go with it; setting an interface down drops its IPv6 addresses
 * (addrconf_ifdown()). New addresses therefore come before old ones go, except
 * within one network, where the new one would be the secondary.
 *
 * Of the IPv4 addresses of one network the first is the primary one: it is what the
 * interface sends from. So the first one in the file is to be that, and where another one
 * is, that one makes way. */
#include "holding.h"
#include "plan_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static uint64_t differences(const struct address *want, const struct address *have)
{
	uint64_t all = UINT64_MAX, mask;

	mask = attr_differences(&address_table, want, all, have, all, true);
	if (want->address.family == AF_INET6) {
		mask &= ~(attr_bit(&address_table, "label") | attr_bit(&address_table, "scope"));
		if (want->address.len != have->address.len)
			mask |= attr_bit(&address_table, "address");
	} else {
		mask &= ~attr_bit(&address_table, "dad");
	}
	return mask;
}

static void drop(struct netns_pair *pair, struct address *have)
{
	have->dropped = true;
	array_add(&pair->dropped, have);
}

static struct change *change_address(struct planner *p, const struct netns *n, enum action action,
				     const struct address *want, const struct address *have,
				     const char *reason)
{
	struct change *c = plan_change(p, action, OBJECT_ADDRESS, n);

	c->want.address = want;
	c->have.address = have;
	c->reason = reason;
	return c;
}

/* Of an IPv6 address with a peer the kernel makes the route to the peer only while the link is up, and not
 * when it comes up (net/ipv6/addrconf.c, fixup_permanent_addr()). */
void plan_address_step(struct planner *p, enum op op, const struct address *a)
{
	bool to_peer = a->peer.family == AF_INET6 && op != OP_ADDRESS_DEL;
	struct step *s = plan_step(p, to_peer ? OP_ADDRESS_SET_UP : op, a->link->netns);

	s->link = a->link;
	s->address = a;
}

/* The link is new here, whatever it was before: everything is to be added. */
static void plan_new(struct planner *p, const struct link *want)
{
	bool replaced = want->fate == LINK_COMES && want->match;
	address_list addresses = link_ranked_addresses(want);

	array_each(&addresses, a) {
		const struct address *old = replaced ? link_find_address(want->match, *a) : NULL;

		if ((*a)->automatic)
			continue;
		change_address(p, want->netns, old ? ACTION_REPLACE : ACTION_CREATE, *a, old,
			       old ? "its interface is replaced" : NULL);
		plan_address_step(p, OP_ADDRESS_ADD, *a);
	}
	ranked_addresses_free(want, &addresses);
}

/* May it be added before the ones that go? */
static bool can_come_early(const struct link *have, const struct address *want)
{
	array_each(&have->addresses, a) {
		if ((*a)->dropped &&
		    (address_same_network(*a, want) || address_compare(*a, want) == 0))
			return false;
	}
	return true;
}

static bool ends_down(const struct link *want, const struct link *have)
{
	return (want->given & LINK_BIT("state") ? want : have)->state == LINK_DOWN;
}

static bool brings(const struct link *l, const struct address *a)
{
	return link_gains_address(l, a) || link_find_address(l, a);
}

static bool is_pruned(const struct planner *p, const struct netns_pair *pair,
		      const struct link *want, const struct address *have)
{
	const struct link *made = plan_made_link(pair, want->name);
	const struct link *undone = pair->undone ? netns_find_link(pair->undone, want->name) : NULL;

	if (have->dropped || have->dynamic)
		return false;
	if (have->automatic) /* on lo the kernel leaves it when that is down again */
		return ends_down(want, have->link) && address_is_loopback(have) &&
		       (brings(made, have) || brings(undone, have)) &&
		       !others_hold_address(p->others, have);
	return pair->ours || link_find_address(made, have) || link_find_address(undone, have);
}

static void remove_address(struct planner *p, struct netns_pair *pair, struct address *have)
{
	drop(pair, have);
	plan_address_step(p, OP_ADDRESS_DEL, have);
	if (have->address.family != AF_INET || have->secondary)
		return;
	array_each(&have->link->addresses, a) {
		if ((*a)->secondary && !(*a)->dropped && address_same_network(have, *a))
			drop(pair, *a);
	}
}

/* Of an IPv6 address with a peer: that its link comes up gives it no route to the peer
 * (plan_address_step()), and to set what is there already gives it one to the peer's whole network
 * (net/ipv6/addrconf.c, inet6_addr_modify()). */
static const char only_new[] = "only a new one gets the route to its peer";

static const char no_network[] = "the route to its network is missing";

/* Why it is removed and added to be changed; NULL: it changes in place. */
static const char *replaces(struct planner *p, const struct address *want, uint64_t mask)
{
	for (size_t i = 0; i < address_table.n; i++)
		if (mask >> i & 1 &&
		    address_table.rows[i].flags & (ATTR_CREATE_ONLY | ATTR_IDENTITY))
			return arena_printf(&p->plan->arena, "%s cannot change in place",
					    address_table.rows[i].key);
	return want->peer.family == AF_INET6 ? only_new : NULL;
}

static int compare_pair(struct planner *p, struct netns_pair *pair, const struct address *want,
			struct address *have)
{
	uint64_t mask = differences(want, have);
	const char *reason;
	struct change *c;

	if (!pair->ours && !link_find_address(plan_made_link(pair, want->link->name), want) &&
	    want->node) {
		cleanup_buf struct buf what = {0};
		char text[IP_TEXT_MAX];
		buf_printf(&what, "address %s on ", ip_format(&want->address, true, text));
		link_id(want->link, &what);
		int r = plan_conflict(p, want->node->mark, buf_text(&what));
		if (r < 0)
			return r;
	}
	if (!mask || have->dropped)
		return 0;
	reason = replaces(p, want, mask);
	c = change_address(p, want->link->netns, reason ? ACTION_REPLACE : ACTION_CHANGE, want,
			   have, reason);
	c->mask = mask;
	if (reason) {
		remove_address(p, pair, have);
		plan_address_step(p, OP_ADDRESS_ADD, want);
	} else {
		plan_address_step(p, OP_ADDRESS_SET, want);
	}
	return 0;
}

/* The one that is to be the primary one of the network of this address. Those that the file names
 * and those that were there before are each in an order of their own. */
static const struct address *find_first(const struct link *want, const struct address *like)
{
	const struct address *first = like;

	array_each(&want->addresses, a)
		if ((*a)->rank < first->rank && address_same_network(*a, like) &&
		    !(*a)->node == !like->node)
			first = *a;
	return first;
}

static void make_way(struct planner *p, struct netns_pair *pair, const struct link *want,
		     const struct link *have)
{
	array_each(&have->addresses, a) {
		const struct address *same = link_find_address(want, *a);

		if (same && !(*a)->secondary && !(*a)->dropped && !(*a)->automatic &&
		    find_first(want, same) != same) {
			(*a)->yields = true;
			remove_address(p, pair, *a);
		}
	}
}

static bool changes_to(const struct planner *p, const struct link *want, const struct link *have,
		       uint32_t state)
{
	uint64_t kind_mask;

	return want->state == state && have->state != state &&
	       plan_link_mask(p, want, have, &kind_mask) & LINK_BIT("state");
}

static void renew_peers(struct planner *p, struct netns_pair *pair, const struct link *want,
			const struct link *have)
{
	if (!changes_to(p, want, have, LINK_UP))
		return;
	array_each(&have->addresses, a)
		if ((*a)->peer.family == AF_INET6 && !(*a)->automatic && !(*a)->dropped &&
		    link_find_address(want, *a))
			remove_address(p, pair, *a);
}

/* The kernel makes a link-local address of the MAC when IPv6 starts on an interface, and leaves it when the
 * MAC changes (NETDEV_CHANGEADDR is nothing to addrconf_notify() in net/ipv6/addrconf.c). So one that
 * it made of the lab's MAC, or of that of a plan that failed, makes way for the one of the MAC that comes
 * back. */
static bool gets_link_local_back(const struct planner *p, const struct link *want,
				 const struct link *have)
{
	uint64_t kind_mask, back = p->options->rollback ? UINT64_MAX : want->restored;

	array_each(&want->netns->sysctls, s)
		if (sysctl_is_of((*s)->path, want->name) &&
		    str_equal(strrchr((*s)->path, '/'), "/addr_gen_mode") &&
		    !str_equal((*s)->value, "0"))
			return false;
	return plan_link_mask(p, want, have, &kind_mask) & back & LINK_BIT("mac") &&
	       want->mac.set && have->mac.set && !ends_down(want, have) &&
	       !(netns_link_loss(want->netns, want->name) & LOSS_IPV6);
}

static void renew_link_local(struct planner *p, struct netns_pair *pair, const struct link *want,
			     const struct link *have)
{
	const struct ip made = ip_of_mac(&have->mac);
	struct address *renewed;

	if (!gets_link_local_back(p, want, have))
		return;
	array_each(&have->addresses, a) {
		if (!(*a)->automatic || (*a)->dropped || ip_compare(&(*a)->address, &made) ||
		    link_find_address(want, *a))
			continue;
		renewed = arena_alloc(&p->plan->arena, sizeof(*renewed));
		*renewed = **a;
		renewed->address = ip_of_mac(&want->mac);
		if (link_find_address(have, renewed) ||
		    (p->options->rollback && !link_find_address(want, renewed)))
			continue;
		change_address(p, want->netns, ACTION_REPLACE, renewed, *a,
			       "the one that is there is of the MAC that goes");
		plan_address_step(p, OP_ADDRESS_ADD_EARLY, renewed);
		remove_address(p, pair, *a);
	}
}

/* Is it to have the route to its network? Where a plan is undone, if it had it before. */
static bool is_held_to(const struct planner *p, const struct address *want)
{
	return (want->node || p->options->rollback) && !want->unconnected;
}

/* Of IPv4 only a new address gets the route to its network; one of IPv6 that is set again does
 * (net/ipv6/addrconf.c, inet6_addr_modify()), as it is. */
static void reconnect(struct planner *p, struct netns_pair *pair, const struct link *want,
		      const struct link *have)
{
	array_each(&have->addresses, a) {
		struct address *same = link_find_address(want, *a);

		if (!(*a)->unconnected || (*a)->dropped || !same || !is_held_to(p, same) ||
		    differences(same, *a) || ends_down(want, have))
			continue;
		if (!same->found) /* what no file has a key for stays */
			same->found = (*a)->found;
		if ((*a)->address.family == AF_INET) {
			remove_address(p, pair, *a);
			continue;
		}
		change_address(p, want->netns, ACTION_REPLACE, same, *a, no_network);
		plan_address_step(p, OP_ADDRESS_SET, same);
	}
}

static const char *dropped_reason(const struct address *have)
{
	if (have->unconnected)
		return no_network;
	if (have->yields)
		return "another one is to be the primary one of its network";
	if (have->address.family == AF_INET)
		return "removing the primary address of its network drops it";
	return have->link->state == LINK_UP ? "setting the interface down drops it" : only_new;
}

static void check_last(struct link *have, const struct link *want)
{
	size_t lost = 0, kept = 0;

	array_each(&have->addresses, a) {
		if ((*a)->address.family == AF_INET)
			(*a)->dropped ? lost++ : kept++;
	}
	array_each(&want->addresses, a) {
		if ((*a)->address.family == AF_INET && !link_find_address(have, *a) &&
		    can_come_early(have, *a))
			kept++;
	}
	if (lost && !kept)
		have->loses_ipv4_routes = true;
}

static void add_missing(struct planner *p, const struct link *want, const struct link *have)
{
	address_list addresses = link_ranked_addresses(want);

	array_each(&addresses, a) {
		const struct address *old = link_find_address(have, *a);
		bool replaced = old && old->dropped && differences(*a, old);

		if ((*a)->automatic || replaced || (old && !old->dropped))
			continue;
		if (!old) {
			change_address(p, want->netns, ACTION_CREATE, *a, NULL, NULL);
			plan_address_step(
				p, can_come_early(have, *a) ? OP_ADDRESS_ADD_EARLY : OP_ADDRESS_SET,
				*a);
			continue;
		}
		change_address(p, want->netns, ACTION_REPLACE, *a, old, dropped_reason(old));
		plan_address_step(p, OP_ADDRESS_SET, *a);
	}
	ranked_addresses_free(want, &addresses);
}

/* Is it somebody else's, and went with the lab's primary address of its network? */
static bool is_swept_along(const struct netns_pair *pair, const struct link *want,
			   const struct address *have)
{
	return !pair->ours && have->dropped && have->secondary && !link_find_address(want, have) &&
	       !link_find_address(plan_made_link(pair, have->link->name), have);
}

static bool sweeps_along(const struct netns_pair *pair, const struct link *want,
			 const struct link *have)
{
	array_each(&have->addresses, a)
		if (is_swept_along(pair, want, *a))
			return true;
	return false;
}

static void bring_back(struct planner *p, struct netns_pair *pair, const struct link *want,
		       const struct link *have)
{
	address_list addresses;

	if (!sweeps_along(pair, want, have))
		return;
	addresses = link_ranked_addresses(have);
	array_each(&addresses, a) {
		if (!is_swept_along(pair, want, *a))
			continue;
		change_address(p, have->netns, ACTION_REPLACE, *a, *a,
			       "removing the primary address of its network drops it");
		plan_address_step(p, OP_ADDRESS_SET, *a);
		(*a)->dropped = false; /* not for long */
	}
	ranked_addresses_free(have, &addresses);
}

static int plan_kept(struct planner *p, struct netns_pair *pair, const struct link *want,
		     struct link *have)
{
	int result = 0, r;

	if (changes_to(p, want, have, LINK_DOWN)) {
		have->loses_ipv4_routes = have->loses_ipv6_routes = true;
		array_each(&have->addresses, a)
			if ((*a)->address.family == AF_INET6)
				drop(pair, *a);
	}
	array_each(&have->addresses, a) {
		if (link_find_address(want, *a) || !is_pruned(p, pair, want, *a))
			continue;
		plan_tell_lost_address(p, *a);
		change_address(p, (*a)->link->netns, ACTION_DELETE, NULL, *a, NULL);
		remove_address(p, pair, *a);
	}
	array_each(&want->addresses, a) {
		struct address *old = link_find_address(have, *a);
		if (old && !(*a)->automatic && (r = compare_pair(p, pair, *a, old)) < 0)
			result = r;
	}
	make_way(p, pair, want, have);
	renew_peers(p, pair, want, have);
	renew_link_local(p, pair, want, have);
	reconnect(p, pair, want, have);
	check_last(have, want);
	add_missing(p, want, have);
	bring_back(p, pair, want, have);
	return result;
}

/* What the lab made on an interface that the goal does not name. */
static void plan_unnamed(struct planner *p, struct netns_pair *pair, struct link *have)
{
	const struct link nothing = {
		.netns = have->netns, .name = have->name, .state = have->state};

	plan_kept(p, pair, &nothing, have); /* fails by an address that is wanted, and none is */
}

int plan_addresses(struct planner *p, struct netns_pair *pair)
{
	int result = 0, r;

	if (!pair->want || pair->want->absent)
		return 0;
	array_each(&pair->want->links, l) {
		struct link *want = *l;

		if (want->fate == LINK_STAYS && want->match) {
			if ((r = plan_kept(p, pair, want, want->match)) < 0)
				result = r;
		} else if (want->fate != LINK_GOES) {
			plan_new(p, want);
		}
	}
	if (!pair->have || pair->ours)
		return result;
	array_each(&pair->have->links, l)
		if (plan_made_link(pair, (*l)->name) && !(*l)->match && (*l)->fate == LINK_STAYS)
			plan_unnamed(p, pair, *l);
	return result;
}
