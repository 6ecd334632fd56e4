/* SPDX-License-Identifier: MIT */
#include "netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Below the default send buffer, net.core.wmem_default, of 208 KiB. */
#define DATAGRAM_MAX (128u << 10)
#define REPLY_MAX (256u << 10)

static char reply[REPLY_MAX] __attribute__((aligned(8)));

void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

int netlink_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		die("socket");
	return fd;
}

/* --- building --------------------------------------------------------------------- */

static struct nlmsghdr *newest(struct batch *b)
{
	return (struct nlmsghdr *)(b->data + b->last);
}

void batch_append(struct batch *b, const void *data, size_t size)
{
	size_t padded = NLMSG_ALIGN(size);

	if (b->n + padded > b->cap) {
		b->cap = b->cap ? b->cap * 2 : 1 << 20;
		b->data = realloc(b->data, b->cap);
		if (!b->data)
			die("realloc");
	}
	memcpy(b->data + b->n, data, size);
	memset(b->data + b->n + size, 0, padded - size);
	b->n += padded;
	newest(b)->nlmsg_len = (uint32_t)(b->n - b->last);
}

void batch_begin(struct batch *b, int type, int flags, const void *header, size_t size)
{
	struct nlmsghdr h = {.nlmsg_len = sizeof(h),
			     .nlmsg_type = (uint16_t)type,
			     .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
			     .nlmsg_seq = ++b->sequence};

	b->last = b->n;
	batch_append(b, &h, sizeof(h));
	batch_append(b, header, size);
}

size_t batch_nest(struct batch *b, int type)
{
	size_t at = b->n;
	struct nlattr nla = {.nla_len = sizeof(nla), .nla_type = (uint16_t)type};

	batch_append(b, &nla, sizeof(nla));
	return at;
}

void batch_nest_end(struct batch *b, size_t nest)
{
	((struct nlattr *)(b->data + nest))->nla_len = (uint16_t)(b->n - nest);
}

void batch_put(struct batch *b, int type, const void *data, size_t size)
{
	size_t at = batch_nest(b, type);

	batch_append(b, data, size);
	((struct nlattr *)(b->data + at))->nla_len = (uint16_t)(sizeof(struct nlattr) + size);
}

void batch_put_u32(struct batch *b, int type, uint32_t value)
{
	batch_put(b, type, &value, sizeof(value));
}

/* --- talking ---------------------------------------------------------------------- */

static uint32_t receive(int socket)
{
	ssize_t n = recv(socket, reply, sizeof(reply), 0);

	if (n < 0)
		die("recv");
	return (uint32_t)n;
}

static void refused(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (!e->error)
		return;
	errno = -e->error;
	fprintf(stderr, "floor: request %u of type %u: ", h->nlmsg_seq, e->msg.nlmsg_type);
	die("refused");
}

static void wait_ack(int socket, uint32_t sequence)
{
	for (;;) {
		uint32_t left = receive(socket);

		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			refused(h);
			if (h->nlmsg_seq == sequence)
				return;
		}
	}
}

void batch_send(struct batch *b, int socket)
{
	for (size_t start = 0, end; start < b->n; start = end) {
		struct nlmsghdr *last = (void *)(b->data + start);

		end = start + last->nlmsg_len;
		while (end < b->n) {
			struct nlmsghdr *next = (void *)(b->data + end);

			if (end + next->nlmsg_len - start > DATAGRAM_MAX)
				break;
			last = next;
			end += next->nlmsg_len;
		}
		last->nlmsg_flags |= NLM_F_ACK;
		if (send(socket, b->data + start, end - start, 0) < 0)
			die("send");
		wait_ack(socket, last->nlmsg_seq);
	}
	b->n = 0;
}

/* Compilers must not see through the walk over attributes that nobody uses. */
static volatile uint32_t seen;

static void look_at(const struct nlmsghdr *h, size_t header)
{
	const struct rtattr *a = (void *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(header));
	int left = (int)h->nlmsg_len - (int)NLMSG_SPACE(header);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		seen += a->rta_type;
}

size_t dump(int socket, int type, const void *header, size_t size, uint32_t link_mask)
{
	static struct batch b;
	size_t count = 0;

	batch_begin(&b, type, NLM_F_DUMP, header, size);
	if (link_mask)
		batch_put_u32(&b, IFLA_EXT_MASK, link_mask);
	if (send(socket, b.data, b.n, 0) < 0)
		die("send");
	b.n = 0;
	for (;;) {
		uint32_t left = receive(socket);

		for (struct nlmsghdr *h = (void *)reply; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return count;
			if (h->nlmsg_type == NLMSG_ERROR)
				refused(h);
			look_at(h, size);
			count++;
		}
	}
}

void ask(struct batch *b, int socket, size_t n)
{
	if (send(socket, b->data, b->n, 0) < 0)
		die("send");
	b->n = 0;
	while (n > 0) {
		uint32_t left = receive(socket);

		for (struct nlmsghdr *h = (void *)reply; n > 0 && NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left), n--) {
			if (h->nlmsg_type == NLMSG_ERROR)
				refused(h);
		}
	}
}
