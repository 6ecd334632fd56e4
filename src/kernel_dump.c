/* SPDX-License-Identifier: MIT */
/* Dumps: one question of which the answer is all there is of something.
 *
 * A change meanwhile interrupts a dump, and a part of it may be lost. What was seen up to then
 * is worthless, and the whole is asked again: for a while, not for ever. */
#include "kernel_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DUMP_TRIES 50

/* The messages of one datagram of a dump. 1: it was the last. */
static int dump_part(struct kernel *k, int left, uint32_t sequence, bool *interrupted,
		     netlink_fn *fn, void *arg)
{
	for (struct nlmsghdr *h = (void *)k->reply; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		if (h->nlmsg_seq != sequence)
			continue;
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (netlink_is_error(h))
			return netlink_error(h) ? netlink_error(h) : 1;
		if (h->nlmsg_type == NLMSG_DONE) {
			const int *error = nlmsg_data(h);

			/* What is not negative counts what was told. */
			return nlmsg_datalen(h) >= (int)sizeof(*error) && *error < 0
				       ? netlink_errno(*error)
				       : 1;
		}
		fn(h, arg);
	}
	return 0;
}

/* While a dump goes on its socket cannot begin another (EBUSY: netlink_dump_start() in
 * net/netlink/af_netlink.c), so one that was not read to its end needs a new socket. */
static int give_up_dump(struct kernel *k, int handle, int error)
{
	struct space *s = kernel_space(k, handle);

	close(s->socket);
	s->socket = -1;
	s->max_replies = 0; /* not prepared for requests yet */
	s->enlarged = false;
	if (netlink_socket(k, handle) < 0)
		return error;
	return error == -ENOBUFS ? -EAGAIN : error;
}

int netlink_dump(struct kernel *k, int handle, netlink_fn *fn, void *arg)
{
	struct space *s = kernel_space(k, handle);
	struct nlmsghdr *h = nlmsg_hdr(k->message);
	bool interrupted = false, cut = false;
	uint32_t sequence;
	int done = 0, error;

	if (!s)
		return -ENOENT;
	h->nlmsg_flags |= NLM_F_DUMP;
	h->nlmsg_seq = sequence = s->sequence++;
	error = netlink_socket(k, handle);
	if (error >= 0)
		error = netlink_send(error, h, h->nlmsg_len);
	if (error < 0)
		return error;
	while (!done) {
		ssize_t size = netlink_receive(k, s->socket);

		if (size == -EMSGSIZE)
			cut = true; /* the buffer has grown: read to the end, then again */
		else if (size < 0)
			return give_up_dump(k, handle, (int)size);
		else
			done = dump_part(k, (int)size, sequence, &interrupted, fn, arg);
	}
	if (done < 0)
		return done == -EINTR ? -EAGAIN : done;
	return interrupted || cut ? -EAGAIN : 0;
}

int read_dump(struct reader *r, const struct dump *dump)
{
	int error = -EAGAIN;

	for (int try = 0; error == -EAGAIN && try < DUMP_TRIES; try++) {
		request_begin(r->k, dump->type, 0, dump->header, dump->size);
		if (dump->ext_mask)
			request_put_u32(r->k, IFLA_EXT_MASK, dump->ext_mask);
		dump->reset(r);
		error = netlink_dump(r->k, r->now->live->handle, dump->fn, r);
	}
	if (error == -EAGAIN)
		return diag_error(r->d, error, NO_MARK,
				  "namespace %s changes faster than it can be read",
				  r->now->live->name);
	if (error == -ETIMEDOUT)
		return diag_error(r->d, error, NO_MARK,
				  "the kernel did not answer about namespace %s",
				  r->now->live->name);
	if (error)
		return diag_error(r->d, error, NO_MARK, "cannot read namespace %s: %s",
				  r->now->live->name, strerror(-error));
	return 0;
}
