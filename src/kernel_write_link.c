/* SPDX-License-Identifier: MIT */
/* Requests about links.
 *
 * A veth pair is made by one request that says for both ends where they are to
 * be, sent from an empty scratch namespace: nothing is made here and moved there
 * (each move waits for an RCU grace period), nothing shows up in the host, and
 * older kernels, which look names up in the socket's namespace, find no other
 * link of that name. A link is addressed by its index where it has one, else by name. */
#include "attr_wire.h"
#include "kernel_internal.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>

static void put_rows(struct kernel *k, const struct attr_table *t, uint64_t mask,
		     const void *object)
{
	if (attr_put_rows(k->message, t, mask, object))
		k->overflow = true;
}

static void put_text(struct kernel *k, int type, const char *text)
{
	request_put(k, type, text, strlen(text) + 1);
}

/* False: refused. */
static bool put_netns(struct kernel *k, const struct link *l, const void *tag)
{
	const struct space *s = kernel_space(k, l->netns->handle);

	if (!s) {
		request_refuse(k, tag, -ENOENT, "namespace %.150s is not open", l->netns->name);
		return false;
	}
	request_put_u32(k, IFLA_NET_NS_FD, (uint32_t)s->fd);
	return true;
}

/* False: refused. Without a master: taken away from the one it has. */
static bool put_master(struct kernel *k, const struct link *l, const void *tag)
{
	uint32_t master = l->master ? netns_link_index(l->netns, l->master) : 0;

	if (l->master && !master) {
		request_refuse(k, tag, -ENODEV, "there is no interface %s to be its master",
			       l->master);
		return false;
	}
	request_put_u32(k, IFLA_MASTER, master);
	return true;
}

static void put_kind(struct kernel *k, const struct link *l, uint64_t mask)
{
	struct nlattr *info = request_nest(k, IFLA_LINKINFO), *data;

	put_text(k, IFLA_INFO_KIND, l->kind->name);
	if (l->kind->size && mask) {
		data = request_nest(k, IFLA_INFO_DATA);
		put_rows(k, &l->kind->table, mask, l->data);
		request_nest_end(k, data);
	}
	request_nest_end(k, info);
}

static void put_pair(struct kernel *k, const struct link *l, const struct link *peer,
		     const void *tag, bool *ret_ok)
{
	struct nlattr *info = request_nest(k, IFLA_LINKINFO), *data, *end;
	struct ifinfomsg header = {.ifi_index = (int)peer->index};

	put_text(k, IFLA_INFO_KIND, l->kind->name);
	data = request_nest(k, IFLA_INFO_DATA);
	end = request_nest(k, VETH_INFO_PEER);
	if (nlmsg_append(k->message, &header, sizeof(header), NLMSG_ALIGNTO) < 0)
		k->overflow = true;
	put_text(k, IFLA_IFNAME, peer->name);
	*ret_ok = put_netns(k, peer, tag);
	put_rows(k, &link_table, peer->given, peer);
	request_nest_end(k, end);
	request_nest_end(k, data);
	request_nest_end(k, info);
}

/* Addresses the link; what follows is about it. */
static void begin_link(struct kernel *k, int type, const struct link *l, unsigned flags,
		       unsigned change)
{
	struct ifinfomsg header = {
		.ifi_index = (int)l->index, .ifi_flags = flags, .ifi_change = change};

	request_begin(k, type, 0, &header, sizeof(header));
	if (!l->index)
		put_text(k, IFLA_IFNAME, l->name);
}

/* --- making ------------------------------------------------------------------------------- */

static int scratch(struct kernel *k, const void *tag)
{
	int error = 0;

	if (k->scratch < 0)
		error = kernel_unshare(k, false, &k->scratch);
	if (error)
		request_refuse(k, tag, error, "cannot make a scratch namespace: %s",
			       strerror(-error));
	return error;
}

static void set_mtu(struct kernel *k, const struct link *l, uint32_t mtu, const void *tag)
{
	begin_link(k, RTM_NEWLINK, l, 0, 0);
	request_put_u32(k, IFLA_MTU, mtu);
	request_end(k, l->netns->handle, tag);
}

