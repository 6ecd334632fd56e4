/* SPDX-License-Identifier: MIT */
/* plan(live, goal): the frame. Pairs the namespaces of both models, lets each
 * layer add its changes and steps, and puts the steps in the order of enum op.
 *
 * Nothing here asks the kernel: that an interface that goes down loses its
 * routes is known from the kernel's sources, and restoring what a step drops
 * is part of the plan. */
#include "plan_internal.h"

#include <errno.h>
#include <string.h>

struct change *plan_change(struct planner *p, enum action action, enum object object,
			   const struct netns *n)
{
	struct change *c = array_push(&p->plan->changes);

	c->action = action;
	c->object = object;
	c->netns = n;
	p->plan->count[action]++;
	return c;
}

struct step *plan_step(struct planner *p, enum op op, struct netns *n)
{
	struct step *s = array_push(&p->plan->steps);

	s->op = op;
	s->netns = n;
	s->change = p->plan->changes.n ? (uint32_t)p->plan->changes.n - 1 : 0;
	return s;
}

static int compare_levels(const void *a, const void *b)
{
	const struct step *x = *(struct step *const *)a, *y = *(struct step *const *)b;

	return (x->level > y->level) - (x->level < y->level);
}

/* By op, and by level within one. There are few ops, so each step is put where its op begins. */
static void order_steps(struct step *steps, size_t n, struct step **ret_order)
{
	size_t ends[OP_COUNT] = {0}, start = 0;

	for (size_t i = 0; i < n; i++)
		ends[steps[i].op]++;
	for (enum op op = 0; op < OP_COUNT; op++) {
		size_t count = ends[op];
		ends[op] = start;
		start += count;
	}
	for (size_t i = 0; i < n; i++)
		ret_order[ends[steps[i].op]++] = &steps[i];
	for (enum op op = 0; op < OP_COUNT; op++) {
		size_t first = op ? ends[op - 1] : 0;
		sort(ret_order + first, ends[op] - first, sizeof(*ret_order), compare_levels);
	}
}

/* Pointers are sorted. Then each circle of steps that take each other's places is gone round, which
 * takes no memory for a second copy of all. */
static void sort_steps(struct plan *p)
{
	struct step *steps = p->steps.items, **order;
	size_t n = p->steps.n;

	if (n < 2)
		return;
	order = xcalloc(n, sizeof(*order));
	order_steps(steps, n, order);
	for (size_t start = 0; start < n; start++) {
		struct step first = steps[start];
		size_t to = start;

		for (size_t from; (from = (size_t)(order[to] - steps)) != start; to = from) {
			steps[to] = steps[from];
			order[to] = &steps[to];
		}
		steps[to] = first;
		order[to] = &steps[to];
	}
	free(order);
}

/* What another lab holds has been refused for that. */
bool plan_is_told(const struct diags *d, struct mark at)
{
	array_each(&d->list, told)
		if (told->severity == SEVERITY_ERROR && told->mark.line == at.line &&
		    told->mark.column == at.column)
			return true;
	return false;
}

int plan_conflict(struct planner *p, struct mark at, const char *what)
{
	if (p->options->adopt || p->options->rollback)
		return 0;
	if (plan_is_told(p->d, at))
		return -EEXIST;
	diag_error(p->d, -EEXIST, at, "%s exists already, and this lab did not make it", what);
	diag_hint(p->d, "remove it, make yours another, or take it over with --adopt");
	return -EEXIST;
}

void plan_tell_taken(struct planner *p, const struct link *want)
{
	const struct link *peer = want->kind->is_pair ? link_peer(p->goal, want) : NULL;
	cleanup_buf struct buf text = {0};

	if (p->options->rollback || !netns_is_external(want->netns) || !peer ||
	    netns_is_external(peer->netns))
		return;
	link_id(want, &text);
	buf_printf(&text, " goes with namespace %s when that is deleted: its other end is in it",
		   peer->netns->name);
	diag_warning(p->d, want->mark, "%s", buf_text(&text));
	diag_hint(p->d, "where it is to stay when the lab goes, make that `external`");
}

/* The record knows the cookie of what the lab has made before that gets its name: without one
 * (unless this kernel has none) it is somebody else's that has the name. */
bool plan_is_same_netns(const struct netns *made, const struct netns *have)
{
	return made && have && (have->stray ? have->empty : made->cookie == have->cookie);
}

