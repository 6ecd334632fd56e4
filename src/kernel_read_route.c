/* SPDX-License-Identifier: MIT */
/* Routes: dumps -> model, of all tables and both families.
 *
 * Left out is what no file can be about: the kernel's own (networks of addresses,
 * local and broadcast entries), cached exceptions, and what router
 * advertisements and redirects put there (of an advertised default route, its
 * interface is remembered). Trap: an IPv6 multipath route comes as one
 * message from current kernels and as several of the same prefix and
 * metric from old ones (before 4.11); the latter are put together here. */
#include "kernel_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmpv6.h>
#include <linux/ipv6_route.h>
#include <linux/rtnetlink.h>
#include <string.h>

static const struct nla_policy route_policy[RTA_MAX + 1] = {
	[RTA_DST] = {.minlen = 4}, /* of IPv4; get_ip() looks closer */
	[RTA_OIF] = {.type = NLA_U32},
	[RTA_PRIORITY] = {.type = NLA_U32},
	[RTA_TABLE] = {.type = NLA_U32},
	[RTA_PREF] = {.type = NLA_U8},
	[RTA_VIA] = {.minlen = sizeof(struct rtvia)},
};

#define BIT(key) attr_bit(&route_table, key)
#define HOP_BIT(key) attr_bit(&nexthop_table, key)

static const char *name_of(const struct reader *r, uint32_t index)
{
	struct found_link *f = index ? found_by_index(r->now, index) : NULL;

	return f ? f->link->name : NULL;
}

static bool get_ip(const struct nlattr *nla, uint8_t family, struct ip *ret)
{
	size_t size = family == AF_INET ? 4 : 16;

	if (!nla || (size_t)nla_len(nla) != size)
		return false;
	*ret = (struct ip){.family = family, .len = (uint8_t)(size * 8)};
	memcpy(ret->bytes, nla_data(nla), size);
	return true;
}

/* RTA_GATEWAY, or RTA_VIA where the gateway is of another family. */
void route_get_via(struct nlattr *const *tb, uint8_t family, struct ip *ret)
{
	const struct rtvia *via;
	size_t size;

	if (get_ip(tb[RTA_GATEWAY], family, ret) || !tb[RTA_VIA])
		return;
	via = nla_data(tb[RTA_VIA]);
	size = via->rtvia_family == AF_INET ? 4 : 16;
	if ((size_t)nla_len(tb[RTA_VIA]) < sizeof(*via) + size ||
	    (via->rtvia_family != AF_INET && via->rtvia_family != AF_INET6))
		return;
	*ret = (struct ip){.family = (uint8_t)via->rtvia_family, .len = (uint8_t)(size * 8)};
	memcpy(ret->bytes, via->rtvia_addr, size);
}

static void set_hop_given(struct nexthop *hop)
{
	hop->given = HOP_BIT("weight") | HOP_BIT("onlink");
	if (hop->via.family)
		hop->given |= HOP_BIT("via");
	if (hop->dev)
		hop->given |= HOP_BIT("dev");
}

static void read_nexthops(struct reader *r, struct route *route, struct nlattr *multipath)
{
	struct rtnexthop *hop = nla_data(multipath);
	int left = nla_len(multipath);

	/* RTNH_OK() reads the length before it looks whether there is one. */
	while (left >= (int)sizeof(*hop) && RTNH_OK(hop, left)) {
		struct nexthop *to = array_push(&route->nexthops);
		struct nlattr *tb[RTA_MAX + 1] = {0};

		if (nla_parse(tb, RTA_MAX, (struct nlattr *)RTNH_DATA(hop),
			      hop->rtnh_len - (int)sizeof(*hop), route_policy) >= 0)
			route_get_via(tb, route->to.family, &to->via);
		to->dev = name_of(r, (uint32_t)hop->rtnh_ifindex);
		to->weight = hop->rtnh_hops + 1u;
		to->onlink = !!(hop->rtnh_flags & RTNH_F_ONLINK);
		set_hop_given(to);
		left -= (int)NLMSG_ALIGN(hop->rtnh_len);
		hop = RTNH_NEXT(hop);
	}
	if (route->nexthops.n == 1) {
		route->via = route->nexthops.items[0].via;
		route->dev = route->nexthops.items[0].dev;
		route->onlink = route->nexthops.items[0].onlink;
		array_free(&route->nexthops);
	}
}

