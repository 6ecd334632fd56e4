/* SPDX-License-Identifier: MIT */
/* How a record grows before a plan runs (record_settle.c: how it shrinks afterwards):
 * what the lab owns, what it moves, and what it claims (record_claim.c). */
#include "record_internal.h"

#include <string.h>

/* --- owned namespaces ----------------------------------------------------------- */

/* What it was before the lab named anything that it follows. What it is may have come by that, and that
 * may have been written before this was looked at. Forwarding is off in a namespace that is made. */
static const char *followed_value(const struct record *r, const struct netns *n, const char *path)
{
	const struct netns *before = model_find_netns(r->before, n->name);
	const char *value = before ? netns_unnamed_value(before, path) : NULL;
	char by[SYSCTL_PATH_MAX + 1];

	if (!value && sysctl_dragging(path, by) && sysctl_is_switch(by))
		value = sysctl_dragged_value(by, "0", path);
	return value;
}

void record_add_sysctl(struct record *r, const struct netns *n, const char *path, const char *value)
{
	const char *followed = followed_value(r, n, path);

	take_sysctl(r->before, record_netns(r->before, n), path, followed ? followed : value);
}

static bool is_named(const struct sysctl *s)
{
	return (s->node || s->implied) && !sysctl_is_switch(s->path);
}

/* Also where it was so already: it does not follow any more. */
static void add_followers(struct record *r, const struct netns *n)
{
	array_each(&n->sysctls, s) {
		const struct sysctl *live =
			n->live && is_named(*s) ? netns_find_sysctl(n->live, (*s)->path) : NULL;

		if (live && !live->missing && followed_value(r, n, (*s)->path))
			record_add_sysctl(r, n, (*s)->path, live->value);
	}
}

/* Of the switches the goal knows the old value: off. Those of new namespaces and interfaces
 * become known when they are there (record_add_sysctl()). */
static void add_owned_sysctl(struct record *r, const struct change *c)
{
	const struct sysctl *want = c->want.sysctl, *have = c->have.sysctl;

	if (have && is_named(want))
		record_add_sysctl(r, c->netns, have->path, have->value);
}

/* Which routes of the kind that is left to others are the lab's, only the record tells. What is as the
 * file says already may well be another's. */
static void add_owned_route(struct record *r, const struct change *c)
{
	const struct route *want = c->want.route;

	if (want && plan_leaves_route(c->netns, want))
		take_route(r->made, record_netns(r->made, c->netns), want);
}

/* MAC and MTU that were set once: see ATTR_AUTOMATIC. */
static uint64_t automatic_given(const struct link *l)
{
	return link_values(l) & ~link_fixed_values(l);
}

static void add_owned(struct record *r, const struct netns *n)
{
	struct netns *made = record_netns(r->made, n);

	made->class = NETNS_OWNED;
	add_followers(r, n);
	array_each(&n->links, want) {
		struct link *l;

		if (!link_is_made(*want) || !automatic_given(*want))
			continue;
		l = record_link(r->made, made, (*want)->name);
		if (!l->kind)
			link_set_kind(r->made, l, (*want)->kind);
		take_rows(r->made, l, *want, automatic_given(*want));
	}
}

/* --- moves -------------------------------------------------------------------------- */

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
static void add_move(struct record *r, const struct plan *p, const struct link *want)
{
	const struct link *source = want->match;
	struct model *before = r->before;
	struct link *known = find_recorded(before, want->away);

	if (known) {
		known->home = want->home;
		if (source->index != want->away) /* made anew, or brought back by hand */
			known->lower = source->lower;
		return;
	}
	known = record_link(before, record_netns(before, source->netns), source->name);
	/* That it has no master is to come back as well. */
	take_rows(before, known, source, link_values(source) | LINK_BIT("master"));
	known->home = want->home;
	known->away = want->away;
	known->lower = source->lower;
	record_claim_moved(r, p, known, source);
}

/* What is somebody else's, and is dropped and set again on the way. */
static void add_brought_back(struct record *r, const struct change *c)
{
	struct netns *n = record_netns(r->before, c->netns);

	if (c->object == OBJECT_ADDRESS)
		take_address(r->before, record_link(r->before, n, c->have.address->link->name),
			     c->have.address);
	else
		take_route(r->before, n, c->have.route);
}

static bool is_brought_back(const struct change *c)
{
	return (c->object == OBJECT_ADDRESS && c->want.address == c->have.address) ||
	       (c->object == OBJECT_ROUTE && c->want.route == c->have.route);
}