static int missing_netns(struct planner *p, const struct netns *n)
{
	if (!n->mark.line) /* only the record knows it: what we did there went with it */
		return 0;
	diag_error(p->d, -ENOENT, n->mark, "external namespace \"%s\" does not exist", n->name);
	switch (n->class) {
	case NETNS_PID:
		diag_hint(p->d, "there is no process %u, or its network namespace cannot be opened",
			  n->pid);
		break;
	case NETNS_PATH:
		diag_hint(p->d, "%s is no network namespace", n->path);
		break;
	case NETNS_NAMED:
		diag_hint(p->d,
			  "`ip netns` does not list it; without `external` the lab would make it");
		break;
	case NETNS_OWNED:
	case NETNS_HOST:
		break;
	}
	return -ENOENT;
}

/* Not even --adopt takes it: what it is, and whose, cannot be told. */
static int name_taken(struct planner *p, const struct netns *n)
{
	diag_error(p->d, -EEXIST, n->mark,
		   "there is a file of namespace \"%s\" that is no namespace", n->name);
	diag_hint(p->d, "`ip netns delete` or rm takes it away, if nobody needs it");
	return -EEXIST;
}

/* Of an external namespace that only the record knows: somebody gave its name to another. */
static bool is_another(const struct netns *want, const struct netns *have)
{
	return netns_is_external(want) && !want->mark.line && want->cookie &&
	       want->cookie != have->cookie;
}

/* Decides whether the lab may do in this namespace as it likes. */
static int pair_netns(struct planner *p, struct netns_pair *pair)
{
	struct netns *want = pair->want, *have = pair->have;
	const struct other_lab *owner;
	bool same;

	if (!plan_is_same_netns(pair->made, have)) /* what was made in it went with it */
		pair->made = NULL;
	same = pair->made && pair->made->class == NETNS_OWNED;
	if (want && have && is_another(want, have))
		pair->have = have = NULL;
	if (!want) { /* only when rolling back: made by the plan that failed, or by somebody else */
		pair->ours = same;
		if (!same && have->class == NETNS_OWNED)
			pair->have = NULL;
		return 0;
	}
	want->stray = have && have->stray;
	if (want->stray && !want->absent) {
		/* To be made: the kernel has nothing of that name. */
		pair->have = have = NULL;
		pair->ours = p->keeps_some = true;
		return same ? 0 : name_taken(p, want);
	}
	want->handle = have ? have->handle : -1;
	want->live = have;
	want->cookie = have ? have->cookie : 0;
	if (netns_is_external(want) && !have) { /* nor is anything in it: that says it all */
		pair->want = NULL;
		return missing_netns(p, want);
	}
	if (netns_is_external(want))
		return 0;
	if (want->absent) {
		/* Somebody else's by now, or gone: either way not ours to delete. */
		if (!same)
			pair->want = pair->have = NULL;
		pair->ours = true;
		return 0;
	}
	p->keeps_some = true;
	pair->ours = true;
	if (!have || same)
		return 0;
	cleanup_buf struct buf what = {0};
	buf_printf(&what, "namespace \"%s\"", want->name);
	owner = plan_netns_owner(p, have);
	pair->taken = !p->options->rollback;
	return owner ? plan_is_held(p, want->mark, buf_text(&what), owner)
		     : plan_conflict(p, want->mark, buf_text(&what));
}

static bool is_there(const struct netns_pair *pair)
{
	return pair->want && !pair->want->absent && pair->have;
}

/* With --adopt a name may turn out to be another one for what is the lab's already. */
static int check_adopted(struct planner *p, const struct netns_pair *pair,
			 const struct netns_pair *others, size_t n)
{
	for (size_t i = 0; i < n && p->options->adopt && is_there(pair); i++) {
		if (!is_there(&others[i]) || others[i].have->handle != pair->have->handle)
			continue;
		return diag_error(p->d, -EINVAL, pair->want->mark,
				  "%s and %s are the same namespace", others[i].want->name,
				  pair->want->name);
	}
	return 0;
}

#define NAMES_TOLD 5

/* What is in the others, or is not a namespace, is given back; these are not. */
static void tell_taken_namespaces(struct planner *p, const struct netns_pair *pairs, size_t n)
{
	cleanup_buf struct buf names = {0}, text = {0};
	const struct netns *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!pairs[i].taken)
			continue;
		first = first ? first : pairs[i].want;
		if (count++ < NAMES_TOLD) {
			buf_puts(&names, count > 1 ? ", " : "");
			buf_printable(&names, pairs[i].want->name);
		}
	}
	if (!first)
		return;
	buf_printf(&text, "namespace%s %s", count == 1 ? "" : "s", buf_text(&names));
	if (count > NAMES_TOLD)
		buf_printf(&text, " and %zu more", count - NAMES_TOLD);
	buf_printf(&text, " %s there already, and will be the lab's: destroy deletes %s",
		   count == 1 ? "is" : "are", count == 1 ? "it" : "them");
	diag_warning(p->d, first->mark, "%s", buf_text(&text));
	diag_hint(p->d, "make `external` what is to stay when the lab goes");
}

