/* SPDX-License-Identifier: MIT */
/* What becomes of each link.
 *
 * Links are paired by namespace and name. A cable cannot be re-plugged: when
 * one end is to go, so does the other, and whatever the file wants under either
 * name has to be made anew, which takes *its* other end along, and so on: the
 * worklist in settle() follows that to its end. */
#include "plan_internal.h"

#include <errno.h>
#include <string.h>

typedef ARRAY(struct link *) link_list;

static struct link *find_ref(const struct model *m, const struct ref *ref)
{
	const struct netns *n = ref->netns ? model_find_netns(m, ref->netns) : NULL;

	return n && ref->name ? netns_find_link(n, ref->name) : NULL;
}

const struct link *plan_made_link(const struct netns_pair *pair, const char *name)
{
	const struct link *made = pair->made ? netns_find_link(pair->made, name) : NULL;
	const struct link *have =
		made && made->index && pair->have ? netns_find_link(pair->have, name) : NULL;

	/* Somebody else's, which was given the name when the lab's was gone. */
	return have && have->index != made->index ? NULL : made;
}

bool plan_link_is_ours(const struct netns_pair *pair, const char *name)
{
	const struct link *made = plan_made_link(pair, name);

	return pair->ours || (made && link_is_made(made));
}

bool plan_link_is_main(const struct link *l, const struct link *peer)
{
	int order;

	if (!peer)
		return true;
	if (!l->master != !peer->master)
		return l->master;
	order = strcmp(l->netns->name, peer->netns->name);
	return order < 0 || (order == 0 && strcmp(l->name, peer->name) < 0);
}

static bool is_loopback(const struct link *l)
{
	return strcmp(l->name, LOOPBACK) == 0;
}

static void reset(struct model *m)
{
	array_each(&m->namespaces, n) {
		array_each(&(*n)->links, l) {
			(*l)->match = NULL;
			(*l)->fate = LINK_STAYS;
			(*l)->why = NULL;
			(*l)->by_stopover = false;
			(*l)->turn = 0;
			(*l)->follows = 0;
			(*l)->loses_ipv4_routes = (*l)->loses_ipv6_routes = false;
			array_each(&(*l)->addresses, a)
				(*a)->dropped = (*a)->yields = false;
		}
		array_each(&(*n)->routes, r) {
			(*r)->dropped = false;
			(*r)->match = NULL;
		}
	}
}

/* --- pairing ----------------------------------------------------------------- */

static int missing_link(struct planner *p, const struct netns_pair *pair, struct link *want)
{
	if (is_loopback(want) && !pair->have) /* comes with its namespace */
		return 0;
	if (!want->mark.line) {
		want->fate = LINK_GOES;
		return 0;
	}
	diag_error(p->d, -ENODEV, want->mark, "there is no interface \"%s\" in namespace \"%s\"",
		   want->name, want->netns->name);
	diag_hint(p->d, "give it a kind or a cable if the lab is to make it");
	return -ENODEV;
}

/* It was there before the lab took it over, and the file does not name it (any more). */
static bool is_put_back(const struct link *want)
{
	return want->found && !want->mark.line;
}

static int match_name(struct planner *p, const struct netns_pair *pair, struct link *want)
{
	struct link *have = pair->have ? netns_find_link(pair->have, want->name) : NULL;
	cleanup_buf struct buf what = {0};

	if (have && have->fate == LINK_MOVES)
		have = NULL;
	if (!have)
		return link_is_made(want) && !is_put_back(want) ? 0 : missing_link(p, pair, want);
	if (is_put_back(want) && !plan_link_is_ours(pair, want->name)) {
		want->fate = LINK_GOES; /* what was there is gone, and another has its name */
		return 0;
	}
	if (link_is_made(want) && !plan_link_is_ours(pair, want->name)) {
		buf_puts(&what, "interface ");
		link_id(want, &what);
		if (p->options->adopt && want->kind != have->kind) {
			diag_error(p->d, -EEXIST, want->mark,
				   "%s is of another kind (%s) and cannot be "
				   "taken over",
				   buf_text(&what),
				   *have->kind_name ? have->kind_name : "hardware");
			return -EEXIST;
		}
		int r = plan_conflict(p, want->mark, buf_text(&what));
		if (r < 0)
			return r;
		plan_tell_taken(p, want);
	}
	want->match = have;
	have->match = want;
	return 0;
}

