/* SPDX-License-Identifier: MIT */
/* What the verbs share. Order of opening is order of need: the file is checked before
 * anything of the machine is looked at, the lock is held before the record is read. */
#include "lab.h"

#include "interrupt.h"
#include "load.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

bool is_file_argument(const char *arg)
{
	static const char *const ends[] = {".yaml", ".yml", ".json"};
	size_t n = strlen(arg);

	if (strcmp(arg, "-") == 0 || strchr(arg, '/'))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t m = strlen(ends[i]);
		if (n > m && strcmp(arg + n - m, ends[i]) == 0)
			return true;
	}
	return false;
}

const char *default_file(const struct options *o)
{
	struct stat st;

	if (o->n_args > 0)
		return o->args[0];
	return stat("topo.yaml", &st) == 0 && S_ISREG(st.st_mode) ? "topo.yaml" : NULL;
}

const char *lab_find_file(struct lab *lab)
{
	const char *file = default_file(lab->options);

	if (!file) {
		diag_error(&lab->d, -ENOENT, NO_MARK, "no file given, and there is no ./topo.yaml");
		return NULL;
	}
	if (is_file_argument(file))
		return file;
	diag_error(&lab->d, -EINVAL, NO_MARK, "\"%s\" is the name of a lab, and this wants a file",
		   file);
	diag_hint(&lab->d, "a file has a `/` in it or ends in .yaml, .yml or .json: ./%s", file);
	return NULL;
}

int lab_load_file(struct lab *lab, const char *path)
{
	char real[PATH_MAX];
	int r = document_load(&lab->document, path, &lab->d);

	if (r >= 0)
		r = load_topology(&lab->document, &lab->file, &lab->d);
	if (r < 0)
		return r;
	lab->name = xstrdup(lab->file->name);
	if (strcmp(path, "-") == 0)
		lab->path = xstrdup("-");
	else
		lab->path = xstrdup(realpath(path, real) ? real : path);
	return 0;
}

int lab_load_name(struct lab *lab, const char *path)
{
	int r = document_load(&lab->document, path, &lab->d);

	if (r >= 0)
		r = load_lab_name(&lab->document, &lab->named, &lab->d);
	if (r >= 0)
		lab->name = xstrdup(lab->named->name);
	return r;
}

static int check_record(struct lab *lab)
{
	const struct record *r = lab->record;

	if (r->host_cookie && r->host_cookie != kernel_host_cookie(lab->kernel)) {
		diag_error(&lab->d, -EPERM, NO_MARK,
			   "lab \"%s\" was made from another network namespace than this one",
			   lab->name);
		diag_hint(&lab->d, "its `host` is there: run nsapply where it was applied; where "
				   "that is no more (a container's, say), remove the lab's folder "
				   "under /run/nsapply");
		return -EPERM;
	}
	if (lab->file && strcmp(r->file, lab->path) != 0 && !lab->options->adopt) {
		diag_error(&lab->d, -EEXIST, NO_MARK, "there is a lab \"%s\" already, made from %s",
			   lab->name, strcmp(r->file, "-") == 0 ? "standard input" : r->file);
		diag_hint(&lab->d, "give this one another name, or let it take over with --adopt");
		return -EEXIST;
	}
	return 0;
}

/* No lab was named: the only one there is. */
static int pick_lab(struct lab *lab)
{
	struct arena arena = {0};
	const char **names;
	size_t n;
	int r = rundir_lock_all(lab->rundir, &arena, &names, &n, &lab->d);

	if (r >= 0 && n == 1)
		lab->name = xstrdup(names[0]);
	if (r >= 0 && n > 1) {
		cleanup_buf struct buf list = {0};
		for (size_t i = 0; i < n; i++)
			buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
		r = diag_error(&lab->d, -EINVAL, NO_MARK, "there are several labs: which one?");
		diag_hint(&lab->d, "name one of %s", buf_text(&list));
	}
	arena_free(&arena);
	return r;
}

