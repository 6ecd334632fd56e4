/* SPDX-License-Identifier: MIT */
/* The sockets that checks are made with, and who is told what comes in on them.
 *
 * In each namespace one raw socket for each family sends all echo requests and
 * hears all answers: also ICMP errors about what the tcp and udp sockets have
 * sent, which that way tell who answered. An echo request is known by its id and
 * sequence number, which count through all of them; a tcp or udp socket by its
 * port, so that is bound before anything is sent. */
#include "probe_internal.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (4 << 20)
#define DISCARD_PORT 9
/* The kernel asks for a connection again after 1, 3, 7, 15 seconds and so on; who comes in between is not
 * to be overlooked for so long. */
#define CONNECT_PATIENCE 2000000

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t endpoint_make(const struct ip *ip, uint16_t port, union endpoint *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->any.sa_family = ip->family;
	if (ip->family == AF_INET) {
		ret->v4.sin_port = htons(port);
		memcpy(&ret->v4.sin_addr, ip->bytes, sizeof(ret->v4.sin_addr));
		return sizeof(ret->v4);
	}
	ret->v6.sin6_port = htons(port);
	memcpy(&ret->v6.sin6_addr, ip->bytes, sizeof(ret->v6.sin6_addr));
	return sizeof(ret->v6);
}

static struct ip endpoint_ip(const union endpoint *a)
{
	struct ip ip = {.family = (uint8_t)a->any.sa_family};

	ip.len = (uint8_t)ip_bits(&ip);
	if (ip.family == AF_INET)
		memcpy(ip.bytes, &a->v4.sin_addr, sizeof(a->v4.sin_addr));
	else
		memcpy(ip.bytes, &a->v6.sin6_addr, sizeof(a->v6.sin6_addr));
	return ip;
}

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

/* Never by what the kernel remembers of the path: that may have been mended since. */
static void set_fragment(int fd, uint8_t family, bool fragment)
{
	if (family == AF_INET) {
		set(fd, IPPROTO_IP, IP_MTU_DISCOVER,
		    fragment ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
		return;
	}
	set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
	    fragment ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
	set(fd, IPPROTO_IPV6, IPV6_DONTFRAG, !fragment);
}

static int watch(struct probing *p, int fd, uint32_t events, struct event_source *source)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* --- ears ------------------------------------------------------------------------------ */

/* Only what packet_parse() takes. */
static void ear_filter(const struct ear *ear)
{
	const struct icmp_filter v4 = {.data = ~(1u << ICMP_ECHOREPLY | 1u << ICMP_DEST_UNREACH |
						 1u << ICMP_TIME_EXCEEDED |
						 1u << ICMP_PARAMETERPROB)};
	struct icmp6_filter v6;

	if (ear->family == AF_INET) {
		setsockopt(ear->fd, SOL_RAW, ICMP_FILTER, &v4, sizeof(v4));
		return;
	}
	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &v6);
	ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &v6);
	ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &v6);
	ICMP6_FILTER_SETPASS(ICMP6_PARAM_PROB, &v6);
	setsockopt(ear->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
}

