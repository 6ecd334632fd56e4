/* SPDX-License-Identifier: MIT */
/* Copies into a record's models: all strings become their own. */
#include "record_internal.h"

#include <string.h>

static const char *own(struct model *m, const char *s)
{
	return s ? arena_strdup(&m->arena, s) : NULL;
}

struct netns *record_netns(struct model *m, const struct netns *like)
{
	struct netns *n = model_find_netns(m, like->name);

	if (n) {
		n->cookie = like->cookie ? like->cookie : n->cookie;
		return n;
	}
	n = model_add_netns(m, like->name, like->class);
	n->pid = like->pid;
	n->path = own(m, like->path);
	n->cookie = like->cookie;
	model_place_netns(m);
	return n;
}

struct link *record_link(struct model *m, struct netns *n, const char *name)
{
	struct link *l = netns_find_link(n, name);

	if (l)
		return l;
	l = netns_add_link(m, n, name);
	netns_place_link(n);
	return l;
}

static void take_row(struct model *m, const struct attr *row, const void *from, void *to)
{
	attr_copy(row, from, to);
	if (row->type == ATTR_TEXT || row->type == ATTR_IFNAME) {
		const char **s = (const char **)(void *)((char *)to + row->offset);
		*s = own(m, *s);
	}
}

void take_rows(struct model *m, struct link *to, const struct link *from, uint64_t rows)
{
	for (size_t i = 0; i < link_table.n; i++) {
		if (!(rows & ~to->given & UINT64_C(1) << i))
			continue;
		take_row(m, &link_table.rows[i], from, to);
		to->given |= UINT64_C(1) << i;
	}
}

void take_kind(struct model *m, struct link *to, const struct link *from)
{
	if (to->kind || !from->kind)
		return;
	link_set_kind(m, to, from->kind);
	for (size_t i = 0; i < from->kind->table.n; i++)
		if (from->kind_given >> i & 1)
			take_row(m, &from->kind->table.rows[i], from->data, to->data);
	to->kind_given = from->kind_given;
	to->peer = (struct ref){own(m, from->peer.netns), own(m, from->peer.name)};
}

void take_address(struct model *m, struct link *to, const struct address *from)
{
	struct address *a;

	if (link_find_address(to, from))
		return;
	a = link_add_address(m, to, &from->address);
	*a = *from;
	a->link = to;
	a->node = NULL;
	a->label = own(m, from->label);
	address_set_found(&m->arena, a, address_found(from));
	link_place_address(to);
}

void take_route(struct model *m, struct netns *to, const struct route *from)
{
	struct route *r;

	if (netns_find_route(to, from))
		return;
	r = netns_add_route(m, to);
	*r = *from;
	r->netns = to;
	r->node = NULL;
	r->dev = own(m, from->dev);
	r->found = own(m, from->found);
	memset(&r->nexthops, 0, sizeof(r->nexthops));
	array_each(&from->nexthops, h) {
		struct nexthop *copy = array_push(&r->nexthops);
		*copy = *h;
		copy->node = NULL;
		copy->dev = own(m, h->dev);
	}
	netns_place_route(to);
}

void take_sysctl(struct model *m, struct netns *to, const char *path, const char *value)
{
	if (netns_find_sysctl(to, path))
		return;
	netns_add_sysctl(m, to, path, value);
	netns_place_sysctl(to);
}
