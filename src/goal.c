/* SPDX-License-Identifier: MIT */
/* The goal of a plan, from a file and a record: what the file says, and for what
 * the record knows and the file does not name (any more), how it was before. For
 * --destroy the file is empty, so everything goes back, but for what another lab
 * holds as well: that is left to it, and since its record has the same old value
 * the last one puts it back.
 *
 * The goal's objects are copies of its own, but for the file's routes and sysctls, which it
 * lists as they are: there may be many. Its strings belong to the file's
 * and the record's models, which must outlive it. What comes from the record has no
 * mark: errors about it point at no file, and what is gone is not missed. */
#include "record.h"

#include <stdlib.h>
#include <string.h>

static void *duplicate(struct model *m, const void *from, size_t size)
{
	return memcpy(arena_alloc(&m->arena, size), from, size);
}

static void copy_link(struct model *m, struct netns *n, const struct link *from)
{
	struct link *l = duplicate(m, from, sizeof(*from));

	l->netns = n;
	l->data = l->data ? duplicate(m, l->data, l->kind->size) : NULL;
	memset(&l->addresses, 0, sizeof(l->addresses));
	array_each(&from->addresses, a) {
		struct address *copy = duplicate(m, *a, sizeof(**a));
		copy->link = l;
		array_add(&l->addresses, copy);
	}
	array_add(&n->links, l);
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

static struct netns *copy_netns_head(struct model *m, const struct netns *from)
{
	struct netns *n = model_add_netns(m, from->name, from->class);

	n->mark = from->mark;
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
		array_add(&n->routes, *r);
	array_each(&from->sysctls, s)
		array_add(&n->sysctls, *s);
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
	array_each(&from->processes, p)
		model_copy_process(m, *p);
	model_sort(m);
	return m;
}

/* --- what was before ----------------------------------------------------------- */

struct goal {
	struct model *model;
	const struct model *file; /* NULL: destroy */
	const struct record *record;
	const struct others *others;
};

/* To what a switch that somebody still holds drags this value, which nobody else names; or NULL. */
static const char *find_dragged(const struct goal *g, const struct netns *n, const char *path)
{
	const char *value = holds_dragged(g->file, n, path);

	array_each(g->others, lab) {
		const struct netns *same = model_find_netns(lab->made, n->name);

		if (same && netns_find_sysctl(same, path))
			return NULL;
		value = value ? value : holds_dragged(lab->made, n, path);
	}
	return value;
}

/* What the lab has kept from an interface that was there before, and nobody does any more. */
static unsigned regained(const struct goal *g, const struct link *before)
{
	const struct netns *n = before->netns;
	unsigned lost = 0;

	if (before->away)
		lost = LOSS_MOVED;
	else if (before->mtu >= IPV6_MIN_MTU)
		lost = model_link_loss(g->record->made, n, before->name) & LOSS_SMALL_MTU;
	lost &= ~model_link_loss(g->file, n, before->name);
	array_each(g->others, lab)
		lost &= ~model_link_loss(lab->made, n, before->name);
	return lost;
}

/* The interface that comes home, or that IPv6 comes back to, and the value with it; NULL: none. A
 * switch has not dragged it along: it was away. */
static const struct link *find_regained(const struct goal *g, const struct netns *before,
					const char *path)
{
	array_each(g->others, lab) {
		const struct netns *same = model_find_netns(lab->made, before->name);
		if (same && netns_find_sysctl(same, path))
			return NULL;
	}
	array_each(&before->links, l)
		if (sysctl_is_of(path, (*l)->name) && loss_takes_sysctl(regained(g, *l), path))
			return *l;
	return NULL;
}

/* What the file switches for all interfaces there is so for what comes back as well; another
 * lab's switch has not dragged it along, and does not bring it back. */
static const char *value_regained(const struct goal *g, const struct netns *n, const char *path,
				  const char *before)
{
	const char *dragged = holds_dragged(g->file, n, path);

	return dragged ? dragged : before;
}

/* Does it hang, for all who name something here, on nothing but the file's value for those
 * interfaces that have none of their own? */
static bool follows_default(const struct goal *g, const struct netns *n, const char *path)
{
	const struct netns *f = g->file ? model_find_netns(g->file, n->name) : NULL;
	char initial[SYSCTL_PATH_MAX + 1];

	return f && sysctl_initial_of(path, initial) && sysctl_drags(initial, path) &&
	       netns_find_sysctl(f, initial) && !others_hold_sysctl(g->others, n, path);
}

/* The same of what comes back: would it, had it always been there? */
static bool goes_on_following(const struct goal *g, const struct link *before, const char *path,
			      const char *value)
{
	char initial[SYSCTL_PATH_MAX + 1];
	const struct sysctl *s =
		sysctl_initial_of(path, initial) ? netns_find_sysctl(before->netns, initial) : NULL;

	return s && str_equal(s->value, value) && link_follows_default(before) &&
	       follows_default(g, before->netns, path);
}

/* What it has in a new lab of this file, rather than what it had when it was first named. */
static const char *value_unnamed(const struct netns *n, const struct netns *file, const char *path,
				 const char *before)
{
	const char *value = file && !netns_is_external(n) ? netns_unnamed_value(file, path) : NULL;

	return value ? value : before;
}

static void restore_sysctl(const struct goal *g, struct netns *n, const struct netns *found,
			   const struct sysctl *before)
{
	const struct link *l = find_regained(g, found, before->path);
	const struct netns *f = g->file ? model_find_netns(g->file, n->name) : NULL;
	const struct netns *made = model_find_netns(g->record->made, n->name);
	const char *path = before->path, *value = before->value;

	if (f && netns_find_sysctl(f, path))
		return;
	if (l) {
		if (!goes_on_following(g, l, path, value))
			netns_add_sysctl(g->model, n, path, value_regained(g, n, path, value));
		return;
	}
	if (holds_sysctl(g->file, n, path) || others_hold_sysctl(g->others, n, path)) {
		/* What the file no longer names follows its switch again; where it might not, having
		 * been set, it is as it was. */
		const char *dragged = find_dragged(g, n, path);
		bool named = made && netns_find_sysctl(made, path);

		if (!named || (!dragged && !follows_default(g, n, path)))
			return;
		value = dragged ? dragged : value;
	}
	value = value_unnamed(n, f, path, value);
	netns_add_sysctl(g->model, n, path, value)->missing = before->missing;
}

static void restore_rows(struct link *to, const struct link *from, uint64_t rows)
{
	for (size_t i = 0; i < link_table.n; i++)
		if (rows >> i & 1)
			attr_copy(&link_table.rows[i], from, to);
	to->given |= rows;
}

/* It was there before and was taken over: it is of its kind again, as it was of it. */
static void restore_kind(const struct goal *g, struct link *to, const struct link *before)
{
	link_set_kind(g->model, to, before->kind);
	if (to->data)
		memcpy(to->data, before->data, before->kind->size);
	to->kind_given = before->kind_given;
	to->peer = before->peer;
	/* What a link is made as is compared as a whole. */
	array_each(g->others, lab) {
		const struct link *other = model_find_link(lab->made, to->netns, to->name);
		if (other)
			restore_rows(to, other, link_values(other));
	}
}

static void restore_addresses(const struct goal *g, struct link *to, const struct link *before)
{
	array_each(&before->addresses, a) {
		struct address *copy;

		if (holds_address(g->file, *a) || others_hold_address(g->others, *a))
			continue;
		copy = link_add_address(g->model, to, &(*a)->address);
		*copy = **a;
		copy->link = to;
		copy->node = NULL;
	}
}

static void restore_link(const struct goal *g, struct netns *n, const struct link *before)
{
	const struct link *f = model_find_link(g->file, n, before->name);
	const struct link *made = model_find_link(g->record->made, n, before->name);
	const struct link *moved = model_find_moved(g->file, n, before->name);
	uint64_t back = link_values(before) & ~others_hold_rows(g->others, n, before->name);
	struct link *to;

	if (moved) {
		to = model_find_link(g->model, moved->netns, moved->name);
		to->home = before->home;
		to->away = before->away;
		to->lower = before->lower;
		/* what it brought along from home, and the file says no more */
		to->restored = before->given & ~to->given & (LINK_BIT("mtu") | LINK_BIT("mac"));
		restore_rows(to, before, to->restored);
		return;
	}
	if (before->away && f && (f->from.name || link_is_made(f)))
		f = NULL; /* another one has its name by now */
	to = f ? netns_find_link(n, before->name) : netns_add_link(g->model, n, before->name);
	if (f)
		back &= ~link_claims(f);
	to->found = before->kind;
	to->regains = regained(g, before);
	if (before->kind && f) /* still taken over: as the file says, and keys that it has lost */
		back &= made ? made->given : 0;
	else if (before->kind)
		restore_kind(g, to, before);
	restore_rows(to, before, back);
	to->restored = back;
	if (before->away) { /* it comes home */
		to->from = (struct ref){n->name, to->name};
		to->home = before->home;
		to->away = before->away;
		to->lower = before->lower;
	}
	restore_addresses(g, to, before);
}

/* What a new interface starts with, in ipv4/conf/default say, may have been changed while it was
 * away; what it had of its own is that, where nothing else is on record. */
static void restore_initial(const struct goal *g, struct netns *n, const struct link *before,
			    unsigned back, const struct netns *changed)
{
	char path[SYSCTL_PATH_MAX + 1];

	array_each(&changed->sysctls, s) {
		if (!sysctl_initial((*s)->path, before->name, path) ||
		    !loss_takes_sysctl(back, path) || netns_find_sysctl(before->netns, path) ||
		    netns_find_sysctl(n, path))
			continue;
		if (goes_on_following(g, before, path, (*s)->value))
			continue;
		netns_add_sysctl(g->model, n, path, value_regained(g, n, path, (*s)->value));
		netns_place_sysctl(n);
	}
}

static void restore_initials(const struct goal *g, struct netns *n, const struct netns *before)
{
	array_each(&before->links, l) {
		const unsigned back = regained(g, *l);

		if (!back)
			continue;
		array_each(g->others, lab) {
			const struct netns *changed = model_find_netns(lab->before, n->name);
			if (changed)
				restore_initial(g, n, *l, back, changed);
		}
		restore_initial(g, n, *l, back, before);
	}
}

/* Was IPv6's MTU the interface's when the lab first set it? What the lab makes, or has in a namespace of
 * its own, had no other. */
static bool followed_mtu(const struct goal *g, const struct link *l, const char *value)
{
	const struct link *before = model_find_link(g->record->before, l->netns, l->name);
	bool found = before && before->kind;

	if (!netns_is_external(l->netns) || (link_is_made(l) && !found))
		return true;
	return value && before && before->given & LINK_BIT("mtu") &&
	       strtoul(value, NULL, 10) == before->mtu;
}

/* Of what the lab made outside its own namespaces there is no old value on record. */
static void restore_mtus(const struct goal *g, struct netns *n)
{
	const struct netns *made = model_find_netns(g->record->made, n->name);

	if (made)
		array_each(&made->sysctls, s) {
			const struct link *l = sysctl_ipv6_mtu_of(n, (*s)->path);

			if (!l || !followed_mtu(g, l, NULL) || netns_find_sysctl(n, (*s)->path) ||
			    others_hold_sysctl(g->others, n, (*s)->path))
				continue;
			netns_add_sysctl(g->model, n, (*s)->path, (*s)->value);
			netns_place_sysctl(n);
		}
	array_each(&n->sysctls, s) {
		const struct link *l = (*s)->node ? NULL : sysctl_ipv6_mtu_of(n, (*s)->path);

		if (l)
			(*s)->follows_mtu = followed_mtu(g, l, (*s)->value);
	}
}

static void restore_netns(const struct goal *g, const struct netns *before)
{
	struct netns *n = model_find_netns(g->model, before->name);

	if (n->absent)
		return;
	array_each(&before->sysctls, s)
		restore_sysctl(g, n, before, *s);
	array_each(&before->links, l) {
		restore_link(g, n, *l);
		netns_sort(n);
	}
	restore_initials(g, n, before);
	array_each(&before->routes, r) {
		if (!holds_route(g->file, *r) && !others_hold_route(g->others, *r))
			copy_route(g->model, n, *r)->node = NULL;
	}
}

/* What a switch drags along and another lab names is to be as that lab wants it, still. */
static void keep_dragged(const struct goal *g, struct netns *n, const struct netns *other)
{
	array_each(&other->sysctls, s) {
		bool dragged = false;

		array_each(&n->sysctls, own)
			dragged = dragged || sysctl_drags((*own)->path, (*s)->path);
		if (!dragged || netns_find_sysctl(n, (*s)->path))
			continue;
		netns_add_sysctl(g->model, n, (*s)->path, (*s)->value)->kept = true;
		netns_place_sysctl(n);
	}
}

/* Both are sorted. */
static void add_heads(struct model *goal, const struct model *from)
{
	ARRAY(const struct netns *) missing = {0};

	array_each(&from->namespaces, n)
		if (!model_find_netns(goal, (*n)->name))
			array_add(&missing, *n);
	array_each(&missing, n) {
		struct netns *head = copy_netns_head(goal, *n);

		head->mark = NO_MARK;
		head->absent = head->class == NETNS_OWNED;
	}
	array_free(&missing);
	model_sort_namespaces(goal);
}

static bool has_guests(const struct others *others, const struct netns *n)
{
	array_each(others, lab)
		if (lab->guest && model_find_netns(lab->guest, n->name))
			return true;
	return false;
}

/* What was moved may be in any namespace, also in one that goes: it is to be seen there first. And so is
 * what another lab may have moved there. */
static void mark_holders(struct model *goal, const struct others *others)
{
	bool moved = false;

	array_each(&goal->namespaces, n) {
		array_each(&(*n)->links, l)
			moved = moved || (*l)->from.name;
	}
	array_each(&goal->namespaces, n)
		(*n)->may_hold_moved = moved || has_guests(others, *n);
}

struct model *goal_make(const struct model *file, const struct record *r,
			const struct others *others)
{
	struct goal g = {.model = file ? model_copy(file) : model_new(),
			 .file = file,
			 .record = r,
			 .others = others};

	if (r) {
		g.model->started = r->made;
		add_heads(g.model, r->made);
		add_heads(g.model, r->before);
		array_each(&r->before->namespaces, n)
			restore_netns(&g, *n);
	}
	model_sort(g.model);
	if (r)
		array_each(&g.model->namespaces, n)
			restore_mtus(&g, *n);
	array_each(others, lab) {
		array_each(&g.model->namespaces, n) {
			const struct netns *other = model_find_netns(lab->made, (*n)->name);
			if (other && netns_is_external(*n))
				keep_dragged(&g, *n, other);
		}
	}
	mark_holders(g.model, others);
	return g.model;
}
