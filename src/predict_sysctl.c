/* SPDX-License-Identifier: MIT */
/* The sysctls that decide where packets go. Those that are reckoned with are read
 * here; of a few others it is known that they change the answer, and how is not
 * worth a guess: where the file sets one, the answer is unknown. */
#include "predict_internal.h"

#include <string.h>

/* The last part of the path; "" of the interface's folder: any of them. */
static const struct {
	int family;
	const char *name, *initial;
} odd_names[] = {
	{0, "arp_ignore", "0"},
	{0, "arp_filter", "0"},
	{0, "accept_local", "0"},
	{0, "route_localnet", "0"},
	{0, "medium_id", "0"},
	{0, "drop_unicast_in_l2_multicast", "0"},
	{0, "ignore_routes_with_linkdown", "0"},
	{0, "icmp_errors_use_inbound_ifaddr", "0"},
	{0, "ip_default_ttl", "64"},
	{0, "ip_forward_use_pmtu", "0"},
	{0, "min_adv_mss", "256"},
	{1, "disable_ipv6", "0"},
	{1, "ignore_routes_with_linkdown", "0"},
	{1, "use_oif_addrs_only", "0"},
	{1, "force_forwarding", "0"},
	{1, "addr_gen_mode", "0"},
	{1, "hop_limit", "64"},
	{1, "mtu", "1500"},
};

static bool ends_with(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return slash && str_equal(slash + 1, name);
}

static int path_family(const char *path)
{
	return str_starts(path, "ipv4/") ? 0 : str_starts(path, "ipv6/") ? 1 : -1;
}

static void look_at(struct world *w, struct place *p, const struct sysctl *s)
{
	int family = path_family(s->path);

	if (!s->node || s->implied || !s->value || family < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++)
		if (odd_names[i].family == family && ends_with(s->path, odd_names[i].name) &&
		    !str_equal(s->value, odd_names[i].initial))
			p->odd[family] = s;
	if ((ends_with(s->path, "proxy_arp") || ends_with(s->path, "proxy_arp_pvlan") ||
	     ends_with(s->path, "proxy_ndp")) &&
	    !str_equal(s->value, "0"))
		w->has_proxies[family] = true;
	if ((str_equal(s->path, "ipv4/icmp_echo_ignore_all") ||
	     str_equal(s->path, "ipv6/icmp/echo_ignore_all")) &&
	    !str_equal(s->value, "0"))
		p->mute[family] = s;
}

/* What the file says; else, of an owned namespace, what it starts from; else -1. */
static int value_of(const struct place *p, const char *path, int initial)
{
	const struct sysctl *s = netns_find_sysctl(p->netns, path);

	if (s && s->value)
		return (int)strtol(s->value, NULL, 10);
	return p->complete ? initial : -1;
}

static int interface_value(const struct place *p, const struct nic *n, const char *name,
			   int initial)
{
	cleanup_buf struct buf path = {0};

	buf_printf(&path, "ipv4/conf/%s/%s", n->link->name, name);
	return value_of(p, buf_text(&path), initial);
}

/* A moved interface comes without its values: the namespace's own default counts. */
static void read_nic(struct place *p, struct nic *n, int all, int other, int forwarding)
{
	int own = interface_value(p, n, "rp_filter", other);

	n->rp_filter = own < 0 || all < 0 ? -1 : own > all ? own : all;
	if (own == 2 || all == 2) /* more there is not */
		n->rp_filter = 2;
	n->forwards = interface_value(p, n, "forwarding", forwarding);
	if (n->forwards < 0)
		n->forwards = forwarding;
}

void world_read_sysctls(struct world *w)
{
	for (size_t i = 0; i < w->n_places; i++) {
		struct place *p = &w->places[i];
		int all = value_of(p, "ipv4/conf/all/rp_filter", 0);
		int other = value_of(p, "ipv4/conf/default/rp_filter", 0);
		int forwarding = value_of(p, IPV4_SWITCH, 0);

		p->forwards6 = value_of(p, IPV6_SWITCH, 0);
		for (size_t j = 0; j < p->n_nics; j++)
			read_nic(p, &p->nics[j], all, other, forwarding);
		array_each(&p->netns->sysctls, ps)
			look_at(w, p, *ps);
	}
}
