/* SPDX-License-Identifier: MIT */
/* How a record grows before a plan runs (record_settle.c: how it shrinks afterwards).
 *
 * `made` holds the owned namespaces (with the links in them whose MAC or MTU the
 * lab set, since those cannot be unset) and what the lab made in external ones: a link
 * with a kind was made, one without only carries addresses that were. `before`
 * holds old values: rows in `given`, sysctls, whole links that were moved. */
#include "record.h"

#include <string.h>
#include <sys/socket.h>

static struct netns *get_netns(struct model *m, const struct netns *like)
{
	struct netns *n = model_find_netns(m, like->name);

	if (n)
		return n;
	n = model_add_netns(m, arena_strdup(&m->arena, like->name), like->class);
	n->pid = like->pid;
	n->path = like->path ? arena_strdup(&m->arena, like->path) : NULL;
	for (size_t i = m->namespaces.n - 1;
	     i > 0 && strcmp(m->namespaces.items[i - 1]->name, n->name) > 0; i--) {
		m->namespaces.items[i] = m->namespaces.items[i - 1];
		m->namespaces.items[i - 1] = n;
	}
	return n;
}

static struct link *get_link(struct model *m, struct netns *n, const char *name)
{
	struct link *l = netns_find_link(n, name);

	if (l)
		return l;
	l = netns_add_link(m, n, arena_strdup(&m->arena, name));
	for (size_t i = n->links.n - 1; i > 0 && strcmp(n->links.items[i - 1]->name, name) > 0;
	     i--) {
		n->links.items[i] = n->links.items[i - 1];
		n->links.items[i - 1] = l;
	}
	return l;
}

static const char *own(struct model *m, const char *s)
{
	return s ? arena_strdup(&m->arena, s) : NULL;
}

static void take_row(struct model *m, const struct attr *row, const void *from, void *to)
{
	attr_copy(row, from, to);
	if (row->type == ATTR_TEXT || row->type == ATTR_IFNAME) {
		const char **s = (const char **)(void *)((char *)to + row->offset);
		*s = own(m, *s);
	}
}

static void take_rows(struct model *m, struct link *to, const struct link *from, uint64_t mask)
{
	for (size_t i = 0; i < link_table.n; i++) {
		const struct attr *row = &link_table.rows[i];

		if (!(mask & ~to->given & UINT64_C(1) << i) || !attr_is_scalar(row) ||
		    row->flags & ATTR_IDENTITY || row->type == ATTR_REF)
			continue;
		take_row(m, row, from, to);
		to->given |= UINT64_C(1) << i;
	}
}

static void take_kind_rows(struct model *m, struct link *to, const struct link *from, uint64_t mask)
{
	if (!mask || !from->kind)
		return;
	if (!to->kind)
		link_set_kind(m, to, from->kind);
	for (size_t i = 0; i < from->kind->table.n; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if (!(mask & ~to->kind_given & bit))
			continue;
		take_row(m, &from->kind->table.rows[i], from->data, to->data);
		to->kind_given |= bit;
	}
}

static void take_address(struct model *m, struct link *to, const struct address *from)
{
	struct address *a;

	array_each(&to->addresses, i)
		if (address_compare(*i, from) == 0)
			return;
	a = link_add_address(m, to, &from->address);
	*a = *from;
	a->link = to;
	a->node = NULL;
	a->label = own(m, from->label);
}

static void take_route(struct model *m, struct netns *to, const struct route *from)
{
	struct route *r;

	array_each(&to->routes, i)
		if (route_compare(*i, from) == 0)
			return;
	r = netns_add_route(m, to);
	*r = *from;
	r->netns = to;
	r->node = NULL;
	r->dev = own(m, from->dev);
	memset(&r->nexthops, 0, sizeof(r->nexthops));
	array_each(&from->nexthops, h) {
		struct nexthop *copy = array_push(&r->nexthops);
		*copy = *h;
		copy->node = NULL;
		copy->dev = own(m, h->dev);
	}
}

static void take_sysctl(struct model *m, struct netns *to, const char *path, const char *value)
{
	if (netns_find_sysctl(to, path))
		return;
	netns_add_sysctl(m, to, own(m, path), own(m, value));
	netns_sort(to);
}

