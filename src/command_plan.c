/* SPDX-License-Identifier: MIT */
/* The verbs that change nothing: --plan, --validate, --list. */
#include "lab.h"
#include "predict.h"

#include <errno.h>

static void print_plan(struct lab *lab)
{
	cleanup_buf struct buf out = {0};

	switch (lab->options->format) {
	case FORMAT_TEXT:
	case FORMAT_TAP: /* of checks alone: main.c */
	case FORMAT_JUNIT:
		plan_print_text(lab->plan, &out, lab->options->color_out);
		break;
	case FORMAT_IP:
		plan_print_ip(lab->plan, &out);
		break;
	case FORMAT_JSON:
		lab_print_json(lab, plan_json(lab->plan, lab->name));
		return;
	}
	fputs(buf_text(&out), stdout);
}

static int make_plan(struct lab *lab, bool *ret_unguarded)
{
	int r = lab_open(lab, RUNDIR_READ);

	*ret_unguarded = r >= 0 && !lab->rundir;
	if (r >= 0)
		r = lab_plan(lab, true);
	return r;
}

static int plan(struct lab *lab, const char *file)
{
	bool unguarded;
	size_t n;
	int r;

	if (lab_load_file(lab, file) < 0)
		return EXIT_FILE_WRONG;
	n = lab->d.list.n;
	r = make_plan(lab, &unguarded);
	/* Nobody could be kept out where there was no folder: was one made meanwhile? */
	if (unguarded && rundir_exists()) {
		lab_forget(lab);
		diags_cut(&lab->d, n);
		r = make_plan(lab, &unguarded);
	}
	lab_tell_renamed(lab);
	if (r < 0)
		return EXIT_FAILED;
	lab_unlock(lab);
	print_plan(lab);
	return lab->plan->changes.n ? EXIT_DIFFERENCES : EXIT_DONE;
}

int command_plan(const struct options *o)
{
	struct lab lab = {.options = o};
	const char *file = lab_find_file(&lab);

	return lab_close(&lab, file ? plan(&lab, file) : EXIT_USAGE);
}

/* What came of the files of one --validate. */
struct verdict_of_files {
	json_t *diagnostics, *checks;
	size_t errors, warnings, failing;
	size_t count[3]; /* checks, by enum verdict */
};

static void say_unknown(const struct lab *lab, const struct predictions *p)
{
	array_each(&p->list, i) {
		cleanup_buf struct buf id = {0}, text = {0};

		if (i->verdict != VERDICT_UNKNOWN)
			continue;
		probe_id(i->probe, &id);
		buf_printf(&text, "%s:%u: unknown: the check %s: %s",
			   i->probe->node->mark.source->name, i->probe->node->mark.line,
			   buf_text(&id), i->why);
		say(lab->options, "%s", buf_text(&text));
	}
}

static void say_fine(const struct lab *lab, const char *file, const struct predictions *p)
{
	cleanup_buf struct buf text = {0};
	const char *fine = lab->d.warnings ? "fine, with warnings" : "fine";

	if (!lab->options->verbose)
		return;
	say_unknown(lab, p);
	buf_printable(&text, file);
	buf_puts(&text, ": ");
	if (!p->count[VERDICT_FAILS])
		buf_puts(&text, fine);
	if (p->list.n)
		buf_printf(&text, "%sof %zu check%s %zu will hold, %zu will fail, %zu %s unknown",
			   p->count[VERDICT_FAILS] ? "" : "; ", p->list.n,
			   p->list.n == 1 ? "" : "s", p->count[VERDICT_HOLDS],
			   p->count[VERDICT_FAILS], p->count[VERDICT_UNKNOWN],
			   p->count[VERDICT_UNKNOWN] == 1 ? "is" : "are");
	say(lab->options, "%s", buf_text(&text));
}

static void validate(struct lab *lab, const char *file, struct verdict_of_files *all)
{
	struct predictions p = {0};
	size_t errors;

	if (lab_load_file(lab, file) < 0)
		return;
	errors = lab->d.errors;
	predict(lab->file, &p, &lab->d);
	say_fine(lab, file, &p);
	predictions_tell(&p, &lab->d);
	all->failing += lab->d.errors - errors;
	for (size_t i = 0; i < ARRAY_SIZE(all->count); i++)
		all->count[i] += p.count[i];
	if (lab->options->format == FORMAT_JSON) {
		json_t *list = predictions_json(&p);

		json_array_extend(all->checks, list);
		json_decref(list);
	}
	predictions_free(&p);
}