static int match_links(struct planner *p, struct netns_pair *pairs, size_t n)
{
	int result = plan_match_moves(p, pairs, n), r; /* they free names */

	for (size_t i = 0; i < n; i++) {
		if (!pairs[i].want || pairs[i].want->absent)
			continue;
		array_each(&pairs[i].want->links, l)
			if (!(*l)->from.name && (r = match_name(p, &pairs[i], *l)) < 0) {
				(*l)->fate = LINK_GOES; /* no more is said of it */
				result = r;
			}
	}
	return result;
}

/* --- comparing ----------------------------------------------------------------- */

uint64_t plan_link_follows(const struct planner *p, const struct link *want)
{
	uint64_t rows = LINK_BIT("mtu") | LINK_BIT("mac");
	const struct link *undone, *was;

	if (!p->options->follows || !want->kind || want->kind->mtu)
		return 0;
	was = model_find_link(p->options->was, want->netns, want->name);
	if (was)
		rows &= ~was->given;
	undone = model_find_link(p->options->undone, want->netns, want->name);
	if (!undone || want->fate == LINK_COMES)
		return rows;
	/* What the plan that failed was to set follows nothing any more. */
	return rows & ~(undone->given & attr_differences(&link_table, want, want->given, undone,
							 undone->given, false));
}

/* What passes by itself is left to, unless the file names another value. */
static uint64_t kind_mask(const struct link *want, const struct link *have)
{
	const struct kind *kind = want->kind;
	uint64_t passing = kind_passing(kind, have->data);

	return attr_differences(&kind->table, want->data, want->kind_given, have->data,
				have->kind_given | passing, true) &
	       ~((passing | kind_passing(kind, want->data)) & ~want->kind_given);
}

uint64_t plan_link_mask(const struct planner *p, const struct link *want, const struct link *have,
			uint64_t *ret_kind_mask)
{
	bool owned = want->netns->class == NETNS_OWNED;
	bool whole = link_is_made(want) || (is_loopback(want) && owned);
	uint64_t given = want->given, mask;

	if (want->mtu)
		given |= LINK_BIT("mtu");
	if (want->from.name)
		given |= LINK_BIT("state");
	mask = attr_differences(&link_table, want, given, have, have->given, whole);
	mask &= ~(LINK_BIT("peer") | LINK_BIT("from"));
	mask &= ~plan_link_follows(p, want);
	*ret_kind_mask = 0;
	if (want->kind && want->kind->size && want->kind == have->kind)
		*ret_kind_mask = kind_mask(want, have);
	return mask;
}

/* A key that the lab set once and that the file no longer names, where the
 * kernel will not choose for itself again: a bridge's MAC, say. */
static const char *stuck_key(const struct netns_pair *pair, const struct link *want)
{
	const struct link *made = plan_made_link(pair, want->name);

	if (!made)
		return NULL;
	for (size_t i = 0; i < link_table.n; i++) {
		const struct attr *row = &link_table.rows[i];
		uint64_t bit = UINT64_C(1) << i;

		if (!(row->flags & ATTR_AUTOMATIC) || !(made->given & ~want->given & bit))
			continue;
		if (bit != LINK_BIT("mtu") || !want->mtu)
			return row->key;
	}
	return NULL;
}

static const char *fixed_kind_key(const struct planner *p, const struct link *want,
				  const struct link *have)
{
	uint64_t kind_mask;

	plan_link_mask(p, want, have, &kind_mask);
	for (size_t i = 0; want->kind && i < want->kind->table.n; i++)
		if (kind_mask >> i & 1 && want->kind->table.rows[i].flags & ATTR_CREATE_ONLY)
			return want->kind->table.rows[i].key;
	return NULL;
}

/* Is the live link's other end the one that is wanted, perhaps about to be moved there? */
static bool same_peer(struct planner *p, const struct link *want, const struct link *have)
{
	const struct link *live, *goal;

	if (str_equal(want->peer.netns, have->peer.netns) &&
	    str_equal(want->peer.name, have->peer.name))
		return true;
	live = find_ref(p->live, &have->peer);
	goal = find_ref(p->goal, &want->peer);
	return live && goal && goal->match == live && goal->fate == LINK_MOVES;
}