/* --- opening ----------------------------------------------------------------------- */

static void tell_waiting(void *data, const char *text)
{
	const struct lab *lab = data;

	say(lab->options, "waiting: %s", text);
}

static void drop_plan(struct lab *lab)
{
	plan_free(lab->plan);
	model_free(lab->goal);
	if (lab->live != lab->before)
		model_free(lab->live);
	lab->plan = NULL;
	lab->goal = lab->live = NULL;
}

/* What was found may be so no more; and nobody's namespace is kept while we wait. */
void lab_forget(struct lab *lab)
{
	drop_plan(lab);
	model_free(lab->before);
	model_free(lab->beyond);
	record_free(lab->record);
	lab_leave_others(lab);
	kernel_close(lab->kernel);
	lab->before = lab->beyond = NULL;
	lab->record = NULL;
	lab->kernel = NULL;
}

void lab_unlock(struct lab *lab)
{
	rundir_close(lab->rundir, &lab->d);
	lab->rundir = NULL;
}

int lab_enter(struct lab *lab, enum rundir_use use, int (*look)(struct lab *lab, void *data),
	      void *data)
{
	const struct waiting waiting = {
		.timeout = lab->options->lock_timeout, .tell = tell_waiting, .data = lab};
	const size_t said = lab->d.list.n;
	int r = lab->kernel ? 0 : kernel_open(&lab->kernel, &lab->d); /* that of a private lab is */

	if (r >= 0 && use != RUNDIR_READ)
		interrupt_hold();
	if (r >= 0)
		r = rundir_open(use, &waiting, &lab->rundir, &lab->d);
	while (r >= 0 && (r = look(lab, data)) == -EBUSY) {
		lab_forget(lab);
		diags_cut(&lab->d, said);
		r = kernel_open(&lab->kernel, &lab->d);
		if (r >= 0)
			r = rundir_wait(lab->rundir, &lab->d);
	}
	if (r != -ENOENT || lab->d.errors)
		return r;
	lab_unlock(lab); /* no lab was ever made, or the last one has just gone */
	return 0;
}

static int look_at_lab(struct lab *lab, void *data)
{
	const enum rundir_use *use = data;
	int r = lab->name ? 0 : pick_lab(lab);

	if (r < 0 || !lab->name)
		return r;
	r = rundir_lock_lab(lab->rundir, lab->name, *use == RUNDIR_MAKE, &lab->d);
	if (r < 0 && r != -ENOENT)
		return r;
	r = record_load(lab->rundir, lab->name, kernel_boot_id(lab->kernel), &lab->record, &lab->d);
	if (r >= 0 && lab->record)
		r = check_record(lab);
	if (r >= 0)
		r = lab_meet_others(lab);
	/* What it holds stands in its record, and nothing else is to be looked at. */
	if (r >= 0 && lab->record && !lab_meets_others(lab))
		rundir_let_in(lab->rundir);
	return r;
}

int lab_open(struct lab *lab, enum rundir_use use)
{
	if (lab->file && lab->document.root)
		load_keep_marks(lab->file);
	document_forget_nodes(&lab->document);
	return lab_enter(lab, use, look_at_lab, &use);
}

/* A namespace of the lab's that somebody renamed, and in which there is what the lab moved there, is looked
 * into as well: from it that is taken on, or home. */
static void look_into_renamed(struct lab *lab)
{
	struct model *named = NULL;

	array_each(&lab->record->made->namespaces, n) {
		struct netns *scope = model_find_netns(lab->goal, (*n)->name);
		const struct netns *now;

		if (netns_is_external(*n) || !scope || !scope->may_hold_moved ||
		    model_find_cookie(lab->externals, (*n)->cookie) ||
		    kernel_netns_cookie(lab->kernel, *n) == (*n)->cookie)
			continue;
		if (!named)
			named = kernel_named_netns(lab->kernel);
		now = model_find_cookie(named, (*n)->cookie);
		if (!now || model_find_netns(lab->goal, now->name))
			continue;
		scope = model_add_netns(lab->goal, now->name, NETNS_PATH);
		scope->path = arena_strdup(&lab->goal->arena, now->path);
		scope->may_hold_moved = true;
		model_place_netns(lab->goal);
	}
	model_free(named);
}

