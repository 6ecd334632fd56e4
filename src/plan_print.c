/* SPDX-License-Identifier: MIT */
/* A plan as people read it: one line a change, then a summary.
 *
 * Only rows that differ (change, replace) or that were given and say something
 * (create, delete) are shown. Names are made safe to show as in plan_describe.c. */
#include "plan_text.h"

#include <string.h>

struct style {
	const char *sign, *on;
};
static const struct style styles[] = {
	[ACTION_CREATE] = {"+", "\033[32m"},
	[ACTION_CHANGE] = {"~", "\033[33m"},
	[ACTION_REPLACE] = {"-/+", "\033[33m"},
	[ACTION_DELETE] = {"-", "\033[31m"},
};
#define STYLE_OFF "\033[0m"

/* The other end of a change that is about a cable, or NULL. */
static const struct link *cable_end(const struct plan *p, const struct change *c)
{
	if (c->object != OBJECT_LINK || !c->cable)
		return NULL;
	return c->want.link ? link_peer(p->goal, c->want.link) : link_peer(p->live, c->have.link);
}

/* --- the details after it -------------------------------------------------------- */

void text_item(struct buf *out, bool *open)
{
	buf_puts(out, *open ? ", " : " (");
	*open = true;
}

void text_rows(const struct attr_table *t, const void *object, uint64_t mask, bool *open,
	       struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];

		if (!(mask & UINT64_C(1) << i) || !attr_is_scalar(row) ||
		    row->flags & ATTR_IDENTITY || attr_is_initial(row, object))
			continue;
		text_item(out, open);
		buf_printf(out, "%s ", row->key);
		text_value(row, object, true, out);
	}
}

/* What a link's line says in other ways, or what is not worth a word. */
static uint64_t link_described(const struct link *l)
{
	uint64_t mask = LINK_BIT("kind") | LINK_BIT("peer") | LINK_BIT("from");

	return l->state == LINK_UP ? mask | LINK_BIT("state") : mask;
}

/* Do both ends of a cable have this row, with the same value? */
static uint64_t link_shared(const struct link *a, const struct link *b)
{
	uint64_t given = a->given & b->given & ~LINK_BIT("kind"), mask = 0;

	for (size_t i = 0; i < link_table.n; i++)
		if (given & UINT64_C(1) << i && attr_is_scalar(&link_table.rows[i]) &&
		    attr_equal(&link_table.rows[i], a, b))
			mask |= UINT64_C(1) << i;
	return mask;
}

static void put_end(const struct link *l, uint64_t mask, bool *open, struct buf *out)
{
	cleanup_buf struct buf text = {0};
	bool any = false;

	text_rows(&link_table, l, mask, &any, &text);
	if (!any)
		return;
	text_item(out, open);
	text_link(l, out);
	buf_printf(out, ": %s", buf_text(&text) + strlen(" ("));
}

static void put_link_details(const struct change *c, const struct link *other, bool *open,
			     struct buf *out)
{
	const struct link *l = change_subject(c).link;
	uint64_t mine = l->given & ~link_described(l);

	if (l->kind || (l->kind_name && *l->kind_name)) {
		text_item(out, open);
		buf_printable(out, l->kind ? l->kind->name : l->kind_name);
	}
	if (c->moved) {
		text_item(out, open);
		buf_puts(out, "from ");
		text_link(l->match, out);
	}
	if (!other) {
		text_rows(&link_table, l, mine, open, out);
	} else {
		uint64_t both = link_shared(l, other);

		text_rows(&link_table, l, mine & both, open, out);
		put_end(l, mine & ~both, open, out);
		put_end(other, other->given & ~link_described(other) & ~both, open, out);
	}
	if (l->kind && l->data)
		text_rows(&l->kind->table, l->data, l->kind_given, open, out);
}

/* Of a sysctl. */
static void text_sysctl(const char *value, struct buf *out)
{
	buf_printable(out, *value ? value : "\"\"");
}

/* Of an object that comes or goes: what it is like. */
static void put_details(const struct change *c, const struct link *other, bool *open,
			struct buf *out)
{
	union object_ptr o = change_subject(c);