static void read_metrics(struct route *route, struct nlattr *metrics)
{
	static const struct nla_policy policy[RTAX_MAX + 1] = {
		[RTAX_MTU] = {.type = NLA_U32},
		[RTAX_ADVMSS] = {.type = NLA_U32},
	};
	struct nlattr *tb[RTAX_MAX + 1];

	if (!metrics || nla_parse_nested(tb, RTAX_MAX, metrics, policy) < 0)
		return;
	if (tb[RTAX_MTU])
		route->mtu = nla_get_u32(tb[RTAX_MTU]);
	if (tb[RTAX_ADVMSS])
		route->advmss = nla_get_u32(tb[RTAX_ADVMSS]);
}

/* What has no key, and no interface in it. */
static void read_found(struct reader *r, struct route *route, struct nlattr *const *tb)
{
	static const int types[] = {RTA_METRICS, RTA_FLOW, RTA_PREF, RTA_ENCAP, RTA_ENCAP_TYPE};
	cleanup_buf struct buf digits = {0};
	size_t metrics = tb[RTA_METRICS] ? (size_t)nla_len(tb[RTA_METRICS]) : 0;
	size_t known = (size_t)nla_total_size(sizeof(uint32_t)) * (!!route->mtu + !!route->advmss);
	bool usual_pref = tb[RTA_PREF] && nla_get_u8(tb[RTA_PREF]) == ICMPV6_ROUTER_PREF_MEDIUM;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct nlattr *nla = tb[types[i]];
		const uint8_t *bytes = (const uint8_t *)nla;

		if (!nla || (types[i] == RTA_METRICS && metrics == known) ||
		    (types[i] == RTA_PREF && usual_pref))
			continue;
		for (size_t b = 0; b < (size_t)NLA_HDRLEN + (size_t)nla_len(nla); b++)
			buf_printf(&digits, "%02x", bytes[b]);
		while (digits.n / 2 % NLA_ALIGNTO)
			buf_puts(&digits, "00");
	}
	if (digits.n)
		route->found = arena_strdup(&r->live->arena, buf_text(&digits));
}

static void set_given(struct route *route)
{
	route->given = BIT("to") | BIT("metric") | BIT("table") | BIT("type") | BIT("proto") |
		       BIT("onlink");
	if (route->to.family == AF_INET)
		route->given |= BIT("scope");
	if (route->via.family)
		route->given |= BIT("via");
	if (route->dev)
		route->given |= BIT("dev");
	if (route->src.family)
		route->given |= BIT("src");
	if (route->mtu)
		route->given |= BIT("mtu");
	if (route->advmss)
		route->given |= BIT("advmss");
	if (route->nexthops.n)
		route->given |= BIT("nexthops");
}

/* --- which ones --------------------------------------------------------------------------- */

static uint32_t table_of(const struct rtmsg *header, struct nlattr *const *tb)
{
	return tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE]) : header->rtm_table;
}

static bool leads_nowhere(const struct rtmsg *header)
{
	switch (header->rtm_type) {
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		return true;
	}
	return false;
}

static bool has_type_of_ours(const struct rtmsg *header)
{
	return header->rtm_type == RTN_UNICAST || header->rtm_type == RTN_LOCAL ||
	       leads_nowhere(header);
}

/* Entries that old kernels make without saying RTPROT_KERNEL. */
static bool is_old_kernels_own(const struct rtmsg *header, struct nlattr *const *tb)
{
	const uint8_t *dst = tb[RTA_DST] ? nla_data(tb[RTA_DST]) : NULL;

	if (header->rtm_family != AF_INET6)
		return false;
	/* The unreachable default of last resort. */
	if (header->rtm_protocol == RTPROT_UNSPEC && header->rtm_dst_len == 0 && tb[RTA_PRIORITY] &&
	    nla_get_u32(tb[RTA_PRIORITY]) == UINT32_MAX)
		return true;
	if (table_of(header, tb) != RT_TABLE_LOCAL)
		return false;
	/* Among them the multicast prefix of each link. */
	return header->rtm_protocol == RTPROT_UNSPEC ||
	       (header->rtm_protocol == RTPROT_BOOT && header->rtm_dst_len == 8 && dst &&
		dst[0] == 0xff);
}

