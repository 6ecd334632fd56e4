/* SPDX-License-Identifier: MIT */
/* Waiting for what the kernel does later: links that go with their namespace, carriers, ports of
 * bridges, addresses checked for duplicates.
 *
 * It is asked how things are: often all is there already. Else: subscribe to notifications, ask
 * again, then listen, so that nothing falls in between. Facts:
 * - Asked about one link, the kernel first deals with a carrier that it would have got round to
 *   only later, up to a second (net/core/rtnetlink.c, rtnl_getlink(), since Linux 6.8). A dump
 *   does not do that.
 * - An RTM_DELLINK comes after the name is free (net/core/dev.c, unregister_netdevice_many_notify()).
 * - What becomes of a port is told as of a link of family AF_BRIDGE (net/bridge/br_netlink.c,
 *   br_ifinfo_notify()), which says too little: it is a reason to ask.
 * - Also without duplicate address detection a link-local address is tentative for a moment, until
 *   the kernel's worker has got round to it (net/ipv6/addrconf.c, addrconf_dad_work()). */
#include "kernel_internal.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* Namespaces that are listened to at the same time: each takes an open file. */
#define WATCHES_MAX 64
/* How often to ask without having been told: should anything be missed, and where there is no socket
 * to be told by. */
#define ASK_MS 1000
#define ASK_DEAF_MS 50
#define DUMP_TRIES 5

struct watch {
	int handle, socket;
};

struct waiting {
	struct kernel *k;
	struct awaited *items;
	size_t n, left;
	size_t watched; /* of those left: in namespaces that are listened to */
	bool all;	/* and if one has failed */
	bool hopeless;	/* one has failed, and not all are waited for */
	bool stopped;
	ARRAY(struct awaited *) by_link; /* the items, sorted: a notice is about few of many */
	ARRAY(struct watch) watches;
};

static int handle_of(const struct awaited *item)
{
	return item->link->netns->handle;
}

static bool is_watched(const struct waiting *w, int handle)
{
	array_each(&w->watches, watch)
		if (watch->handle == handle)
			return true;
	return false;
}

static void set_over(struct waiting *w, struct awaited *item)
{
	if (item->over)
		return;
	item->over = true;
	w->left--;
	w->watched -= is_watched(w, handle_of(item));
}

static void set_failed(struct waiting *w, struct awaited *item)
{
	item->failed = true;
	w->hopeless = !w->all;
	set_over(w, item);
}

/* What is not there any more need not go, and cannot come. */
static void set_lost(struct waiting *w, struct awaited *item)
{
	if (item->what == AWAIT_GONE)
		set_over(w, item);
	else
		set_failed(w, item);
}

/* --- what is awaited of a link -------------------------------------------------------------- */

static int compare_place(const struct awaited *item, int handle, uint32_t index)
{
	if (handle_of(item) != handle)
		return handle_of(item) < handle ? -1 : 1;
	return (item->link->index > index) - (item->link->index < index);
}

static int compare_places(const void *a, const void *b)
{
	const struct awaited *y = *(struct awaited *const *)b;

	return compare_place(*(struct awaited *const *)a, handle_of(y), y->link->index);
}

static void sort_by_link(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++)
		array_add(&w->by_link, &w->items[i]);
	array_sort(&w->by_link, compare_places);
}

/* Those of by_link, from *ret_start on, that are about a link; index 0: about any of the namespace. */
static size_t find_places(const struct waiting *w, int handle, uint32_t index, size_t *ret_start)
{
	struct awaited *const *items = w->by_link.items;
	size_t low = 0, high = w->n, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_place(items[middle], handle, index) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < w->n && handle_of(items[end]) == handle; end++)
		if (index && items[end]->link->index != index)
			break;
	*ret_start = low;
	return end - low;
}

/* --- what a message says ------------------------------------------------------------------- */

/* A link of that index but another name is another link: the index was reused. */
static bool is_another(const struct link *l, struct nlattr *const *tb)
{
	return tb[IFLA_IFNAME] && nla_strcmp(tb[IFLA_IFNAME], l->name) != 0;
}

static bool is_ready(const struct awaited *item, const struct ifinfomsg *header,
		     struct nlattr *const *tb)
{
	struct link now;

	link_set_condition(&now, header, tb);
	return now.operational && (item->any_port || !now.unsettled);
}

enum verdict { NOT_YET, READY, FAILED, LOST };

static enum verdict judge_link(const struct awaited *item, const struct nlmsghdr *h)
{
	const struct ifinfomsg *header = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];

	if (!link_parse(h, tb) || item->link->index != (uint32_t)header->ifi_index)
		return NOT_YET;
	if (is_another(item->link, tb))
		return LOST;
	return item->what == AWAIT_LINK && is_ready(item, header, tb) ? READY : NOT_YET;
}

