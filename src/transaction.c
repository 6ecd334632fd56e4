/* SPDX-License-Identifier: MIT */
/* All or nothing: writes the record ahead, executes the plan, reads the kernel
 * again, and when something fails, goes back (transaction_undo.c).
 *
 * A signal turns the run back (interrupt.c). What has no way back, the end of a namespace, comes
 * last; from there on the only way is forward. */
#include "transaction_internal.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#define PROGRESS_MS 300 /* nobody is told sooner how far it is */
#define RESERVE_MIN (1u << 20)

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

static int run_plan(struct run *run)
{
	struct lab *lab = run->lab;
	int r = transaction_read_side_effects(lab);

	if (!lab->before)
		lab->before = lab->live;

	if (r < 0)
		return r;
	if (lab->options->verbose && lab->plan->changes.n && !run->told) {
		cleanup_buf struct buf text = {0};
		plan_print_text(lab->plan, &text, lab->options->color_err);
		fputs(buf_text(&text), stderr);
	}
	run->told = false;
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

static bool is_due(const struct run *run, const struct change *c)
{
	const struct plan *p = run->lab->plan;

	array_each(&p->steps, s)
		if (&p->changes.items[s->change] == c && execution_is_due(&run->execution, s))
			return true;
	return false;
}

/* What the kernel makes of a value as soon as it is written, in the arena; NULL: just that. */
static const char *made_of_value(struct kernel *k, const struct change *c, struct arena *a)
{
	const struct sysctl *want = c->want.sysctl;
	struct diags unsaid = {0};
	const char *value = NULL;

	if (kernel_sysctl_write(k, c->netns, want->path, want->value) >= 0)
		kernel_sysctl_read(k, c->netns, want->path, a, &value, &unsaid);
	kernel_leave(k);
	diags_free(&unsaid);
	return value && !str_equal(value, want->value) ? value : NULL;
}

/* Written once more it tells whether the kernel makes another value of it, a list in its own form, say, or
 * somebody changes it later. */
static void tell_not_held(struct lab *lab, const struct change *c)
{
	bool is_value = c->object == OBJECT_SYSCTL && c->want.sysctl;
	const struct node *node = is_value ? c->want.sysctl->node : NULL;
	cleanup_buf struct buf what = {0};
	struct arena arena = {0};
	const char *made = is_value ? made_of_value(lab->kernel, c, &arena) : NULL;

	change_describe(c, &what);
	if (made)
		buf_printf(&what, ": of '%s' the kernel makes '%s'", c->want.sysctl->value, made);
	diag_error(&lab->d, -EIO, node ? node->mark : NO_MARK, "does not stay as asked: %s",
		   buf_text(&what));
	if (made)
		diag_hint(&lab->d, "write it so, if that is what you mean");
	else
		diag_hint(&lab->d, "the kernel, or another program, keeps changing it back");
	arena_free(&arena);
}

static int does_not_hold(struct run *run)
{
	array_each(&run->lab->plan->changes, c)
		if (is_due(run, c))
			tell_not_held(run->lab, c);
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
		bool nothing = !execution_has_work(&run->execution, lab->plan);
		int r = run_plan(run);

		/* What was read for a plan without changes is the proof already. */
		if (r < 0 || nothing || lab->options->no_verify)
			return r;
		/* A failed round leaves plan and goal for roll_back(). */
		r = verify(run, round);
		if (r >= 0)
			r = find_ended(run);
		if (r < 0 || !execution_has_work(&run->execution, lab->plan))
			return r;
		if (round == ROUNDS_MAX - 1)
			return does_not_hold(run);
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
		if (r < 0 || !execution_has_work(&run->execution, lab->plan))
			return r;
		r = round < ROUNDS_MAX ? run_rounds(run) : does_not_hold(run);
	}
	return r;
}

/* Processes stop and start when all else is ready: addresses that they bind, for one. So do those that
 * end by what the first part takes from them, of which the plan does not know yet. */
static bool comes_in_two_parts(const struct lab *lab)
{
	return lab->goal->processes.n || lab->live->processes.n;
}

static bool has_second_part(const struct plan *p)
{
	return p->steps.n && p->steps.items[p->steps.n - 1].op >= OP_PROCESS_STOP;
}

static int carry_out(struct run *run, const struct transaction *t)
{
	struct lab *lab = run->lab;
	bool waits = t->deep && !lab->options->no_verify && lab->options->wait;
	bool later = waits && comes_in_two_parts(lab), told = has_second_part(lab->plan);
	int r;

	run->execution.until = later ? OP_PROCESS_STOP : OP_COUNT;
	r = run_rounds(run);
	if (r >= 0 && waits)
		r = make_ready(run);
	run->execution.until = OP_COUNT;
	if (r >= 0 && later && execution_has_work(&run->execution, lab->plan)) {
		run->told = told;
		r = run_rounds(run);
	}
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
	end_progress(&run);
	if (r < 0) {
		status = transaction_undo(&run);
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
