/* SPDX-License-Identifier: MIT */
/* An echo request on its way, and the answer on its way back, hop by hop, along
 * every way that they may take: of several next hops, or of several routes that
 * are as good, it cannot be told which one is taken.
 *
 * What the kernel does is in net/ipv4/route.c (ip_route_input_slow(),
 * ip_route_output_key_hash_rcu()), net/ipv4/ip_forward.c, net/ipv6/ip6_output.c
 * (ip6_forward()) and net/ipv4/icmp.c (icmp_reply()). */
#include "predict_walk.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define HOPS_MAX 63 /* routers that a packet gets through: net.ipv4.ip_default_ttl is 64 */
#define ECHO_HEADER 8

void walk_lose(struct walk *walk, struct cause why)
{
	struct tally *t = walk->tally;
	bool sure = cause_is_sure(&why);

	why.back = walk->back;
	if (sure && !t->lost++)
		t->why_lost = why;
	if (!sure && !t->unsure++)
		t->why_unsure = why;
}

void walk_reach(struct walk *walk)
{
	if (walk->doubt)
		walk_lose(walk, *walk->doubt);
	else
		walk->tally->reached++;
}

/* --- arriving ---------------------------------------------------------------------------------- */

static void answer(struct walk *walk, struct place *p, bool local)
{
	const struct packet request = walk->packet;
	const struct place *origin = walk->origin;
	size_t begin = walk->begin;
	int family = family_of(&request.dst);

	if (p->mute[family]) {
		walk_lose(walk, (struct cause){.kind = CAUSE_MUTE,
					       .place = p,
					       .sysctl = p->mute[family],
					       .mark = p->mute[family]->node->mark});
		return;
	}
	walk->requests = walk->steps.n;
	if (local) {
		walk_answered(walk, 0);
		return;
	}
	walk->back = true;
	walk->begin = walk->steps.n;
	walk->packet = (struct packet){.src = request.dst, .dst = request.src};
	walk->packet.size = walk->q->size + ECHO_HEADER + (family ? 40 : 20);
	walk_from(walk, p);
	walk->back = false;
	walk->begin = begin;
	walk->origin = origin;
	walk->packet = request;
}

static void arrive(struct walk *walk, struct place *p, bool local)
{
	if (!walk->back)
		answer(walk, p, local);
	else if (p != walk->q->from)
		walk_lose(walk, (struct cause){.kind = CAUSE_ELSEWHERE,
					       .place = p,
					       .ip = walk->packet.dst});
	else if (walk->one_way)
		walk_reach(walk);
	else
		walk_answered(walk, walk->requests - 1);
}

/* --- going on ------------------------------------------------------------------------------------ */

static void walk_in(struct walk *walk, struct nic *in);

static uint32_t mtu_of(const struct walk *walk, const struct way *way, bool origin)
{
	uint32_t mtu = way->nic->mtu;

	/* Who probes the path asks the interface alone. */
	if (way->entry->route && way->entry->route->mtu && !(origin && walk->packet.whole))
		mtu = way->entry->route->mtu;
	return mtu;
}

/* *ret_size: of the largest frame. */
static bool fits(struct walk *walk, const struct way *way, bool origin, uint32_t *ret_size)
{
	uint32_t mtu = mtu_of(walk, way, origin), size = walk->packet.size;
	uint32_t header = walk->packet.dst.family == AF_INET ? 20 : 40;
	struct cause why = {.kind = CAUSE_TOO_LARGE,
			    .place = way->nic->place,
			    .nic = way->nic,
			    .number = size,
			    .mark = link_key_mark(way->nic->link, "mtu")};

	*ret_size = size;
	if (!mtu && size > IPV6_MIN_MTU) {
		why.kind = CAUSE_UNKNOWN_MTU;
		walk_lose(walk, why);
		return false;
	}
	if (!mtu || size <= mtu)
		return true;
	if (walk->packet.whole) {
		if (mtu != way->nic->mtu) {
			why.route = way->entry->route;
			why.mark = way_mark(way, "mtu");
		}
		walk_lose(walk, why);
		return false;
	}
	*ret_size = header + (mtu - header) / 8 * 8;
	return true;
}

/* What ARP bears as its source: the packet's, if it begins here. */
static void question_source(const struct walk *walk, const struct way *way, const struct ip *target,
			    bool origin, struct ip *ret)
{
	*ret = (struct ip){0};
	if (origin)
		*ret = walk->packet.src;
	else if (target->family == AF_INET &&
		 source_on(way->nic->place, way->nic, target, ret) <= 0)
		*ret = (struct ip){0};
}

