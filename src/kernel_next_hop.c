/* SPDX-License-Identifier: MIT */
/* Where would a namespace send a packet, and has that neighbour ever answered for its address? The
 * kernel is asked as `ip route get` and `ip neighbour get` ask it. */
#include "kernel_internal.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define USER_TICKS 100 /* a second, of times in messages: USER_HZ on all architectures but Alpha */

struct lookup {
	const struct ip *to;
	int dev;
	struct next_hop found;
};

static void see_route(const struct nlmsghdr *h, void *arg)
{
	struct lookup *l = arg;
	struct nlattr *tb[RTA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(struct rtmsg), tb, RTA_MAX, NULL) < 0)
		return;
	l->found.ip = *l->to;
	route_get_via(tb, l->to->family, &l->found.ip);
	if (tb[RTA_OIF] && nla_len(tb[RTA_OIF]) == (int)sizeof(l->dev))
		l->dev = (int)nla_get_u32(tb[RTA_OIF]);
}

static void see_link(const struct nlmsghdr *h, void *arg)
{
	struct lookup *l = arg;
	struct nlattr *tb[IFLA_MAX + 1];

	if (link_parse(h, tb) && tb[IFLA_IFNAME])
		nla_strlcpy(l->found.dev, tb[IFLA_IFNAME], sizeof(l->found.dev));
}

/* An entry that failed is kept for a while, as one that waits for an answer is. */
static void see_neighbor(const struct nlmsghdr *h, void *arg)
{
	struct lookup *l = arg;
	const struct ndmsg *header = nlmsg_data(h);
	struct nlattr *tb[NDA_MAX + 1];
	struct nda_cacheinfo times;

	if (h->nlmsg_type != RTM_NEWNEIGH ||
	    nlmsg_parse((struct nlmsghdr *)h, sizeof(*header), tb, NDA_MAX, NULL) < 0)
		return;
	l->found.silent = header->ndm_state & (NUD_INCOMPLETE | NUD_FAILED);
	if (header->ndm_state & (NUD_INCOMPLETE | NUD_FAILED | NUD_NOARP | NUD_PERMANENT) ||
	    !tb[NDA_CACHEINFO] || nla_len(tb[NDA_CACHEINFO]) < (int)sizeof(times))
		return;
	memcpy(&times, nla_data(tb[NDA_CACHEINFO]), sizeof(times));
	l->found.confirmed = (uint64_t)times.ndm_confirmed * 1000 / USER_TICKS;
}

static void put_ip(struct kernel *k, int type, const struct ip *ip)
{
	request_put(k, type, ip->bytes, ip->family == AF_INET ? 4 : 16);
}

/* Where that is not known, there is less to tell. */
static void ask_about_neighbor(struct kernel *k, const struct netns *n, struct lookup *l)
{
	struct ifinfomsg link = {.ifi_index = l->dev};
	struct ndmsg neighbor = {.ndm_family = l->found.ip.family, .ndm_ifindex = l->dev};

	request_begin(k, RTM_GETLINK, 0, &link, sizeof(link));
	netlink_ask(k, n->handle, see_link, l);
	request_begin(k, RTM_GETNEIGH, 0, &neighbor, sizeof(neighbor));
	put_ip(k, NDA_DST, &l->found.ip);
	netlink_ask(k, n->handle, see_neighbor, l);
}

int kernel_next_hop(struct kernel *k, const struct netns *n, const struct ip *to,
		    struct next_hop *ret)
{
	struct rtmsg route = {.rtm_family = to->family,
			      .rtm_dst_len = to->family == AF_INET ? 32 : 128};
	struct lookup l = {.to = to, .found.confirmed = UINT64_MAX};
	int error;

	request_begin(k, RTM_GETROUTE, 0, &route, sizeof(route));
	put_ip(k, RTA_DST, to);
	error = netlink_ask(k, n->handle, see_route, &l);
	if (error || !l.found.ip.family)
		return error ? error : -EPROTO;
	if (l.dev)
		ask_about_neighbor(k, n, &l);
	*ret = l.found;
	return 0;
}
