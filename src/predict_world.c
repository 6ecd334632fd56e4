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

const struct owner *world_owners(const struct world *w, const struct ip *ip, size_t *ret_n)
{
	struct ip key = *ip;
	size_t low = 0, high = w->owners.n, n = 0;

	key.len = (uint8_t)ip_bits(&key);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_compare(&w->owners.items[middle].ip, &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	while (low + n < w->owners.n && !ip_compare(&w->owners.items[low + n].ip, &key))
		n++;
	*ret_n = n;
	return n ? &w->owners.items[low] : NULL;
}

/* --- building ------------------------------------------------------------------------------ */

static void add_owner(struct world *w, struct owner o)
{
	o.ip.len = (uint8_t)ip_bits(&o.ip);
	array_add(&w->owners, o);
}

static void add_owners(struct world *w, struct place *p)
{
	for (size_t i = 0; i < p->n_nics; i++)
		array_each(&p->nics[i].addresses, pa) {
			const struct address *a = *pa;

			add_owner(w, (struct owner){.ip = a->address,
						    .address = a,
						    .nic = &p->nics[i],
						    .place = p});
			/* All of a network of lo's are addresses here, for IPv4. */
			w->has_wide_locals |= a->address.family == AF_INET && a->address.len < 32 &&
					      a->address.bytes[0] != 127 &&
					      str_equal(p->nics[i].link->name, LOOPBACK);
		}
	array_each(&p->netns->routes, pr) {
		const struct route *r = *pr;

		if (r->type != RTN_LOCAL)
			continue;
		if (r->to.len == ip_bits(&r->to))
			add_owner(w, (struct owner){.ip = r->to, .route = r, .place = p});
		else
			w->has_wide_locals = true;
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
		add_owners(ret, &ret->places[i]);
		place_build_tables(ret, &ret->places[i]);
	}
	array_sort(&ret->owners, owner_compare);
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
	free(w->lans);
	free(w->places);
	free(w->nics);
}
