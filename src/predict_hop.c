/* SPDX-License-Identifier: MIT */
/* `via`: which address each router tells of itself when a packet has made too many
 * hops, and whether that gets to whom it is for. IPv4 takes the source address of
 * its way there (net/ipv4/icmp.c, __icmp_send()), IPv6 one of where the packet
 * came in (net/ipv6/icmp.c, icmp6_send()). */
#include "predict_walk.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define ERROR_SIZE 84 /* what routers answer with, or less */

/* The address that a router tells of itself. */
static int hop_address(const struct nic *in, const struct ip *to, struct ip *ret)
{
	struct found found;
	ways all = {0};
	int known = -1;

	if (to->family == AF_INET6)
		return source_on(in->place, in, to, ret);
	found = place_lookup(in->place, to);
	if (!found.n || found.entries[0].type != RTN_UNICAST)
		return found.n || in->place->complete ? 0 : -1;
	found_ways(in->place, &found, &all);
	array_each(&all, way) {
		struct ip ip;
		int k = source_of(in->place, way, to, &ip);

		if (way != all.items && (k != known || (k > 0 && !same_ip(&ip, ret))))
			k = -1;
		known = k;
		if (k > 0)
			*ret = ip;
		else
			break;
	}
	array_free(&all);
	return known;
}

/* Does what the router says get to whom it is for? */
static bool hop_is_heard(struct walk *walk, const struct nic *in, const struct ip *address,
			 struct cause *ret_why)
{
	struct tally tally = {0};
	struct walk answer = {
		.q = walk->q,
		.w = walk->w,
		.packet = {.src = *address, .dst = walk->packet.dst, .size = ERROR_SIZE},
		.back = true,
		.one_way = true,
		.left = walk->left,
		.tally = &tally};

	walk_from(&answer, in->place);
	array_free(&answer.steps);
	if (tally.reached && !tally.lost && !tally.unsure)
		return true;
	*ret_why = tally.unsure ? tally.why_unsure : tally.why_lost;
	if (!tally.unsure && tally.reached)
		ret_why->kind = CAUSE_TOO_MANY_WAYS;
	return false;
}

/* Is the hop the one that the check states? */
static bool is_stated_hop(struct walk *walk, size_t i, struct cause *ret_why)
{
	const struct nic *in = walk->steps.items[i].in;
	const struct ip *stated = &walk->q->probe->via.items[i].address;
	struct ip address = {0};
	int known = hop_address(in, &walk->packet.dst, &address);
	struct cause why;

	*ret_why = (struct cause){.kind = CAUSE_UNKNOWN_SOURCE,
				  .place = in->place,
				  .ip = *stated,
				  .seen = address,
				  .number = (uint32_t)i + 1};
	if (known < 0)
		return false;
	ret_why->kind = CAUSE_SILENT_HOP;
	if (!known)
		return false;
	ret_why->kind = CAUSE_OTHER_HOP;
	if (!same_ip(&address, stated))
		return false;
	if (hop_is_heard(walk, in, &address, &why))
		return true;
	if (!cause_is_sure(&why))
		*ret_why = why;
	else
		ret_why->kind = CAUSE_SILENT_HOP;
	ret_why->mark = why.mark;
	return false;
}

/* Answered. `routers` were on the way out. */
void walk_answered(struct walk *walk, size_t routers)
{
	const struct probe *probe = walk->q->probe;
	struct cause why = {.number = (uint32_t)routers};

	if (!probe || !(probe->given & PROBE_BIT("via"))) {
		walk_reach(walk);
		return;
	}
	if (walk->hairpin) {
		why.kind = CAUSE_HAIRPIN;
		walk_lose(walk, why);
		return;
	}
	for (size_t i = 0; i < routers && i < probe->via.n; i++)
		if (!is_stated_hop(walk, i, &why)) {
			walk_lose(walk, why);
			return;
		}
	why.number = (uint32_t)routers;
	why.kind = routers < probe->via.n ? CAUSE_FEWER_HOPS : CAUSE_MORE_HOPS;
	if (routers < probe->via.n) {
		why.number++;
		why.ip = probe->via.items[routers].address;
	}
	if (routers != probe->via.n)
		walk_lose(walk, why);
	else
		walk_reach(walk);
}