/* What there are no keys for, and what is not an attribute of the route alone; NULL: none. */
static const char *find_special(const struct rtmsg *header, struct nlattr *const *tb)
{
	if (header->rtm_tos)
		return "has a TOS";
	if (header->rtm_src_len)
		return "has a source prefix";
	if (header->rtm_type == RTN_MULTICAST)
		return "is of type multicast";
	if (!has_type_of_ours(header))
		return "is of a type that there is no key for";
	return tb[RTA_NH_ID] ? "uses a nexthop object" : NULL;
}

/* No file can name it: it is selected by more than the destination, or of another type. */
static bool is_strange(const struct rtmsg *header)
{
	return header->rtm_tos || header->rtm_src_len || !has_type_of_ours(header);
}

/* What is of another type is seldom anybody's doing but a daemon's. */
static void warn_of_selected(const struct reader *r, const struct rtmsg *header)
{
	if (!netns_is_external(r->now->want) && has_type_of_ours(header))
		diag_warning(r->d, NO_MARK,
			     "namespace %s has a route with a TOS or a source prefix: left alone",
			     r->now->live->name);
}

/* --- building ----------------------------------------------------------------------------- */

static bool same_identity(const struct route *a, const struct route *b)
{
	return a->table == b->table && a->metric == b->metric && a->type == b->type &&
	       ip_compare(&a->to, &b->to) == 0;
}

static void add_hop(struct route *to, const struct route *from)
{
	struct nexthop hop = {
		.via = from->via, .dev = from->dev, .weight = 1, .onlink = from->onlink};

	set_hop_given(&hop);
	array_add(&to->nexthops, hop);
}

/* Old kernels: one more way of the route before it? Only routes with a gateway are ever ways
 * of one route. Then it is taken back out of the model. */
static void merge_sibling(struct reader *r)
{
	struct netns *n = r->now->live;
	struct route *last, *before;

	if (n->routes.n < 2)
		return;
	last = n->routes.items[n->routes.n - 1];
	before = n->routes.items[n->routes.n - 2];
	if (last->to.family != AF_INET6 || last->nexthops.n || !last->via.family ||
	    (!before->via.family && !before->nexthops.n) || !same_identity(last, before))
		return;
	if (before->nexthops.n == 0) {
		add_hop(before, before);
		before->via = (struct ip){0};
		before->dev = NULL;
		before->onlink = 0;
		set_given(before);
	}
	add_hop(before, last);
	n->routes.n--;
}

static struct ip destination(const struct rtmsg *header, struct nlattr *const *tb)
{
	struct ip to = {0};

	get_ip(tb[RTA_DST], header->rtm_family, &to);
	to.family = header->rtm_family;
	to.len = header->rtm_dst_len;
	return to;
}

static void fill_route(struct reader *r, struct route *route, const struct rtmsg *header,
		       struct nlattr *const *tb)
{
	route->to = destination(header, tb);
	route->special = find_special(header, tb);
	route->table = table_of(header, tb);
	route->type = header->rtm_type;
	route->proto = header->rtm_protocol;
	route->metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
	if (header->rtm_family == AF_INET)
		route->scope = header->rtm_scope;
	route->onlink = !!(header->rtm_flags & RTNH_F_ONLINK);
	route_get_via(tb, header->rtm_family, &route->via);
	get_ip(tb[RTA_PREFSRC], header->rtm_family, &route->src);
	if (tb[RTA_OIF])
		route->dev = name_of(r, nla_get_u32(tb[RTA_OIF]));
	read_metrics(route, tb[RTA_METRICS]);
	read_found(r, route, tb);
	if (tb[RTA_MULTIPATH])
		read_nexthops(r, route, tb[RTA_MULTIPATH]);
	if (leads_nowhere(header)) /* IPv6 hangs it on lo */
		route->dev = NULL;
	set_given(route);
}

/* What a router advertised is no file's business, but a default route is lost when
 * IPv6 forwarding is turned on: plan_sysctls.c must know. */
