/* SPDX-License-Identifier: MIT */
/* Requests about addresses and routes.
 *
 * Said in iproute2's way: no broadcast address unless asked for, IPv6 routes of
 * scope universe, tables beyond 255 in their own attribute. A route is deleted by
 * all that tells it from others of the same destination and metric, which the
 * kernel allows. */
#include "kernel_internal.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

static size_t ip_bytes(const struct ip *ip)
{
	return ip_bits(ip) / 8;
}

static void put_ip(struct kernel *k, int type, const struct ip *ip)
{
	request_put(k, type, ip->bytes, ip_bytes(ip));
}

/* --- addresses ------------------------------------------------------------------------------ */

static void put_address(struct kernel *k, int type, int flags, const struct address *a)
{
	const struct ip *ip = &a->address;
	struct ifaddrmsg header = {.ifa_family = ip->family,
				   .ifa_prefixlen = ip->len,
				   .ifa_scope = ip->family == AF_INET ? (uint8_t)a->scope : 0,
				   .ifa_index = a->link->index};

	request_begin(k, type, flags, &header, sizeof(header));
	put_ip(k, IFA_LOCAL, ip);
	put_ip(k, IFA_ADDRESS, address_far(a));
	if (ip->family == AF_INET && a->label)
		request_put(k, IFA_LABEL, a->label, strlen(a->label) + 1);
}

static void put_found(struct kernel *k, const struct found_address *found)
{
	struct ifa_cacheinfo lifetimes = {.ifa_prefered = found->preferred_lft,
					  .ifa_valid = found->valid_lft};

	if (found->broadcast.family)
		put_ip(k, IFA_BROADCAST, &found->broadcast);
	if (found->metric)
		request_put_u32(k, IFA_RT_PRIORITY, found->metric);
	if (lifetimes.ifa_valid)
		request_put(k, IFA_CACHEINFO, &lifetimes, sizeof(lifetimes));
}

static uint32_t address_flags(const struct address *a)
{
	const struct found_address *found = address_found(a);

	return (a->address.family == AF_INET6 && !a->dad ? IFA_F_NODAD : 0) |
	       (found->home ? IFA_F_HOMEADDRESS : 0) |
	       (found->mngtmpaddr ? IFA_F_MANAGETEMPADDR : 0) |
	       (found->noprefixroute ? IFA_F_NOPREFIXROUTE : 0) |
	       (found->autojoin ? IFA_F_MCAUTOJOIN : 0);
}

static bool has_index(struct kernel *k, const struct link *l, const void *tag)
{
	if (!l->index)
		request_refuse(k, tag, -ENODEV, "interface %s does not exist yet", l->name);
	return l->index;
}

void kernel_address_add(struct kernel *k, const struct address *a, bool replace, const void *tag)
{
	uint32_t flags;

	if (!has_index(k, a->link, tag))
		return;
	put_address(k, RTM_NEWADDR, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL), a);
	put_found(k, address_found(a));
	if (a->automatic) /* instead of the kernel */
		request_put(k, IFA_PROTO, &(uint8_t){IFAPROT_KERNEL_LL}, sizeof(uint8_t));
	flags = address_flags(a);
	if (flags)
		request_put_u32(k, IFA_FLAGS, flags);
	request_end(k, a->link->netns->handle, tag);
}

void kernel_address_delete(struct kernel *k, const struct address *a, const void *tag)
{
	if (!has_index(k, a->link, tag))
		return;
	put_address(k, RTM_DELADDR, 0, a);
	request_end(k, a->link->netns->handle, tag);
}

/* --- routes --------------------------------------------------------------------------------- */

static void put_via(struct kernel *k, uint8_t family, const struct ip *via)
{
	/* struct rtvia: a family in two bytes, then the address. */
	char other[sizeof(struct rtvia) + sizeof(via->bytes)];
	__kernel_sa_family_t other_family = via->family;

	if (!via->family)
		return;
	if (via->family == family) {
		put_ip(k, RTA_GATEWAY, via);
		return;
	}
	memcpy(other, &other_family, sizeof(other_family));
	memcpy(other + sizeof(struct rtvia), via->bytes, sizeof(via->bytes));
	request_put(k, RTA_VIA, other, sizeof(struct rtvia) + ip_bytes(via));
}

/* The interface's index; 0 and a refusal when there is none. */
static uint32_t dev_index(struct kernel *k, const struct netns *n, const char *dev, const void *tag)
{
	uint32_t index = netns_link_index(n, dev);

	if (!index)
		request_refuse(k, tag, -ENODEV, "there is no interface %s", dev);
	return index;
}

