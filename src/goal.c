/* SPDX-License-Identifier: MIT */
/* The goal of a plan, from a file and a record: what the file says, and for what
 * the record knows and the file does not name (any more), how it was before. For
 * --destroy the file is empty, so everything goes back.
 *
 * The goal's objects are copies of its own; its strings belong to the file's
 * and the record's models, which must outlive it. What comes from the record has no
 * mark: errors about it point at no file, and what is gone is not missed. */
#include "record.h"

#include <string.h>

static struct link *copy_link(struct model *m, struct netns *n, const struct link *from)
{
	struct link *l = netns_add_link(m, n, from->name);
	void *data = NULL;

	if (from->kind && from->kind->size) {
		data = arena_alloc(&m->arena, from->kind->size);
		memcpy(data, from->data, from->kind->size);
	}
	*l = *from;
	l->netns = n;
	l->data = data;
	memset(&l->addresses, 0, sizeof(l->addresses));
	array_each(&from->addresses, a) {
		struct address *copy = link_add_address(m, l, &(*a)->address);
		*copy = **a;
		copy->link = l;
	}
	return l;
}

static struct route *copy_route(struct model *m, struct netns *n, const struct route *from)
{
	struct route *r = netns_add_route(m, n);

	*r = *from;
	r->netns = n;
	memset(&r->nexthops, 0, sizeof(r->nexthops));
	array_each(&from->nexthops, h)
		array_add(&r->nexthops, *h);
	return r;
}

static struct sysctl *copy_sysctl(struct model *m, struct netns *n, const struct sysctl *from)
{
	struct sysctl *s = netns_add_sysctl(m, n, from->path, from->value);

	s->node = from->node;
	s->implied = from->implied;
	return s;
}

static struct netns *copy_netns_head(struct model *m, const struct netns *from)
{
	struct netns *n = model_add_netns(m, from->name, from->class);

	n->mark = from->mark;
	n->node = from->node;
	n->pid = from->pid;
	n->path = from->path;
	n->cookie = from->cookie;
	n->handle = -1;
	return n;
}

static void copy_netns(struct model *m, const struct netns *from)
{
	struct netns *n = copy_netns_head(m, from);

	n->forwarding = from->forwarding;
	n->forwarding_given = from->forwarding_given;
	array_each(&from->links, l)
		copy_link(m, n, *l);
	array_each(&from->routes, r)
		copy_route(m, n, *r);
	array_each(&from->sysctls, s)
		copy_sysctl(m, n, *s);
	array_each(&from->ignore_links, i)
		array_add(&n->ignore_links, *i);
	array_each(&from->ignore_routes, i)
		array_add(&n->ignore_routes, *i);
}

struct model *model_copy(const struct model *from)
{
	struct model *m = model_new();

	m->name = from->name;
	m->description = from->description;
	array_each(&from->namespaces, n)
		copy_netns(m, *n);
	model_sort(m);
	return m;
}

/* --- what was before ----------------------------------------------------------- */

/* The link of the file that was (or is to be) moved from there. */
struct link *model_find_moved(const struct model *file, const struct netns *n, const char *name)
{
	if (!file)
		return NULL;
	array_each(&file->namespaces, f) {
		array_each(&(*f)->links, l)
			if (ref_is_link(&(*l)->from, n, name))
				return *l;
	}
	return NULL;
}

/* Does the file still hold this link as the lab changed it, so that what it lost
 * by that (addresses and routes) is not to come back yet? */
bool link_is_held(const struct model *file, const struct netns *n, const char *name)
{
	const struct netns *f = file ? model_find_netns(file, n->name) : NULL;
	const struct link *l = f ? netns_find_link(f, name) : NULL;

	return model_find_moved(file, n, name) || (l && l->given & LINK_BIT("state"));
}

/* Likewise for values that follow a forwarding switch which the file holds. */
bool sysctl_is_held(const struct model *file, const struct netns *n, const char *path)
{
	const struct netns *f = file ? model_find_netns(file, n->name) : NULL;
	bool ipv6 = str_starts(path, "ipv6/");

	return f && netns_is_external(f) && sysctl_is_dragged(path, ipv6) &&
	       netns_find_sysctl(f, ipv6 ? IPV6_SWITCH : IPV4_SWITCH);
}

/* An existing link that the file still names: only what it no longer says of it. */
static void restore_keys(struct link *want, const struct link *before, uint64_t keys)
{
	uint64_t back = before->given & ~want->given & keys;

	for (size_t i = 0; i < link_table.n; i++) {
		const struct attr *row = &link_table.rows[i];
		if (back >> i & 1 && attr_is_scalar(row) && !(row->flags & ATTR_IDENTITY))
			attr_copy(row, before, want);
	}
	want->given |= back;
}