static void add_single(struct kernel *k, const struct link *l, bool up, const void *tag)
{
	struct ifinfomsg header = {.ifi_index = (int)l->index,
				   .ifi_flags = up ? IFF_UP : 0,
				   .ifi_change = up ? IFF_UP : 0};
	uint64_t mask = l->given & ~l->follows;
	uint32_t other_mtu = link_mtu_by_way_of(l);

	if (other_mtu)
		mask &= ~LINK_BIT("mtu");
	request_begin(k, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	put_text(k, IFLA_IFNAME, l->name);
	put_rows(k, &link_table, mask, l);
	put_kind(k, l, l->kind_given);
	if (l->master && !put_master(k, l, tag))
		return;
	request_end(k, l->netns->handle, tag);
	if (other_mtu) {
		set_mtu(k, l, other_mtu, tag);
		set_mtu(k, l, l->mtu, tag);
	}
}

static void add_pair(struct kernel *k, const struct link *l, const struct link *peer, bool up,
		     const void *tag)
{
	struct ifinfomsg header = {.ifi_index = (int)l->index,
				   .ifi_flags = up ? IFF_UP : 0,
				   .ifi_change = up ? IFF_UP : 0};
	bool ok;

	if (scratch(k, tag))
		return;
	request_begin(k, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	put_text(k, IFLA_IFNAME, l->name);
	ok = put_netns(k, l, tag) && (!l->master || put_master(k, l, tag));
	if (!ok)
		return;
	put_rows(k, &link_table, l->given, l);
	put_pair(k, l, peer, tag, &ok);
	if (ok)
		request_end(k, k->scratch, tag);
}

void kernel_link_add(struct kernel *k, struct link *l, const struct link *peer, bool up,
		     const void *tag)
{
	if (!l->kind || l->kind->is_pair != !!peer)
		request_refuse(k, tag, -EINVAL, "%s",
			       l->kind ? "a pair has two ends" : "of no kind");
	else if (peer)
		add_pair(k, l, peer, up, tag);
	else
		add_single(k, l, up, tag);
}

/* --- changing ------------------------------------------------------------------------------- */

void kernel_link_set(struct kernel *k, const struct link *l, uint64_t mask, uint64_t kind_mask,
		     const void *tag)
{
	bool state = mask & LINK_BIT("state");

	begin_link(k, RTM_NEWLINK, l, state && l->state == LINK_UP ? IFF_UP : 0,
		   state ? IFF_UP : 0);
	put_rows(k, &link_table, mask, l);
	if (kind_mask && l->kind)
		put_kind(k, l, kind_mask);
	if (mask & LINK_BIT("master") && !put_master(k, l, tag))
		return;
	request_end(k, l->netns->handle, tag);
}

void kernel_link_state(struct kernel *k, const struct link *l, bool up, const void *tag)
{
	begin_link(k, RTM_NEWLINK, l, up ? IFF_UP : 0, IFF_UP);
	request_end(k, l->netns->handle, tag);
}

void kernel_link_delete(struct kernel *k, const struct link *l, const void *tag)
{
	begin_link(k, RTM_DELLINK, l, 0, 0);
	request_end(k, l->netns->handle, tag);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void see_index(const struct nlmsghdr *h, void *arg)
{
	const struct ifinfomsg *header = nlmsg_data(h);

	if (h->nlmsg_type == RTM_NEWLINK && nlmsg_datalen(h) >= (int)sizeof(*header))
		*(uint32_t *)arg = (uint32_t)header->ifi_index;
}

/* 0 or a negative errno, -ENODEV when there is none of that name. */
static int find_index(struct kernel *k, const struct netns *n, const char *name, uint32_t *ret)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	uint32_t index = 0;
	int error;

	request_begin(k, RTM_GETLINK, 0, &header, sizeof(header));
	put_text(k, IFLA_IFNAME, name);
	error = netlink_ask(k, n->handle, see_index, &index);
	if (!error && !index)
		error = -ENODEV;
	if (!error)
		*ret = index;
	return error;
}

int kernel_learn_index(struct kernel *k, struct link *l, struct diags *d)
{
	int error = find_index(k, l->netns, l->name, &l->index);

	if (error)
		diag_error(d, error, NO_MARK, "cannot find interface %s of namespace %s: %s",
			   l->name, l->netns->name, strerror(-error));
	return error;
}

/* The kernel moves first and renames then (net/core/rtnetlink.c, do_setlink()): a name that is
 * taken would leave the link there under its old one. So that is found out before. */
void kernel_link_move(struct kernel *k, const struct link *source, const struct link *l,
		      const void *tag)
{
	uint32_t taken;
	int error;

	if (!k->chooses_index) {
		request_refuse(k, tag, -EOPNOTSUPP, "moving an interface takes Linux 5.12");
		return;
	}
	error = find_index(k, l->netns, l->name, &taken);
	if (error != -ENODEV) {
		request_refuse(k, tag, error ? error : -EEXIST, "%s",
			       error ? "" : "an interface of that name is there already");
		return;
	}
	begin_link(k, RTM_NEWLINK, source, 0, 0);
	if (!put_netns(k, l, tag))
		return;
	if (strcmp(source->name, l->name) != 0)
		put_text(k, IFLA_IFNAME, l->name);
	request_put_u32(k, IFLA_NEW_IFINDEX, l->index);
	request_end(k, source->netns->handle, tag);
}
