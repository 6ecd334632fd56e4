/* SPDX-License-Identifier: MIT */
/* What is surely a mistake though no check asks: where the file's own routes lead.
 * A route states that what it is for can be reached, so that is tried: with the
 * addresses of the lab that lie in it, or, where there is none, with any. A
 * default route states less. It is followed as long as routers have one, and each
 * of them must know the way back.
 *
 * Some labs do such things on purpose, so these are warnings; and what a lab that
 * works could do is not told. */
#include "predict_internal.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define PATIENCE 256   /* hops, over all ways of one question */
#define CANDIDATES 8   /* addresses of a route that are tried */
#define ROUTERS_MAX 64 /* along default routes */
#define PAYLOAD 56

struct review {
	struct world *w;
	struct diags *d;
	struct place *place;
	const struct route *r;
};

static uint32_t line_of(const struct route *r)
{
	return r->node ? r->node->mark.line : 0;
}

static bool is_told(struct place *p, enum cause_kind kind)
{
	bool told = p->told >> kind & 1;

	p->told |= UINT64_C(1) << kind;
	return told;
}

/* --- what a route leads to ------------------------------------------------------------------------ */

static struct place *place_of(const struct review *v, const struct place *p)
{
	return &v->w->places[p - v->w->places];
}

static bool is_worth_telling(const struct cause *c)
{
	return c->kind == CAUSE_NO_ROUTE || c->kind == CAUSE_RP_FILTER || c->kind == CAUSE_LOOP ||
	       c->kind == CAUSE_MARTIAN || c->kind == CAUSE_NOT_FORWARDING;
}

/* to: NULL: what goes by the default route. */
static void tell(struct review *v, const struct ip *to, const struct cause *why)
{
	cleanup_buf struct buf text = {0};
	const char *sender = v->place->netns->name;
	char ip[IP_TEXT_MAX];

	if (is_told(place_of(v, why->place), why->kind))
		return;
	cause_text(why, &text);
	if (to)
		diag_warning(v->d, why->mark, "%s; so what %s sends to %s gets no answer",
			     buf_text(&text), sender, ip_format(to, false, ip));
	else
		diag_warning(v->d, why->mark,
			     "%s; so what %s sends by its default route gets no answer",
			     buf_text(&text), sender);
	if (why->kind == CAUSE_NOT_FORWARDING)
		diag_hint(v->d, "add 'forwarding: true' to it, or mend the routes that lead to it");
	else if (line_of(v->r) && line_of(v->r) != why->mark.line)
		diag_hint(v->d, "the route that leads there is in line %u", line_of(v->r));
}

static bool is_by_this_route(const struct review *v, const struct ip *to)
{
	struct found found = place_lookup(v->place, to);

	for (size_t i = 0; i < found.n; i++)
		if (found.entries[i].route == v->r)
			return true;
	return false;
}

/* loops: nothing else would be a mistake for sure. */
static void try(struct review *v, const struct ip *to, bool loops)
{
	struct question q = {
		.world = v->w, .from = v->place, .to = *to, .size = PAYLOAD, .patience = PATIENCE};
	struct tally tally;

	if (!is_by_this_route(v, to))
		return;
	ask(&q, &tally);
	if (!tally.lost || tally.unsure || !is_worth_telling(&tally.why_lost) ||
	    (loops && tally.why_lost.kind != CAUSE_LOOP))
		return;
	tell(v, to, &tally.why_lost);
}

static struct ip first_host(const struct ip *net)
{
	struct ip host = *net;

	host.len = (uint8_t)ip_bits(net);
	if (net->len + 1 < host.len)
		host.bytes[host.len / 8 - 1] |= 1;
	return host;
}

