/* SPDX-License-Identifier: MIT */
/* The model's objects: making, finding, ordering. Everything lives in the
 * model's arena except the arrays, which grow and are freed one by one.
 *
 * New objects hold their rows' initial values. The finds are binary searches
 * and good only after model_sort(). */
#include "model.h"

#include <string.h>
#include <sys/socket.h>

struct model *model_new(void)
{
	return xcalloc(1, sizeof(struct model));
}

void netns_free(struct netns *n)
{
	array_each(&n->links, l)
		array_free(&(*l)->addresses);
	array_each(&n->routes, r)
		if ((*r)->netns == n) /* a goal lists the file's */
			array_free(&(*r)->nexthops);
	array_each(&n->strange, r)
		array_free(&(*r)->nexthops);
	array_free(&n->links);
	array_free(&n->routes);
	array_free(&n->strange);
	array_free(&n->sysctls);
	array_free(&n->ignore_links);
	array_free(&n->ignore_routes);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	array_each(&m->namespaces, n)
		if ((*n)->owner == m)
			netns_free(*n);
	array_each(&m->processes, p)
		process_free(*p);
	array_free(&m->namespaces);
	array_each(&m->probes, p)
		array_free(&(*p)->via);
	array_free(&m->probes);
	array_free(&m->processes);
	arena_free(&m->arena);
	free(m);
}

/* --- making -------------------------------------------------------------------- */

struct netns *model_add_netns(struct model *m, const char *name, enum netns_class class)
{
	struct netns *n = arena_alloc(&m->arena, sizeof(*n));

	n->owner = m;
	n->name = arena_strdup(&m->arena, name);
	n->class = class;
	n->handle = -1;
	array_add(&m->namespaces, n);
	return n;
}

uint32_t netns_link_index(const struct netns *n, const char *name)
{
	const struct link *l = netns_find_link(n, name);

	if (!l && n->live)
		l = netns_find_link(n->live, name);
	return l ? l->index : 0;
}

struct link *netns_add_link(struct model *m, struct netns *n, const char *name)
{
	struct link *l = arena_alloc(&m->arena, sizeof(*l));

	l->netns = n;
	l->name = arena_strdup(&m->arena, name);
	l->kind_name = "";
	attr_fill_new(&link_table, l);
	array_add(&n->links, l);
	return l;
}

void link_set_kind(struct model *m, struct link *l, const struct kind *kind)
{
	l->kind = kind;
	l->kind_name = kind ? kind->name : "";
	l->kind_given = 0;
	l->data = NULL;
	if (!kind || !kind->size)
		return;
	l->data = arena_alloc(&m->arena, kind->size);
	attr_fill_new(&kind->table, l->data);
}

struct address *link_add_address(struct model *m, struct link *l, const struct ip *ip)
{
	struct address *a = arena_alloc(&m->arena, sizeof(*a));

	a->link = l;
	attr_fill_new(&address_table, a);
	a->address = *ip;
	a->given = attr_bit(&address_table, "address");
	a->rank = (uint32_t)l->addresses.n;
	array_add(&l->addresses, a);
	return a;
}

struct probe *model_add_probe(struct model *m)
{
	struct probe *p = arena_alloc(&m->arena, sizeof(*p));

	attr_fill_new(&probe_table, p);
	array_add(&m->probes, p);
	return p;
}

const struct found_address *address_found(const struct address *a)
{
	static const struct found_address nothing;

	return a->found ? a->found : &nothing;
}

/* Few have any of it. */
void address_set_found(struct arena *arena, struct address *a, const struct found_address *found)
{
	struct found_address *own;

	a->found = NULL;
	if (!found->given)
		return;
	own = arena_alloc(arena, sizeof(*own));
	*own = *found;
	a->found = own;
}

struct route *netns_add_route(struct model *m, struct netns *n)
{
	struct route *r = arena_alloc(&m->arena, sizeof(*r));

	r->netns = n;
	attr_fill_new(&route_table, r);
	array_add(&n->routes, r);
	return r;
}

struct sysctl *netns_add_sysctl(struct model *m, struct netns *n, const char *path,
				const char *value)
{
	struct sysctl *s = arena_alloc(&m->arena, sizeof(*s));

	s->path = arena_strdup(&m->arena, path);
	s->value = value ? arena_strdup(&m->arena, value) : NULL;
	array_add(&n->sysctls, s);
	return s;
}

/* --- finding ------------------------------------------------------------------- */

/* Binary search in a sorted array of pointers. `order` tells how what is looked for compares with
 * `item`. */