/* Why the live link cannot become the wanted one in place; NULL: it can. */
static const char *replace_reason(struct planner *p, const struct netns_pair *pair,
				  const struct link *want, const struct link *have)
{
	struct arena *a = &p->plan->arena;
	const char *key;

	if (!link_is_made(want))
		return NULL;
	if (want->kind != have->kind)
		return arena_printf(a, "its kind is %s, not %s",
				    have->kind_name && *have->kind_name ? have->kind_name
									: "hardware",
				    want->kind->name);
	if (want->kind->is_pair && !same_peer(p, want, have))
		return have->peer.name && have->peer.netns
			       ? arena_printf(a, "its peer is %s:%s, not %s:%s", have->peer.netns,
					      have->peer.name, want->peer.netns, want->peer.name)
			       : arena_printf(a, "its peer is not %s:%s", want->peer.netns,
					      want->peer.name);
	/* Not all that it has from when it was made can be compared: the values that it started with, whom
	 * it follows, its link-local address. */
	if (p->options->rollback && have->index != want->index)
		return "it is another one than before";
	key = fixed_kind_key(p, want, have);
	if (key)
		return arena_printf(a, "%s cannot change in place", key);
	key = stuck_key(pair, want);
	if (key)
		return arena_printf(a,
				    "%s was set, and the kernel chooses it again only for a new %s",
				    key, want->kind->name);
	return NULL;
}

/* --- following the consequences ------------------------------------------------- */

static void goes(link_list *todo, struct link *have, const char *why)
{
	if (!have || have->fate != LINK_STAYS)
		return;
	have->fate = LINK_GOES;
	have->why = why;
	array_add(todo, have);
}

static void comes(link_list *todo, struct link *want, const char *why)
{
	if (!want || want->fate != LINK_STAYS || !link_is_made(want))
		return;
	want->fate = LINK_COMES;
	if (!want->why)
		want->why = why;
	array_add(todo, want);
}

static void settle(struct planner *p, link_list *todo)
{
	while (todo->n) {
		struct link *l = todo->items[--todo->n];
		bool live = l->fate == LINK_GOES;
		const struct model *own = live ? p->live : p->goal;

		if (live && l->match)
			comes(todo, l->match, l->why);
		else if (!live && l->match)
			goes(todo, l->match, l->why);
		if (!l->kind || !l->kind->is_pair)
			continue;
		if (live)
			goes(todo, find_ref(own, &l->peer), l->why);
		else
			comes(todo, find_ref(own, &l->peer), l->why);
	}
}

/* Is this live link, which the goal does not name, to be removed? */
static bool is_pruned(const struct netns_pair *pair, const struct link *have)
{
	if (have->match || have->fate == LINK_MOVES || is_loopback(have))
		return false;
	if (!pair->ours)
		return plan_link_is_ours(pair, have->name);
	return *have->kind_name && !have->fallback && !plan_leaves_link(pair, have);
}

/* Replacing is for what the lab made: not for what it found, nor on the way back. */
static int refuse_replace(struct planner *p, const struct link *want, const char *why)
{
	cleanup_buf struct buf id = {0};

	if (p->options->rollback)
		return 0;
	link_id(want, &id);
	diag_error(p->d, -EEXIST, want->mark,
		   want->found ? "interface %s was taken over and is not to be replaced: %s"
			       : "interface %s is not the lab's and cannot be taken over: %s",
		   buf_text(&id), why);
	return -EEXIST;
}

/* On the way back: somebody else has made one of that name meanwhile, which is not ours to delete. */
static bool is_anothers(const struct planner *p, const struct netns_pair *pair,
			const struct link *want)
{
	return p->options->rollback && netns_is_external(want->netns) &&
	       want->match->index != want->index && !plan_link_is_ours(pair, want->name);
}

/* Something else bears the name by now: what was to be put back is gone. */
static void let_be(struct link *want)
{
	want->match->match = NULL;
	want->match = NULL;
	want->fate = LINK_GOES;
}

