/* SPDX-License-Identifier: MIT */
/* All or nothing: writes the record ahead, executes the plan, reads the kernel
 * again, and when something fails, plans the way back to what was live before and
 * executes that.
 *
 * A signal turns the run back (interrupt.c). What has no way back, the end of a namespace, comes
 * last; from there on the only way is forward. */
#include "transaction_internal.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

/* What the kernel changes by itself is planned once more, but not for ever. */
#define ROUNDS_MAX 4
#define PROGRESS_MS 300 /* nobody is told sooner how far it is */
#define RESERVE_MIN (1u << 20)

struct run {
	struct lab *lab;
	struct execution execution;
	bool deep;  /* how the lab's own namespaces that go are read: kernel_read() */
	bool begun; /* the record may name more than before, and the machine be another */
	size_t count[4];
	json_t *plan;	 /* plan_json() of what is done; NULL unless wanted */
	int64_t started; /* now_ms() */
	bool shown;
};

static void show_progress(void *data, size_t done, size_t total)
{
	struct run *run = data;

	if (now_ms() - run->started < PROGRESS_MS)
		return;
	fprintf(stderr, "\r%s: step %zu of %zu\033[K", run->lab->name, done, total);
	fflush(stderr);
	run->shown = true;
}

static void end_progress(struct run *run)
{
	if (run->shown)
		fputs("\r\033[K", stderr);
	run->shown = false;
}

/* --- the way back ----------------------------------------------------------------- */

/* What a plan may have moved is wanted where it was, should we have to go back. */
static void want_moves_back(struct model *before, const struct plan *plan)
{
	array_each(&plan->changes, c) {
		if (c->object != OBJECT_LINK || !c->moved)
			continue;
		const struct link *want = c->want.link, *source = want->match;
		struct netns *n = model_find_netns(before, source->netns->name);
		struct link *l = n ? netns_find_index(n, source->index) : NULL;
		if (l) {
			l->from.netns = arena_strdup(&before->arena, want->from.netns);
			l->from.name = arena_strdup(&before->arena, want->from.name);
			l->home = want->home;
			l->away = want->away;
		}
	}
}

/* It goes when the plan deletes its other end. */
static bool hangs_on_ours(const struct model *before, const struct link *l)
{
	const struct netns *n = l->peer.netns ? model_find_netns(before, l->peer.netns) : NULL;

	return n && !netns_is_external(n);
}

static bool hangs_on_link(const struct netns *n, const struct route *r)
{
	array_each(&r->nexthops, h)
		if (h->dev && netns_find_link(n, h->dev))
			return true;
	return false;
}

