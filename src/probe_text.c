/* SPDX-License-Identifier: MIT */
/* Checks and what came of them, in words. Names are printed as they are: whoever
 * makes a report of it quotes them as that wants it. */
#include "probe_internal.h"

#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <string.h>
#include <sys/socket.h>

#define OWNERS_MAX 3

/* --- who and what ---------------------------------------------------------------------- */

static bool has_address(const struct link *k, const struct ip *ip)
{
	array_each(&k->addresses, a) {
		struct ip address = (*a)->address;

		address.len = ip->len;
		if (!ip_compare(&address, ip))
			return true;
	}
	return false;
}

/* The next link after `last` (NULL: the first) that has this address. */
static const struct link *next_owner(const struct model *m, const struct ip *ip,
				     const struct link *last)
{
	array_each(&m->namespaces, n)
		array_each(&(*n)->links, k)
			if (last)
				last = *k == last ? NULL : last;
			else if (has_address(*k, ip))
				return *k;
	return NULL;
}

const struct link *probe_only_owner(const struct model *m, const struct ip *ip)
{
	const struct link *first = next_owner(m, ip, NULL);

	return first && next_owner(m, ip, first) ? NULL : first;
}

/* All who have it: an address that is there twice is a mistake that explains much. */
static void who(const struct ip *ip, const struct model *m, struct buf *out)
{
	const struct link *k = next_owner(m, ip, NULL);
	const char *before = " (";
	char text[IP_TEXT_MAX];

	buf_puts(out, ip_format(ip, false, text));
	if (!k)
		return;
	for (size_t i = 0; k && i < OWNERS_MAX; i++, k = next_owner(m, ip, k)) {
		buf_puts(out, before);
		link_id(k, out);
		before = ", ";
	}
	buf_puts(out, k ? ", ...)" : ")");
}

#define ANY_CODE 255

/* RFC 792, 1122 and 1812; RFC 4443. */
static const struct {
	uint8_t family, type, code;
	const char *words;
} errors[] = {
	{AF_INET, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, "it has no route"},
	{AF_INET, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, "the host is unreachable"},
	{AF_INET, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, "the protocol is unknown there"},
	{AF_INET, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, "nobody listens on the port"},
	{AF_INET, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, "too large"},
	{AF_INET, ICMP_DEST_UNREACH, ICMP_NET_ANO, "prohibited"},
	{AF_INET, ICMP_DEST_UNREACH, ICMP_HOST_ANO, "prohibited"},
	{AF_INET, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, "prohibited"},
	{AF_INET, ICMP_DEST_UNREACH, ANY_CODE, "unreachable"},
	{AF_INET, ICMP_TIME_EXCEEDED, 0, "the packet has made too many hops"},
	{AF_INET, ICMP_TIME_EXCEEDED, ANY_CODE, "a fragment is missing"},
	{AF_INET, ICMP_PARAMETERPROB, ANY_CODE, "the packet is malformed"},
	{AF_INET6, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, "it has no route"},
	{AF_INET6, ICMPV6_DEST_UNREACH, ICMPV6_ADM_PROHIBITED, "prohibited"},
	{AF_INET6, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, "the host is unreachable"},
	{AF_INET6, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, "nobody listens on the port"},
	{AF_INET6, ICMPV6_DEST_UNREACH, ICMPV6_POLICY_FAIL, "prohibited"},
	{AF_INET6, ICMPV6_DEST_UNREACH, ICMPV6_REJECT_ROUTE, "prohibited"},
	{AF_INET6, ICMPV6_DEST_UNREACH, ANY_CODE, "unreachable"},
	{AF_INET6, ICMPV6_PKT_TOOBIG, ANY_CODE, "too large"},
	{AF_INET6, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, "the packet has made too many hops"},
	{AF_INET6, ICMPV6_TIME_EXCEED, ANY_CODE, "a fragment is missing"},
	{AF_INET6, ICMPV6_PARAMPROB, ANY_CODE, "the packet is malformed"},
};

static const char *error_words(const struct answer *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].family == a->from.family && errors[i].type == a->type &&
		    (errors[i].code == a->code || errors[i].code == ANY_CODE))
			return errors[i].words;
	return "an error"; /* packet_parse() takes no other types */
}

/* What the kernel says to the sender (net/ipv4/route.c, fib_props[] in net/ipv4/fib_semantics.c;
 * net/ipv6/route.c). */
static const char *local_words(int error)
{
	switch (error) {
	case ENETUNREACH:
		return "there is no route to it";
	case EHOSTUNREACH:
		return "the route says unreachable, or the next hop is not there";
	case EACCES:
		return "the route says prohibit, or it is a broadcast address";
	case EINVAL:
		return "the route is a blackhole";
	case EPERM:
		return "a packet filter drops it";
	case EMSGSIZE:
		return "larger than the interface takes";
	case EADDRNOTAVAIL:
		return "there is no address to send it from";
	}
	return strerror(error);
}

void answer_text(const struct answer *a, const struct model *m, struct buf *out)
{
	switch (a->kind) {
	case ANSWER_NONE:
		buf_puts(out, "no answer");
		return;
	case ANSWER_LOCAL:
		buf_printf(out, "not sent: %s", local_words(a->error));
		break;
	case ANSWER_REPLY:
		who(&a->from, m, out);
		break;
	case ANSWER_REFUSED:
		who(&a->from, m, out);
		buf_puts(out, ": nobody listens on the port");
		break;
	case ANSWER_ERROR:
		who(&a->from, m, out);
		buf_printf(out, ": %s", error_words(a));
		break;
	}
	if (a->mtu)
		buf_printf(out, " (MTU %u)", a->mtu);
}

