/* SPDX-License-Identifier: MIT */
/* Route netlink: sockets, queues of requests, their answers.
 *
 * libnl builds and parses the messages; the sockets are our own, because libnl
 * drops extended acks and waits without a timeout. The kernel works off a
 * datagram of many requests inside send(), one after the other, and a refusal
 * does not stop the rest (net/netlink/af_netlink.c, netlink_rcv_skb()). Only
 * the last request of a datagram asks for an ack, so everything before that ack
 * is known. Refusals wait in the receive buffer meanwhile: a datagram
 * holds no more requests than the buffer holds refusals, or the last ack would
 * be lost (ENOBUFS). */
#include "kernel_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define TIMEOUT_SECONDS 30
#define MAX_ERRNO 4095 /* include/linux/err.h */
#define MESSAGE_MAX (128u << 10)
#define DATAGRAM_MAX (96u << 10) /* well below the default net.core.wmem_default of 208 KiB */
#define RECEIVE_BUFFER (1 << 20)
/* Of most namespaces: what makes two interfaces, their addresses and routes. */
#define QUEUE_USUAL 1000
/* What one refusal with its text takes of the receive buffer at most (skb->truesize). */
#define REPLY_COST 2304u

/* Not vital: older kernels lack some options, and user namespaces may not force. */
static void set_option(int fd, int level, int option, int value)
{
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0 && option == SO_RCVBUFFORCE)
		setsockopt(fd, level, SO_RCVBUF, &value, sizeof(value));
}

static void enlarge(int fd)
{
	set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
}

