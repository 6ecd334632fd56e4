/* SPDX-License-Identifier: MIT */
/* Cables that lead out of all that the lab is about.
 *
 * Somebody may have laid a cable from a namespace of the lab's to one that neither file nor record
 * names. The plan takes it away, and with it the end over there, of which nothing is known: it could not
 * be made again. So that namespace is looked into as well, as one that is left alone. All names are
 * only looked at when there is such a cable.
 *
 * A namespace without a name cannot be looked into, and its cables are not taken away: unless it has
 * only just been deleted, and they go by themselves, or they are the lab's own. */
#include "lab.h"

#include <errno.h>

/* Links of a namespace that ends go after an RCU grace period or two (cleanup_net() in
 * net/core/net_namespace.c). */
#define GONE_MS 1000

static bool has_end(const struct netns *made)
{
	array_each(&made->links, l)
		if (link_is_made(*l))
			return true;
	return !netns_is_external(made);
}

/* Has a namespace in which the lab may have an end lost its name? */
static bool has_lost_one(const struct lab *lab)
{
	if (lab->record)
		array_each(&lab->record->made->namespaces, n) {
			const struct netns *now = model_find_netns(lab->live, (*n)->name);

			if (has_end(*n) && (!now || now->cookie != (*n)->cookie))
				return true;
		}
	return false;
}

/* The lab's own cable is no good any more where an end has been moved away, or its namespace has lost its
 * name: it goes, wherever the other end is. The record does not say which these are, so a cable is
 * taken for one that the file wants there, or that may lead to where the lab had an end. */
static bool is_ours(const struct link *l, bool has_lost)
{
	return has_lost || (l->match && link_is_made(l->match) && l->match->kind->is_pair);
}

void lab_add_beyond(struct lab *lab)
{
	if (!lab->beyond)
		return;
	array_each(&lab->beyond->namespaces, n) {
		struct netns *scope;

		if (model_find_netns(lab->goal, (*n)->name)) /* the record has it by now */
			continue;
		scope = model_add_netns(lab->goal, (*n)->name, (*n)->class);
		scope->path = (*n)->path;
		scope->cookie = (*n)->cookie;
		model_place_netns(lab->goal);
	}
}

/* Under a name that nothing else has here. */
static void add(struct lab *lab, const struct netns *found)
{
	const char *name = found->name;
	struct netns *n;

	while (model_find_netns(lab->goal, name) || model_find_netns(lab->beyond, name))
		name = arena_printf(&lab->beyond->arena, "%s+", name);
	n = model_add_netns(lab->beyond, name,
			    found->class == NETNS_HOST ? NETNS_HOST : NETNS_PATH);
	n->path = found->path ? arena_strdup(&lab->beyond->arena, found->path) : NULL;
	n->cookie = found->cookie;
	model_place_netns(lab->beyond);
}

static bool find(struct lab *lab, const found_ends *ends)
{
	struct model *all;
	bool found = false;

	if (!ends->n)
		return false;
	all = kernel_named_netns(lab->kernel);
	lab->beyond = lab->beyond ? lab->beyond : model_new();
	model_add_netns(all, HOST, NETNS_HOST)->cookie = kernel_host_cookie(lab->kernel);
	for (size_t i = all->namespaces.n; i-- > 0;) { /* the host first: it may have a name, too */
		const struct netns *n = all->namespaces.items[i];

		/* Without cookies it cannot be told that it is not one that is read anyway. */
		if (!n->cookie || model_find_cookie(lab->live, n->cookie) ||
		    model_find_cookie(lab->beyond, n->cookie) ||
		    !kernel_leads_to(lab->kernel, ends, n))
			continue;
		add(lab, n);
		found = true;
	}
	model_free(all);
	return found;
}

/* Has one of them gone by itself? */
static bool one_goes(struct lab *lab, const found_ends *ends)
{
	const struct patience patience = {.ms = GONE_MS, .stop = -1};
	ARRAY(struct awaited) items = {0};
	size_t left;

	if (!ends->n)
		return false;
	array_each(ends, l)
		array_add(&items, ((struct awaited){.what = AWAIT_GONE, .link = *l}));
	left = kernel_wait(lab->kernel, items.items, items.n, &patience);
	array_free(&items);
	return left < ends->n;
}

static int refuse(struct lab *lab, const struct link *l)
{
	const struct netns *n = model_find_netns(lab->goal, l->netns->name);
	cleanup_buf struct buf id = {0}, where = {0}, name = {0};

	link_id(l, &id);
	buf_shell_word(&where, n->name);
	buf_shell_word(&name, l->name);
	diag_error(&lab->d, -EPERM, l->match ? l->match->mark : n->mark,
		   "%s cannot be taken away: the other end of its cable is in a namespace that has "
		   "no name, and could not be put back",
		   buf_text(&id));
	diag_hint(
		&lab->d,
		"delete it first (`ip -n %s link delete %s`); or `ip netns attach NAME PID` gives "
		"the other end's a name%s",
		buf_text(&where), buf_text(&name),
		l->match ? "" : "; or leave it there with `ignore`");
	return -EPERM;
}

/* The other end's namespace is ending: the kernel has no number for it any more. */
static bool is_going(const struct link *l)
{
	return l->kind && l->kind->is_pair && !l->peer.netns && !l->beyond;
}

int lab_look_beyond(struct lab *lab)
{
	found_ends ends = {0}, going = {0}, others = {0};
	const bool has_lost = has_lost_one(lab);
	int r;

	array_each(&lab->plan->steps, s) {
		if (s->op != OP_LINK_DEL)
			continue;
		if (is_going(s->link))
			array_add(&going, s->link);
		if (s->link->beyond)
			array_add(&ends, s->link);
		if (s->link->beyond && !is_ours(s->link, has_lost))
			array_add(&others, s->link);
	}
	r = one_goes(lab, &going) || find(lab, &ends) || one_goes(lab, &others);
	if (!r)
		array_each(&others, l)
			r = refuse(lab, *l);
	array_free(&going);
	array_free(&ends);
	array_free(&others);
	return r;
}