/* --- the plan as a whole -------------------------------------------------------------- */

void record_add_plan(struct record *r, const struct plan *p)
{
	array_each(&p->changes, c) {
		if (c->object == OBJECT_LINK && c->moved)
			add_move(r, p, c->want.link);
		if (c->object == OBJECT_SYSCTL && !netns_is_external(c->netns))
			add_owned_sysctl(r, c);
		if (c->object == OBJECT_ROUTE && !netns_is_external(c->netns))
			add_owned_route(r, c);
		if (is_brought_back(c))
			add_brought_back(r, c);
	}
	array_each(&p->goal->namespaces, n) {
		if ((*n)->class == NETNS_OWNED && !(*n)->absent)
			add_owned(r, *n);
		else if (netns_is_external(*n) && (*n)->live)
			record_claim_netns(r, p, *n);
	}
}

static void forget_replaced(struct record *r, const struct link *want)
{
	struct link *l = model_find_link(r->made, want->netns, want->name);

	if (l)
		l->given &= link_claims(want);
}

static bool set_index(struct record *r, const struct link *want, uint32_t index)
{
	struct link *made = want ? model_find_link(r->made, want->netns, want->name) : NULL;

	if (!made || !link_is_made(made) || !netns_is_external(want->netns))
		return false;
	made->index = index;
	return true;
}

static bool makes_link(const struct change *c)
{
	return c->object == OBJECT_LINK &&
	       (c->action == ACTION_CREATE || c->action == ACTION_REPLACE);
}

static const struct link *other_end(const struct plan *p, const struct change *c)
{
	return c->cable ? link_peer(p->goal, c->want.link) : NULL;
}

void record_forget_route(struct record *r, const struct netns *n, const struct route *route)
{
	struct netns *before = model_find_netns(r->before, n->name);
	size_t left = 0;

	if (!before)
		return;
	array_each(&before->routes, pr)
		if (route_compare(*pr, route))
			before->routes.items[left++] = *pr;
		else
			array_free(&(*pr)->nexthops);
	before->routes.n = left;
}

bool record_forget_indexes(struct record *r, const struct plan *p)
{
	bool any = false;

	array_each(&p->changes, c) {
		if (!makes_link(c))
			continue;
		any = set_index(r, c->want.link, 0) || any;
		any = set_index(r, other_end(p, c), 0) || any;
	}
	return any;
}

static void learn_indexes(struct record *r, const struct plan *p)
{
	array_each(&p->changes, c) {
		const struct link *peer = makes_link(c) ? other_end(p, c) : NULL;

		if (makes_link(c))
			set_index(r, c->want.link, c->want.link->index);
		if (peer)
			set_index(r, peer, peer->index);
	}
}

/* The links that the lab made in external namespaces, beside those of m. */
static void pair_indexes(struct record *r, const struct model *m,
			 void (*pair)(struct link *made, const struct link *l))
{
	array_each(&r->made->namespaces, n) {
		if (!netns_is_external(*n))
			continue;
		array_each(&(*n)->links, made) {
			const struct link *l = model_find_link(m, *n, (*made)->name);
			if (l && link_is_made(*made))
				pair(*made, l);
		}
	}
}

static void release_index(struct link *made, const struct link *l)
{
	if (made->index == l->index)
		made->index = 0;
}

static void take_index(struct link *made, const struct link *l)
{
	if (!made->index)
		made->index = l->index;
}

void record_release_indexes(struct record *r, const struct model *m)
{
	pair_indexes(r, m, release_index);
}

void record_take_indexes(struct record *r, const struct model *m)
{
	pair_indexes(r, m, take_index);
}

void record_plan_done(struct record *r, const struct plan *p)
{
	learn_indexes(r, p);
	array_each(&p->changes, c) {
		if (!makes_link(c) || c->action != ACTION_REPLACE)
			continue;
		forget_replaced(r, c->want.link);
		if (c->cable)
			forget_replaced(r, link_peer(p->goal, c->want.link));
	}
}

void record_add_netns(struct record *r, const struct netns *n)
{
	record_netns(r->made, n)->cookie = n->cookie;
}

void record_set_cookie(struct record *r, const char *netns, uint64_t cookie)
{
	struct netns *n = model_find_netns(r->made, netns);

	if (n)
		n->cookie = cookie;
}