static void try_all(struct review *v)
{
	const struct ip *to = &v->r->to;
	bool any = false;
	size_t i = owners_from(&v->w->owners, to), end = i + CANDIDATES;

	for (; i < v->w->owners.n && i < end; i++) {
		const struct owner *o = &v->w->owners.items[i];
		struct ip net;

		if (o->ip.family != to->family || !ip_contains(to, &o->ip))
			break;
		any = true;
		if (o->place == v->place || !o->address)
			continue;
		net = ip_network(&o->address->address);
		try(v, &o->ip, to->len != ip_bits(to) && ip_compare(&net, to) != 0);
	}
	if (!any) {
		struct ip host = first_host(to);

		try(v, &host, true);
	}
}

/* --- gateways ------------------------------------------------------------------------------------- */

/* Is there a network behind it that could be reached through it? */
static bool leads_on(const struct nic *gateway)
{
	const struct place *p = gateway->place;

	for (size_t i = 0; i < p->n_nics; i++)
		if (p->nics[i].lan && p->nics[i].lan != gateway->lan &&
		    (p->nics[i].lan->foreign || p->nics[i].lan->stations.n > 1))
			return true;
	return false;
}

/* Is the route only for what is the gateway's own? */
static bool is_all_of(const struct review *v, const struct nic *gateway)
{
	const struct place *p = gateway->place;
	const struct ip *to = &v->r->to;
	bool any = false;

	if (!to->len)
		return !leads_on(gateway);
	for (size_t i = owners_from(&v->w->owners, to); i < v->w->owners.n; i++) {
		const struct owner *o = &v->w->owners.items[i];

		if (o->ip.family != to->family || !ip_contains(to, &o->ip))
			break;
		if (o->place != p && o->place != v->place)
			return false;
		any |= o->place == p;
	}
	return any;
}

static bool forwards(const struct nic *in, uint8_t family)
{
	return (family == AF_INET6 ? in->place->forwards6 : in->forwards) != 0;
}

static void check_gateway(struct review *v, const struct nic *gateway)
{
	struct place *p = place_of(v, gateway->place);
	uint8_t family = v->r->to.family;
	const struct sysctl *s =
		netns_find_sysctl(p->netns, family == AF_INET6 ? IPV6_SWITCH : IPV4_SWITCH);
	cleanup_buf struct buf id = {0};

	if (forwards(gateway, family) || p->odd[family_of(&v->r->to)] || is_all_of(v, gateway) ||
	    is_told(p, CAUSE_NOT_FORWARDING))
		return;
	route_id(v->r, &id);
	diag_warning(v->d, s && s->node ? s->node->mark : place_mark(p, "forwarding"),
		     "%s does not forward %s, and is the gateway of a route of %s: %s",
		     p->netns->name, family_name(&v->r->to), v->place->netns->name, buf_text(&id));
	diag_hint(v->d, "add 'forwarding: true' to it, or mend the route in line %u",
		  line_of(v->r));
}

/* --- default routes ---------------------------------------------------------------------------------- */

static void tell_no_way_back(struct review *v, struct place *p, const struct ip *src)
{
	char ip[IP_TEXT_MAX];

	if (is_told(p, CAUSE_NO_ROUTE))
		return;
	ip_format(src, false, ip);
	if (p->complete)
		diag_warning(v->d, place_mark(p, "routes"),
			     "%s has no route back to %s, and a default route of %s leads to it",
			     p->netns->name, ip, v->place->netns->name);
	else
		diag_warning(v->d, place_mark(p, "routes"),
			     "the file gives %s no route back to %s, and a default route of %s "
			     "leads to it",
			     p->netns->name, ip, v->place->netns->name);
	if (line_of(v->r))
		diag_hint(v->d, "the default route is in line %u", line_of(v->r));
}

/* Does the way end at this router? */
static bool look_at_router(struct review *v, const struct nic *in, const struct ip *src)
{
	struct place *p = place_of(v, in->place);
	struct cause why;

	if (p == v->place || p->has_daemon || p->odd[family_of(src)])
		return true;
	if (!place_lookup(p, src).n) {
		tell_no_way_back(v, p, src);
		return true;
	}
	if (!admits(in, src, &why)) {
		if (why.kind == CAUSE_RP_FILTER)
			tell(v, NULL, &why);
		return true;
	}
	return !p->complete || !forwards(in, src->family);
}