static int ear_open(struct probing *p, const struct netns *n, uint8_t family, struct ear **ret_ear)
{
	int fd = kernel_socket(p->kernel, n, family, SOCK_RAW,
			       family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	struct ear *ear;
	int error;

	if (fd < 0)
		return fd;
	ear = xcalloc(1, sizeof(*ear));
	*ear = (struct ear){.source.kind = SOURCE_EAR,
			    .netns = n,
			    .family = family,
			    .fd = fd,
			    .ttl = TTL_DEFAULT,
			    .fragment = -1};
	ear_filter(ear);
	set(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
	set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER); /* takes CAP_NET_ADMIN */
	if (getrandom(&ear->id, sizeof(ear->id), GRND_NONBLOCK) < 0)
		ear->id = (uint16_t)p->now;
	array_add(&p->ears, ear);
	error = watch(p, fd, EPOLLIN, &ear->source);
	if (error)
		ear_release(ear);
	else
		*ret_ear = ear;
	return error;
}

int ear_find(struct probing *p, const struct probe *probe, struct ear **ret_ear)
{
	array_each(&p->ears, e) {
		struct ear *ear = *e;

		if (ear->fd >= 0 && ear->netns == probe->netns &&
		    ear->family == probe->address.family) {
			*ret_ear = ear;
			return 0;
		}
	}
	return ear_open(p, probe->netns, probe->address.family, ret_ear);
}

/* An event may still name it: ears_sweep() frees it afterwards. */
void ear_release(struct ear *ear)
{
	if (ear->users || ear->fd < 0)
		return;
	close(ear->fd);
	ear->fd = -1;
}

void ears_sweep(struct probing *p, bool all)
{
	size_t left = 0;

	for (size_t i = 0; i < p->ears.n; i++) {
		struct ear *ear = p->ears.items[i];

		if (ear->fd >= 0 && !all) {
			p->ears.items[left++] = ear;
			continue;
		}
		if (ear->fd >= 0)
			close(ear->fd);
		array_free(&ear->shots);
		free(ear);
	}
	p->ears.n = left;
}

static void ear_aim(struct ear *ear, int ttl, bool fragment)
{
	if (ear->ttl != ttl && ear->family == AF_INET)
		set(ear->fd, IPPROTO_IP, IP_TTL, ttl);
	else if (ear->ttl != ttl)
		set(ear->fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
	if (ear->fragment != fragment)
		set_fragment(ear->fd, ear->family, fragment);
	ear->ttl = ttl;
	ear->fragment = fragment;
}

int ear_shoot(struct probing *p, struct ear *ear, struct trial *t, uint32_t hop)
{
	const struct probe *probe = t->probe;
	bool whole = !hop && probe->given & PROBE_BIT("size");
	uint32_t number = (uint32_t)ear->shots.n;
	uint32_t token = ((uint32_t)ear->id << 16) + number;
	size_t n = packet_echo(ear->family, token, hop ? 0 : probe->size, p->buffer);
	union endpoint to;
	socklen_t len = endpoint_make(&probe->address, 0, &to);

	array_add(&ear->shots, ((struct shot){t, hop}));
	ear_aim(ear, hop ? (int)hop : TTL_DEFAULT, !whole);
	return sendto(ear->fd, p->buffer, n, 0, &to.any, len) < 0 ? -errno : 0;
}

/* --- what has come ----------------------------------------------------------------------- */

static bool is_same(const struct ip *a, const struct ip *b)
{
	return ip_compare(a, b) == 0;
}

static struct trial **port_bucket(struct ear *ear, uint16_t port)
{
	return &ear->ports[port % PORT_BUCKETS];
}

static struct trial *find_port(struct ear *ear, const struct packet *packet)
{
	struct trial *t = *port_bucket(ear, packet->source_port);
	uint32_t protocol = packet->protocol == IPPROTO_TCP ? PROBE_TCP : PROBE_UDP;

	while (t && (t->port != packet->source_port || t->probe->protocol != protocol ||
		     t->probe->port != packet->port))
		t = t->next_port;
	return t;
}

static const struct shot *find_shot(const struct ear *ear, uint32_t token)
{
	uint32_t number = token - ((uint32_t)ear->id << 16);

	return number < ear->shots.n ? &ear->shots.items[number] : NULL;
}

/* What it takes of ERRORS_AT_ONCE. For what IPv4's routes refuse a router takes twice from the same
 * bucket, first where that may hold no more than five (net/ipv4/route.c, ip_error()), so that it tells of
 * two. That a host is unreachable counts once: it is said for want of a neighbour as well, which is paid for
 * once and happens more often than a route of that type. */
static size_t error_cost(const struct ear *ear, const struct packet *error)
{
	bool refused = ear->family == AF_INET && error->type == ICMP_DEST_UNREACH &&
		       (error->code == ICMP_NET_UNREACH || error->code == ICMP_PKT_FILTERED);

	return refused ? ERRORS_AT_ONCE / 2 : 1;
}

static void ear_take(struct probing *p, struct ear *ear, const struct ip *from,
		     const struct packet *packet)
{
	const struct answer answer = {.kind = packet->is_error ? ANSWER_ERROR : ANSWER_REPLY,
				      .from = *from,
				      .type = packet->type,
				      .code = packet->code,
				      .mtu = packet->mtu};
	bool echo = !packet->is_error || packet->protocol == IPPROTO_ICMP ||
		    packet->protocol == IPPROTO_ICMPV6;
	const struct shot *shot = echo ? find_shot(ear, packet->token) : NULL;
	struct trial *t = shot ? shot->trial : echo ? NULL : find_port(ear, packet);

	if (packet->is_error)
		ear->errors += error_cost(ear, packet);
	if (t && is_same(packet->is_error ? &packet->to : from, &t->probe->address))
		trial_heard(p, t, shot ? shot->hop : 0, &answer);
}

void ear_listen(struct probing *p, struct ear *ear)
{
	ear->users++; /* it may be the last one's last answer */
	for (;;) {
		union endpoint from;
		socklen_t len = sizeof(from);
		ssize_t n =
			recvfrom(ear->fd, p->buffer, BUFFER_SIZE, MSG_DONTWAIT, &from.any, &len);
		struct packet packet;
		struct ip ip;

		if (n < 0 && errno != EINTR)
			break;
		if (n < 0 || !packet_parse(ear->family, p->buffer, (size_t)n, &packet))
			continue;
		ip = endpoint_ip(&from);
		ear_take(p, ear, &ip, &packet);
	}
	ear->users--;
	ear_release(ear);
}

/* --- tcp and udp ------------------------------------------------------------------------- */

static int trial_bind(struct trial *t)
{
	const struct ip any = {.family = t->probe->address.family};
	union endpoint own;
	socklen_t len = endpoint_make(&any, 0, &own);
	struct trial **bucket;

	if (bind(t->fd, &own.any, len) < 0 || getsockname(t->fd, &own.any, &len) < 0)
		return -errno;
	t->port = ntohs(own.any.sa_family == AF_INET ? own.v4.sin_port : own.v6.sin6_port);
	bucket = port_bucket(t->ear, t->port);
	t->next_port = *bucket;
	*bucket = t;
	return 0;
}

void trial_close(struct trial *t)
{
	struct trial **place;

	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	if (!t->port)
		return;
	for (place = port_bucket(t->ear, t->port); *place != t; place = &(*place)->next_port)
		;
	*place = t->next_port;
	t->port = 0;
}

static int trial_connect(struct probing *p, struct trial *t)
{
	bool tcp = t->probe->protocol == PROBE_TCP;
	union endpoint to;
	socklen_t len = endpoint_make(&t->probe->address, (uint16_t)t->probe->port, &to);
	int error;

	t->fd = kernel_socket(p->kernel, t->probe->netns, to.any.sa_family,
			      tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
	if (t->fd < 0)
		return t->fd;
	if (!tcp)
		set_fragment(t->fd, (uint8_t)to.any.sa_family,
			     !(t->probe->given & PROBE_BIT("size")));
	error = trial_bind(t);
	if (error)
		return error;
	if (connect(t->fd, &to.any, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return watch(p, t->fd, tcp ? EPOLLOUT : EPOLLIN, &t->source);
}

/* A connected socket tells of errors when it is used the next time. */
static int send_datagram(struct probing *p, struct trial *t)
{
	ssize_t n;

	packet_fill(p->buffer, t->probe->size);
	do
		n = send(t->fd, p->buffer, t->probe->size, MSG_NOSIGNAL);
	while (n < 0 && errno == ECONNREFUSED);
	return n < 0 ? -errno : 0;
}

int trial_send(struct probing *p, struct trial *t)
{
	bool tcp = t->probe->protocol == PROBE_TCP;
	int error;

	if (tcp && t->fd >= 0 && p->now - t->connecting >= CONNECT_PATIENCE)
		trial_close(t);
	if (tcp && t->fd < 0)
		t->connecting = p->now;
	error = t->fd < 0 ? trial_connect(p, t) : 0;
	return error || tcp ? error : send_datagram(p, t);
}

void trial_receive(struct probing *p, struct trial *t)
{
	struct answer a = {.kind = ANSWER_REPLY, .from = t->probe->address};
	socklen_t len = sizeof(a.error);

	/* Who an error is from is heard by the ear. */
	ear_listen(p, t->ear);
	if (t->fd < 0 || t->phase != PHASE_TRYING)
		return;
	if (t->probe->protocol == PROBE_TCP)
		getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &a.error, &len);
	else if (recv(t->fd, p->buffer, BUFFER_SIZE, MSG_DONTWAIT) < 0)
		a.error = errno;
	if (a.error == EAGAIN || a.error == EINTR)
		return;
	if (a.error)
		a.kind = a.error == ECONNREFUSED ? ANSWER_REFUSED : ANSWER_LOCAL;
	trial_heard(p, t, 0, &a);
}

/* The kernel says so to whoever sends something too large for the interface. */
uint32_t trial_mtu(struct probing *p, const struct trial *t)
{
	const struct probe *probe = t->probe;
	bool v4 = probe->address.family == AF_INET;
	cleanup_close int fd =
		kernel_socket(p->kernel, probe->netns, probe->address.family, SOCK_DGRAM, 0);
	union endpoint to;
	socklen_t len = endpoint_make(&probe->address, DISCARD_PORT, &to);
	char control[512];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct sock_extended_err error;

	if (fd < 0)
		return 0;
	set_fragment(fd, probe->address.family, false);
	set(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, 1);
	if (sendto(fd, p->buffer, probe->size, MSG_NOSIGNAL, &to.any, len) >= 0 ||
	    recvmsg(fd, &message, MSG_ERRQUEUE) < 0)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		bool found = v4 ? c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR
				: c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;

		if (!found || c->cmsg_len < CMSG_LEN(sizeof(error)))
			continue;
		memcpy(&error, CMSG_DATA(c), sizeof(error));
		return error.ee_origin == SO_EE_ORIGIN_LOCAL ? error.ee_info : 0;
	}
	return 0;
}
