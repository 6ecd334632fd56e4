/* SPDX-License-Identifier: MIT */
/* The way back: plans from what is live now to what was before, and does it, until nothing is left to
 * do. Then the record is as it was. */
#include "transaction_internal.h"

#include <errno.h>
#include <string.h>

#define USABLE_MS 5000 /* duplicate address detection takes one to three seconds */

/* It goes when the plan deletes its other end: in a namespace of the lab's, or in one that it uses. */
static bool hangs_on_ours(const struct model *before, const struct link *l)
{
	const struct netns *n = l->peer.netns ? model_find_netns(before, l->peer.netns) : NULL;
	const struct link *peer = n ? netns_find_link(n, l->peer.name) : NULL;

	return n && (!netns_is_external(n) || (peer && peer->fate == LINK_GOES));
}

static bool has_source(const struct netns *n, const struct route *r)
{
	array_each(&n->links, l)
		array_each(&(*l)->addresses, a)
			if ((*a)->address.family == r->src.family &&
			    memcmp((*a)->address.bytes, r->src.bytes, sizeof(r->src.bytes)) == 0)
				return true;
	return false;
}

/* By way of it, or from an address of it. */
static bool hangs_on_link(const struct netns *n, const struct route *r)
{
	if (r->dev && netns_find_link(n, r->dev))
		return true;
	if (r->src.family && has_source(n, r))
		return true;
	array_each(&r->nexthops, h)
		if (h->dev && netns_find_link(n, h->dev))
			return true;
	return false;
}

static void leave_to_others(const struct model *before, struct netns *n)
{
	size_t links = 0, routes = 0;

	array_each(&n->links, l)
		if (hangs_on_ours(before, *l) || (*l)->fate == LINK_MOVES)
			n->links.items[links++] = *l;
		else
			array_free(&(*l)->addresses);
	n->links.n = links;
	array_each(&n->routes, r)
		if (hangs_on_link(n, *r))
			n->routes.items[routes++] = *r;
		else
			array_free(&(*r)->nexthops);
	n->routes.n = routes;
}

/* External namespaces of which this lab says nothing others may have changed meanwhile: it did not
 * have them locked. */
static void want_only_ours_back(struct lab *lab)
{
	array_each(&lab->before->namespaces, n)
		if (netns_is_external(*n) && !lab_uses(lab, (*n)->name))
			leave_to_others(lab->before, *n);
}

static void tell_left(struct lab *lab, const struct plan *left)
{
	array_each(&left->changes, c) {
		cleanup_buf struct buf what = {0};
		change_describe(c, &what);
		diag_error(&lab->d, -EBUSY, NO_MARK, "not put back: %s", buf_text(&what));
	}
}

/* Values that were read before beyond those the goal names. What cannot be read now is written again. */
static void read_values_of(struct lab *lab, struct model *now, const struct model *before)
{
	const size_t said = lab->d.list.n;

	array_each(&before->namespaces, n) {
		struct netns *same = model_find_netns(now, (*n)->name);

		if (!same)
			continue;
		array_each(&(*n)->sysctls, s)
			transaction_read_value(lab->kernel, now, same, (*s)->path, &lab->d);
	}
	diags_cut(&lab->d, said);
}

/* What worked before is waited for, but not for long: there is something to be put back. What has failed
 * may have done so before, like a duplicate address of an interface that is only looked at. */
static void wait_usable(struct lab *lab)
{
	const struct patience patience = {.ms = USABLE_MS, .all = true, .stop = -1};
	ARRAY(struct awaited) items = {0};

	array_each(&lab->before->namespaces, n)
		array_each(&(*n)->links, l)
			if ((*l)->operational)
				*array_push(&items) = (struct awaited){
					.what = AWAIT_LINK, .link = *l, .addresses = true};
	kernel_wait(lab->kernel, items.items, items.n, &patience);
	array_free(&items);
}

/* IPv6 takes the link's MTU for its own when that has a carrier, too: another one stays only when it
 * is written after that, in the next round. */
static bool has_mtu_of_ipv6(const struct model *before)
{
	array_each(&before->namespaces, n) {
		array_each(&(*n)->sysctls, s) {
			size_t size;

			if (sysctl_interface((*s)->path, &size) &&
			    str_starts((*s)->path, "ipv6/conf/") &&
			    str_equal(strrchr((*s)->path, '/'), "/mtu"))
				return true;
		}
	}
	return false;
}

static bool starts_processes(const struct plan *p)
{
	array_each(&p->steps, s)
		if (s->op == OP_PROCESS_START)
			return true;
	return false;
}

/* What is made anew may have another index: the lab's is what the record says is. */
static int execute_back(struct run *run, struct plan *back)
{
	struct lab *lab = run->lab;
	bool later = lab->options->wait && starts_processes(back);
	int r;

	/* That it could not be saved is no reason to stay here; restore_record() will tell. */
	if (record_forget_indexes(lab->record, back))
		record_save(lab->rundir, lab->record, &lab->d);
	run->execution.until = later ? OP_PROCESS_STOP : OP_COUNT;
	r = execute(&run->execution, back, &lab->d);
	if (r >= 0 && later) {
		wait_usable(lab);
		run->execution.from = OP_PROCESS_STOP;
		run->execution.until = OP_COUNT;
		r = execute(&run->execution, back, &lab->d);
		run->execution.from = 0;
	}
	if (r >= 0 && has_mtu_of_ipv6(lab->before))
		wait_usable(lab);
	return r;
}

