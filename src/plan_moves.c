/* SPDX-License-Identifier: MIT */
/* Interfaces that are moved (`from`): which they are, and in what order they go.
 *
 * A name does not say which interface it is. Names are exchanged, somebody renames an interface,
 * and who is killed between two moves leaves names that neither the old file nor the new one
 * means. The kernel knows an interface by its index, and lets whoever moves it choose the new one
 * (IFLA_NEW_IFINDEX, Linux 5.12). So each has two: at home the one it was found with; anywhere
 * else one of its own from AWAY_INDEX on, that no other has in any of the lab's namespaces. The record
 * holds both before the first move. From then on, at any instant and whatever the names are, the
 * interface is the one with its away index, in whichever namespace; without such a one it is
 * still, or again, at home.
 *
 * A move waits for the one that frees its name. Where moves wait for each other in a circle, one of
 * them goes by way of a namespace that is made for this plan alone, in which no name is taken;
 * and so does what only changes its name, for the kernel moves between namespaces only, and what has
 * been moved always arrives bare: down, without addresses, routes, master, and values of its own. */
#include "plan_internal.h"

#include <errno.h>
#include <string.h>

/* --- which ------------------------------------------------------------------------- */

static struct link *find_home(const struct planner *p, const struct link *want)
{
	const struct netns *n = model_find_netns(p->live, want->from.netns);
	struct link *l = n && want->home ? netns_find_index(n, want->home) : NULL;

	if (l || !n)
		return l;
	l = netns_find_link(n, want->from.name);
	/* Its name may be that of another one by now, which is away from a home of its own. */
	return l && want->home && l->index >= AWAY_INDEX ? NULL : l;
}

static void find_source(struct planner *p, const struct netns_pair *pair, struct link *want)
{
	struct link *source = want->away ? model_find_index(p->live, want->away) : NULL;

	if (!source)
		source = find_home(p, want);
	if (!source || source->match)
		return;
	want->match = source;
	source->match = want;
	if (source->netns != pair->have || !str_equal(source->name, want->name))
		want->fate = source->fate = LINK_MOVES;
}

/* Another one in each plan, and most likely another one in each lab: two labs may see the same
 * namespace, and neither knows what the other has moved elsewhere. */
static uint32_t choose_away(const struct planner *p, const struct link *source)
{
	uint64_t hash = (source->netns->cookie + 1) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t index,
		next = (uint32_t)((hash ^ source->index) * UINT64_C(0xbf58476d1ce4e5b9) >> 32);
	bool taken;

	do {
		index = AWAY_INDEX + next++ % AWAY_INDEXES;
		taken = model_find_index(p->live, index);
		array_each(&p->goal->namespaces, n) {
			array_each(&(*n)->links, l)
				taken = taken || (*l)->away == index;
		}
	} while (taken);
	return index;
}

static void settle_indexes(const struct planner *p, struct link *want)
{
	if (!want->away)
		want->away = choose_away(p, want->match);
	/* At home; perhaps another than the record knows, which has come in its place. */
	if (want->match->index != want->away)
		want->home = want->match->index;
}

static int missing_source(struct planner *p, struct link *want)
{
	/* Only the record knows it: the interface is no more. Or its namespace is missing. */
	if (!want->mark.line || !model_find_netns(p->live, want->from.netns)) {
		if (want->away && !want->mark.line)
			plan_tell_lost(p, want);
		want->fate = LINK_GOES;
		return 0;
	}
	diag_error(p->d, -ENODEV, link_key_mark(want, "from"),
		   "there is no interface %s:%s to be moved", want->from.netns, want->from.name);
	if (want->away)
		diag_hint(
			p->d,
			"this lab has moved it already, but it is nowhere to be found: it went "
			"with a namespace that was deleted by hand, or was moved on; make it anew "
			"or move it back, or destroy the lab");
	else
		diag_hint(p->d, "make it first, or give the name that `ip link` shows there");
	return -ENODEV;
}

/* Only a file asks for it: nothing of the sort is ever away from home. */
static int fixed_source(struct planner *p, const struct link *want)
{
	cleanup_buf struct buf source = {0};
	const struct kind *kind = want->match->kind;

	link_id(want->match, &source);
	diag_error(p->d, -EOPNOTSUPP, link_key_mark(want, "from"),
		   "%s cannot be moved: the kernel keeps it in its namespace", buf_text(&source));
	if (kind && kind->is_master)
		diag_hint(p->d, "move its ports, and make a %s for them there", kind->name);
	else
		diag_hint(p->d, "make one there");
	return -EOPNOTSUPP;
}

/* What the kernel would delete with an interface that leaves a namespace which is not the lab's. */
struct upper {
	const struct link *link;
	bool moved;		       /* away from that home: it survives there no better */
	const struct other_lab *mover; /* NULL: this one */
};