static int decide(struct planner *p, struct netns_pair *pairs, size_t n)
{
	link_list todo = {0};
	int result = 0, r;

	for (size_t i = 0; i < n; i++) {
		const struct netns_pair *pair = &pairs[i];
		bool deleted = pair->ours && (!pair->want || pair->want->absent);

		if (pair->have)
			array_each(&pair->have->links, l) {
				if ((deleted && *(*l)->kind_name && (*l)->fate != LINK_MOVES) ||
				    is_pruned(pair, *l))
					goes(&todo, *l, NULL);
			}
		if (!pair->want || pair->want->absent)
			continue;
		array_each(&pair->want->links, l) {
			const char *why = (*l)->match && (*l)->fate == LINK_STAYS
						  ? replace_reason(p, pair, *l, (*l)->match)
						  : NULL;
			if (why && (is_put_back(*l) || is_anothers(p, pair, *l))) {
				let_be(*l);
			} else if (why && ((*l)->found || !plan_link_is_ours(pair, (*l)->name))) {
				if ((r = refuse_replace(p, *l, why)) < 0) {
					(*l)->fate = LINK_GOES;
					result = r;
				}
			} else if (link_is_made(*l) && (why || !(*l)->match)) {
				comes(&todo, *l, why);
			}
			/* something of ours stands where an interface is to be moved */
			if ((*l)->fate == LINK_MOVES && pair->have) {
				struct link *here = netns_find_link(pair->have, (*l)->name);
				if (here && here != (*l)->match)
					goes(&todo, here, NULL);
			}
		}
	}
	settle(p, &todo);
	array_free(&todo);
	return result;
}

/* Of the namespace that there is, or that is to be. NULL: there will be no such interface. */
static const struct link *find_master(const struct netns_pair *pair, const char *name)
{
	const struct link *want = netns_find_link(pair->want, name);
	const struct link *have = pair->have ? netns_find_link(pair->have, name) : NULL;

	if (want && (want->match || want->fate == LINK_COMES))
		return want;
	return have && have->fate == LINK_STAYS ? have : NULL;
}

static const struct kind *kind_to_be(const struct link *l)
{
	return l->kind || !l->match ? l->kind : l->match->kind;
}

/* What it was a port of before the lab came is gone: it comes back without. */
static void lose_master(struct planner *p, struct link *want, const struct link *master)
{
	cleanup_buf struct buf text = {0};

	link_id(want, &text);
	buf_puts(&text, " does not become a port of ");
	buf_printable(&text, want->master);
	buf_puts(&text, master ? " again: another interface has the name by now"
			       : " again: there is no such interface any more");
	diag_warning(p->d, NO_MARK, "%s", buf_text(&text));
	want->master = NULL;
}

static int check_master(struct planner *p, const struct netns_pair *pair, struct link *want)
{
	const struct link *master = find_master(pair, want->master);
	const struct kind *kind = master ? kind_to_be(master) : NULL;
	const bool back = p->options->rollback || want->restored & LINK_BIT("master");

	if (master && (!kind || kind->is_master)) /* of no kind that we know: a bond, perhaps */
		return 0;
	if (back) {
		lose_master(p, want, master);
		return 0;
	}
	if (master) {
		diag_error(p->d, -EINVAL, link_key_mark(want, "master"),
			   "%s cannot have ports: it is of kind %s", want->master, kind->name);
		return -EINVAL;
	}
	diag_error(p->d, -ENODEV, link_key_mark(want, "master"),
		   "there is no interface '%s' in namespace '%s'", want->master, want->netns->name);
	diag_hint(p->d, "a master is an interface of the same namespace");
	return -ENODEV;
}

/* The checks have seen to those of the lab's own namespaces. */
static int check_masters(struct planner *p, struct netns_pair *pairs, size_t n)
{
	int result = 0, r;

	for (size_t i = 0; i < n; i++) {
		if (!pairs[i].want || pairs[i].want->absent || !netns_is_external(pairs[i].want))
			continue;
		array_each(&pairs[i].want->links, l)
			if ((*l)->master && (*l)->fate != LINK_GOES &&
			    (r = check_master(p, &pairs[i], *l)) < 0)
				result = r;
	}
	return result;
}

int plan_links(struct planner *p, struct netns_pair *pairs, size_t n)
{
	reset(p->live);
	reset(p->goal);
	int result = match_links(p, pairs, n), r;
	if ((r = decide(p, pairs, n)) < 0)
		result = r;
	if ((r = plan_check_away(p)) < 0)
		result = r;
	if (result >= 0 && (r = check_masters(p, pairs, n)) < 0)
		result = r;
	if (result >= 0)
		plan_order_moves(p, pairs, n);
	plan_link_steps(p, pairs, n);
	return result;
}