	switch (c->object) {
	case OBJECT_NAMESPACE:
		return;
	case OBJECT_LINK:
		put_link_details(c, other, open, out);
		return;
	case OBJECT_ADDRESS:
		text_rows(&address_table, o.address,
			  o.address->given & ~attr_bit(&address_table, "peer"), open, out);
		return;
	case OBJECT_ROUTE:
		text_rows(&route_table, o.route, o.route->given & ~text_route_rows(), open, out);
		return;
	case OBJECT_SYSCTL:
		text_item(out, open);
		text_sysctl(o.sysctl->value, out);
		return;
	case OBJECT_PROCESS:
		if (c->action == ACTION_CREATE)
			text_process(o.process, open, out);
		return;
	}
}

void text_differences(const struct attr_table *t, uint64_t mask, const void *have,
		      uint64_t have_given, const void *want, uint64_t want_given, bool *open,
		      struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];
		uint64_t bit = UINT64_C(1) << i;

		if (!(mask & bit))
			continue;
		buf_printf(out, "%s %s ", *open ? "," : ":", row->key);
		*open = true;
		if (t == &route_table && str_equal(row->key, "nexthops")) {
			text_nexthops(have, out);
			buf_puts(out, " -> ");
			text_nexthops(want, out);
			continue;
		}
		text_value(row, have, have_given & bit, out);
		buf_puts(out, " -> ");
		text_value(row, want, want_given & bit, out);
	}
}

static void put_link_differences(const struct change *c, bool *open, struct buf *out)
{
	const struct link *have = c->have.link, *want = c->want.link;

	if (change_has_new_kind(c)) {
		buf_puts(out, ": kind ");
		buf_printable(out, have->kind	     ? have->kind->name
				   : have->kind_name ? have->kind_name
						     : "none");
		buf_printf(out, " -> %s", want->kind->name);
		*open = true;
	}
	text_differences(&link_table, c->mask & ~LINK_BIT("kind"), have, have->given, want,
			 want->given, open, out);
	/* of two kinds the keys cannot be compared */
	if (want->kind && want->kind == have->kind && want->data && have->data)
		text_differences(&want->kind->table, c->kind_mask, have->data, have->kind_given,
				 want->data, want->kind_given, open, out);
}

static void put_changes(const struct change *c, struct buf *out)
{
	bool open = false;

	if (!c->have.any || !c->want.any)
		return;
	switch (c->object) {
	case OBJECT_NAMESPACE:
		return;
	case OBJECT_LINK:
		put_link_differences(c, &open, out);
		return;
	case OBJECT_ADDRESS:
		text_differences(&address_table, c->mask, c->have.address, c->have.address->given,
				 c->want.address, c->want.address->given, &open, out);
		return;
	case OBJECT_ROUTE:
		text_differences(&route_table, c->mask, c->have.route, c->have.route->given,
				 c->want.route, c->want.route->given, &open, out);
		return;
	case OBJECT_SYSCTL:
		buf_puts(out, ": ");
		text_sysctl(c->have.sysctl->missing ? "none" : c->have.sysctl->value, out);
		buf_puts(out, " -> ");
		text_sysctl(c->want.sysctl->value, out);
		return;
	case OBJECT_PROCESS:
		text_process_changes(c, &open, out);
		return;
	}
}

static void put_change(const struct plan *p, const struct change *c, bool color, struct buf *out)
{
	const struct style *style = &styles[c->action];
	const struct link *other = cable_end(p, c);
	bool open = false;

	buf_printf(out, "%s%s%s ", color ? style->on : "", style->sign, color ? STYLE_OFF : "");
	if (c->action == ACTION_CREATE || c->action == ACTION_DELETE) {
		text_change(c, other, 0, out);
		put_details(c, other, &open, out);
		if (open)
			buf_putc(out, ')');
	} else {
		text_change(c, other, c->mask, out);
		put_changes(c, out);
	}
	if (c->reason) {
		buf_puts(out, " (");
		buf_printable(out, c->reason);
		buf_putc(out, ')');
	}
	buf_putc(out, '\n');
}

void plan_print_text(const struct plan *p, struct buf *out, bool color)
{
	if (!p->changes.n) {
		buf_puts(out, "Nothing to do: the machine matches the file.\n");
		return;
	}
	array_each(&p->changes, c)
		put_change(p, c, color, out);
	buf_printf(out, "Plan: %zu to create, %zu to change, %zu to replace, %zu to delete.\n",
		   p->count[ACTION_CREATE], p->count[ACTION_CHANGE], p->count[ACTION_REPLACE],
		   p->count[ACTION_DELETE]);
}