static void print_verdict(const struct verdict_of_files *all)
{
	print_json(json_pack(
		"{s:i, s:O, s:i, s:i, s:O, s:{s:i, s:i, s:i}}", "version", 1, "diagnostics",
		all->diagnostics, "errors", (int)all->errors, "warnings", (int)all->warnings,
		"checks", all->checks, "summary", "hold", (int)all->count[VERDICT_HOLDS], "fail",
		(int)all->count[VERDICT_FAILS], "unknown", (int)all->count[VERDICT_UNKNOWN]));
}

int command_validate(const struct options *o)
{
	const char *only = default_file(o);
	struct verdict_of_files all = {.diagnostics = json_array(), .checks = json_array()};
	int n = o->n_args > 0 ? o->n_args : 1;

	for (int i = 0; i < n; i++) {
		struct lab lab = {.options = o};
		const char *file = o->n_args > 0 ? o->args[i] : only;

		if (!file)
			diag_error(&lab.d, -ENOENT, NO_MARK,
				   "no file given, and there is no ./topo.yaml");
		else
			validate(&lab, file, &all);
		all.errors += lab.d.errors;
		all.warnings += lab.d.warnings;
		if (o->format == FORMAT_JSON) {
			diags_sort(&lab.d);
			json_t *list = diags_json(&lab.d);
			json_array_extend(all.diagnostics, list);
			json_decref(list);
			lab.printed = true; /* below, with those of the other files */
		}
		lab_close(&lab, 0);
	}
	if (o->format == FORMAT_JSON)
		print_verdict(&all);
	json_decref(all.diagnostics);
	json_decref(all.checks);
	if (!only && o->n_args == 0)
		return EXIT_USAGE;
	if (all.errors > all.failing)
		return EXIT_FILE_WRONG;
	return all.failing ? EXIT_DIFFERENCES : EXIT_DONE;
}

static size_t count_owned(const struct model *made)
{
	size_t n = 0;

	array_each(&made->namespaces, i)
		n += (*i)->class == NETNS_OWNED;
	return n;
}

struct listing {
	json_t *json;
	struct buf text;
};

static int add_process(struct lab *lab, const struct process *p, struct buf *text, json_t *list)
{
	int runs = kernel_process_runs(lab->kernel, p, &lab->d);
	cleanup_buf struct buf id = {0}, shown = {0};

	if (runs < 0)
		return runs;
	process_id(p, &id);
	buf_printable(&shown, buf_text(&id));
	if (runs)
		buf_printf(text, "  process %s: runs, pid %u\n", buf_text(&shown), p->pid);
	else
		buf_printf(text, "  process %s: has ended\n", buf_text(&shown));
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:o, s:b}", "namespace", p->netns, "name", p->name,
				"pid", runs ? json_integer(p->pid) : json_null(), "running", runs));
	return 0;
}

static int add_lab(struct lab *lab, const struct record *r, struct listing *out)
{
	json_t *entry = json_pack("{s:s, s:o, s:i}", "name", r->lab, "file", json_text(r->file),
				  "namespaces", (int)count_owned(r->made));
	json_t *processes = json_array();
	cleanup_buf struct buf file = {0};
	int result = 0;

	buf_printable(&file, r->file);
	buf_printf(&out->text, "%-24s %6zu  %s\n", r->lab, count_owned(r->made), buf_text(&file));
	for (size_t i = 0; i < r->made->processes.n && result >= 0; i++)
		result = add_process(lab, r->made->processes.items[i], &out->text, processes);
	if (json_array_size(processes))
		json_object_set(entry, "processes", processes);
	json_decref(processes);
	json_array_append_new(out->json, entry);
	return result;
}

static int list(struct lab *lab, void *data)
{
	struct arena arena = {0};
	const char **names;
	size_t n = 0;
	int r = rundir_lock_all(lab->rundir, &arena, &names, &n, &lab->d);

	for (size_t i = 0; i < n; i++) {
		struct record *record = NULL;
		int error = record_load(lab->rundir, names[i], kernel_boot_id(lab->kernel), &record,
					&lab->d);

		if (record)
			error = add_lab(lab, record, data);
		record_free(record);
		r = error < 0 ? error : r; /* and go on: the others are to be found */
	}
	arena_free(&arena);
	return r;
}

int command_list(const struct options *o)
{
	struct lab lab = {.options = o};
	struct listing out = {.json = json_array()};
	int r = lab_enter(&lab, RUNDIR_READ, list, &out);

	lab_unlock(&lab);
	if (o->format != FORMAT_JSON)
		fputs(buf_text(&out.text), stdout);
	else if (r >= 0)
		lab_print_json(&lab, json_pack("{s:i, s:O}", "version", 1, "labs", out.json));
	json_decref(out.json);
	buf_free(&out.text);
	return lab_close(&lab, r < 0 ? EXIT_FAILED : EXIT_DONE);
}