static struct link *put_back_link(struct model *goal, struct netns *n, const struct link *before)
{
	struct link *l = copy_link(goal, n, before);

	l->mark = NO_MARK;
	l->node = NULL;
	array_each(&l->addresses, a)
		(*a)->node = NULL;
	netns_sort(n);
	return l;
}

/* But for those that the file names itself. */
static void restore_addresses(struct model *goal, struct link *want, const struct link *before)
{
	array_each(&before->addresses, a) {
		bool named = false;

		array_each(&want->addresses, w)
			named = named || address_compare(*w, *a) == 0;
		if (!named) {
			struct address *copy = link_add_address(goal, want, &(*a)->address);
			*copy = **a;
			copy->link = want;
			copy->node = NULL;
		}
	}
}

/* What was moved is still to be found where it was lent to, or comes home: perhaps to what the file
 * says of it there, and even if its name is another's by now. */
static void restore_moved(struct model *goal, struct netns *n, const struct model *file,
			  struct link *named, const struct link *before)
{
	const struct link *moved = model_find_moved(file, n, before->name);
	struct link *want;

	if (moved) {
		want = netns_find_link(model_find_netns(goal, moved->netns->name), moved->name);
		/* what it brought along from home, and the file says no more */
		restore_keys(want, before, LINK_BIT("mtu") | LINK_BIT("mac"));
	} else if (named && !named->from.name && !link_is_made(named)) {
		want = named;
		restore_keys(want, before, UINT64_MAX);
		restore_addresses(goal, want, before);
	} else {
		want = put_back_link(goal, n, before);
	}
	want->home = before->home;
	want->away = before->away;
	if (!moved)
		want->from = (struct ref){n->name, want->name};
}

static void restore_link(struct model *goal, struct netns *n, const struct model *file,
			 const struct link *before)
{
	struct netns *f = file ? model_find_netns(file, n->name) : NULL;
	struct link *named =
		f && netns_find_link(f, before->name) ? netns_find_link(n, before->name) : NULL;

	if (before->away) {
		restore_moved(goal, n, file, named, before);
	} else if (!named) {
		put_back_link(goal, n, before);
	} else if (!named->from.name) {
		restore_keys(named, before, UINT64_MAX);
		if (!link_is_held(file, n, before->name))
			restore_addresses(goal, named, before);
	}
}

static void restore_netns(struct model *goal, const struct model *file, const struct netns *before)
{
	struct netns *n = model_find_netns(goal, before->name);
	const struct netns *f = file ? model_find_netns(file, before->name) : NULL;

	if (n->absent)
		return;
	array_each(&before->sysctls, s) {
		if ((!f || !netns_find_sysctl(f, (*s)->path)) &&
		    !sysctl_is_held(file, n, (*s)->path))
			copy_sysctl(goal, n, *s)->node = NULL;
	}
	array_each(&before->links, l)
		restore_link(goal, n, file, *l);
	array_each(&before->routes, r) {
		bool named = (*r)->dev && link_is_held(file, n, (*r)->dev);
		if (f && !named)
			array_each(&f->routes, w)
				named = named || route_compare(*w, *r) == 0;
		if (!named)
			copy_route(goal, n, *r)->node = NULL;
	}
}

static void add_heads(struct model *goal, const struct model *file, const struct model *from)
{
	array_each(&from->namespaces, n) {
		struct netns *head;

		if ((file && model_find_netns(file, (*n)->name)) ||
		    model_find_netns(goal, (*n)->name))
			continue;
		head = copy_netns_head(goal, *n);
		head->mark = NO_MARK;
		head->node = NULL;
		head->absent = head->class == NETNS_OWNED;
		model_sort_namespaces(goal);
	}
}

/* What was moved may be in any namespace, also in one that goes: it is to be seen there first. */
static void mark_holders(struct model *goal)
{
	bool moved = false;

	array_each(&goal->namespaces, n) {
		array_each(&(*n)->links, l)
			moved = moved || (*l)->from.name;
	}
	array_each(&goal->namespaces, n)
		(*n)->may_hold_moved = moved;
}

int goal_make(const struct model *file, const struct record *r, struct model **ret_goal)
{
	struct model *goal = file ? model_copy(file) : model_new();

	if (r) {
		add_heads(goal, file, r->made);
		add_heads(goal, file, r->before);
		array_each(&r->before->namespaces, n)
			restore_netns(goal, file, *n);
		model_sort(goal);
		mark_holders(goal);
	}
	*ret_goal = goal;
	return 0;
}