#define FIND(array, order)                                                 \
	({                                                                 \
		size_t low_ = 0, high_ = (array)->n;                       \
		__typeof__((array)->items[0]) found_ = NULL;               \
		while (!found_ && low_ < high_) {                          \
			size_t middle_ = low_ + (high_ - low_) / 2;        \
			__typeof__(found_) item = (array)->items[middle_]; \
			int order_ = (order);                              \
			if (order_ == 0)                                   \
				found_ = item;                             \
			else if (order_ < 0)                               \
				high_ = middle_;                           \
			else                                               \
				low_ = middle_ + 1;                        \
		}                                                          \
		found_;                                                    \
	})

struct netns *model_find_netns(const struct model *m, const char *name)
{
	return FIND(&m->namespaces, str_compare(name, item->name));
}

struct netns *model_find_cookie(const struct model *m, uint64_t cookie)
{
	array_each(&m->namespaces, n)
		if ((*n)->cookie == cookie)
			return *n;
	return NULL;
}

struct link *netns_find_link(const struct netns *n, const char *name)
{
	return FIND(&n->links, str_compare(name, item->name));
}

struct sysctl *netns_find_sysctl(const struct netns *n, const char *path)
{
	return FIND(&n->sysctls, str_compare(path, item->path));
}

struct address *link_find_address(const struct link *l, const struct address *like)
{
	return l ? FIND(&l->addresses, address_compare(like, item)) : NULL;
}

struct route *netns_find_route(const struct netns *n, const struct route *like)
{
	return n ? FIND(&n->routes, route_compare(like, item)) : NULL;
}

struct link *netns_find_index(const struct netns *n, uint32_t index)
{
	array_each(&n->links, l)
		if ((*l)->index == index)
			return *l;
	return NULL;
}

struct mark link_key_mark(const struct link *l, const char *key)
{
	const struct node *places[] = {l->node, l->cable};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (places[i] && node_get(places[i], key))
			return node_get(places[i], key)->mark;
	return l->mark;
}

struct link *model_find_index(const struct model *m, uint32_t index)
{
	struct link *found = NULL;

	for (size_t i = 0; i < m->namespaces.n && !found; i++)
		found = netns_find_index(m->namespaces.items[i], index);
	return found;
}

bool ref_is_link(const struct ref *ref, const struct netns *n, const char *name)
{
	return str_equal(ref->netns, n->name) && str_equal(ref->name, name);
}

struct link *link_peer(const struct model *m, const struct link *l)
{
	const struct netns *n = l->netns;

	if (!l->peer.name)
		return NULL;
	if (l->peer.netns && !str_equal(l->peer.netns, n->name))
		n = model_find_netns(m, l->peer.netns);
	return n ? netns_find_link(n, l->peer.name) : NULL;
}

bool netns_is_external(const struct netns *n)
{
	return n->class != NETNS_OWNED;
}

bool link_is_made(const struct link *l)
{
	return l->kind && !l->from.name;
}

uint32_t link_mtu_by_way_of(const struct link *l)
{
	bool follows_ports = l->kind->is_master && !l->kind->mtu;

	if (!follows_ports || !(l->given & ~l->follows & LINK_BIT("mtu")))
		return 0;
	/* Upwards: below 1280 the kernel drops IPv6. */
	return l->mtu < UINT16_MAX ? l->mtu + 1 : l->mtu - 1;
}

/* drivers/net/loopback.c */
#define LOOPBACK_MTU 65536

uint32_t link_default_mtu(const struct link *l)
{
	if (link_is_made(l))
		return l->kind->mtu;
	if (l->netns->class == NETNS_OWNED && !l->from.name && str_equal(l->name, LOOPBACK))
		return LOOPBACK_MTU;
	return 0;
}

/* --- ordering ------------------------------------------------------------------ */

/* Of addresses of one link, or of links that bear the same names in two models. */
static int link_compare(const struct link *a, const struct link *b)
{
	int order;

	if (a == b || !a || !b)
		return !!a - !!b;
	order = str_compare(a->netns->name, b->netns->name);
	return order ? order : str_compare(a->name, b->name);
}

/* The kernel knows an IPv4 address by link, local address, mask and peer (net/ipv4/devinet.c,
 * __inet_insert_ifa), an IPv6 one by link and address alone (net/ipv6/addrconf.c,
 * ipv6_add_addr): a second length for the same address is EEXIST. */
int address_compare(const struct address *a, const struct address *b)
{
	struct ip x = a->address, y = b->address;
	int order = link_compare(a->link, b->link);

	if (order)
		return order;
	if (x.family == AF_INET6 && y.family == AF_INET6)
		x.len = y.len = 0;
	order = ip_compare(&x, &y);
	if (order || x.family != AF_INET)
		return order;
	/* The address's length already is the peer's. */
	x = a->peer;
	y = b->peer;
	x.len = y.len = 0;
	return ip_compare(&x, &y);
}

