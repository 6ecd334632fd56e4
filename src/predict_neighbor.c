/* SPDX-License-Identifier: MIT */
/* Who takes a packet from a broadcast domain: which machine answers ARP or
 * neighbour discovery for an address, and what it takes from whom.
 *
 * ARP (net/ipv4/arp.c, arp_process()) is answered for every address of the
 * namespace, on whichever of its interfaces, unless the source address is not
 * let in. Neighbour discovery (net/ipv6/ndisc.c, ndisc_recv_ns()) only for those
 * of the interface that was asked. */
#include "predict_internal.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

/* --- source validation: net/ipv4/fib_frontend.c, __fib_validate_source() ---------------------- */

static bool is_way_of(const struct place *p, const struct found *f, const struct nic *nic)
{
	ways all = {0};
	bool found = false;

	found_ways(p, f, &all);
	array_each(&all, way)
		found |= way->nic == nic;
	array_free(&all);
	return found;
}

static const struct sysctl *rp_filter_of(const struct nic *n)
{
	const char *names[] = {n->link->name, "all", "default"};
	const struct sysctl *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names) && !found; i++) {
		cleanup_buf struct buf path = {0};

		buf_printf(&path, "ipv4/conf/%s/rp_filter", names[i]);
		found = netns_find_sysctl(n->place->netns, buf_text(&path));
		if (found && (!found->node || str_equal(found->value, "0")))
			found = NULL;
	}
	return found;
}

static bool filters(const struct nic *in, const struct found *back, struct cause *why)
{
	bool strict = in->rp_filter != 2;
	bool unicast = back->n && back->entries[0].type == RTN_UNICAST;

	if (in->rp_filter == 0 || (unicast && !strict) ||
	    (unicast && is_way_of(in->place, back, in)))
		return false;
	if (in->rp_filter < 0 || (!in->place->complete && !back->n)) {
		why->kind = CAUSE_UNKNOWN_RP_FILTER;
		return true;
	}
	why->kind = CAUSE_RP_FILTER;
	why->sysctl = rp_filter_of(in);
	why->mark = why->sysctl ? why->sysctl->node->mark : NO_MARK;
	if (unicast) {
		ways all = {0};

		found_ways(in->place, back, &all);
		why->other = all.n ? all.items[0].nic : NULL;
		array_free(&all);
	}
	return true;
}

bool admits(const struct nic *in, const struct ip *src, struct cause *ret_why)
{
	struct found back;

	if (src->family != AF_INET)
		return true;
	back = place_lookup(in->place, src);
	*ret_why = (struct cause){.place = in->place, .nic = in, .ip = *src};
	if (back.n && back.entries[0].type == RTN_LOCAL) {
		ret_why->kind = CAUSE_MARTIAN;
		if (back.entries[0].address && back.entries[0].address->node)
			ret_why->mark = back.entries[0].address->node->mark;
		return false;
	}
	return !filters(in, &back, ret_why);
}

/* --- who answers ------------------------------------------------------------------------------- */

struct search {
	const struct world *w;
	const struct nic *out;
	const struct ip *ip, *sender;
	struct nic *found;
	size_t n;
	struct cause why; /* somebody is there, but does not answer */
	bool refused, unsure;
};

/* It takes a packet by either, and may let in only what comes by one. */
static bool has_another(const struct nic *nic)
{
	const struct place *p = nic->place;

	for (size_t i = 0; i < p->n_nics; i++)
		if (p->nics[i].lan == nic->lan && &p->nics[i] != nic && nic_is_station(&p->nics[i]))
			return true;
	return false;
}

/* Its interface on the network; of several, one. */
static struct nic *on_network(struct search *s, const struct place *p)
{
	const struct lan *lan = s->out->lan;

	if (p->n_nics > lan->stations.n) {
		array_each(&lan->stations, pn)
			if ((*pn)->place == p)
				return *pn;
		return NULL;
	}
	for (size_t i = 0; i < p->n_nics; i++)
		if (p->nics[i].lan == lan && nic_is_station(&p->nics[i]))
			return &p->nics[i];
	return NULL;
}