static void go(struct walk *walk, const struct place *p, const struct way *way, bool origin)
{
	const struct ip *target = way->via.family ? &way->via : &walk->packet.dst;
	struct cause why = {.place = p, .route = way->entry->route, .ip = *target};
	uint32_t size = walk->packet.size, frame;
	const struct cause *doubt = walk->doubt;
	const struct nic *narrow;
	struct nic *next;
	struct ip sender;
	bool sure;

	if (!way->nic || (p->has_daemon && way->entry->route)) {
		why.kind = way->nic ? CAUSE_UNKNOWN_DAEMON : CAUSE_UNKNOWN_GATEWAY;
		why.nic = way->nic;
		walk_lose(walk, why);
		return;
	}
	if (!fits(walk, way, origin, &frame))
		return;
	question_source(walk, way, target, origin, &sender);
	next = find_neighbor(walk->w, way->nic, target, &sender, &why);
	if (!next) {
		why.route = way->entry->route;
		if (!why.mark.line)
			why.mark = way_mark(way, way->via.family ? "via" : "to");
		walk_lose(walk, why);
		return;
	}
	narrow = lan_narrow(walk->w, way->nic, next, frame,
			    walk->packet.whole || walk->packet.dst.family == AF_INET6, &sure);
	if (narrow) {
		why = (struct cause){.kind = sure ? CAUSE_TOO_LARGE : CAUSE_NETFILTER,
				     .place = narrow->place,
				     .nic = narrow,
				     .number = frame,
				     .mark = link_key_mark(narrow->link, "mtu")};
		if (!sure)
			walk->doubt = &why;
		else
			walk_lose(walk, why);
	}
	if (!narrow || !sure) {
		walk->packet.size = frame;
		walk_in(walk, next);
		walk->packet.size = size;
	}
	walk->doubt = doubt;
}

/* What stands in the way already where it is looked up. */
static bool is_dead_end(struct walk *walk, const struct place *p, const struct found *found)
{
	struct cause why = {.place = p, .ip = walk->packet.dst, .mark = place_mark(p, "routes")};
	const struct entry *e = found->entries;

	if (!found->n) {
		why.kind = p->has_daemon ? CAUSE_UNKNOWN_DAEMON
			   : p->complete ? CAUSE_NO_ROUTE
					 : CAUSE_UNKNOWN_ROUTE;
	} else if (e->type == RTN_BROADCAST) {
		/* An answer goes to all; who has the address may take it. */
		why.kind =
			walk->back && p == walk->origin ? CAUSE_UNKNOWN_BROADCAST : CAUSE_BROADCAST;
		why.mark = e->address && e->address->node ? e->address->node->mark : why.mark;
	} else if (e->type != RTN_UNICAST) {
		why.kind = CAUSE_REJECTED;
		why.route = e->route;
		why.mark = e->route && e->route->node ? e->route->node->mark : why.mark;
	} else {
		return false;
	}
	walk_lose(walk, why);
	return true;
}

/* Along all ways that there are. */
static void walk_on(struct walk *walk, const struct place *p, const struct found *found,
		    const struct nic *in)
{
	ways all = {0};

	found_ways(p, found, &all);
	array_each(&all, way) {
		bool hairpin = walk->hairpin;

		walk->hairpin |= in == way->nic;
		go(walk, p, way, false);
		walk->hairpin = hairpin;
	}
	array_free(&all);
}

static bool is_odd(struct walk *walk, const struct place *p)
{
	const struct sysctl *odd = p->odd[family_of(&walk->packet.dst)];

	if (odd)
		walk_lose(walk, (struct cause){.kind = CAUSE_SYSCTL, .place = p, .sysctl = odd});
	return odd;
}

static bool choose_source(struct walk *walk, const struct place *p, const struct way *way)
{
	struct cause why = {.place = p, .ip = walk->packet.dst};
	int known = source_of(p, way, &walk->packet.dst, &walk->packet.src);

	if (known > 0)
		return true;
	why.kind = known ? CAUSE_UNKNOWN_SOURCE : CAUSE_NO_SOURCE;
	why.nic = way->nic;
	walk_lose(walk, why);
	return false;
}

void walk_from(struct walk *walk, struct place *p)
{
	struct found found = place_lookup(p, &walk->packet.dst);
	bool chosen = walk->packet.src.family;
	ways all = {0};

	if (is_odd(walk, p))
		return;
	walk->origin = p;
	if (found.n && found.entries[0].type == RTN_LOCAL) {
		if (!chosen)
			walk->packet.src = walk->packet.dst;
		arrive(walk, p, true);
		return;
	}
	if (is_dead_end(walk, p, &found))
		return;
	found_ways(p, &found, &all);
	array_each(&all, way) {
		if (!chosen && !choose_source(walk, p, way))
			continue;
		go(walk, p, way, true);
	}
	array_free(&all);
	if (!chosen)
		walk->packet.src = (struct ip){0};
}

/* --- coming in ----------------------------------------------------------------------------------- */