/* --- a check ------------------------------------------------------------------------------ */

void outcome_seen(const struct outcome *o, const struct model *m, struct buf *out)
{
	bool reachable = o->probe->expect == EXPECT_REACHABLE;

	if (o->seen.kind != ANSWER_REPLY) {
		answer_text(&o->seen, m, out);
		return;
	}
	buf_puts(out, o->holds || !reachable ? "answered" : "answered, but by another way");
}

/* --- what follows ------------------------------------------------------------------------- */

const struct answer *probe_last_known(const struct outcome *o)
{
	const struct answer *last = NULL;

	array_each(&o->hops, a)
		if (a->kind != ANSWER_NONE)
			last = a;
	return last;
}

static bool goes_round(const struct outcome *o)
{
	for (size_t i = 0; i < o->hops.n; i++)
		for (size_t j = i + 2; j < o->hops.n; j++)
			if (o->hops.items[i].kind == ANSWER_ERROR &&
			    o->hops.items[j].kind == ANSWER_ERROR &&
			    !ip_compare(&o->hops.items[i].from, &o->hops.items[j].from))
				return true;
	return false;
}

static void other_way(const struct outcome *o, const struct model *m, struct buf *out)
{
	const struct probe *p = o->probe;

	for (size_t i = 0; i < p->via.n && i < o->hops.n; i++) {
		const struct answer *a = &o->hops.items[i];

		if (a->kind == ANSWER_NONE)
			buf_printf(out, "hop %zu does not say who it is; it should be ", i + 1);
		else if (!ip_compare(&a->from, &p->via.items[i].address))
			continue;
		else if (a->kind == ANSWER_REPLY)
			buf_printf(out, "it is reached after %zu hop%s already, without ", i,
				   i == 1 ? "" : "s");
		else
			buf_printf(out, "hop %zu is another one than ", i + 1);
		who(&p->via.items[i].address, m, out);
		return;
	}
	if (o->hops.n > p->via.n + 1)
		buf_printf(out, "there are more hops between than %zu", p->via.n);
	else
		buf_puts(out, "what answers there does not answer echo requests");
}

static void is_reached_otherwise(const struct outcome *o, struct buf *out)
{
	const struct probe *p = o->probe;

	if (p->protocol != PROBE_ICMP)
		buf_puts(out, "the machine is there (it answers echo requests), but the port is "
			      "silent");
	else if (p->given & PROBE_BIT("size"))
		buf_puts(out, "small packets are answered; so one of this size is too large for "
			      "something on the way, there or back, that does not say so");
	else
		buf_puts(out, "it answers by now: it may need more time ('within')");
}

static const char *not_answering(const struct outcome *o)
{
	if (o->next.returns)
		return ", sends it back";
	if (o->next.ends)
		return o->next.past ? " drops it, has no way back, or is gone by now"
				    : " is there, but drops it, or has no way back";
	return o->next.past ? ", does not forward, has no way back, or is gone by now"
			    : ", does not forward, or has no way back";
}

/* What the route of who had the packet last says of what comes next. */
static void put_next(const struct outcome *o, const struct model *m, struct buf *out)
{
	const struct next_hop *next = &o->next.hop;

	if (!o->next.place) {
		buf_puts(out, "what comes next is not there, does not forward, or has no way back");
		return;
	}
	if (next->silent) {
		buf_printf(out, "nobody on the network of %s:%s has the address ",
			   o->next.place->name, next->dev);
		who(&next->ip, m, out);
		return;
	}
	buf_puts(out, o->next.ends ? "" : "the next hop, ");
	who(&next->ip, m, out);
	if (o->next.refuses)
		buf_printf(out, ", does not send it on: %s", local_words(o->next.refuses));
	else
		buf_puts(out, not_answering(o));
}

static void after(const struct outcome *o, const struct model *m, struct buf *out)
{
	const struct answer *last = probe_last_known(o);
	bool sure = o->next.hop.silent || o->next.returns || o->next.refuses;

	if (o->limited && !sure && (!last || answer_is_transit(last))) {
		buf_puts(out, "beyond that no hop is known: routers tell of a few packets at once, "
			      "then of one a second (net.ipv4.icmp_ratelimit)");
	} else if (!last) {
		buf_puts(out, "not even a first hop answers: ");
		put_next(o, m, out);
	} else if (goes_round(o)) {
		buf_puts(out, "the packets go round in a circle");
	} else if (last->kind == ANSWER_REPLY) {
		is_reached_otherwise(o, out);
	} else if (answer_is_transit(last)) {
		buf_puts(out, "after ");
		who(&last->from, m, out);
		buf_puts(out, " nobody answers: ");
		put_next(o, m, out);
	} else {
		answer_text(last, m, out);
	}
}

static uint32_t whole_size(const struct probe *p)
{
	return p->size + ECHO_HEADER + (p->address.family == AF_INET ? 20 : 40);
}

void outcome_reason(const struct outcome *o, const struct model *m, struct buf *out)
{
	if (o->holds || o->probe->expect == EXPECT_UNREACHABLE)
		return;
	if (o->seen.mtu)
		buf_printf(out, "with its headers it is a packet of %u bytes",
			   whole_size(o->probe));
	else if (o->seen.kind == ANSWER_REPLY)
		other_way(o, m, out);
	else if (o->traced && o->seen.kind == ANSWER_NONE)
		after(o, m, out);
	else if (answer_is_transit(&o->seen))
		buf_puts(out, "the packets go round in a circle");
}