static int plan_once(struct lab *lab, bool deep, const struct model *known)
{
	const struct plan_options how = {
		.adopt = lab->options->adopt, .lab = lab->name, .others = &lab->others};
	int r;

	drop_plan(lab);
	lab->goal = goal_make(lab->file, lab->record, &lab->others);
	if (lab->record)
		look_into_renamed(lab);
	lab_add_beyond(lab);
	r = kernel_read(lab->kernel, lab->goal, deep, known, &lab->live, &lab->d);
	if (r >= 0)
		r = lab_check_sysctls(lab);
	if (r >= 0)
		r = plan_make(lab->live, lab->goal, lab->record ? lab->record->made : NULL, &how,
			      &lab->plan, &lab->d);
	return r;
}

/* known: as for kernel_read(). */
static int make_plan(struct lab *lab, bool deep, const struct model *known)
{
	const size_t said = lab->d.list.n;
	int r;

	do {
		diags_cut(&lab->d, said);
		r = plan_once(lab, deep, known);
		if (r >= 0 && deep && !lab->options->no_rollback)
			r = lab_look_beyond(lab);
	} while (r > 0);
	return r;
}

int lab_plan(struct lab *lab, bool deep)
{
	return make_plan(lab, deep, NULL);
}

int lab_verify(struct lab *lab)
{
	int r = make_plan(lab, true, lab->before);

	/* What there is to do is done to the machine as it is, all of it. */
	return r < 0 || !lab->plan->changes.n ? r : lab_plan(lab, true);
}

/* Under its new name it may be somebody's by now, so it is not deleted; but nor is it to be lost. An
 * end of a cable goes with the other one. */
static void tell_renamed(struct lab *lab, const struct netns *live, const struct link *made)
{
	const struct link *by_name = netns_find_link(live, made->name);
	const struct link *now = made->index ? netns_find_index(live, made->index) : NULL;
	cleanup_buf struct buf old = {0}, new = {0};

	if (!now || now == by_name || now->kind != made->kind || now->peer.name)
		return;
	link_id(made, &old);
	buf_printable(&new, now->name);
	diag_warning(&lab->d, NO_MARK, "interface %s of lab %s is called %s now: it is left alone",
		     buf_text(&old), lab->name, buf_text(&new));
	diag_hint(&lab->d,
		  "`ip link delete` takes it away, if nobody needs it; or give it its name back");
}

/* Somebody else's that the lab changed: deleted, renamed or moved. To apply, that is an error. */
static void tell_gone(struct lab *lab, const struct netns *live, const struct link *made)
{
	cleanup_buf struct buf name = {0};

	if (lab->file || netns_find_link(live, made->name))
		return;
	link_id(made, &name);
	diag_warning(&lab->d, NO_MARK,
		     "interface %s is no longer there: what lab %s changed of it is not put back",
		     buf_text(&name), lab->name);
}

/* Is it the lab's all the same, under its new name? */
static bool takes_over(const struct lab *lab, const char *name)
{
	const struct netns *n = lab->plan ? model_find_netns(lab->goal, name) : NULL;

	return n && n->mark.line && !n->absent;
}

static void tell_renamed_netns(struct lab *lab, const struct netns *made, const struct model *named)
{
	const struct netns *now = model_find_cookie(named, made->cookie);
	cleanup_buf struct buf name = {0};

	if (!now || takes_over(lab, now->name))
		return;
	buf_printable(&name, now->name);
	diag_warning(&lab->d, NO_MARK, "namespace %s of lab %s is called %s now: it is left alone",
		     made->name, lab->name, buf_text(&name));
	diag_hint(&lab->d,
		  "`ip netns delete` takes it away, if nobody needs it; or give it its name back");
}

