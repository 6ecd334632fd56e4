/* SPDX-License-Identifier: MIT */
/* Addresses and routes as iproute2 commands.
 *
 * iproute2 has defaults of its own where it is silent (a route's protocol is
 * boot, its scope depends on its type and gateway), so what differs from those
 * is written out, not what differs from the file's defaults. */
#include "plan_ip.h"

#include <linux/ipv6_route.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

static void put_value(const char *key, const struct attr_table *t, const void *object,
		      struct buf *out)
{
	cleanup_buf struct buf value = {0};

	attr_format(&t->rows[attr_find(t, key)], object, &value);
	script_word(out, buf_text(&value));
}

static void put_named(const char *keyword, const struct attr_table *t, const void *object,
		      struct buf *out)
{
	buf_printf(out, " %s", keyword);
	put_value(keyword, t, object, out);
}

/* --- addresses --------------------------------------------------------------------- */

static bool is_loopback(const struct ip *ip)
{
	return ip->bytes[0] == 127;
}

void script_address(const struct step *s, struct buf *out)
{
	const struct address *a = s->address;
	bool add = s->op != OP_ADDRESS_DEL, v4 = a->address.family == AF_INET;
	uint32_t usual = v4 && is_loopback(&a->address) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	char text[IP_TEXT_MAX];
	struct ip peer = a->peer;

	if (!add)
		buf_puts(out, UNLESS_GONE);
	script_ip(a->link->netns, out);
	buf_printf(out, " address %s ",
		   s->op == OP_ADDRESS_SET || s->op == OP_ADDRESS_SET_UP ? "replace"
		   : add						 ? "add"
									 : "delete");
	buf_puts(out, ip_format(&a->address, !peer.family, text));
	if (peer.family) {
		peer.len = a->address.len;
		buf_printf(out, " peer %s", ip_format(&peer, true, text));
	}
	buf_puts(out, " dev");
	script_word(out, a->link->name);
	if (v4 && a->label && !str_equal(a->label, a->link->name)) {
		buf_puts(out, " label");
		script_word(out, a->label);
	}
	if (add && v4 && a->scope != usual)
		put_named("scope", &address_table, a, out);
	if (add && !v4 && !a->dad)
		buf_puts(out, " nodad");
	for (size_t i = 0; add && i < found_address_table.n; i++) {
		const struct attr *row = &found_address_table.rows[i];

		if (!(address_found(a)->given >> i & 1))
			continue;
		buf_printf(out, " %s", row->key);
		if (row->type != ATTR_BOOL)
			put_value(row->key, &found_address_table, address_found(a), out);
	}
	buf_putc(out, '\n');
}

/* --- routes ------------------------------------------------------------------------ */

/* The scope that ip-route(8) gives an IPv4 route when it is not told. */
static uint32_t usual_scope(const struct route *r)
{
	switch (r->type) {
	case RTN_LOCAL:
		return RT_SCOPE_HOST;
	case RTN_UNICAST:
		return r->via.family || r->nexthops.n ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	default:
		return RT_SCOPE_UNIVERSE;
	}
}

static void put_gateway(const struct route *r, const struct ip *via, const char *dev, bool onlink,
			struct buf *out)
{
	char text[IP_TEXT_MAX];

	if (via->family)
		buf_printf(out, " via %s%s", via->family != r->to.family ? "inet6 " : "",
			   ip_format(via, false, text));
	if (dev) {
		buf_puts(out, " dev");
		script_word(out, dev);
	}
	if (onlink)
		buf_puts(out, " onlink");
}

static void put_route_rows(const struct route *r, struct buf *out)
{
	char text[IP_TEXT_MAX];

	if (r->src.family)
		buf_printf(out, " src %s", ip_format(&r->src, false, text));
	if (r->to.family == AF_INET && r->scope != usual_scope(r))
		put_named("scope", &route_table, r, out);
	if (r->mtu)
		buf_printf(out, " mtu %u", r->mtu);
	if (r->advmss)
		buf_printf(out, " advmss %u", r->advmss);
}

static void put_nexthops(const struct route *r, struct buf *out)
{
	array_each(&r->nexthops, h) {
		buf_puts(out, " nexthop");
		put_gateway(r, &h->via, h->dev, h->onlink, out);
		if (h->weight)
			buf_printf(out, " weight %u", h->weight);
	}
}

void script_route(const struct step *s, struct buf *out)
{
	const struct route *r = s->route;
	bool replace = s->op == OP_ROUTE_SET || s->op == OP_ROUTE_SET_DIRECT;
	bool add = s->op != OP_ROUTE_DEL;
	char text[IP_TEXT_MAX];

	if (!add)
		buf_puts(out, UNLESS_GONE);
	script_ip(s->netns, out);
	buf_printf(out, "%s route %s", r->to.family == AF_INET6 ? " -6" : "",
		   replace ? "replace"
		   : add   ? "add"
			   : "delete");
	if (r->type != RTN_UNICAST)
		put_value("type", &route_table, r, out);
	buf_printf(out, " %s", r->to.len ? ip_format(&r->to, true, text) : "default");
	put_gateway(r, &r->via, r->dev, add && r->onlink, out);
	put_named("proto", &route_table, r, out);
	/* ip-route(8) puts routes of type local into the table local by itself, others into main */
	if (r->table != RT_TABLE_MAIN || r->type == RTN_LOCAL)
		put_named("table", &route_table, r, out);
	if (r->metric && (!add || r->to.family == AF_INET || r->metric != IP6_RT_PRIO_USER))
		buf_printf(out, " metric %u", r->metric);
	if (add)
		put_route_rows(r, out);
	/* Without them the kernel removes all ways of an IPv6 route, also where some have gone
	 * with their interfaces (ip6_route_del() in net/ipv6/route.c). */
	if (add || r->to.family == AF_INET)
		put_nexthops(r, out);
	buf_putc(out, '\n');
}
