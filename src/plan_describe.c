/* SPDX-License-Identifier: MIT */
/* What a change is about, in words: for the lines of a plan and for messages.
 *
 * Every name and value goes through buf_printable(): interfaces and namespaces
 * may be called anything, and a terminal must not be told to do things by them.
 * change_id() alone gives them as they are: who prints an id makes it safe. */
#include "plan_text.h"

#include <linux/ipv6_route.h>
#include <string.h>
#include <sys/socket.h>

const char *object_name(enum object object)
{
	static const char *const names[] = {
		[OBJECT_NAMESPACE] = "namespace", [OBJECT_LINK] = "link",
		[OBJECT_ADDRESS] = "address",	  [OBJECT_ROUTE] = "route",
		[OBJECT_SYSCTL] = "sysctl",	  [OBJECT_PROCESS] = "process",
	};

	return names[object];
}

const char *change_netns(const struct change *c)
{
	return c->object == OBJECT_PROCESS ? change_subject(c).process->netns : c->netns->name;
}

union object_ptr change_subject(const struct change *c)
{
	return c->want.any ? c->want : c->have;
}

bool change_has_new_kind(const struct change *c)
{
	const struct link *have = c->have.link, *want = c->want.link;

	return c->object == OBJECT_LINK && have && want && want->kind && have->kind != want->kind;
}

/* --- values ------------------------------------------------------------------ */

void text_printable(struct buf *out, const struct buf *text)
{
	buf_printable(out, buf_text(text));
}

static void put_nexthop(const struct nexthop *h, struct buf *out)
{
	char ip[IP_TEXT_MAX];

	buf_puts(out, "nexthop");
	if (h->via.family)
		buf_printf(out, " via %s", ip_format(&h->via, false, ip));
	if (h->dev) {
		buf_puts(out, " dev ");
		buf_printable(out, h->dev);
	}
	if (h->weight > 1)
		buf_printf(out, " weight %u", h->weight);
	if (h->onlink)
		buf_puts(out, " onlink");
}

void text_nexthops(const struct route *r, struct buf *out)
{
	array_each(&r->nexthops, h) {
		if (h != r->nexthops.items)
			buf_putc(out, ' ');
		put_nexthop(h, out);
	}
	if (!r->nexthops.n)
		buf_puts(out, "none");
}

void text_value(const struct attr *row, const void *object, bool given, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	if (row->flags & ATTR_SECRET) {
		buf_puts(out, "(secret)");
		return;
	}
	/* an MTU of the kind's own is not given, but known */
	if (given || !(row->flags & ATTR_AUTOMATIC) || !attr_is_initial(row, object))
		attr_format(row, object, &text);
	if (text.n)
		text_printable(out, &text);
	else
		buf_puts(out, row->flags & ATTR_AUTOMATIC ? "automatic" : "none");
}

/* --- what a change is about ---------------------------------------------------- */

void text_link(const struct link *l, struct buf *out)
{
	cleanup_buf struct buf id = {0};

	link_id(l, &id);
	text_printable(out, &id);
}

static void put_address(const struct address *a, struct buf *out)
{
	char ip[IP_TEXT_MAX];

	if (a->peer.family) {
		struct ip peer = a->peer;

		peer.len = a->address.len;
		buf_printf(out, "%s peer ", ip_format(&a->address, false, ip));
		buf_puts(out, ip_format(&peer, true, ip));
	} else {
		buf_puts(out, ip_format(&a->address, true, ip));
	}
}

uint64_t text_route_rows(void)
{
	static const char *const keys[] = {"to",  "family", "type",  "via",
					   "dev", "onlink", "table", "metric"};
	uint64_t mask = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		mask |= attr_find_bit(&route_table, keys[i]);
	return mask;
}

static void put_route_row(const struct route *r, const char *key, struct buf *out)
{
	const struct attr *row = &route_table.rows[attr_find(&route_table, key)];

	buf_printf(out, " %s ", key);
	text_value(row, r, true, out);
}

/* In the words of iproute2. Rows in `without` are what changes, so they are not shown
 * as if they were part of the route's name. */
