/* SPDX-License-Identifier: MIT */
/* The lab as packets find it: who is plugged into what, and who has which
 * address. Interfaces of all namespaces are one array, so that there can be
 * pointers between them; everything is found by binary search. */
#include "predict_internal.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

bool same_ip(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool nic_is_station(const struct nic *n)
{
	return n->up && !n->master;
}

/* --- finding ------------------------------------------------------------------------------- */

struct place *world_place(const struct world *w, const char *netns)
{
	size_t low = 0, high = w->n_places;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(w->places[middle].netns->name, netns);

		if (order == 0)
			return &w->places[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct nic *place_nic(const struct place *p, const char *name)
{
	size_t low = 0, high = p->n_nics;

	while (name && low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(p->nics[middle].link->name, name);

		if (order == 0)
			return &p->nics[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static int owner_compare(const void *pa, const void *pb)
{
	const struct owner *a = pa, *b = pb;
	int r = ip_compare(&a->ip, &b->ip);

	if (!r && a->place != b->place)
		r = a->place < b->place ? -1 : 1;
	if (!r && a->nic != b->nic)
		r = a->nic < b->nic ? -1 : 1;
	return r;
}

size_t owners_from(const owner_list *list, const struct ip *net)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_compare(&list->items[middle].ip, net) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct owner *owners_of(const owner_list *list, const struct ip *key, size_t *ret_n)
{
	size_t from = owners_from(list, key), n = 0;

	while (from + n < list->n && !ip_compare(&list->items[from + n].ip, key))
		n++;
	*ret_n = n;
	return n ? &list->items[from] : NULL;
}

const struct owner *world_owners(const struct world *w, const struct ip *ip, size_t *ret_n)
{
	struct ip key = *ip;

	key.len = (uint8_t)ip_bits(&key);
	return owners_of(&w->owners, &key, ret_n);
}

const struct owner *world_wide_owners(const struct world *w, const struct ip *ip, uint8_t len,
				      size_t *ret_n)
{
	struct ip key = *ip;

	key.len = len;
	key = ip_network(&key);
	return owners_of(&w->wide_owners, &key, ret_n);
}

static int foothold_compare(const void *pa, const void *pb)
{
	const struct foothold *a = pa, *b = pb;
	int r = ip_compare(&a->first, &b->first);

	return r ? r : (a->lan > b->lan) - (a->lan < b->lan);
}

bool lan_has_foothold(const struct world *w, const struct lan *lan, const struct ip *ip)
{
	struct foothold key = {.first = *ip, .lan = lan};

	key.first.len = (uint8_t)ip_bits(ip);
	return w->footholds.n &&
	       bsearch(&key, w->footholds.items, w->footholds.n, sizeof(key), foothold_compare);
}

/* --- building ------------------------------------------------------------------------------ */

static void add_owner(struct world *w, struct owner o)
{
	o.ip.len = (uint8_t)ip_bits(&o.ip);
	array_add(&w->owners, o);
}

static void add_wide_owner(struct world *w, const struct ip *net, struct place *p)
{
	if (net->family != AF_INET || net->len >= ARRAY_SIZE(w->wide_lengths))
		return;
	w->wide_lengths[net->len] = true;
	array_add(&w->wide_owners, ((struct owner){.ip = ip_network(net), .place = p}));
}

static void add_foothold(struct world *w, const struct nic *nic, const struct ip *address)
{
	struct ip net = ip_network(address);

	/* Longer ones have no such address (net/ipv6/addrconf.c, addrconf_join_anycast()). */
	if (net.family != AF_INET6 || net.len >= 127 || !nic->lan || !nic_is_station(nic))
		return;
	net.len = (uint8_t)ip_bits(&net);
	array_add(&w->footholds, ((struct foothold){.first = net, .lan = nic->lan}));
}

static void add_owners_by_address(struct world *w, struct place *p)
{
	for (size_t i = 0; i < p->n_nics; i++) {
		struct nic *nic = &p->nics[i];

		array_each(&nic->addresses, pa) {
			const struct address *a = *pa;

			add_owner(w,
				  (struct owner){
					  .ip = a->address, .address = a, .nic = nic, .place = p});
			add_foothold(w, nic, &a->address);
			/* All of a network of lo's are addresses here, for IPv4. */
			if (a->address.bytes[0] != 127 && str_equal(nic->link->name, LOOPBACK))
				add_wide_owner(w, &a->address, p);
		}
	}
}

static void add_owners_by_route(struct world *w, struct place *p)
{
	array_each(&p->netns->routes, pr) {
		const struct route *r = *pr;

		if (r->type != RTN_LOCAL)
			continue;
		if (r->to.len == ip_bits(&r->to))
			add_owner(w, (struct owner){.ip = r->to, .route = r, .place = p});
		else
			add_wide_owner(w, &r->to, p);
	}
}

static void add_nic(struct place *p, struct nic *nic, struct link *k)
{
	bool owned = !netns_is_external(p->netns);

	*nic = (struct nic){
		.link = k,
		.place = p,
		.addresses = link_ranked_addresses(k),
		.up = k->state == LINK_UP,
		.foreign = !link_is_made(k) && !(owned && str_equal(k->name, LOOPBACK)),
		.mtu = k->mtu,
		.joined = nic,
	};
	if (nic->foreign && !(k->given & LINK_BIT("state")))
		nic->up = true; /* or else it would not be named */
}

static void plug_in(struct world *w, struct nic *nic)
{
	const struct link *k = nic->link;
	struct place *there = k->peer.name ? world_place(w, k->peer.netns) : NULL;

	nic->peer = there ? place_nic(there, k->peer.name) : NULL;
	nic->master = k->master ? place_nic(nic->place, k->master) : NULL;
	if (nic->master) {
		nic->next_port = nic->master->ports;
		nic->master->ports = nic;
	}
}

/* net/bridge/br_if.c, br_mtu_auto_adjust(): a bridge whose MTU was never set has its ports' smallest. */
static void settle_mtu(struct nic *nic)
{
	const struct nic *port = nic->ports;

	if (nic->mtu || !nic->link->kind || !nic->link->kind->is_master)
		return;
	nic->mtu = port ? port->mtu : 1500;
	for (; port && nic->mtu; port = port->next_port)
		if (port->mtu < nic->mtu)
			nic->mtu = port->mtu;
}

static void add_places(struct world *w)
{
	struct nic *next;

	array_each(&w->m->namespaces, pn)
		w->n_nics += (*pn)->links.n;
	w->n_places = w->m->namespaces.n;
	w->places = xcalloc(w->n_places + 1, sizeof(*w->places));
	w->nics = next = xcalloc(w->n_nics + 1, sizeof(*w->nics));
	for (size_t i = 0; i < w->n_places; i++) {
		struct place *p = &w->places[i];

		p->netns = w->m->namespaces.items[i];
		p->complete = !netns_is_external(p->netns);
		p->has_daemon = p->netns->ignore_routes.n;
		p->has_helpers = p->netns->ignore_links.n;
		p->nics = next;
		p->n_nics = p->netns->links.n;
		for (size_t j = 0; j < p->n_nics; j++)
			add_nic(p, next++, p->netns->links.items[j]);
	}
}

void world_build(const struct model *m, struct world *ret)
{
	*ret = (struct world){.m = m};
	add_places(ret);
	array_each(&m->processes, p) {
		struct place *place = world_place(ret, (*p)->netns);

		if (place)
			place->has_helpers = true;
	}
	for (size_t i = 0; i < ret->n_nics; i++)
		plug_in(ret, &ret->nics[i]);
	for (size_t i = 0; i < ret->n_nics; i++)
		settle_mtu(&ret->nics[i]);
	world_read_sysctls(ret);
	world_join(ret);
	for (size_t i = 0; i < ret->n_places; i++) {
		add_owners_by_address(ret, &ret->places[i]);
		add_owners_by_route(ret, &ret->places[i]);
		place_build_tables(ret, &ret->places[i]);
	}
	array_sort(&ret->owners, owner_compare);
	array_sort(&ret->wide_owners, owner_compare);
	array_sort(&ret->footholds, foothold_compare);
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->n_nics; i++)
		ranked_addresses_free(w->nics[i].link, &w->nics[i].addresses);
	for (size_t i = 0; i < w->n_places; i++)
		for (int f = 0; f < FAMILIES; f++)
			array_free(&w->places[i].tables[f].entries);
	for (size_t i = 0; i < w->n_lans; i++)
		array_free(&w->lans[i].stations);
	array_free(&w->owners);
	array_free(&w->wide_owners);
	array_free(&w->footholds);
	free(w->lans);
	free(w->places);
	free(w->nics);
}