/* *ret_doubt is set where it is not known. */
static bool is_forwarded(struct walk *walk, const struct nic *in, struct cause *ret_doubt)
{
	const struct place *p = in->place;
	bool v6 = walk->packet.dst.family == AF_INET6;
	int value = v6 ? p->forwards6 : in->forwards;
	const struct sysctl *s = netns_find_sysctl(p->netns, v6 ? IPV6_SWITCH : IPV4_SWITCH);
	struct cause why = {.kind = CAUSE_NOT_FORWARDING,
			    .place = p,
			    .nic = in,
			    .ip = walk->packet.dst,
			    .mark = s && s->node ? s->node->mark : place_mark(p, "forwarding")};

	if (value < 0) {
		why.kind = CAUSE_UNKNOWN_FORWARDING;
		*ret_doubt = why;
		walk->doubt = ret_doubt;
	}
	if (value == 0)
		walk_lose(walk, why);
	return value;
}

static bool has_been_here(struct walk *walk, const struct nic *in)
{
	for (size_t i = walk->begin; i < walk->steps.n; i++)
		if (walk->steps.items[i].in == in)
			return true;
	return false;
}

static const struct route *route_towards(const struct place *p, const struct ip *to)
{
	struct found found = place_lookup(p, to);

	return found.n ? found.entries[0].route : NULL;
}

/* The route that leads back to where it was before. */
static struct cause loop_cause(const struct walk *walk, const struct nic *in)
{
	const struct nic *last = walk->steps.items[walk->steps.n - 1].in;
	struct cause why = {.kind = CAUSE_LOOP,
			    .place = last->place,
			    .nic = last,
			    .other = in,
			    .ip = walk->packet.dst};

	why.route = route_towards(last->place, &why.ip);
	why.other_route = route_towards(in->place, &why.ip);
	if (why.route && why.route->node)
		why.mark = why.route->node->mark;
	return why;
}

/* Back at its sender a packet is dropped for its source, and else would go round again. *ret_doubt as
 * above. */
static bool is_admitted(struct walk *walk, const struct nic *in, struct cause *ret_doubt)
{
	struct cause why;

	if (admits(in, &walk->packet.src, &why))
		return true;
	if (why.kind == CAUSE_UNKNOWN_RP_FILTER) {
		*ret_doubt = why;
		walk->doubt = ret_doubt;
		return true;
	}
	if (why.kind == CAUSE_MARTIAN && in->place == walk->origin &&
	    walk->steps.n > walk->begin + 1)
		why = loop_cause(walk, walk->steps.items[walk->begin].in);
	walk_lose(walk, why);
	return false;
}

/* Nobody in the file has the address: so an external namespace may, unless its own routes lead on. */
static bool is_maybe_here(struct walk *walk, const struct place *p, const struct found *found)
{
	size_t n;

	if (p->complete || world_owners(walk->w, &walk->packet.dst, &n) ||
	    (found->n && found->entries[0].to.len))
		return false;
	walk_lose(walk,
		  (struct cause){.kind = CAUSE_UNKNOWN_ROUTE, .place = p, .ip = walk->packet.dst});
	return true;
}

static void forward(struct walk *walk, struct nic *in)
{
	struct found found = place_lookup(in->place, &walk->packet.dst);
	struct cause doubts[2];

	if (is_maybe_here(walk, in->place, &found) || !is_forwarded(walk, in, &doubts[0]) ||
	    is_dead_end(walk, in->place, &found) || !is_admitted(walk, in, &doubts[1]))
		return;
	if (walk->steps.n - walk->begin > HOPS_MAX) {
		walk_lose(
			walk,
			(struct cause){.kind = CAUSE_HOPS, .place = in->place, .number = HOPS_MAX});
		return;
	}
	walk_on(walk, in->place, &found, in);
}

static void walk_in(struct walk *walk, struct nic *in)
{
	const struct cause *doubt = walk->doubt;
	struct place *p = in->place;
	struct cause own_doubt;

	if (is_odd(walk, p))
		return;
	if (!walk->left) {
		walk_lose(walk, (struct cause){.kind = CAUSE_TOO_MANY_WAYS, .place = p});
		return;
	}
	walk->left--;
	if (has_been_here(walk, in)) {
		walk_lose(walk, loop_cause(walk, in));
		return;
	}
	array_add(&walk->steps, (struct step){in});
	if (!place_has(p, &walk->packet.dst))
		forward(walk, in);
	else if (is_admitted(walk, in, &own_doubt))
		arrive(walk, p, false);
	walk->steps.n--;
	walk->doubt = doubt;
}

void ask(const struct question *q, struct tally *ret)
{
	struct walk walk = {.q = q,
			    .w = q->world,
			    .packet = {.dst = q->to, .whole = q->whole},
			    .left = q->patience,
			    .tally = ret};

	*ret = (struct tally){0};
	walk.packet.size = q->size + ECHO_HEADER + (q->to.family == AF_INET ? 20 : 40);
	walk_from(&walk, q->from);
	array_free(&walk.steps);
}
