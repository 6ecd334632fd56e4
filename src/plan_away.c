/* SPDX-License-Identifier: MIT */
/* Interfaces that were moved into a namespace, and that this plan does not take home.
 *
 * Whoever moved it, an interface is away as long as its index says so (plan_moves.c). Its home may be
 * nowhere to be found, or it may be another lab that has moved it: either way it is not the lab's, though
 * the namespace where it is may be, and it is not deleted with that. Hardware cannot be: the kernel hands
 * it to the initial namespace (default_device_exit_net() in net/core/dev.c). */
#include "plan_internal.h"

#include <errno.h>

/* Its place at home, when this lab has moved it; or NULL. */
static const struct link *find_place(const struct planner *p, const struct link *have)
{
	array_each(&p->goal->namespaces, n) {
		array_each(&(*n)->links, l)
			if ((*l)->away == have->index)
				return *l;
	}
	return NULL;
}

static bool is_homeless(const struct link *place)
{
	const struct netns *n = place->netns;

	return netns_is_external(n) && !n->live && !n->mark.line;
}

/* Would this plan delete it; or one to come, once nothing is on record of it any more? */
static bool is_at_stake(const struct link *have, const struct link *place)
{
	if (have->netns->class != NETNS_OWNED || have->fate == LINK_MOVES)
		return false;
	return have->fate == LINK_GOES || (place && is_homeless(place) && *have->kind_name);
}

/* --- what is not deleted ---------------------------------------------------------------- */

struct mark plan_live_mark(const struct planner *p, const struct link *have)
{
	const struct netns *goal = model_find_netns(p->goal, have->netns->name);

	if (have->match)
		return have->match->mark;
	return goal ? goal->mark : NO_MARK;
}

/* What to do first of all; and what can be done in any case. */
static void hint_at_ways_out(struct planner *p, const struct link *have, const char *first)
{
	cleanup_buf struct buf how = {0};

	buf_shell_word(&how, have->netns->name);
	buf_puts(&how, " link set ");
	buf_shell_word(&how, have->name);
	diag_hint(p->d,
		  "%s; or move the interface away by hand (`ip -n %s netns NAME`), or let it be "
		  "deleted with --adopt",
		  first, buf_text(&how));
}

/* The other lab that is known to have moved it there, or NULL. */
static const struct other_lab *find_mover(const struct planner *p, const struct link *have)
{
	array_each(p->others, lab) {
		const struct netns *guest = plan_find_guest(lab, have->netns);
		const struct link *l = guest ? netns_find_link(guest, have->name) : NULL;

		if (l && !link_is_made(l))
			return lab;
	}
	return NULL;
}

static int refuse_anothers(struct planner *p, const struct link *have,
			   const struct other_lab *mover)
{
	cleanup_buf struct buf id = {0};

	link_id(have, &id);
	diag_error(p->d, -EPERM, plan_live_mark(p, have),
		   "%s is not the lab's to delete: lab \"%s\" has moved it there", buf_text(&id),
		   mover->name);
	diag_hint(p->d, "leave it out of that lab, or destroy \"%s\" first", mover->name);
	return -EPERM;
}

static int refuse_to_delete(struct planner *p, const struct link *have, const struct link *place)
{
	cleanup_buf struct buf id = {0}, from = {0};

	link_id(have, &id);
	if (place) {
		link_id(place, &from);
		diag_error(p->d, -EPERM, plan_live_mark(p, have),
			   "%s is %s, which cannot be given back, and is not the lab's to delete: "
			   "namespace %s is nowhere to be found",
			   buf_text(&id), buf_text(&from), place->netns->name);
		hint_at_ways_out(p, have,
				 "where a process is still in that namespace, `ip netns attach "
				 "NAME PID` lets it be found");
	} else {
		diag_error(p->d, -EPERM, plan_live_mark(p, have),
			   "%s is not the lab's to delete: another lab has moved it there",
			   buf_text(&id));
		hint_at_ways_out(p, have, "destroy that lab first (`nsapply --list`)");
	}
	return -EPERM;
}

static int check_away(struct planner *p)
{
	int result = 0;

	array_each(&p->live->namespaces, n) {
		array_each(&(*n)->links, l) {
			const struct other_lab *mover;
			const struct link *place;

			if ((*l)->index < AWAY_INDEX)
				continue;
			place = find_place(p, *l);
			mover = place ? NULL : find_mover(p, *l);
			if (!is_at_stake(*l, place) || (p->options->adopt && !mover))
				continue;
			result = mover ? refuse_anothers(p, *l, mover)
				       : refuse_to_delete(p, *l, place);
		}
	}
	return result;
}

/* --- what is not given back --------------------------------------------------------------- */

static bool netns_goes(const struct planner *p, const struct netns *live)
{
	const struct netns *n = model_find_netns(p->goal, live->name);

	return n && n->absent;
}

void plan_tell_lost(struct planner *p, const struct link *place)
{
	const struct link *have = model_find_index(p->live, place->away);
	cleanup_buf struct buf text = {0}, id = {0};

	link_id(place, &text);
	buf_puts(&text, " is not given back: ");
	if (!place->netns->live)
		buf_printf(&text, "namespace %s", place->netns->name);
	buf_printf(&text, "%s is nowhere to be found", place->netns->live ? "it" : "");
	diag_warning(p->d, NO_MARK, "%s", buf_text(&text));
	if (have)
		link_id(have, &id);
	if (!have)
		diag_hint(p->d,
			  "it went with a namespace that was deleted by hand, or was moved on");
	else if (have->fate == LINK_GOES)
		diag_hint(p->d, "it is %s now, and is deleted", buf_text(&id));
	else if (netns_goes(p, have->netns))
		diag_hint(p->d, "it is %s now, and the kernel hands it to the initial namespace",
			  buf_text(&id));
	else
		diag_hint(p->d, "it stays where it is, as %s", buf_text(&id));
}

static void tell_homeless(struct planner *p)
{
	array_each(&p->goal->namespaces, n) {
		array_each(&(*n)->links, l)
			if ((*l)->away && is_homeless(*l))
				plan_tell_lost(p, *l);
	}
}

int plan_check_away(struct planner *p)
{
	int r = check_away(p);

	if (r >= 0)
		tell_homeless(p);
	return r;
}