/* An earlier try may have made a namespace to move interfaces by way of, and left them there. */
static void look_into_stopovers(struct lab *lab)
{
	array_each(&lab->before->namespaces, n) {
		struct netns *scope;

		if (!(*n)->absent || model_find_netns(lab->goal, (*n)->name))
			continue;
		scope = model_add_netns(lab->goal, (*n)->name, NETNS_OWNED);
		scope->absent = scope->may_hold_moved = true;
		model_place_netns(lab->goal);
	}
}

/* Plans from what is live now to what was before, and does it. old: the record then, or NULL. */
static int roll_back_once(struct run *run, const struct record *old, size_t *ret_changes, int round)
{
	struct lab *lab = run->lab;
	const struct plan_options how = {
		.rollback = true,
		.undone = lab->goal,
		.was = old ? old->made : NULL,
		.follows = round == 0,
		.lab = lab->name,
	};
	bool last = round == ROUNDS_MAX - 1;
	struct model *now = NULL;
	struct plan *back = NULL;
	int r;

	look_into_stopovers(lab);
	r = kernel_read(lab->kernel, lab->goal, run->deep, NULL, &now, &lab->d);

	if (r >= 0)
		read_values_of(lab, now, lab->before);
	if (r >= 0)
		r = plan_make(now, lab->before, lab->record->made, &how, &back, &lab->d);
	if (r >= 0) {
		*ret_changes = back->changes.n;
		if (last)
			tell_left(lab, back);
		else if (back->changes.n)
			r = execute_back(run, back);
	}
	plan_free(back);
	model_free(now);
	return r;
}

static int roll_back(struct run *run, const struct record *old)
{
	struct lab *lab = run->lab;
	size_t changes = 0, failed;
	int r = 0;

	if (lab->options->no_rollback) {
		diag_warning(&lab->d, NO_MARK, "left as it is, because of --no-rollback");
		return EXIT_NOT_UNDONE;
	}
	say(lab->options, "%s: failed, rolling back", lab->name);
	run->execution.no_return = true;
	memory_spend(); /* now is when it is needed, also by those who do not ask for it */
	kernel_let_go_files(lab->kernel);
	want_only_ours_back(lab);
	failed = lab->d.list.n;
	for (int round = 0; round < ROUNDS_MAX - 1; round++) {
		/* What was refused may not be any more, or may have gone by itself: what counts is
		 * how it ends. */
		if (r < 0)
			diags_cut(&lab->d, failed);
		r = roll_back_once(run, old, &changes, round);
		if (r >= 0 && !changes && round > 0)
			return EXIT_FAILED;
	}
	/* Ahead of the list of what is left: only so many errors are kept. */
	diag_error(&lab->d, -EIO, NO_MARK, "the machine could not be put back as it was");
	diag_hint(&lab->d, "the record is kept: `nsapply --destroy %s` tries again", lab->name);
	if (roll_back_once(run, old, &changes, ROUNDS_MAX - 1) < 0 || changes)
		return EXIT_NOT_UNDONE;
	diags_cut(&lab->d, failed);
	return EXIT_FAILED;
}

/* The lab's old record again, or none; what had to be made anew may have new cookies and indexes. */
static int restore_record(struct run *run, struct record *old)
{
	struct lab *lab = run->lab;

	if (!old)
		return record_remove(lab->rundir, lab->name, &lab->d);
	array_each(&run->lab->before->namespaces, n) {
		if ((*n)->class == NETNS_OWNED)
			record_set_cookie(old, (*n)->name, (*n)->cookie);
	}
	record_take_indexes(old, lab->before);
	record_take_processes(old, lab->record);
	return record_save(lab->rundir, old, &lab->d);
}

/* What is in namespaces that are no more was not even read. */
static int tell_unfinished(struct lab *lab)
{
	if (lab_plan(lab, false) >= 0)
		tell_left(lab, lab->plan);
	diag_hint(&lab->d, "the record is kept: `nsapply --destroy %s` goes on from here",
		  lab->name);
	return EXIT_NOT_UNDONE;
}

static int undo_with(struct run *run, struct record *old)
{
	int status = EXIT_FAILED;

	if (old && run->begun)
		record_release_indexes(old, run->lab->before);
	if (run->execution.no_return)
		status = tell_unfinished(run->lab);
	else if (run->begun)
		status = roll_back(run, old);
	if (run->begun && status == EXIT_FAILED && restore_record(run, old) < 0)
		status = EXIT_NOT_UNDONE;
	return status;
}

int transaction_undo(struct run *run)
{
	struct record *old = NULL;
	int status = EXIT_NOT_UNDONE;

	if (record_as_loaded(run->lab->record, &old, &run->lab->d) >= 0)
		status = undo_with(run, old);
	record_free(old);
	return status;
}