/* All names are only looked at when one is missing. */
static void tell_renamed_namespaces(struct lab *lab)
{
	struct model *named = NULL;

	array_each(&lab->record->made->namespaces, n) {
		const struct netns *live = model_find_netns(lab->live, (*n)->name);

		if (netns_is_external(*n) || !(*n)->cookie ||
		    (live && live->cookie == (*n)->cookie))
			continue;
		if (!named)
			named = kernel_named_netns(lab->kernel);
		tell_renamed_netns(lab, *n, named);
	}
	model_free(named);
}

void lab_tell_renamed(struct lab *lab)
{
	if (!lab->record || !lab->live)
		return;
	tell_renamed_namespaces(lab);
	array_each(&lab->record->made->namespaces, n) {
		const struct netns *live = model_find_netns(lab->live, (*n)->name);

		if (!live || !netns_is_external(*n) || live->cookie != (*n)->cookie)
			continue;
		array_each(&(*n)->links, l)
			if (link_is_made(*l))
				tell_renamed(lab, live, *l);
			else
				tell_gone(lab, live, *l);
	}
}

/* --- talking --------------------------------------------------------------------- */

#define REAL_DIGITS 11 /* of a day in microseconds: 0.000576, not 0.00057600000000000001 */

void print_json(json_t *object)
{
	json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(REAL_DIGITS));
	putchar('\n');
	json_decref(object);
}

void lab_print_json(struct lab *lab, json_t *object)
{
	diags_sort(&lab->d);
	json_object_set_new(object, "diagnostics", diags_json(&lab->d));
	print_json(object);
	lab->printed = true;
}

void lab_print_result(struct lab *lab, const char *result, json_t *plan)
{
	const struct plan nothing = {0};

	if (lab->options->format != FORMAT_JSON)
		return;
	if (!plan)
		plan = plan_json(&nothing, lab->name);
	json_object_set_new(plan, "result", json_string(result));
	json_object_set_new(plan, "verified", json_boolean(!lab->options->no_verify));
	lab_print_json(lab, plan);
}

void say(const struct options *o, const char *fmt, ...)
{
	va_list ap;

	if (o->quiet)
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void say_done(const struct lab *lab, const char *what, const size_t count[4])
{
	cleanup_buf struct buf name = {0};

	buf_printable(&name, lab->name);
	say(lab->options, "%s: %s: %zu created, %zu changed, %zu replaced, %zu deleted%s",
	    buf_text(&name), what, count[ACTION_CREATE], count[ACTION_CHANGE],
	    count[ACTION_REPLACE], count[ACTION_DELETE],
	    lab->options->no_verify ? " (unverified)" : "");
}

/* --- the end --------------------------------------------------------------------- */

/* What there is to say where nothing else was printed. */
static void print_diags(struct lab *lab)
{
	if (lab->options->format == FORMAT_JSON) {
		if (!lab->printed)
			lab_print_json(lab, json_pack("{s:i, s:i, s:i}", "version", 1, "errors",
						      (int)lab->d.errors, "warnings",
						      (int)lab->d.warnings));
		return;
	}
	diags_sort(&lab->d);
	diags_print(&lab->d, stderr, lab->options->color_err);
}

int lab_close(struct lab *lab, int status)
{
	/* A namespace that was only just undone ends when it is closed. */
	lab_forget(lab);
	lab_unlock(lab);
	print_diags(lab);
	diags_free(&lab->d);
	model_free(lab->file);
	model_free(lab->named);
	document_free(&lab->document);
	free(lab->name);
	free(lab->path);
	return status == EXIT_FAILED && interrupt_came() ? EXIT_SIGNAL + interrupt_came() : status;
}