static bool is_address(const struct address *a, const struct nlattr *nla)
{
	return nla && nla_len(nla) == sizeof(a->address.bytes) &&
	       memcmp(nla_data(nla), a->address.bytes, sizeof(a->address.bytes)) == 0;
}

/* `address`: which one of the link's; NULL: any that is not there for a time only. What is not about
 * it is READY. */
static enum verdict judge_address(const struct link *l, const struct address *address,
				  const struct nlmsghdr *h)
{
	const struct ifaddrmsg *header = nlmsg_data(h);
	struct nlattr *tb[IFA_MAX + 1];
	uint32_t flags;

	if (!address_parse(h, tb) || l->index != header->ifa_index ||
	    header->ifa_family != AF_INET6 ||
	    (address && !is_address(address, tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS])))
		return READY;
	flags = address_parsed_flags(h, tb);
	if (!address && !(flags & IFA_F_PERMANENT))
		return READY;
	if (flags & IFA_F_DADFAILED)
		return FAILED;
	return flags & IFA_F_TENTATIVE ? NOT_YET : READY;
}

static void pass(struct waiting *w, struct awaited *item, enum verdict verdict)
{
	switch (verdict) {
	case NOT_YET:
		break;
	case READY:
		set_over(w, item);
		break;
	case FAILED:
		set_failed(w, item);
		break;
	case LOST:
		set_lost(w, item);
		break;
	}
}

/* --- asking -------------------------------------------------------------------------------- */

struct question {
	const struct awaited *item;
	enum verdict verdict;
};

static void see_link_now(const struct nlmsghdr *h, void *arg)
{
	struct question *q = arg;

	q->verdict = judge_link(q->item, h);
}

static void see_address_now(const struct nlmsghdr *h, void *arg)
{
	struct question *q = arg;
	enum verdict verdict = judge_address(q->item->link, q->item->address, h);

	if (verdict != READY && q->verdict != FAILED)
		q->verdict = verdict;
}

static enum verdict ask_link(struct waiting *w, const struct awaited *item)
{
	struct ifinfomsg header = {.ifi_index = (int)item->link->index};
	struct question q = {.item = item};
	int error;

	request_begin(w->k, RTM_GETLINK, 0, &header, sizeof(header));
	error = netlink_ask(w->k, handle_of(item), see_link_now, &q);
	return error == -ENODEV || error == -ENOENT ? LOST : q.verdict;
}

static enum verdict ask_address(struct waiting *w, const struct awaited *item)
{
	struct ifaddrmsg header = {.ifa_family = AF_INET6, .ifa_index = item->link->index};
	struct question q = {.item = item, .verdict = READY};
	int error;

	request_begin(w->k, RTM_GETADDR, 0, &header, sizeof(header));
	request_put(w->k, IFA_ADDRESS, item->address->address.bytes,
		    sizeof(item->address->address.bytes));
	error = netlink_ask(w->k, handle_of(item), see_address_now, &q);
	if (error == -ENODEV || error == -EADDRNOTAVAIL)
		return LOST;
	return error ? NOT_YET : q.verdict;
}

static enum verdict ask_addresses(struct waiting *w, const struct awaited *item)
{
	struct ifaddrmsg header = {.ifa_family = AF_INET6, .ifa_index = item->link->index};
	struct question q = {.item = item};
	int error = -EAGAIN;

	for (int tries = 0; error == -EAGAIN && tries < DUMP_TRIES; tries++) {
		q.verdict = READY;
		request_begin(w->k, RTM_GETADDR, 0, &header, sizeof(header));
		error = netlink_dump(w->k, handle_of(item), see_address_now, &q);
	}
	return error == -ENODEV ? LOST : error ? NOT_YET : q.verdict;
}

static void ask(struct waiting *w, struct awaited *item)
{
	enum verdict verdict =
		item->what == AWAIT_ADDRESS ? ask_address(w, item) : ask_link(w, item);

	if (verdict == READY && item->addresses)
		verdict = ask_addresses(w, item);
	pass(w, item, verdict);
}

static void ask_all(struct waiting *w)
{
	for (size_t i = 0; i < w->n && !w->hopeless; i++)
		if (!w->items[i].over)
			ask(w, &w->items[i]);
}

/* About what is awaited of one link; index 0: of all of the namespace. */
static void ask_about(struct waiting *w, int handle, uint32_t index)
{
	size_t start, n = find_places(w, handle, index, &start);

	for (size_t i = start; i < start + n && !w->hopeless; i++)
		if (!w->by_link.items[i]->over)
			ask(w, w->by_link.items[i]);
}

/* --- listening ------------------------------------------------------------------------------- */