static void consider(struct search *s, struct nic *nic)
{
	struct cause why;

	if (s->found && s->found->place == nic->place)
		return;
	if (s->ip->family == AF_INET) {
		if (!place_has(nic->place, s->ip))
			return;
		if (nic->place->odd[0]) {
			s->unsure = true;
			s->why = (struct cause){.kind = CAUSE_SYSCTL,
						.place = nic->place,
						.sysctl = nic->place->odd[0]};
			return;
		}
		if (nic->rp_filter && has_another(nic)) {
			s->unsure = true;
			s->why = (struct cause){
				.kind = CAUSE_SAME_NETWORK, .place = nic->place, .nic = nic};
			return;
		}
		if (s->sender->family && !admits(nic, s->sender, &why)) {
			s->refused = true;
			s->unsure |= !cause_is_sure(&why);
			s->why = why;
			return;
		}
	}
	if (s->found)
		s->why = (struct cause){
			.kind = CAUSE_DUPLICATE, .nic = s->found, .other = nic, .ip = *s->ip};
	s->found = nic;
	s->n++;
}

/* Is it clear by now that there is not exactly one? */
static bool is_decided(const struct search *s)
{
	return s->n > 1 || s->unsure;
}

static void consider_owners(struct search *s, const struct owner *owners, size_t n)
{
	for (size_t i = 0; i < n && !is_decided(s); i++) {
		struct nic *nic = owners[i].nic;
		bool here = nic && nic->lan == s->out->lan && nic_is_station(nic);

		if (owners[i].place == s->out->place)
			continue;
		if (!here && s->ip->family == AF_INET)
			nic = on_network(s, owners[i].place);
		else if (!here)
			nic = NULL;
		if (nic)
			consider(s, nic);
	}
}

static void consider_all(struct search *s)
{
	size_t n;
	const struct owner *owners = world_owners(s->w, s->ip, &n);

	consider_owners(s, owners, n);
	if (s->ip->family != AF_INET)
		return;
	for (uint8_t len = 0; len < ARRAY_SIZE(s->w->wide_lengths); len++) {
		if (!s->w->wide_lengths[len])
			continue;
		owners = world_wide_owners(s->w, s->ip, len, &n);
		consider_owners(s, owners, n);
	}
}

/* A router answers for its network's first address (RFC 4291, 2.6.1). */
static bool may_be_anycast(const struct search *s)
{
	return s->ip->family == AF_INET6 && lan_has_foothold(s->w, s->out->lan, s->ip);
}

static void explain_nobody(const struct search *s, struct cause *why)
{
	const struct nic *out = s->out;

	if (s->refused) {
		*why = s->why;
		return;
	}
	why->kind = CAUSE_NOBODY;
	if (out->lan->foreign)
		why->kind = CAUSE_UNKNOWN_NETWORK;
	else if (ip_is_link_local(s->ip) || may_be_anycast(s) ||
		 s->w->has_proxies[family_of(s->ip)])
		why->kind = CAUSE_UNKNOWN_GATEWAY;
	else if (out->peer && !out->peer->up) {
		why->kind = CAUSE_DOWN;
		why->other = out->peer;
		why->mark = link_key_mark(out->peer->link, "state");
	}
}

struct nic *find_neighbor(const struct world *w, const struct nic *out, const struct ip *ip,
			  const struct ip *sender, struct cause *ret_why)
{
	struct search s = {.w = w, .out = out, .ip = ip, .sender = sender};

	*ret_why = (struct cause){.place = out->place, .nic = out, .ip = *ip};
	if (!out->lan) {
		ret_why->kind = CAUSE_DOWN;
		ret_why->other = out;
		ret_why->mark = link_key_mark(out->link, "state");
		return NULL;
	}
	if (out->lan->circular || out->master) {
		ret_why->kind = out->master ? CAUSE_ENSLAVED : CAUSE_CIRCULAR;
		return NULL;
	}
	consider_all(&s);
	if (s.n == 1 && !s.unsure) {
		const struct nic *n = s.found->twin ? s.found : out;

		if (!n->twin)
			return s.found;
		s.why = (struct cause){.kind = CAUSE_TWIN,
				       .nic = n,
				       .other = n->twin,
				       .mark = link_key_mark(n->link, "mac")};
	}
	if (s.n == 0 && !s.unsure)
		explain_nobody(&s, ret_why);
	else
		*ret_why = s.why;
	return NULL;
}