int netlink_open(unsigned groups)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
	struct timeval timeout = {.tv_sec = TIMEOUT_SECONDS};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int error;

	if (fd < 0)
		return -errno;
	set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	if (groups)
		enlarge(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
	    (!groups || bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int netlink_socket(struct kernel *k, int handle)
{
	struct space *s = kernel_space(k, handle);
	int error;

	if (s->socket >= 0)
		return s->socket;
	error = kernel_enter(k, handle);
	if (!error)
		s->socket = netlink_open(0);
	kernel_leave(k);
	return error ? error : s->socket;
}

/* How many refusals its receive buffer holds at once. */
static int count_replies(int socket, size_t *ret)
{
	int size = 0;
	socklen_t len = sizeof(size);

	if (getsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, &len) < 0)
		return -errno;
	*ret = (unsigned)size > REPLY_COST ? (unsigned)size / REPLY_COST : 1;
	return 0;
}

/* For requests that change something, which may cause many refusals at once. Most sockets never
 * send any, so this waits until the first; and most that do send few, for which the buffer that
 * every socket gets (net.core.rmem_default, one for all namespaces) is large enough. */
static int prepare_requests(struct kernel *k, int handle)
{
	struct space *s = kernel_space(k, handle);
	int socket = netlink_socket(k, handle), error = 0;

	if (socket < 0)
		return socket;
	if (!s->max_replies) {
		set_option(socket, SOL_NETLINK, NETLINK_EXT_ACK, 1);
		set_option(socket, SOL_NETLINK, NETLINK_CAP_ACK, 1);
		if (!k->usual_replies)
			error = count_replies(socket, &k->usual_replies);
		s->max_replies = k->usual_replies;
	}
	if (error || s->enlarged || s->requests.n <= s->max_replies)
		return error;
	enlarge(socket);
	s->enlarged = true;
	return count_replies(socket, &s->max_replies);
}

/* --- building ------------------------------------------------------------------ */

struct nl_msg *request_begin(struct kernel *k, int type, int flags, const void *header, size_t size)
{
	struct nlmsghdr *h;

	if (!k->message) {
		k->message = nlmsg_alloc_size(MESSAGE_MAX);
		if (!k->message)
			memory_exhausted();
	}
	/* One buffer for all messages: allocating each costs more than filling it. */
	h = nlmsg_hdr(k->message);
	h->nlmsg_len = NLMSG_HDRLEN;
	nlmsg_put(k->message, 0, 0, type, 0, NLM_F_REQUEST | flags);
	k->overflow = nlmsg_append(k->message, (void *)header, size, NLMSG_ALIGNTO) < 0;
	return k->message;
}

void request_put(struct kernel *k, int type, const void *data, size_t size)
{
	if (nla_put(k->message, type, (int)size, data) < 0)
		k->overflow = true;
}

void request_put_u32(struct kernel *k, int type, uint32_t value)
{
	request_put(k, type, &value, sizeof(value));
}

struct nlattr *request_nest(struct kernel *k, int type)
{
	struct nlattr *nest = nla_nest_start(k->message, type);

	if (!nest)
		k->overflow = true;
	return nest;
}

void request_nest_end(struct kernel *k, struct nlattr *nest)
{
	/* Fails for more than 64 KiB: then the nest is gone from the message. */
	if (nest && nla_nest_end_keep_empty(k->message, nest) < 0)
		k->overflow = true;
}

void request_refuse(struct kernel *k, const void *tag, int code, const char *fmt, ...)
{
	struct refusal *r = array_push(&k->refused);
	va_list ap;

	r->tag = tag;
	r->code = code;
	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

void request_end(struct kernel *k, int handle, const void *tag)
{
	struct nlmsghdr *h = nlmsg_hdr(k->message);
	struct space *s = kernel_space(k, handle);
	struct request *request;

	if (!s) {
		request_refuse(k, tag, -ENOENT, "its namespace is not open");
		return;
	}
	if (k->overflow || h->nlmsg_len > DATAGRAM_MAX) {
		request_refuse(k, tag, -EMSGSIZE, "too large for one netlink message");
		return;
	}
	if (s->requests.n == 0) {
		array_add(&k->queued, handle);
		buf_reserve(&s->queue, QUEUE_USUAL);
	}
	request = array_push(&s->requests);
	request->tag = tag;
	request->offset = s->queue.n;
	buf_add(&s->queue, (const char *)h, NLMSG_ALIGN(h->nlmsg_len));
}

/* --- receiving ------------------------------------------------------------------ */

ssize_t netlink_receive(struct kernel *k, int socket)
{
	struct sockaddr_nl from;
	struct iovec iov;
	struct msghdr msg;
	ssize_t n;

	if (!k->reply) {
		k->reply_size = 256u << 10;
		k->reply = xmalloc(k->reply_size);
	}
	do {
		iov = (struct iovec){.iov_base = k->reply, .iov_len = k->reply_size};
		msg = (struct msghdr){.msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1};
		n = recvmsg(socket, &msg, MSG_TRUNC);
	} while ((n < 0 && errno == EINTR) || (n >= 0 && from.nl_pid != 0));
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (msg.msg_flags & MSG_TRUNC) {
		k->reply_size = (size_t)n * 2;
		k->reply = xrealloc(k->reply, k->reply_size, 1);
		return -EMSGSIZE;
	}
	return n;
}

/* The attribute of the list that holds the byte at `at`. */
static const struct nlattr *attr_at(const void *list, int size, const char *at)
{
	const struct nlattr *nla;
	int left;

	for (nla = list, left = size; nla_ok(nla, left); nla = nla_next(nla, &left))
		if (at >= (const char *)nla && at < (const char *)nla + nla->nla_len)
			return nla;
	return NULL;
}

static size_t header_size(uint16_t type)
{
	switch (type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_GETLINK:
		return sizeof(struct ifinfomsg);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return sizeof(struct rtmsg);
	}
	return 0;
}

/* From the offset that an extended ack names back to the attribute it belongs to. */
static void locate(const struct nlmsghdr *sent, uint32_t offset, struct refusal *r)
{
	const char *at = (const char *)sent + offset;
	int skip = NLMSG_ALIGN((int)header_size(sent->nlmsg_type));
	const struct nlattr *top, *inner;

	if (offset >= sent->nlmsg_len || !skip)
		return;
	top = attr_at(nlmsg_attrdata(sent, skip), nlmsg_attrlen(sent, skip), at);
	if (!top)
		return;
	r->attr = (uint16_t)nla_type(top);
	if (r->attr != IFLA_LINKINFO && !(top->nla_type & NLA_F_NESTED))
		return;
	inner = attr_at(nla_data(top), nla_len(top), at);
	if (inner && sent->nlmsg_type == RTM_NEWLINK && nla_type(inner) == IFLA_INFO_DATA)
		inner = attr_at(nla_data(inner), nla_len(inner), at);
	if (inner)
		r->subattr = (uint16_t)nla_type(inner);
}

void netlink_read_error(const struct nlmsghdr *h, const struct nlmsghdr *sent, struct refusal *r)
{
	const struct nlmsgerr *error = nlmsg_data(h);
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	/* The kernel appends our message, or (CAP_ACK) only its header. */
	int skip = NLMSG_ALIGN((int)sizeof(*error));

	r->code = netlink_error(h);
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED)) {
		if (error->msg.nlmsg_len < NLMSG_HDRLEN || error->msg.nlmsg_len > h->nlmsg_len)
			return;
		skip += NLMSG_ALIGN((int)error->msg.nlmsg_len - NLMSG_HDRLEN);
	}
	if (nlmsg_parse((struct nlmsghdr *)h, skip, tb, NLMSGERR_ATTR_MAX, NULL) < 0)
		return;
	if (tb[NLMSGERR_ATTR_MSG])
		snprintf(r->text, sizeof(r->text), "%.*s", nla_len(tb[NLMSGERR_ATTR_MSG]),
			 (const char *)nla_data(tb[NLMSGERR_ATTR_MSG]));
	if (tb[NLMSGERR_ATTR_OFFS] && nla_len(tb[NLMSGERR_ATTR_OFFS]) >= 4 && sent)
		locate(sent, nla_get_u32(tb[NLMSGERR_ATTR_OFFS]), r);
}