static void note_advertised(struct reader *r, const struct rtmsg *header, struct nlattr *const *tb)
{
	struct found_link *f;

	if (header->rtm_dst_len || !tb[RTA_OIF])
		return;
	f = found_by_index(r->now, nla_get_u32(tb[RTA_OIF]));
	if (f)
		f->link->advertised = true;
}

/* Is it one that the kernel made, to a network that an address is in? Then it is noted. */
static bool is_connected(struct reader *r, const struct rtmsg *header, struct nlattr *const *tb)
{
	uint32_t metric = tb[RTA_PRIORITY] ? nla_get_u32(tb[RTA_PRIORITY]) : 0;
	uint32_t index = tb[RTA_OIF] ? nla_get_u32(tb[RTA_OIF]) : 0;
	struct ip to = destination(header, tb);

	if (!index || tb[RTA_GATEWAY])
		return true;
	if (!connected_is_kernels(r, &to, index, metric, table_of(header, tb)))
		return false;
	connected_note(r, &to, index);
	return true;
}

/* Most routes of most namespaces are the kernel's own. Without IPv6 in the kernel, asking for it is
 * answered with the other families. */
static bool may_matter(const struct rtmsg *header, uint8_t family)
{
	return header->rtm_family == family &&
	       (header->rtm_protocol != RTPROT_KERNEL || header->rtm_type == RTN_UNICAST) &&
	       header->rtm_protocol != RTPROT_REDIRECT &&
	       header->rtm_dst_len <= (family == AF_INET ? 32 : 128) &&
	       !(header->rtm_flags & RTM_F_CLONED);
}

static void see_route(const struct nlmsghdr *h, void *arg, uint8_t family)
{
	const struct rtmsg *header = nlmsg_data(h);
	struct reader *r = arg;
	struct netns *n = r->now->live;
	struct nlattr *tb[RTA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWROUTE || !nlmsg_valid_hdr(h, sizeof(*header)) ||
	    !may_matter(header, family) ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(*header), tb, RTA_MAX, route_policy) < 0 ||
	    is_old_kernels_own(header, tb))
		return;
	if (header->rtm_protocol == RTPROT_KERNEL && is_connected(r, header, tb))
		return;
	if (header->rtm_protocol == RTPROT_RA) {
		note_advertised(r, header, tb);
		return;
	}
	fill_route(r, netns_add_route(r->live, n), header, tb);
	if (is_strange(header)) {
		array_add(&n->strange, n->routes.items[--n->routes.n]);
		warn_of_selected(r, header);
	} else {
		merge_sibling(r);
	}
}

static void see_ipv4_route(const struct nlmsghdr *h, void *arg)
{
	see_route(h, arg, AF_INET);
}

static void see_ipv6_route(const struct nlmsghdr *h, void *arg)
{
	see_route(h, arg, AF_INET6);
}

static void forget_routes(struct reader *r, uint8_t family)
{
	struct netns *n = r->now->live;

	connected_forget(r, family);
	while (n->routes.n && n->routes.items[n->routes.n - 1]->to.family == family) {
		n->routes.n--;
		array_free(&n->routes.items[n->routes.n]->nexthops);
	}
	while (n->strange.n && n->strange.items[n->strange.n - 1]->to.family == family) {
		n->strange.n--;
		array_free(&n->strange.items[n->strange.n]->nexthops);
	}
}

static void forget_ipv4_routes(struct reader *r)
{
	forget_routes(r, AF_INET);
}

static void forget_ipv6_routes(struct reader *r)
{
	forget_routes(r, AF_INET6);
}

int read_routes(struct reader *r)
{
	struct rtmsg header = {.rtm_family = AF_INET};
	struct dump dump = {.type = RTM_GETROUTE,
			    .header = &header,
			    .size = sizeof(header),
			    .fn = see_ipv4_route,
			    .reset = forget_ipv4_routes};
	int error = read_dump(r, &dump);

	if (error)
		return error;
	header.rtm_family = AF_INET6;
	dump.fn = see_ipv6_route;
	dump.reset = forget_ipv6_routes;
	error = read_dump(r, &dump);
	if (!error)
		connected_check(r);
	return error;
}