static bool find_upper(const struct planner *p, const struct link *source, struct upper *ret)
{
	const char *home = source->netns->name;

	array_each(&source->netns->links, l)
		if ((*l)->lower == source->index && (*l)->fate != LINK_GOES) {
			*ret = (struct upper){.link = *l};
			return true;
		}
	array_each(&p->goal->namespaces, n)
		array_each(&(*n)->links, l)
			if ((*l)->lower == source->index && (*l)->match &&
			    (*l)->match->index == (*l)->away && str_equal((*l)->from.netns, home)) {
				*ret = (struct upper){.link = (*l)->match, .moved = true};
				return true;
			}
	array_each(p->others, lab) {
		const struct netns *n = model_find_netns(lab->before, home);

		if (!n)
			continue;
		array_each(&n->links, l)
			if ((*l)->away && (*l)->lower == source->index) {
				*ret = (struct upper){.link = *l, .moved = true, .mover = lab};
				return true;
			}
	}
	return false;
}

static void hint_upper(struct planner *p, const struct upper *upper)
{
	if (upper->mover)
		diag_hint(p->d,
			  "it is there as far as lab \"%s\" knows: destroy that first, or leave "
			  "this out",
			  upper->mover->name);
	else if (upper->moved)
		diag_hint(p->d,
			  "leave that out of the file once, so that it comes home, and delete it "
			  "then, if nobody needs it; or leave this out");
	else
		diag_hint(p->d, "delete that first, if nobody needs it, or leave this out");
}

static int check_uppers(struct planner *p, const struct link *want)
{
	const struct link *source = want->match;
	cleanup_buf struct buf name = {0}, id = {0}, what = {0};
	struct upper upper;

	if (want->fate != LINK_MOVES || !netns_is_external(source->netns) || !want->mark.line ||
	    !find_upper(p, source, &upper))
		return 0;
	link_id(source, &name);
	link_id(upper.link, &id);
	if (upper.mover)
		buf_printf(&what, "which lab \"%s\" has moved and which", upper.mover->name);
	else
		buf_printf(&what, "a %s that", upper.link->kind_name);
	diag_error(p->d, -EPERM, link_key_mark(want, "from"),
		   "%s cannot be moved: the kernel would delete %s with it, %s goes by way of it",
		   buf_text(&name), buf_text(&id), buf_text(&what));
	hint_upper(p, &upper);
	return -EPERM;
}

/* All sources are known: what moves away is not in the way. */
static int check_target(struct planner *p, const struct netns_pair *pair, struct link *want)
{
	struct link *here = pair->have ? netns_find_link(pair->have, want->name) : NULL;
	cleanup_buf struct buf id = {0}, source = {0};

	if (!want->match && here && !here->match &&
	    !want->away) { /* moved, but never by this lab */
		want->match = here;
		here->match = want;
	}
	if (!want->match)
		return missing_source(p, want);
	if (want->fate == LINK_MOVES && want->match->fixed)
		return fixed_source(p, want);
	if (check_uppers(p, want) < 0)
		return -EPERM;
	if (want->fate != LINK_MOVES || !here || here->fate == LINK_MOVES ||
	    plan_link_is_ours(pair, want->name))
		return 0;
	link_id(want, &id);
	link_id(want->match, &source);
	diag_error(p->d, -EEXIST, want->mark,
		   "%s exists already, and so does %s, which is to be moved there", buf_text(&id),
		   buf_text(&source));
	diag_hint(p->d, "give the one that is there another name, or delete it");
	return -EEXIST;
}

/* What comes home and what the file puts under its name cannot both be there. */
static int check_names(struct planner *p, const struct netns *want)
{
	int result = 0;

	for (size_t i = 1; i < want->links.n; i++) {
		const struct link *a = want->links.items[i - 1], *b = want->links.items[i];
		cleanup_buf struct buf id = {0};

		if (!str_equal(a->name, b->name))
			continue;
		link_id(a, &id);
		result = diag_error(p->d, -EEXIST, a->mark.line ? a->mark : b->mark,
				    "%s is the name of an interface that is to be given back",
				    buf_text(&id));
		diag_hint(p->d,
			  "leave it out once, so that it can go; or name this one differently");
	}
	return result;
}