/* --- growing ------------------------------------------------------------------- */

/* What an interface loses by being moved or set down. */
static void take_losses(struct model *before, struct netns *n, struct link *to,
			const struct link *live, bool ipv4_addresses)
{
	array_each(&live->addresses, a) {
		if (!(*a)->automatic && (ipv4_addresses || (*a)->address.family == AF_INET6))
			take_address(before, to, *a);
	}
	array_each(&live->netns->routes, r) {
		bool uses = str_equal((*r)->dev, live->name);
		array_each(&(*r)->nexthops, h)
			uses = uses || str_equal(h->dev, live->name);
		if (uses)
			take_route(before, n, *r);
	}
}

static void take_link_sysctls(struct model *before, struct netns *n, const struct link *live)
{
	array_each(&live->netns->sysctls, s) {
		size_t size = 0;
		const char *name = sysctl_interface((*s)->path, &size);

		if (name && size == strlen(live->name) && strncmp(name, live->name, size) == 0 &&
		    !(*s)->missing)
			take_sysctl(before, n, (*s)->path, (*s)->value);
	}
}

static struct link *find_recorded(const struct model *before, uint32_t away)
{
	array_each(&before->namespaces, n) {
		array_each(&(*n)->links, l)
			if ((*l)->away == away)
				return *l;
	}
	return NULL;
}

/* Ahead of the first move from home: from then on its indexes say which it is, and this is how it
 * was found. */
static void add_move(struct record *r, const struct link *want)
{
	const struct link *source = want->match;
	struct model *before = r->before;
	struct link *known = find_recorded(before, want->away);
	struct netns *n;

	if (known) {
		known->home = want->home;
		return;
	}
	n = get_netns(before, source->netns);
	known = get_link(before, n, source->name);
	take_rows(before, known, source, source->given);
	known->home = want->home;
	known->away = want->away;
	take_losses(before, n, known, source, true);
	take_link_sysctls(before, n, source);
}

/* MAC and MTU that were set once: see ATTR_AUTOMATIC. */
static uint64_t automatic_given(const struct link *l)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < link_table.n; i++)
		if (link_table.rows[i].flags & ATTR_AUTOMATIC)
			mask |= UINT64_C(1) << i;
	return mask & l->given;
}

static void add_made_link(struct record *r, const struct link *want)
{
	struct netns *n;
	struct link *l;

	if (!want || (!netns_is_external(want->netns) && !automatic_given(want)))
		return;
	n = get_netns(r->made, want->netns);
	l = get_link(r->made, n, want->name);
	if (!l->kind)
		link_set_kind(r->made, l, want->kind);
	take_rows(r->made, l, want, automatic_given(want));
}

static void add_link(struct record *r, const struct plan *p, const struct change *c)
{
	const struct link *want = c->want.link, *have = c->have.link;
	struct netns *n;
	struct link *l;

	if (!want)
		return;
	if (c->moved) {
		add_move(r, want);
		return;
	}
	if (c->action != ACTION_CHANGE) {
		add_made_link(r, want);
		if (c->cable)
			add_made_link(r, link_peer(p->goal, want));
		return;
	}
	n = model_find_netns(r->made, want->netns->name);
	l = n ? netns_find_link(n, want->name) : NULL;
	if (!netns_is_external(want->netns) || (l && l->kind)) {
		if (link_is_made(want))
			add_made_link(r, want);
		return;
	}
	if (!want->mark.line || /* being put back */
	    want->from.name)	/* how it was at home is known */
		return;
	n = get_netns(r->before, want->netns);
	l = get_link(r->before, n, want->name);
	take_rows(r->before, l, have, c->mask);
	l->given |= c->mask & LINK_BIT("master"); /* also when it had none */
	take_kind_rows(r->before, l, have, c->kind_mask);
	if (c->mask & LINK_BIT("state") && want->state == LINK_DOWN)
		take_losses(r->before, n, l, have, false);
}

static bool made_address(const struct record *r, const struct address *a)
{
	struct netns *n = model_find_netns(r->made, a->link->netns->name);
	struct link *l = n ? netns_find_link(n, a->link->name) : NULL;

	if (l)
		array_each(&l->addresses, i)
			if (address_compare(*i, a) == 0)
				return true;
	return false;
}

