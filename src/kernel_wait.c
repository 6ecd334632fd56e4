/* SPDX-License-Identifier: MIT */
/* Waiting for what the kernel does later: links that go with their namespace, carriers, ports of
 * bridges, addresses checked for duplicates.
 *
 * Subscribe to notifications first, then ask, then listen, so that nothing falls in between. Three
 * facts:
 * - Asked about one link, the kernel first deals with a carrier that it would have got round to
 *   only later, up to a second (net/core/rtnetlink.c, rtnl_getlink(), since Linux 6.8). A dump
 *   does not do that.
 * - An RTM_DELLINK comes after the name is free (net/core/dev.c, unregister_netdevice_many_notify()).
 * - What becomes of a port is told as of a link of family AF_BRIDGE (net/bridge/br_netlink.c,
 *   br_ifinfo_notify()), which says too little: it is a reason to ask. */
#include "kernel_internal.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct watch {
	int handle, socket;
};

struct waiting {
	struct kernel *k;
	struct awaited *items;
	size_t n, left;
	bool hopeless; /* for one of them */
	ARRAY(struct watch) watches;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_over(struct waiting *w, struct awaited *item)
{
	if (!item->over) {
		item->over = true;
		w->left--;
	}
}

static int handle_of(const struct awaited *item)
{
	return item->link->netns->handle;
}

/* --- what a message says ------------------------------------------------------------------- */

/* A link of that index but another name is another link: the index was reused. */
static bool is_gone(const struct link *l, struct nlattr *const *tb)
{
	return tb[IFLA_IFNAME] && nla_strcmp(tb[IFLA_IFNAME], l->name) != 0;
}

static bool is_ready(const struct ifinfomsg *header, struct nlattr *const *tb)
{
	struct link now;

	link_set_condition(&now, header, tb);
	return now.operational && !now.unsettled;
}

static void judge_link(struct waiting *w, struct awaited *item, const struct nlmsghdr *h)
{
	const struct ifinfomsg *header = nlmsg_data(h);
	struct nlattr *tb[IFLA_MAX + 1];

	if (item->what == AWAIT_ADDRESS || !link_parse(h, tb) ||
	    item->link->index != (uint32_t)header->ifi_index)
		return;
	if (is_gone(item->link, tb) || (item->what == AWAIT_LINK && is_ready(header, tb)))
		set_over(w, item);
}

static bool is_address(const struct address *a, const struct nlattr *nla)
{
	return nla && nla_len(nla) == sizeof(a->address.bytes) &&
	       memcmp(nla_data(nla), a->address.bytes, sizeof(a->address.bytes)) == 0;
}

static void judge_address(struct waiting *w, struct awaited *item, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *header = nlmsg_data(h);
	struct nlattr *tb[IFA_MAX + 1];
	uint32_t flags;

	if (item->what != AWAIT_ADDRESS || !address_parse(h, tb) ||
	    item->link->index != header->ifa_index ||
	    !is_address(item->address, tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS]))
		return;
	flags = address_parsed_flags(h, tb);
	w->hopeless = w->hopeless || flags & IFA_F_DADFAILED;
	if (!(flags & IFA_F_TENTATIVE) || flags & IFA_F_DADFAILED)
		set_over(w, item);
}

/* --- asking -------------------------------------------------------------------------------- */

struct question {
	struct waiting *w;
	struct awaited *item;
};

static void see_answer(const struct nlmsghdr *h, void *arg)
{
	const struct question *q = arg;

	judge_link(q->w, q->item, h);
	judge_address(q->w, q->item, h);
}

static void begin_question(struct kernel *k, const struct awaited *item)
{
	struct ifinfomsg link = {.ifi_index = (int)item->link->index};
	struct ifaddrmsg address = {.ifa_family = AF_INET6, .ifa_index = item->link->index};

	if (item->what == AWAIT_ADDRESS) {
		request_begin(k, RTM_GETADDR, 0, &address, sizeof(address));
		request_put(k, IFA_ADDRESS, item->address->address.bytes,
			    sizeof(item->address->address.bytes));
	} else {
		request_begin(k, RTM_GETLINK, 0, &link, sizeof(link));
	}
}

/* Whether what is not there any more was to go or to come: there is nothing to wait for. */
static void ask(struct waiting *w, struct awaited *item)
{
	struct question q = {.w = w, .item = item};
	int error;

	begin_question(w->k, item);
	error = netlink_ask(w->k, handle_of(item), see_answer, &q);
	if (error == -ENODEV || error == -EADDRNOTAVAIL || error == -ENOENT)
		set_over(w, item);
}