/* The first way; NULL: there is none, or it is not known who is there. */
static struct nic *follow(const struct review *v, const struct place *p, const struct found *found,
			  struct ip *src)
{
	struct nic *next = NULL;
	struct cause why;
	ways all = {0};

	found_ways(p, found, &all);
	if (all.n && all.items[0].nic && all.items[0].via.family &&
	    (src->family || source_of(p, &all.items[0], &v->r->to, src) > 0))
		next = find_neighbor(v->w, all.items[0].nic, &all.items[0].via, &(struct ip){0},
				     &why);
	array_free(&all);
	return next;
}

static void follow_defaults(struct review *v)
{
	struct place *p = v->place;
	struct ip src = {0};

	for (int i = 0; i < ROUTERS_MAX; i++) {
		struct found found = place_lookup_default(p, v->r->to.family);
		struct nic *in;

		if (!found.n || found.entries[0].type != RTN_UNICAST ||
		    p->odd[family_of(&v->r->to)])
			return;
		in = follow(v, p, &found, &src);
		if (!in || look_at_router(v, in, &src))
			return;
		p = in->place;
	}
}

/* --- all ---------------------------------------------------------------------------------------------- */

static bool is_main(const struct route *r)
{
	return r->type == RTN_UNICAST && r->table == RT_TABLE_MAIN;
}

/* Might somebody there have an address that the file does not show? A process gives its namespace some, as
 * VRRP does, an interface that `ignore` leaves to others has some, and an external namespace answers ARP for
 * those of its other interfaces. */
static bool may_have_more(const struct lan *lan, const struct place *asks)
{
	return lan->has_helpers || lan->outsiders || (lan->outsider && lan->outsider != asks);
}

/* The first of each namespace: it is most often the same one, of many routes. */
static void tell_nobody(struct review *v, const struct way *way, const struct cause *why)
{
	cleanup_buf struct buf text = {0}, id = {0}, other = {0};
	const struct owner *owners;
	size_t n;

	if (place_has(v->place, &way->via) /* check_route.c tells */ ||
	    may_have_more(way->nic->lan, v->place) || is_told(v->place, CAUSE_NOBODY))
		return;
	cause_text(why, &text);
	route_id(v->r, &id);
	diag_warning(v->d, way_mark(way, "via"), "%s, the gateway of a route of %s: %s",
		     buf_text(&text), v->place->netns->name, buf_text(&id));
	owners = world_owners(v->w, &way->via, &n);
	if (n && owners[0].nic) {
		link_id(owners[0].nic->link, &other);
		diag_hint(v->d,
			  "%s has it: on another network, as a port, or behind something that is "
			  "down",
			  buf_text(&other));
	} else {
		diag_hint(v->d, "mend the gateway, or give that address to who is to be it");
	}
}

static void check_gateways(struct review *v)
{
	struct found found = {0};
	struct entry e = {.to = v->r->to, .type = v->r->type, .route = v->r};
	ways all = {0};

	found.entries = &e;
	found.n = 1;
	found_ways(v->place, &found, &all);
	array_each(&all, way) {
		struct cause why = {0};
		struct nic *gateway = NULL;

		if (way->nic && way->via.family)
			gateway = find_neighbor(v->w, way->nic, &way->via, &(struct ip){0}, &why);
		if (gateway)
			check_gateway(v, gateway);
		else if (way->nic && way->via.family && why.kind == CAUSE_NOBODY)
			tell_nobody(v, way, &why);
	}
	array_free(&all);
}

void find_mistakes(struct world *w, struct diags *d)
{
	find_lan_mistakes(w, d);
	for (size_t i = 0; i < w->n_places; i++)
		array_each(&w->places[i].netns->routes, pr) {
			struct review v = {w, d, &w->places[i], *pr};

			if (!is_main(*pr))
				continue;
			check_gateways(&v);
			if ((*pr)->to.len)
				try_all(&v);
			else
				follow_defaults(&v);
		}
}