static void add_address(struct record *r, const struct change *c)
{
	const struct address *want = c->want.address, *have = c->have.address;
	struct netns *n;

	if (!want || !want->node || !netns_is_external(want->link->netns) || made_address(r, want))
		return;
	if (!have) {
		n = get_netns(r->made, want->link->netns);
		take_address(r->made, get_link(r->made, n, want->link->name), want);
	} else {
		n = get_netns(r->before, want->link->netns);
		take_address(r->before, get_link(r->before, n, want->link->name), have);
	}
}

static bool made_route(const struct record *r, const struct route *route)
{
	struct netns *n = model_find_netns(r->made, route->netns->name);

	if (n)
		array_each(&n->routes, i)
			if (route_compare(*i, route) == 0)
				return true;
	return false;
}

static void add_route(struct record *r, const struct change *c)
{
	const struct route *want = c->want.route, *have = c->have.route;
	struct model *m = have ? r->before : r->made;

	if (!want || !want->node || !netns_is_external(want->netns) || made_route(r, want))
		return;
	take_route(m, get_netns(m, want->netns), have ? have : want);
}

static void add_dragged(struct record *r, const struct netns *live, struct netns *before, bool ipv6)
{
	array_each(&live->sysctls, s) {
		if (sysctl_is_dragged((*s)->path, ipv6) && !(*s)->missing)
			take_sysctl(r->before, before, (*s)->path, (*s)->value);
	}
}

static void add_sysctl(struct record *r, const struct plan *p, const struct change *c)
{
	const struct sysctl *want = c->want.sysctl, *have = c->have.sysctl;
	const struct netns *live = model_find_netns(p->live, c->netns->name);
	struct netns *before;

	/* Of an owned namespace's switches the goal knows the old value: off. */
	if ((!want->node && !want->implied) || !have ||
	    (!netns_is_external(c->netns) && sysctl_is_switch(want->path)))
		return;
	before = get_netns(r->before, c->netns);
	take_sysctl(r->before, before, have->path, have->value);
	if (netns_is_external(c->netns) && sysctl_is_switch(want->path))
		add_dragged(r, live, before, str_starts(want->path, "ipv6/"));
}

void record_add_plan(struct record *r, const struct plan *p)
{
	array_each(&p->changes, c) {
		switch (c->object) {
		case OBJECT_NAMESPACE:
			if (c->want.netns)
				get_netns(r->made, c->want.netns)->class = NETNS_OWNED;
			break;
		case OBJECT_LINK:
			add_link(r, p, c);
			break;
		case OBJECT_ADDRESS:
			add_address(r, c);
			break;
		case OBJECT_ROUTE:
			add_route(r, c);
			break;
		case OBJECT_SYSCTL:
			add_sysctl(r, p, c);
			break;
		}
	}
	/* Namespaces that were taken over are the lab's from now on. */
	array_each(&p->goal->namespaces, n) {
		if ((*n)->class == NETNS_OWNED && !(*n)->absent && (*n)->cookie)
			get_netns(r->made, *n)->cookie = (*n)->cookie;
	}
}

static void forget_replaced(struct record *r, const struct link *want)
{
	struct netns *n = model_find_netns(r->made, want->netns->name);
	struct link *l = n ? netns_find_link(n, want->name) : NULL;

	if (l)
		l->given &= want->given;
}

void record_plan_done(struct record *r, const struct plan *p)
{
	array_each(&p->changes, c) {
		if (c->object != OBJECT_LINK || c->action != ACTION_REPLACE)
			continue;
		forget_replaced(r, c->want.link);
		if (c->cable)
			forget_replaced(r, link_peer(p->goal, c->want.link));
	}
}

void record_add_netns(struct record *r, const struct netns *n)
{
	get_netns(r->made, n)->cookie = n->cookie;
}

void record_set_cookie(struct record *r, const char *netns, uint64_t cookie)
{
	struct netns *n = model_find_netns(r->made, netns);

	if (n)
		n->cookie = cookie;
}

void record_add_sysctl(struct record *r, const struct netns *n, const char *path, const char *value)
{
	take_sysctl(r->before, get_netns(r->before, n), path, value);
}