int plan_match_moves(struct planner *p, struct netns_pair *pairs, size_t n)
{
	int result = 0, r;

	for (size_t i = 0; i < n; i++) {
		if (!pairs[i].want || pairs[i].want->absent)
			continue;
		if ((r = check_names(p, pairs[i].want)) < 0)
			result = r;
		array_each(&pairs[i].want->links, l)
			if ((*l)->from.name)
				find_source(p, &pairs[i], *l);
	}
	for (size_t i = 0; i < n; i++) {
		if (!pairs[i].want || pairs[i].want->absent)
			continue;
		array_each(&pairs[i].want->links, l) {
			if (!(*l)->from.name)
				continue;
			r = check_target(p, &pairs[i], *l);
			if (r < 0) {
				(*l)->fate = LINK_GOES; /* no more is said of it */
				result = r;
			} else if ((*l)->fate == LINK_MOVES) {
				settle_indexes(p, *l);
			}
		}
	}
	return result;
}

/* --- in what order ------------------------------------------------------------------ */

static struct link *find_moving(const struct model *m, const char *netns, const char *name)
{
	const struct netns *n = model_find_netns(m, netns);
	struct link *l = n && !n->absent ? netns_find_link(n, name) : NULL;

	return l && l->fate == LINK_MOVES ? l : NULL;
}

/* The one that has to go first; NULL: none. */
static const struct link *waits_for(const struct planner *p, const struct link *want)
{
	const struct link *here = find_moving(p->live, want->netns->name, want->name);

	return here && here != want->match && !here->match->by_stopover ? here->match : NULL;
}

/* The one that waits for want to leave; NULL: none. */
static struct link *waiter(const struct planner *p, const struct link *want)
{
	struct link *l = find_moving(p->goal, want->match->netns->name, want->match->name);

	return l && waits_for(p, l) == want ? l : NULL;
}

static void give_turns(const struct planner *p, struct link *want)
{
	for (uint32_t turn = 1; want && !want->turn; turn++) {
		want->turn = turn;
		want = waiter(p, want);
	}
}

/* Those in a circle wait for each other until one of them makes way. */
static void break_circle(const struct planner *p, struct link *want)
{
	struct link *next = waiter(p, want);

	want->by_stopover = true;
	give_turns(p, next); /* to want, the last */
}

static void make_stopover(struct planner *p)
{
	cleanup_buf struct buf name = {0};

	buf_printf(&name, "nsapply-moving-%s", p->options->lab ? p->options->lab : "");
	while (model_find_netns(p->goal, name.s) || model_find_netns(p->live, name.s))
		buf_putc(&name, '-');
	p->stopover = model_add_netns(p->goal, name.s, NETNS_OWNED);
	p->stopover->absent = true; /* it does not outlive the plan */
	model_place_netns(p->goal);
	plan_step(p, OP_NETNS_ADD, p->stopover);
	plan_step(p, OP_NETNS_DEL, p->stopover);
}

/* Calls what follows for each goal link that moves. */
#define each_move(pairs, n, l)                                     \
	for (size_t i_ = 0; i_ < (n); i_++)                        \
		if ((pairs)[i_].want && !(pairs)[i_].want->absent) \
			array_each(&(pairs)[i_].want->links, l)    \
				if ((*l)->fate == LINK_MOVES)

void plan_order_moves(struct planner *p, const struct netns_pair *pairs, size_t n)
{
	bool stopover = false;

	each_move(pairs, n, l)(*l)->by_stopover =
		str_equal((*l)->match->netns->name, (*l)->netns->name);
	each_move(pairs, n, l) if (!waits_for(p, *l)) give_turns(p, *l);
	each_move(pairs, n, l) if (!(*l)->turn) break_circle(p, *l);
	each_move(pairs, n, l) stopover = stopover || (*l)->by_stopover;
	if (stopover)
		make_stopover(p);
}

/* --- steps ---------------------------------------------------------------------------- */

static void step_move(struct planner *p, const struct link *source, struct link *to, uint32_t level)
{
	struct step *s = plan_step(p, OP_LINK_MOVE, to->netns);

	s->link = to;
	s->source = source;
	s->level = level;
}

/* Its place in between, under a name that no other has there. */
static struct link *stop_over(struct planner *p, const struct link *want)
{
	struct link *stop = arena_alloc(&p->plan->arena, sizeof(*stop));

	stop->netns = p->stopover;
	stop->name = arena_printf(&p->plan->arena, "t%u", want->away);
	stop->index = want->away;
	return stop;
}

/* At home it has its old index again, unless that is another's by now. */
static uint32_t target_index(const struct link *want)
{
	const struct netns *there = want->netns->live;
	const struct link *other;

	if (!want->home || !ref_is_link(&want->from, want->netns, want->name))
		return want->away;
	other = there ? netns_find_index(there, want->home) : NULL;
	return other && other != want->match ? want->away : want->home;
}

void plan_move_steps(struct planner *p, struct link *want)
{
	const struct link *source = want->match;

	want->index = target_index(want);
	if (want->by_stopover) {
		struct link *stop = stop_over(p, want);

		step_move(p, source, stop, 0);
		source = stop;
	}
	step_move(p, source, want, want->turn);
}
