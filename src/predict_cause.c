/* SPDX-License-Identifier: MIT */
/* Why something does not arrive, or cannot be told, in words. */
#include "predict_internal.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

const char *family_name(const struct ip *ip)
{
	return ip->family == AF_INET6 ? "IPv6" : "IPv4";
}

struct mark place_mark(const struct place *p, const char *key)
{
	const struct node *n = p->netns->node, *value = NULL;

	if (n && n->kind == NODE_MAPPING)
		value = node_get(n, key);
	if (value)
		return value->mark;
	return p->netns->mark;
}

/* The words of each kind: %p the place, %n the interface, %o the other one, %i the address, %s the one
 * that was seen, %b "back " on the way back, %f the family, %d the number, %r the route, %v the
 * sysctl, %l the lines of both routes, %m the MTU. */
static const char *const words[] = {
	[CAUSE_NO_ROUTE] = "%p has no route %bto %i",
	[CAUSE_REJECTED] = "the route of %p %bto %i is %r",
	[CAUSE_BROADCAST] = "%i is a broadcast address of %p",
	[CAUSE_NOBODY] = "nobody on the network of %n has the address %i",
	[CAUSE_DOWN] = "%n leads nowhere: %o is down",
	[CAUSE_NOT_FORWARDING] = "%p does not forward %f",
	[CAUSE_RP_FILTER] = ("%n drops what comes from %i: its rp_filter is on, and the way of %p "
			     "%bto %i is %o"),
	[CAUSE_MARTIAN] = "%p drops what comes from %i, which is an address of its own",
	[CAUSE_TOO_LARGE] = "a packet of %d bytes is too large for %n%m",
	[CAUSE_LOOP] = "packets to %i go round in a circle: %p sends them back to %o%l",
	[CAUSE_HOPS] = "there are more than %d hops on the way",
	[CAUSE_NO_SOURCE] = "%p has no %f address to send from",
	[CAUSE_ELSEWHERE] = "the answer goes to %p, which has the address %i as well",
	[CAUSE_MUTE] = "%p does not answer echo requests: %v",
	[CAUSE_OTHER_HOP] = "hop %d is %s (%p), not %i",
	[CAUSE_FEWER_HOPS] = "it is reached at hop %d, without %i",
	[CAUSE_MORE_HOPS] = "the hops on the way are %d, more than are stated",
	[CAUSE_SILENT_HOP] = "hop %d, %p, has no way to tell that it is %i",
	[CAUSE_REACHED] = "it is reached",
	[CAUSE_UNKNOWN_ROUTE] = "the file does not say what %p does with packets to %i",
	[CAUSE_UNKNOWN_DAEMON] = "not all routes of %p are in the file ('ignore')",
	[CAUSE_UNKNOWN_NETWORK] = "the file does not say what %n is connected to",
	[CAUSE_UNKNOWN_FORWARDING] = "the file does not say whether %p forwards %f",
	[CAUSE_UNKNOWN_RP_FILTER] = "the file does not say what rp_filter %n has",
	[CAUSE_UNKNOWN_SOURCE] = "the address that %p sends from is not known",
	[CAUSE_UNKNOWN_BROADCAST] = "to %p the sender's address %i is a broadcast address",
	[CAUSE_UNKNOWN_MTU] = "the file does not say what MTU %n has",
	[CAUSE_UNKNOWN_GATEWAY] = "who %i is for %p is not known",
	[CAUSE_NETFILTER] =
		"a packet of %d bytes may be too large for %n%m: that hangs on br_netfilter",
	[CAUSE_DUPLICATE] = "%n and %o both have the address %i",
	[CAUSE_TWIN] = "%n and %o have the same hardware address",
	[CAUSE_SYSCTL] = "%p has the sysctl %v, which is not reckoned with",
	[CAUSE_CIRCULAR] = "the network of %n is a circle of bridges without stp",
	[CAUSE_SAME_NETWORK] =
		"%p has several interfaces on the network of %n, and filters by rp_filter",
	[CAUSE_ENSLAVED] = "%n is a port, whose own addresses are not reckoned with",
	[CAUSE_HAIRPIN] = "the way is one that a router may shorten by a redirect",
	[CAUSE_TOO_MANY_WAYS] = "there are too many ways that it may take",
	[CAUSE_PORT] = "the way is there; the file does not say who listens on the port",
};

static void put_sysctl(const struct sysctl *s, struct buf *out)
{
	sysctl_name(s->path, out);
	buf_printf(out, " = %s", s->value);
}

static void put_ip(const struct ip *ip, struct buf *out)
{
	char text[IP_TEXT_MAX];

	buf_puts(out, ip->family ? ip_format(ip, false, text) : "an address unknown");
}

static void put_mtu(const struct cause *c, struct buf *out)
{
	if (c->route)
		buf_printf(out, " by the route's mtu of %u", c->route->mtu);
	else if (c->nic->mtu)
		buf_printf(out, ", mtu %u", c->nic->mtu);
}

static void put_reject(const struct cause *c, struct buf *out)
{
	if (!c->route)
		return;
	buf_printf(out, "'%s", route_type_name(c->route->type));
	buf_putc(out, ' ');
	route_id(c->route, out);
	buf_putc(out, '\'');
}

static void put_lines(const struct cause *c, struct buf *out)
{
	const struct node *a = c->route ? c->route->node : NULL;
	const struct node *b = c->other_route ? c->other_route->node : NULL;

	if (a && b && a != b)
		buf_printf(out, " (lines %u and %u)", b->mark.line, a->mark.line);
}

static void put(char what, const struct cause *c, struct buf *out)
{
	switch (what) {
	case 'p':
		buf_puts(out, c->place ? c->place->netns->name : "");
		return;
	case 'n':
	case 'o':
		if (what == 'n' ? c->nic : c->other)
			link_id(what == 'n' ? c->nic->link : c->other->link, out);
		else
			buf_puts(out, "another one, or none");
		return;
	case 'i':
	case 's':
		put_ip(what == 'i' ? &c->ip : &c->seen, out);
		return;
	case 'b':
		buf_puts(out, c->back ? "back " : "");
		return;
	case 'f':
		buf_puts(out, family_name(&c->ip));
		return;
	case 'd':
		buf_printf(out, "%u", c->number);
		return;
	case 'r':
		put_reject(c, out);
		return;
	case 'v':
		put_sysctl(c->sysctl, out);
		return;
	case 'l':
		put_lines(c, out);
		return;
	case 'm':
		put_mtu(c, out);
		return;
	}
}

void cause_text(const struct cause *c, struct buf *out)
{
	if (c->one_of_several)
		buf_puts(out, "one of several ways fails: ");
	for (const char *at = words[c->kind]; *at; at++) {
		if (*at == '%')
			put(*++at, c, out);
		else
			buf_putc(out, *at);
	}
}