static void put_route(const struct route *r, uint64_t without, struct buf *out)
{
	const struct attr *type = &route_table.rows[attr_find(&route_table, "type")];
	const struct attr *table = &route_table.rows[attr_find(&route_table, "table")];
	char ip[IP_TEXT_MAX];

	if (!attr_is_initial(type, r) && !(without & attr_bit(&route_table, "type"))) {
		text_value(type, r, true, out);
		buf_putc(out, ' ');
	}
	if (!r->to.len) {
		/* `default` alone is IPv4 to everybody who reads it */
		bool plain = r->to.family == AF_INET || r->via.family || r->nexthops.n;

		buf_puts(out, plain ? "default" : "default (IPv6)");
	} else {
		buf_puts(out, ip_format(&r->to, true, ip));
	}
	if (r->via.family && !(without & attr_bit(&route_table, "via")))
		buf_printf(out, " via %s", ip_format(&r->via, false, ip));
	if (r->dev && !r->dev_resolved && !(without & attr_bit(&route_table, "dev")))
		put_route_row(r, "dev", out);
	if (r->onlink && !(without & attr_bit(&route_table, "onlink")))
		buf_puts(out, " onlink");
	if (!attr_is_initial(table, r))
		put_route_row(r, "table", out);
	if (r->metric != (r->to.family == AF_INET6 ? IP6_RT_PRIO_USER : 0))
		put_route_row(r, "metric", out);
	if (r->nexthops.n && !(without & attr_bit(&route_table, "nexthops"))) {
		buf_putc(out, ' ');
		text_nexthops(r, out);
	}
}

/* What stays the same when the route changes in place, and nothing that may change. */
static void put_route_identity(const struct route *r, struct buf *out)
{
	char ip[IP_TEXT_MAX];

	if (r->to.len)
		buf_puts(out, ip_format(&r->to, true, ip));
	else
		buf_puts(out, r->to.family == AF_INET6 ? "::/0" : "0.0.0.0/0");
	buf_printf(out, " table %u metric %u", r->table, r->metric);
}

void text_change(const struct change *c, const struct link *other, uint64_t without,
		 struct buf *out)
{
	union object_ptr o = change_subject(c);
	cleanup_buf struct buf name = {0};

	buf_printf(out, "%s ", object_name(c->object));
	switch (c->object) {
	case OBJECT_NAMESPACE:
		buf_printable(out, o.netns->name);
		return;
	case OBJECT_LINK:
		text_link(o.link, out);
		if (other) {
			buf_puts(out, " -- ");
			text_link(other, out);
		}
		return;
	case OBJECT_ADDRESS:
		put_address(o.address, out);
		buf_puts(out, " on ");
		text_link(o.address->link, out);
		return;
	case OBJECT_ROUTE:
		put_route(o.route, without, out);
		break;
	case OBJECT_SYSCTL:
		sysctl_name(o.sysctl->path, &name);
		text_printable(out, &name);
		break;
	case OBJECT_PROCESS:
		process_id(o.process, &name);
		text_printable(out, &name);
		return;
	}
	buf_puts(out, " in ");
	buf_printable(out, c->netns->name);
}

void change_describe(const struct change *c, struct buf *out)
{
	text_change(c, NULL, c->mask, out);
}

void change_id(const struct change *c, struct buf *out)
{
	union object_ptr o = change_subject(c);
	char ip[IP_TEXT_MAX];

	switch (c->object) {
	case OBJECT_NAMESPACE:
		buf_puts(out, o.netns->name);
		return;
	case OBJECT_LINK:
		link_id(o.link, out);
		return;
	case OBJECT_ADDRESS:
		link_id(o.address->link, out);
		buf_printf(out, " %s", ip_format(&o.address->address, true, ip));
		if (o.address->peer.family)
			buf_printf(out, " peer %s", ip_format(&o.address->peer, false, ip));
		return;
	case OBJECT_ROUTE:
		buf_printf(out, "%s ", c->netns->name);
		put_route_identity(o.route, out);
		return;
	case OBJECT_SYSCTL:
		buf_printf(out, "%s ", c->netns->name);
		sysctl_name(o.sysctl->path, out);
		return;
	case OBJECT_PROCESS:
		process_id(o.process, out);
		return;
	}
}