bool netlink_is_error(const struct nlmsghdr *h)
{
	return h->nlmsg_type == NLMSG_ERROR &&
	       h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr));
}

int netlink_errno(int code)
{
	return code <= 0 && code >= -MAX_ERRNO ? code : -EPROTO;
}

int netlink_error(const struct nlmsghdr *h)
{
	const struct nlmsgerr *error = nlmsg_data(h);

	return netlink_errno(error->error);
}

/* --- flushing ------------------------------------------------------------------- */

/* Reads answers until that of the last request; first: sequence number of request 0. */
static int read_acks(struct kernel *k, struct space *s, uint32_t first, size_t end, refusals *ret)
{
	for (;;) {
		ssize_t size = netlink_receive(k, s->socket);
		int left = (int)size;

		if (size < 0)
			return (int)size;
		for (struct nlmsghdr *h = (void *)k->reply; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left)) {
			size_t i = h->nlmsg_seq - first;

			if (!netlink_is_error(h) || i >= end)
				continue; /* an answer to something long forgotten */
			if (netlink_error(h)) {
				struct refusal *r = array_push(ret);
				char *sent = s->queue.s + s->requests.items[i].offset;

				netlink_read_error(h, (struct nlmsghdr *)sent, r);
				r->tag = s->requests.items[i].tag;
			}
			if (i + 1 == end)
				return 0;
		}
	}
}

/* How many requests from `start` on make one datagram? */
static size_t datagram_end(const struct space *s, size_t start)
{
	size_t from = s->requests.items[start].offset, end = start + 1;

	while (end < s->requests.n && end - start < s->max_replies) {
		size_t next =
			end + 1 < s->requests.n ? s->requests.items[end + 1].offset : s->queue.n;

		if (next - from > DATAGRAM_MAX)
			break;
		end++;
	}
	return end;
}