static bool put_nexthops(struct kernel *k, const struct netns *n, const struct route *r,
			 const void *tag)
{
	struct nlattr *multipath = request_nest(k, RTA_MULTIPATH);

	array_each(&r->nexthops, hop) {
		struct rtnexthop header = {.rtnh_hops =
						   (uint8_t)(hop->weight ? hop->weight - 1 : 0),
					   .rtnh_flags = hop->onlink ? RTNH_F_ONLINK : 0};
		uint32_t start = nlmsg_hdr(k->message)->nlmsg_len;
		struct rtnexthop *to;

		if (hop->dev) {
			header.rtnh_ifindex = (int)dev_index(k, n, hop->dev, tag);
			if (!header.rtnh_ifindex)
				return false;
		}
		if (nlmsg_append(k->message, &header, sizeof(header), NLMSG_ALIGNTO) < 0) {
			k->overflow = true;
			break;
		}
		put_via(k, r->to.family, &hop->via);
		to = (struct rtnexthop *)((char *)nlmsg_hdr(k->message) + start);
		to->rtnh_len = (uint16_t)(nlmsg_hdr(k->message)->nlmsg_len - start);
	}
	request_nest_end(k, multipath);
	return true;
}

/* The attributes of a route that was found, as they were; false: none of them were metrics. */
static bool put_found_attributes(struct kernel *k, const char *digits)
{
	_Alignas(struct nlattr) uint8_t bytes[FOUND_ROUTE_MAX];
	int n = 0, left;
	const struct nlattr *nla;
	bool metrics = false;

	for (; digits && digits[0] && digits[1] && n < FOUND_ROUTE_MAX; digits += 2)
		bytes[n++] = (uint8_t)(hex_value(digits[0]) << 4 | hex_value(digits[1]));
	nla_for_each_attr(nla, (const struct nlattr *)bytes, n, left) {
		request_put(k, nla->nla_type, nla_data(nla), (size_t)nla_len(nla));
		metrics = metrics || nla_type(nla) == RTA_METRICS;
	}
	return metrics;
}

static void put_metrics(struct kernel *k, const struct route *r)
{
	struct nlattr *metrics;

	if (!r->mtu && !r->advmss)
		return;
	metrics = request_nest(k, RTA_METRICS);
	if (r->mtu)
		request_put_u32(k, RTAX_MTU, r->mtu);
	if (r->advmss)
		request_put_u32(k, RTAX_ADVMSS, r->advmss);
	request_nest_end(k, metrics);
}

/* Does the type lead anywhere? The others take neither gateway nor interface. */
static bool has_way(const struct route *r)
{
	return r->type == RTN_UNICAST || r->type == RTN_LOCAL;
}

static void begin_route(struct kernel *k, int type, int flags, const struct route *r)
{
	struct rtmsg header = {
		.rtm_family = r->to.family,
		.rtm_dst_len = r->to.len,
		.rtm_table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC,
		.rtm_protocol = (uint8_t)r->proto,
		.rtm_scope = r->to.family == AF_INET ? (uint8_t)r->scope : RT_SCOPE_UNIVERSE,
		.rtm_type = (uint8_t)r->type,
		.rtm_flags = r->onlink && has_way(r) ? RTNH_F_ONLINK : 0,
	};

	request_begin(k, type, flags, &header, sizeof(header));
	if (r->to.len)
		put_ip(k, RTA_DST, &r->to);
	if (r->table >= 256)
		request_put_u32(k, RTA_TABLE, r->table);
	if (r->metric)
		request_put_u32(k, RTA_PRIORITY, r->metric);
	if (r->src.family)
		put_ip(k, RTA_PREFSRC, &r->src);
}

/* False: refused. */
static bool put_way(struct kernel *k, const struct netns *n, const struct route *r, const void *tag)
{
	uint32_t index;

	if (!has_way(r))
		return true;
	put_via(k, r->to.family, &r->via);
	if (!r->dev)
		return true;
	index = dev_index(k, n, r->dev, tag);
	if (index)
		request_put_u32(k, RTA_OIF, index);
	return index;
}

void kernel_route_add(struct kernel *k, const struct netns *n, const struct route *r, bool replace,
		      const void *tag)
{
	int flag = replace ? NLM_F_REPLACE : r->beside ? NLM_F_APPEND : NLM_F_EXCL;

	begin_route(k, RTM_NEWROUTE, NLM_F_CREATE | flag, r);
	if (!put_found_attributes(k, r->found))
		put_metrics(k, r);
	if (r->nexthops.n ? put_nexthops(k, n, r, tag) : put_way(k, n, r, tag))
		request_end(k, n->handle, tag);
}

void kernel_route_delete(struct kernel *k, const struct netns *n, const struct route *r,
			 const void *tag)
{
	begin_route(k, RTM_DELROUTE, 0, r);
	/* Without a way all ways of a multipath route go, in both families. */
	if (r->nexthops.n || put_way(k, n, r, tag))
		request_end(k, n->handle, tag);
}
