/* SPDX-License-Identifier: MIT */
/* What a namespace reaches without a gateway, for finding the interface behind a
 * gateway. A sorted list, searched once for each prefix length that occurs:
 * namespaces may have 100,000 routes. */
#include "load_internal.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static int network_compare(const void *pa, const void *pb)
{
	const struct network *a = pa, *b = pb;
	int r = ip_compare(&a->net, &b->net);

	return r ? r : str_compare(a->dev, b->dev);
}

static void add_network(struct networks *w, const struct ip *ip, const char *dev, uint32_t table)
{
	struct network *net = array_push(&w->list);

	net->net = ip_network(ip);
	net->dev = dev;
	net->table = table;
	w->lengths[ip->family == AF_INET6][ip->len] = true;
}

void networks_build(const struct netns *n, bool routes, struct networks *ret)
{
	static const struct ip loopback = {.family = AF_INET, .len = 8, .bytes = {127}};
	struct networks w = {0};

	array_each(&n->links, pk)
		array_each(&(*pk)->addresses, pa) {
			struct address_route own[ADDRESS_ROUTES_MAX];
			size_t count = address_routes(*pa, own);

			for (size_t i = 0; i < count; i++)
				if (own[i].type != RTN_BROADCAST)
					add_network(&w, &own[i].to, (*pk)->name, RT_TABLE_MAIN);
		}
	for (size_t i = 0; routes && i < n->routes.n; i++) {
		const struct route *r = n->routes.items[i];

		if (r->type == RTN_UNICAST && !r->via.family && !r->nexthops.n && r->dev)
			add_network(&w, &r->to, r->dev, r->table);
	}
	if (!netns_is_external(n))
		add_network(&w, &loopback, LOOPBACK, RT_TABLE_MAIN);
	array_sort(&w.list, network_compare);
	*ret = w;
}

void networks_build_local(const struct netns *n, struct networks *ret)
{
	struct networks w = {0};

	array_each(&n->routes, pr)
		if ((*pr)->type == RTN_LOCAL)
			add_network(&w, &(*pr)->to, (*pr)->dev, RT_TABLE_MAIN);
	array_sort(&w.list, network_compare);
	*ret = w;
}

void networks_free(struct networks *w)
{
	array_free(&w->list);
}

/* The first network that is not before this one. */
static size_t lower_bound(const struct networks *w, const struct network *key)
{
	size_t low = 0, high = w->list.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (network_compare(&w->list.items[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool same_net(const struct networks *w, size_t i, const struct ip *net)
{
	return i < w->list.n && !ip_compare(&w->list.items[i].net, net);
}

/* The kernel looks a gateway up in the route's own table, then as any other address. */
static bool in_table(const struct network *net, uint32_t table)
{
	return net->table == table || net->table == RT_TABLE_MAIN || net->table == RT_TABLE_DEFAULT;
}

/* The longest that occurs and is at most this one, or -1. */
static int next_length(const struct networks *w, const struct ip *ip, int length)
{
	const bool *lengths = w->lengths[ip->family == AF_INET6];
	const bool *found = memrchr(lengths, true, (size_t)(length + 1));

	return found ? (int)(found - lengths) : -1;
}

const char *networks_find(const struct networks *w, const struct ip *ip, const char *dev,
			  uint32_t table, bool *ret_ambiguous)
{
	for (int len = (int)ip_bits(ip); (len = next_length(w, ip, len)) >= 0; len--) {
		struct network key = {.net = *ip, .dev = dev};
		const char *found = NULL;
		bool ambiguous = false;

		key.net.len = (uint8_t)len;
		key.net = ip_network(&key.net);
		/* A NULL dev sorts first. */
		for (size_t i = lower_bound(w, &key); same_net(w, i, &key.net) && !ambiguous; i++) {
			const struct network *net = &w->list.items[i];

			if (dev && !str_equal(dev, net->dev))
				break;
			if (!in_table(net, table))
				continue;
			ambiguous = found && !str_equal(found, net->dev);
			found = found ? found : net->dev ? net->dev : "";
		}
		if (!found)
			continue;
		if (ret_ambiguous)
			*ret_ambiguous = ambiguous;
		return found;
	}
	return NULL;
}