int route_compare(const struct route *a, const struct route *b)
{
	int order;

	if (a->to.family != b->to.family)
		return a->to.family < b->to.family ? -1 : 1;
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	order = ip_compare(&a->to, &b->to);
	if (order)
		return order;
	return (a->metric > b->metric) - (a->metric < b->metric);
}

static int by_netns_name(const void *a, const void *b)
{
	return str_compare((*(struct netns *const *)a)->name, (*(struct netns *const *)b)->name);
}

static int by_link_name(const void *a, const void *b)
{
	return str_compare((*(struct link *const *)a)->name, (*(struct link *const *)b)->name);
}

static int by_path(const void *a, const void *b)
{
	return str_compare((*(struct sysctl *const *)a)->path, (*(struct sysctl *const *)b)->path);
}

static int by_address(const void *a, const void *b)
{
	return address_compare(*(struct address *const *)a, *(struct address *const *)b);
}

static int by_process(const void *a, const void *b)
{
	return process_compare(*(struct process *const *)a, *(struct process *const *)b);
}

static int by_rank(const void *a, const void *b)
{
	const struct address *x = *(struct address *const *)a, *y = *(struct address *const *)b;

	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int by_route(const void *a, const void *b)
{
	return route_compare(*(struct route *const *)a, *(struct route *const *)b);
}

static int by_nexthop(const void *a, const void *b)
{
	const struct nexthop *x = a, *y = b;
	int order = ip_compare(&x->via, &y->via);

	if (!order)
		order = str_compare(x->dev, y->dev);
	if (!order)
		order = (x->weight > y->weight) - (x->weight < y->weight);
	return order;
}

static bool is_ranked(const struct link *l)
{
	for (size_t i = 1; i < l->addresses.n; i++)
		if (l->addresses.items[i - 1]->rank > l->addresses.items[i]->rank)
			return false;
	return true;
}

address_list link_ranked_addresses(const struct link *l)
{
	address_list list = {.items = l->addresses.items, .n = l->addresses.n};

	if (is_ranked(l))
		return list;
	list = (address_list){0};
	array_each(&l->addresses, a)
		array_add(&list, *a);
	array_sort(&list, by_rank);
	return list;
}

void ranked_addresses_free(const struct link *l, address_list *list)
{
	if (list->items != l->addresses.items)
		array_free(list);
}

/* The last item goes into its place among the others, which are sorted. */
#define place_last(array, compare)                                                             \
	do {                                                                                   \
		__typeof__((array)->items) items_ = (array)->items;                            \
		size_t last_ = (array)->n - 1, low_ = 0, high_ = last_;                        \
		__typeof__(items_[0]) item_ = items_[last_];                                   \
		while (low_ < high_) {                                                         \
			size_t middle_ = low_ + (high_ - low_) / 2;                            \
			if (compare(&item_, &items_[middle_]) < 0)                             \
				high_ = middle_;                                               \
			else                                                                   \
				low_ = middle_ + 1;                                            \
		}                                                                              \
		memmove(&items_[low_ + 1], &items_[low_], (last_ - low_) * sizeof(items_[0])); \
		items_[low_] = item_;                                                          \
	} while (0)

void model_place_netns(struct model *m)
{
	place_last(&m->namespaces, by_netns_name);
}

void netns_place_link(struct netns *n)
{
	place_last(&n->links, by_link_name);
}

void netns_place_route(struct netns *n)
{
	place_last(&n->routes, by_route);
}

void netns_place_sysctl(struct netns *n)
{
	place_last(&n->sysctls, by_path);
}

void model_place_process(struct model *m)
{
	place_last(&m->processes, by_process);
}

void link_place_address(struct link *l)
{
	place_last(&l->addresses, by_address);
}

void model_sort_namespaces(struct model *m)
{
	array_sort(&m->namespaces, by_netns_name);
}

void netns_sort(struct netns *n)
{
	array_sort(&n->links, by_link_name);
	array_each(&n->links, l)
		array_sort(&(*l)->addresses, by_address);
	array_each(&n->routes, r)
		array_sort(&(*r)->nexthops, by_nexthop);
	array_sort(&n->routes, by_route);
	array_sort(&n->sysctls, by_path);
}

void model_sort(struct model *m)
{
	model_sort_namespaces(m);
	array_each(&m->namespaces, n)
		netns_sort(*n);
	array_sort(&m->processes, by_process);
}
