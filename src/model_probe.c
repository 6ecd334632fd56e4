/* SPDX-License-Identifier: MIT */
/* What the file states about reachability: its rows, and how one is called. */
#include "model.h"

#include <sys/socket.h>

static const struct choice families[] = {{"inet", AF_INET}, {"inet6", AF_INET6}, {NULL, 0}};
static const struct choice protocols[] = {
	{"icmp", PROBE_ICMP}, {"tcp", PROBE_TCP}, {"udp", PROBE_UDP}, {NULL, 0}};
static const struct choice expectations[] = {
	{"reachable", EXPECT_REACHABLE}, {"unreachable", EXPECT_UNREACHABLE}, {NULL, 0}};

static const struct attr probe_rows[] = {
	{
		.key = "from",
		.help = "the namespace that the packets are sent from; their source address is "
			"that of the route",
		.type = ATTR_NETNS,
		.flags = ATTR_REQUIRED,
		FIELD_TEXT(struct probe, from),
	},
	{
		.key = "to",
		.help = "where to: an address, or an interface of the lab, of which the first "
			"address is meant that is of a family that 'from' has",
		.type = ATTR_TARGET,
		.flags = ATTR_REQUIRED,
		FIELD_TARGET(struct probe, to),
	},
	{
		.key = "via",
		.help = "the hops between, in order; empty: there is none; absent: whichever",
		.type = ATTR_LIST,
		.flags = ATTR_LIST_OF_TARGETS,
	},
	{
		.key = "family",
		.help = "of the interface's addresses that 'to' names, the first of this family",
		.type = ATTR_CHOICE,
		.choices = families,
		FIELD_U32(struct probe, family),
	},
	{
		.key = "protocol",
		.help = "what is sent: an echo request (icmp, for IPv6 ICMPv6), which must be "
			"answered; the beginning of a connection (tcp), which must be accepted; "
			"or a datagram (udp), which something must answer: that there is no "
			"service on the port is no answer",
		.type = ATTR_CHOICE,
		.choices = protocols,
		FIELD_U32(struct probe, protocol),
	},
	{
		.key = "port",
		.help = "the port, for tcp and udp",
		.type = ATTR_UINT,
		.min = 1,
		.max = UINT16_MAX,
		FIELD_U32(struct probe, port),
	},
	{
		.key = "size",
		.help = "the payload, for icmp and udp, which is then sent unfragmented, or not at "
			"all; absent: 56, which may be fragmented",
		.unit = "bytes",
		.type = ATTR_UINT,
		.max = 65527, /* what is left beside 8 bytes of header */
		.initial = 56,
		FIELD_U32(struct probe, size),
	},
	{
		.key = "expect",
		.help = "unreachable holds as soon as an answer says so (that there is no way, "
			"that "
			"it is prohibited, that nobody listens on the port), or when none comes "
			"for one and a half seconds, or for 'within' where that is less",
		.type = ATTR_CHOICE,
		.choices = expectations,
		FIELD_U32(struct probe, expect),
	},
	{
		.key = "within",
		.help = "for how long it is tried, again and again, until it holds",
		.type = ATTR_DURATION,
		.min = 1000,
		.max = 3600000000,
		.initial = 2000000,
		FIELD_U32(struct probe, within),
	},
};
const struct attr_table probe_table = {
	.name = "check",
	.help = "A list of statements about reachability, each a mapping. They change nothing; "
		"nsapply --check tries them with real packets, all side by side.",
	.rows = probe_rows,
	.n = ARRAY_SIZE(probe_rows),
};

void probe_id(const struct probe *p, struct buf *out)
{
	char text[IP_TEXT_MAX];

	ip_format(&p->address, false, text);
	buf_printf(out, "from %s to ", p->from);
	if (p->link)
		buf_printf(out, "%s:%s (%s)", p->link->netns->name, p->link->name, text);
	else
		buf_puts(out, text);
	if (p->protocol != PROBE_ICMP)
		buf_printf(out, ", %s port %u", protocols[p->protocol].name, p->port);
	if (p->given & PROBE_BIT("size"))
		buf_printf(out, ", %u bytes", p->size);
}

void probe_title(const struct probe *p, struct buf *out)
{
	probe_id(p, out);
	buf_puts(out, p->expect == EXPECT_REACHABLE ? ": reachable" : ": unreachable");
	if (p->given & PROBE_BIT("via"))
		buf_puts(out, p->via.n ? " via " : " directly");
	array_each(&p->via, hop) {
		char text[IP_TEXT_MAX];

		buf_printf(out, "%s%s", hop == p->via.items ? "" : ", ",
			   ip_format(&hop->address, false, text));
	}
}