static void leave_to_others(const struct model *before, struct netns *n)
{
	size_t links = 0, routes = 0;

	array_each(&n->links, l)
		if (hangs_on_ours(before, *l))
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

/* Values that were read before beyond those the goal names. */
static int read_values_of(struct lab *lab, struct model *now, const struct model *before)
{
	int r = 0;

	array_each(&before->namespaces, n) {
		struct netns *same = model_find_netns(now, (*n)->name);

		if (!same)
			continue;
		array_each(&(*n)->sysctls, s)
			if (r >= 0)
				r = transaction_read_value(lab->kernel, now, same, (*s)->path,
							   &lab->d);
	}
	return r;
}

/* What is made anew has another index: the lab's is what the record says is. */
static int execute_back(struct run *run, struct plan *back)
{
	struct lab *lab = run->lab;

	/* That it could not be saved is no reason to stay here; restore_record() will tell. */
	if (record_forget_indexes(lab->record, back))
		record_save(lab->rundir, lab->record, &lab->d);
	return execute(&run->execution, back, &lab->d);
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

/* Plans from what is live now to what was before, and does it. */
static int roll_back_once(struct run *run, size_t *ret_changes, int round)
{
	struct lab *lab = run->lab;
	const struct plan_options how = {
		.rollback = true, .undone = lab->goal, .follows = round == 0, .lab = lab->name};
	bool last = round == ROUNDS_MAX - 1;
	struct model *now = NULL;
	struct plan *back = NULL;
	int r;

	look_into_stopovers(lab);
	r = kernel_read(lab->kernel, lab->goal, run->deep, NULL, &now, &lab->d);

	if (r >= 0)
		r = read_values_of(lab, now, lab->before);
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

static int roll_back(struct run *run)
{
	struct lab *lab = run->lab;
	size_t changes = 0, failed;
	int r = 0;

	end_progress(run);
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
		r = roll_back_once(run, &changes, round);
		if (r >= 0 && !changes && round > 0)
			return EXIT_FAILED;
	}
	/* Ahead of the list of what is left: only so many errors are kept. */
	diag_error(&lab->d, -EIO, NO_MARK, "the machine could not be put back as it was");
	diag_hint(&lab->d, "the record is kept: `nsapply --destroy %s` tries again", lab->name);
	if (roll_back_once(run, &changes, ROUNDS_MAX - 1) < 0 || changes)
		return EXIT_NOT_UNDONE;
	diags_cut(&lab->d, failed);
	return EXIT_FAILED;
}

/* --- forward ------------------------------------------------------------------------ */

static int run_plan(struct run *run)
{
	struct lab *lab = run->lab;
	int r = transaction_read_side_effects(lab);

	if (!lab->before)
		lab->before = lab->live;

	if (r < 0)
		return r;
	if (lab->options->verbose && lab->plan->changes.n) {
		cleanup_buf struct buf text = {0};
		plan_print_text(lab->plan, &text, lab->options->color_err);
		fputs(buf_text(&text), stderr);
	}
	record_add_plan(lab->record, lab->plan);
	r = record_save(lab->rundir, lab->record, &lab->d);
	run->begun = run->begun || r >= 0;
	if (r >= 0) /* it says all that we are about to touch */
		rundir_let_in(lab->rundir);
	if (r >= 0)
		r = execute(&run->execution, lab->plan, &lab->d);
	if (r >= 0)
		record_plan_done(lab->record, lab->plan);
	end_progress(run);
	want_moves_back(run->lab->before, lab->plan);
	return r;
}

/* What this run has started is to stay. */
static int find_ended(struct run *run)
{
	struct lab *lab = run->lab;
	int r = 0;

	array_each(&lab->plan->changes, c) {
		const struct process *known =
			c->object == OBJECT_PROCESS && c->action == ACTION_CREATE
				? model_find_process(lab->record->made, c->want.process)
				: NULL;
		if (!known || !known->is_new)
			continue;
		execute_tell_ended(&run->execution, c->want.process, &lab->d);
		r = -ESRCH;
	}
	return r;
}

static int does_not_hold(struct lab *lab)
{
	array_each(&lab->plan->changes, c) {
		cleanup_buf struct buf what = {0};
		change_describe(c, &what);
		diag_error(&lab->d, -EIO, NO_MARK, "does not stay as asked: %s", buf_text(&what));
	}
	diag_hint(&lab->d, "the kernel, or another program, keeps changing it back");
	return -EIO;
}

/* For the report: the rounds that follow only mend what the kernel changes by itself. */
static void keep_plan(struct run *run)
{
	memcpy(run->count, run->lab->plan->count, sizeof(run->count));
	if (run->lab->options->format == FORMAT_JSON)
		run->plan = plan_json(run->lab->plan, run->lab->name);
}

/* Reads the kernel, and plans what is not as it is to be: after the first round, what its plan may
 * have changed is enough. */
static int verify(struct run *run, int round)
{
	struct lab *lab = run->lab;

	if (round > 0 || !run->deep)
		return lab_plan(lab, run->deep);
	transaction_touch(lab->before, lab->plan);
	return lab_verify(lab);
}

/* Until the kernel's state equals the goal. The first plan is made already. */
static int run_rounds(struct run *run)
{
	struct lab *lab = run->lab;

	for (int round = 0;; round++) {
		bool nothing = !lab->plan->changes.n;
		int r = run_plan(run);

		/* What was read for a plan without changes is the proof already. */
		if (r < 0 || nothing || lab->options->no_verify)
			return r;
		/* A failed round leaves plan and goal for roll_back(). */
		r = verify(run, round);
		if (r >= 0)
			r = find_ended(run);
		if (r < 0 || !lab->plan->changes.n)
			return r;
		if (round == ROUNDS_MAX - 1)
			return does_not_hold(lab);
	}
}

static void start(struct run *run, struct lab *lab, bool deep)
{
	const struct mallinfo2 used = mallinfo2();

	*run = (struct run){.lab = lab, .deep = deep};
	lab->goal->started = lab->record->made; /* the record may be a new one */
	run->execution = (struct execution){.kernel = lab->kernel,
					    .rundir = lab->rundir,
					    .record = lab->record,
					    .data = run,
					    .remakes = deep};
	if (!lab->options->quiet && isatty(STDERR_FILENO))
		run->execution.progress = show_progress;
	run->started = now_ms();
	/* The way back needs about as much as has been used so far. */
	memory_hold_back(RESERVE_MIN + 2 * (used.uordblks + used.hblkhd), EXIT_NOT_UNDONE);
}

static void finish(struct run *run)
{
	json_decref(run->plan);
	memory_let_go();
	kernel_let_go_files(run->lab->kernel);
}

/* The lab's old record again, or none; what had to be made anew has new cookies and indexes. */
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
		status = roll_back(run);
	if (run->begun && status == EXIT_FAILED && restore_record(run, old) < 0)
		status = EXIT_NOT_UNDONE;
	return status;
}

static int undo(struct run *run)
{
	struct record *old = NULL;
	int status = EXIT_NOT_UNDONE;

	if (record_as_loaded(run->lab->record, &old, &run->lab->d) >= 0)
		status = undo_with(run, old);
	record_free(old);
	return status;
}

static void show_waiting(void *data, const char *what)
{
	struct run *run = data;
	cleanup_buf struct buf text = {0};

	if (!run->execution.progress)
		return;
	buf_printable(&text, run->lab->name);
	buf_puts(&text, ": waiting: ");
	buf_printable(&text, what);
	fprintf(stderr, "\r%s\033[K", buf_text(&text));
	fflush(stderr);
	run->shown = true;
}

/* What changed while we waited is put right like what the kernel changes by itself. */
static int make_ready(struct run *run)
{
	struct lab *lab = run->lab;
	struct readiness readiness = {
		.lab = lab, .execution = &run->execution, .tell = show_waiting, .data = run};
	int r = 0;

	for (int round = 0; r >= 0; round++) {
		r = transaction_wait_ready(&readiness);
		end_progress(run);
		if (r < 0 || !lab->plan->changes.n)
			return r;
		r = round < ROUNDS_MAX ? run_rounds(run) : does_not_hold(lab);
	}
	return r;
}

static int carry_out(struct run *run, const struct transaction *t)
{
	struct lab *lab = run->lab;
	int r = run_rounds(run);

	if (r >= 0 && t->deep && !lab->options->no_verify && lab->options->wait)
		r = make_ready(run);
	if (r >= 0)
		r = execution_stopped(&run->execution, &lab->d);
	return r < 0 ? r : t->conclude(lab); /* a signal that comes from here on is too late */
}

/* There is no way back; and what was refused may not be any more. So once more, from what is there
 * now. */
static int go_on(struct run *run, const struct transaction *t)
{
	int r = lab_plan(run->lab, run->deep);

	if (r >= 0)
		r = carry_out(run, t);
	if (r >= 0)
		diags_excuse(&run->lab->d);
	return r;
}

int transact(struct lab *lab, const struct transaction *t)
{
	struct run run;
	int r, status = EXIT_DONE;
	bool changed = lab->plan->changes.n;

	start(&run, lab, t->deep);
	keep_plan(&run);
	r = kernel_hold_back_files(lab->kernel, &lab->d);
	if (r >= 0)
		r = carry_out(&run, t);
	if (r < 0 && run.execution.no_return)
		r = go_on(&run, t);
	if (r >= 0)
		lab_unlock(lab);
	if (r < 0) {
		status = undo(&run);
	} else if (changed || !t->deep) {
		say_done(lab, t->done, run.count);
		lab_print_result(lab, t->done, json_incref(run.plan));
	} else {
		say(lab->options, "%s: nothing to do", lab->name);
		lab_print_result(lab, "unchanged", NULL);
	}
	finish(&run);
	return status;
}