/* About what is awaited of one link; index 0: of all. */
static void ask_about(struct waiting *w, int handle, uint32_t index)
{
	for (size_t i = 0; i < w->n && !w->hopeless; i++)
		if (!w->items[i].over && handle_of(&w->items[i]) == handle &&
		    (!index || w->items[i].link->index == index))
			ask(w, &w->items[i]);
}

/* --- listening ------------------------------------------------------------------------------- */

static void take_notice(struct waiting *w, int handle, const struct nlmsghdr *h)
{
	const struct ifinfomsg *header = nlmsg_data(h);
	bool of_link = h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK;

	if (of_link && nlmsg_datalen(h) < (int)sizeof(*header))
		return;
	if (of_link && header->ifi_family != AF_UNSPEC) {
		ask_about(w, handle, (uint32_t)header->ifi_index);
		return;
	}
	for (size_t i = 0; i < w->n; i++) {
		struct awaited *item = &w->items[i];

		if (item->over || handle_of(item) != handle)
			continue;
		if (h->nlmsg_type == RTM_DELLINK &&
		    item->link->index == (uint32_t)header->ifi_index)
			set_over(w, item);
		judge_link(w, item, h);
		judge_address(w, item, h);
	}
}

static void listen_to(struct waiting *w, const struct watch *watch)
{
	ssize_t size = netlink_receive(w->k, watch->socket);
	int left = (int)size;
	struct nlmsghdr *h;
	char *notices;

	if (size < 0) {
		ask_about(w, watch->handle, 0); /* notifications were lost (ENOBUFS) */
		return;
	}
	notices = xmalloc((size_t)size + 1); /* answers come into the same buffer */
	memcpy(notices, w->k->reply, (size_t)size);
	for (h = (void *)notices; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
		take_notice(w, watch->handle, h);
	free(notices);
}

static void subscribe(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct watch watch = {.handle = handle_of(&w->items[i])};
		size_t known = 0;

		while (known < w->watches.n && w->watches.items[known].handle != watch.handle)
			known++;
		if (w->items[i].over || known < w->watches.n)
			continue;
		if (kernel_enter(w->k, watch.handle) < 0) {
			set_over(w, &w->items[i]); /* with its namespace */
			continue;
		}
		watch.socket = netlink_open(RTMGRP_LINK | RTMGRP_IPV6_IFADDR);
		array_add(&w->watches, watch); /* without a socket: asked, not listened to */
	}
	kernel_leave(w->k);
}

static void ask_all(struct waiting *w)
{
	for (size_t i = 0; i < w->n && !w->hopeless; i++)
		if (!w->items[i].over)
			ask(w, &w->items[i]);
}

/* Waits for notifications for at most `timeout` ms. False: there were none, or it was stopped. */
static bool wait_some(struct waiting *w, int timeout, int stop)
{
	struct pollfd *fds = xcalloc(w->watches.n + 1, sizeof(*fds));
	bool more;
	int n;

	for (size_t i = 0; i < w->watches.n; i++)
		fds[i] = (struct pollfd){.fd = w->watches.items[i].socket, .events = POLLIN};
	fds[w->watches.n] = (struct pollfd){.fd = stop, .events = POLLIN};
	n = poll(fds, (nfds_t)w->watches.n + 1, timeout);
	for (size_t i = 0; n > 0 && i < w->watches.n; i++)
		if (fds[i].revents)
			listen_to(w, &w->watches.items[i]);
	more = n < 0 ? errno == EINTR : n > 0 && !fds[w->watches.n].revents;
	free(fds);
	return more;
}

static void listen_until(struct waiting *w, const struct patience *p)
{
	int64_t end = now_ms() + p->ms;

	while (w->left > 0 && !w->hopeless) {
		size_t left = w->left;
		int64_t rest = end - now_ms();

		if (rest <= 0 || !wait_some(w, (int)rest, p->stop))
			return;
		if (w->left < left && p->renewed)
			end = now_ms() + p->ms;
	}
}

static void begin(struct kernel *k, struct awaited *items, size_t n, struct waiting *ret)
{
	*ret = (struct waiting){.k = k, .items = items, .n = n, .left = n};
	for (size_t i = 0; i < n; i++)
		items[i].over = false;
}

size_t kernel_ask(struct kernel *k, struct awaited *items, size_t n)
{
	struct waiting w;

	begin(k, items, n, &w);
	ask_all(&w);
	return w.left;
}

size_t kernel_wait(struct kernel *k, struct awaited *items, size_t n, const struct patience *p)
{
	struct waiting w;

	begin(k, items, n, &w);
	subscribe(&w);
	ask_all(&w);
	listen_until(&w, p);
	ask_all(&w);
	array_each(&w.watches, watch)
		if (watch->socket >= 0)
			close(watch->socket);
	array_free(&w.watches);
	return w.left;
}
