/* SPDX-License-Identifier: MIT */
/* Waiting for the kernel to have taken links away.
 *
 * A deleted namespace's links go asynchronously. Their peers elsewhere are
 * followed by notifications: subscribe first, then look, then listen, so that
 * nothing falls in between. An RTM_DELLINK comes after the name is free
 * (net/core/dev.c, unregister_netdevice_many_notify()). */
#include "kernel_internal.h"

#include <errno.h>
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
	const struct link *const *links;
	size_t n, left;
	bool *gone;
	ARRAY(struct watch) watches;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void set_gone(struct waiting *w, size_t i)
{
	if (!w->gone[i]) {
		w->gone[i] = true;
		w->left--;
	}
}

/* A link of that index but another name is another link: the index was reused. */
static void same_link(const struct nlmsghdr *h, void *arg)
{
	struct nlattr *name =
		nlmsg_find_attr((struct nlmsghdr *)h, sizeof(struct ifinfomsg), IFLA_IFNAME);
	const char **expected = arg;

	if (name && nla_strcmp(name, *expected) == 0)
		*expected = NULL; /* found */
}

static void look(struct waiting *w, int handle)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct link *l = w->links[i];
		struct ifinfomsg header = {.ifi_index = (int)l->index};
		const char *name = l->name;
		int error;

		if (w->gone[i] || l->netns->handle != handle)
			continue;
		request_begin(w->k, RTM_GETLINK, 0, &header, sizeof(header));
		error = netlink_ask(w->k, handle, same_link, &name);
		if (error == -ENODEV || (!error && name))
			set_gone(w, i);
	}
}

static void mark_deleted(struct waiting *w, const struct watch *watch, const struct nlmsghdr *h)
{
	const struct ifinfomsg *header = nlmsg_data(h);

	if (h->nlmsg_type != RTM_DELLINK || nlmsg_datalen(h) < (int)sizeof(*header))
		return;
	for (size_t i = 0; i < w->n; i++)
		if (w->links[i]->netns->handle == watch->handle &&
		    w->links[i]->index == (uint32_t)header->ifi_index)
			set_gone(w, i);
}

static void listen_to(struct waiting *w, const struct watch *watch)
{
	ssize_t size = netlink_receive(w->k, watch->socket);
	int left = (int)size;

	if (size < 0) {
		look(w, watch->handle); /* notifications were lost (ENOBUFS) */
		return;
	}
	for (struct nlmsghdr *h = (void *)w->k->reply; nlmsg_ok(h, left); h = nlmsg_next(h, &left))
		mark_deleted(w, watch, h);
}

static void subscribe(struct waiting *w)
{
	for (size_t i = 0; i < w->n; i++) {
		int handle = w->links[i]->netns->handle;
		size_t known = 0;
		struct watch watch = {.handle = handle};

		while (known < w->watches.n && w->watches.items[known].handle != handle)
			known++;
		if (known < w->watches.n)
			continue;
		if (kernel_enter(w->k, handle) < 0) {
			set_gone(w, i); /* with its namespace */
			continue;
		}
		watch.socket = netlink_open(RTMGRP_LINK);
		kernel_leave(w->k);
		array_add(&w->watches, watch); /* without a socket: looked at, not listened to */
	}
}

/* Waits for notifications for at most `timeout` ms. False: there were none. */
static bool wait_some(struct waiting *w, int timeout)
{
	struct pollfd *fds = xcalloc(w->watches.n + 1, sizeof(*fds));
	int n;

	for (size_t i = 0; i < w->watches.n; i++)
		fds[i] = (struct pollfd){.fd = w->watches.items[i].socket, .events = POLLIN};
	n = poll(fds, (nfds_t)w->watches.n, timeout);
	for (size_t i = 0; n > 0 && i < w->watches.n; i++)
		if (fds[i].revents)
			listen_to(w, &w->watches.items[i]);
	free(fds);
	return n > 0;
}

size_t kernel_wait_gone(struct kernel *k, const struct link *const *links, size_t n, int quiet)
{
	struct waiting w = {.k = k, .links = links, .n = n, .left = n};
	int64_t end = now_ms() + quiet;

	if (n == 0)
		return 0;
	w.gone = xcalloc(n, sizeof(*w.gone));
	subscribe(&w);
	array_each(&w.watches, watch)
		look(&w, watch->handle);
	while (w.left > 0) {
		size_t left = w.left;
		int64_t rest = end - now_ms();

		if (rest <= 0 || !wait_some(&w, (int)rest))
			break;
		if (w.left < left)
			end = now_ms() + quiet;
	}
	array_each(&w.watches, watch) {
		if (w.left > 0)
			look(&w, watch->handle);
		if (watch->socket >= 0)
			close(watch->socket);
	}
	array_free(&w.watches);
	free(w.gone);
	return w.left;
}