int netlink_send(int socket, const void *data, size_t size)
{
	ssize_t n;

	do
		n = send(socket, data, size, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static struct nlmsghdr *message_at(const struct space *s, size_t i)
{
	return (struct nlmsghdr *)(s->queue.s + s->requests.items[i].offset);
}

static int flush_space(struct kernel *k, int handle, refusals *ret)
{
	struct space *s = kernel_space(k, handle);
	size_t n = s->requests.n;
	uint32_t first = s->sequence;
	int error = prepare_requests(k, handle);

	s->sequence += (uint32_t)n;
	for (size_t start = 0, end; start < n && !error; start = end) {
		size_t from = s->requests.items[start].offset, to;

		end = datagram_end(s, start);
		to = end < n ? s->requests.items[end].offset : s->queue.n;
		for (size_t i = start; i < end; i++)
			message_at(s, i)->nlmsg_seq = first + (uint32_t)i;
		message_at(s, end - 1)->nlmsg_flags |= NLM_F_ACK;
		error = netlink_send(s->socket, s->queue.s + from, to - from);
		if (!error)
			error = read_acks(k, s, first, end, ret);
	}
	return error;
}

/* There may be thousands of namespaces, each of which has its turn once or twice. */
static void forget_requests(struct space *s)
{
	buf_free(&s->queue);
	array_free(&s->requests);
}

static int flush_failed(struct diags *d, int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return diag_error(d, error, NO_MARK, "the kernel did not answer within %d seconds",
				  TIMEOUT_SECONDS);
	case -ENOBUFS:
	case -EMSGSIZE:
		return diag_error(
			d, error, NO_MARK,
			"an answer of the kernel was lost; what it has done is not known");
	}
	return diag_error(d, error, NO_MARK, "cannot talk to the kernel: %s", strerror(-error));
}

/* The scratch namespace goes first: what it makes belongs to all the others. */
static void scratch_first(struct kernel *k)
{
	for (size_t i = 1; i < k->queued.n; i++)
		if (k->queued.items[i] == k->scratch) {
			memmove(k->queued.items + 1, k->queued.items,
				i * sizeof(k->queued.items[0]));
			k->queued.items[0] = k->scratch;
			return;
		}
}

int kernel_flush(struct kernel *k, refusals *ret, struct diags *d)
{
	int error = k->lost ? -EIO : 0;

	array_each(&k->refused, r)
		array_add(ret, *r);
	k->refused.n = 0;
	scratch_first(k);
	array_each(&k->queued, handle) {
		struct space *s = kernel_space(k, *handle);

		if (!s)
			continue;
		if (!error)
			error = flush_space(k, *handle, ret);
		forget_requests(s);
	}
	k->queued.n = 0;
	return error ? flush_failed(d, error) : 0;
}

/* --- asking --------------------------------------------------------------------- */

/* Without an ack: what is asked is answered with one message, or an error. */
int netlink_ask(struct kernel *k, int handle, netlink_fn *fn, void *arg)
{
	struct space *s = kernel_space(k, handle);
	struct nlmsghdr *h = nlmsg_hdr(k->message);
	int socket, error;

	if (!s)
		return -ENOENT;
	if (k->overflow)
		return -EMSGSIZE;
	h->nlmsg_seq = s->sequence++;
	socket = netlink_socket(k, handle);
	error = socket < 0 ? socket : netlink_send(socket, h, h->nlmsg_len);
	while (!error) {
		ssize_t size = netlink_receive(k, socket);
		int left = (int)size;

		if (size < 0)
			return (int)size;
		for (struct nlmsghdr *m = (void *)k->reply; nlmsg_ok(m, left);
		     m = nlmsg_next(m, &left)) {
			if (m->nlmsg_seq != h->nlmsg_seq)
				continue; /* an answer to something long forgotten */
			if (netlink_is_error(m))
				return netlink_error(m);
			fn(m, arg);
			return 0;
		}
	}
	return error;
}