/* Which link a message is about; 0: about none. */
static uint32_t link_of(const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = nlmsg_data(h);
	const struct ifaddrmsg *address = nlmsg_data(h);

	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return nlmsg_datalen(h) < (int)sizeof(*link) ? 0 : (uint32_t)link->ifi_index;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return nlmsg_datalen(h) < (int)sizeof(*address) ? 0 : address->ifa_index;
	}
	return 0;
}

/* That a link is gone needs no question; of the rest a message may say only a part. */
static void take_notice(struct waiting *w, int handle, const struct nlmsghdr *h)
{
	const struct ifinfomsg *link = nlmsg_data(h);
	uint32_t index = link_of(h);
	size_t start, n;

	if (!index)
		return;
	if (h->nlmsg_type != RTM_DELLINK || link->ifi_family != AF_UNSPEC) {
		ask_about(w, handle, index);
		return;
	}
	n = find_places(w, handle, index, &start);
	for (size_t i = start; i < start + n; i++)
		if (!w->by_link.items[i]->over)
			set_lost(w, w->by_link.items[i]);
}

static void listen_to(struct waiting *w, const struct watch *watch)
{
	ssize_t size = netlink_receive(w->k, watch->socket);
	int left = (int)size;
	char *notices;

	if (size < 0) {
		ask_about(w, watch->handle, 0); /* notifications were lost (ENOBUFS) */
		return;
	}
	notices = xmalloc((size_t)size + 1); /* answers come into the same buffer */
	memcpy(notices, w->k->reply, (size_t)size);
	for (struct nlmsghdr *h = (void *)notices; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
		take_notice(w, watch->handle, h);
	free(notices);
}

static void add_watch(struct waiting *w, int handle)
{
	struct watch watch = {handle, netlink_open(RTMGRP_LINK | RTMGRP_IPV6_IFADDR)};
	size_t start, n = find_places(w, handle, 0, &start);

	array_add(&w->watches, watch);
	for (size_t i = start; i < start + n; i++)
		w->watched += !w->by_link.items[i]->over;
}

/* Namespaces in which something is missing, but for those that do not fit. */
static void subscribe(struct waiting *w)
{
	for (size_t i = 0; i < w->n && w->watches.n < WATCHES_MAX && !w->hopeless; i++) {
		struct awaited *item = &w->items[i];

		if (item->over || is_watched(w, handle_of(item)))
			continue;
		ask(w, item);
		if (item->over)
			continue;
		if (kernel_enter(w->k, handle_of(item)) < 0)
			set_lost(w, item); /* with its namespace */
		else
			add_watch(w, handle_of(item));
	}
}

static void unsubscribe(struct waiting *w)
{
	array_each(&w->watches, watch)
		if (watch->socket >= 0)
			close(watch->socket);
	w->watches.n = 0;
	w->watched = 0;
}

static void ask_watched(struct waiting *w)
{
	array_each(&w->watches, watch)
		ask_about(w, watch->handle, 0);
}

static void wait_some(struct waiting *w, int64_t rest, int stop)
{
	struct pollfd *fds = xcalloc(w->watches.n + 1, sizeof(*fds));
	int n, most = ASK_MS;

	for (size_t i = 0; i < w->watches.n; i++) {
		fds[i] = (struct pollfd){.fd = w->watches.items[i].socket, .events = POLLIN};
		most = fds[i].fd < 0 ? ASK_DEAF_MS : most;
	}
	fds[w->watches.n] = (struct pollfd){.fd = stop, .events = POLLIN};
	n = poll(fds, (nfds_t)w->watches.n + 1, rest < most ? (int)rest : most);
	for (size_t i = 0; n > 0 && i < w->watches.n; i++)
		if (fds[i].revents)
			listen_to(w, &w->watches.items[i]);
	if (n == 0)
		ask_watched(w);
	w->stopped = n > 0 && fds[w->watches.n].revents;
	free(fds);
}

size_t kernel_wait(struct kernel *k, struct awaited *items, size_t n, const struct patience *p)
{
	struct waiting w = {.k = k, .items = items, .n = n, .left = n, .all = p->all};
	int64_t now = now_ms(), end = now + p->ms;
	size_t left;

	for (size_t i = 0; i < n; i++)
		items[i].over = items[i].failed = false;
	sort_by_link(&w);
	if (!p->ms)
		ask_all(&w);
	while (w.left > 0 && !w.hopeless && !w.stopped && now < end) {
		left = w.left;
		if (!w.watched) {
			unsubscribe(&w);
			subscribe(&w);
			ask_watched(&w);
		} else {
			wait_some(&w, end - now, p->stop);
		}
		now = now_ms();
		if (w.left < left && p->renewed)
			end = now + p->ms;
	}
	kernel_leave(k); /* subscribe() and netlink_dump() do not */
	unsubscribe(&w);
	array_free(&w.watches);
	array_free(&w.by_link);
	return w.left;
}