int plan_pair_namespaces(struct planner *p, struct netns_pair **ret_pairs, size_t *ret_n)
{
	size_t max = p->live->namespaces.n + p->goal->namespaces.n, n = 0, g = 0, l = 0;
	struct netns_pair *pairs = arena_alloc(&p->plan->arena, (max + 1) * sizeof(*pairs));
	int result = 0;

	while (g < p->goal->namespaces.n || l < p->live->namespaces.n) {
		struct netns *want =
			g < p->goal->namespaces.n ? p->goal->namespaces.items[g] : NULL;
		struct netns *have =
			l < p->live->namespaces.n ? p->live->namespaces.items[l] : NULL;
		int order = !want ? 1 : !have ? -1 : strcmp(want->name, have->name);
		struct netns_pair *pair = &pairs[n++];

		if (order <= 0)
			pair->want = want, g++;
		if (order >= 0)
			pair->have = have, l++;
		if (p->made)
			pair->made =
				model_find_netns(p->made, pair->want ? want->name : have->name);
		if (p->options->undone)
			pair->undone = model_find_netns(p->options->undone,
							pair->want ? want->name : have->name);
		int r = pair_netns(p, pair);
		if (r >= 0)
			r = check_adopted(p, pair, pairs, n - 1);
		if (r < 0)
			result = r;
		if (!pair->want && !pair->have)
			pairs[--n] =
				(struct netns_pair){0}; /* nothing of it may stick to the next */
	}
	if (result >= 0)
		tell_taken_namespaces(p, pairs, n);
	*ret_pairs = pairs;
	*ret_n = n;
	return result;
}

static void plan_namespaces(struct planner *p, struct netns_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct netns_pair *pair = &pairs[i];
		struct change *c;

		if (!pair->ours)
			continue;
		if (pair->want && !pair->want->absent && !pair->have) {
			c = plan_change(p, ACTION_CREATE, OBJECT_NAMESPACE, pair->want);
			c->want.netns = pair->want;
			pair->change = plan_step(p, OP_NETNS_ADD, pair->want)->change;
		} else if (pair->have && (!pair->want || pair->want->absent)) {
			c = plan_change(p, ACTION_DELETE, OBJECT_NAMESPACE, pair->have);
			c->have.netns = pair->have;
			plan_step(p, OP_NETNS_DEL, pair->have);
		}
	}
}

static int plan_layers(struct planner *p, struct netns_pair *pairs, size_t n)
{
	int result = 0, r;

	for (size_t i = 0; i < n; i++)
		if ((r = plan_check_claims(p, &pairs[i])) < 0)
			result = r;
	plan_namespaces(p, pairs, n);
	if ((r = plan_links(p, pairs, n)) < 0)
		result = r;
	for (size_t i = 0; i < n && r >= 0; i++)
		plan_tell_costs(p, &pairs[i]);
	for (size_t i = 0; i < n; i++)
		if ((r = plan_check_special_routes(p, &pairs[i])) < 0)
			result = r;
	for (size_t i = 0; i < n; i++)
		if ((r = plan_sysctls(p, &pairs[i])) < 0)
			result = r;
	for (size_t i = 0; i < n; i++)
		if ((r = plan_addresses(p, &pairs[i])) < 0)
			result = r;
	for (size_t i = 0; i < n; i++)
		if ((r = plan_routes(p, &pairs[i])) < 0)
			result = r;
	plan_processes(p);
	return result;
}

int plan_make(struct model *live, struct model *goal, const struct model *made,
	      const struct plan_options *options, struct plan **ret_plan, struct diags *d)
{
	struct plan *plan = xcalloc(1, sizeof(*plan));
	struct netns_pair *pairs;
	size_t n;
	static const struct others nobody;
	struct planner p = {.plan = plan,
			    .live = live,
			    .goal = goal,
			    .made = made,
			    .options = options,
			    .others = options->others ? options->others : &nobody,
			    .d = d};
	int r, layers;

	plan->live = live;
	plan->goal = goal;
	plan->others = p.others;
	r = plan_pair_namespaces(&p, &pairs, &n);
	layers = plan_layers(&p, pairs, n); /* also after errors, to find all of them */
	if (r >= 0)
		r = layers;
	for (size_t i = 0; i < n; i++)
		array_free(&pairs[i].dropped);
	if (r < 0) {
		plan_free(plan);
		return r;
	}
	sort_steps(plan);
	*ret_plan = plan;
	return 0;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	array_free(&p->changes);
	array_free(&p->steps);
	arena_free(&p->arena);
	free(p);
}
