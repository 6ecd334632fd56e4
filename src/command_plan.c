/* SPDX-License-Identifier: MIT */
/* The verbs that change nothing: --plan, --validate, --list. */
#include "lab.h"

#include <errno.h>

static void print_plan(struct lab *lab)
{
	cleanup_buf struct buf out = {0};

	switch (lab->options->format) {
	case FORMAT_TEXT:
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

static int plan(struct lab *lab, const char *file)
{
	if (lab_load_file(lab, file) < 0)
		return EXIT_FILE_WRONG;
	if (lab_open(lab, false) < 0 || lab_plan(lab, true) < 0)
		return EXIT_FAILED;
	print_plan(lab);
	return lab->plan->changes.n ? EXIT_DIFFERENCES : EXIT_DONE;
}

int command_plan(const struct options *o)
{
	struct lab lab = {.options = o};
	const char *file = lab_find_file(&lab);

	return lab_close(&lab, file ? plan(&lab, file) : EXIT_USAGE);
}

int command_validate(const struct options *o)
{
	const char *only = default_file(o);
	json_t *all = json_array();
	size_t errors = 0, warnings = 0;
	int n = o->n_args > 0 ? o->n_args : 1;

	for (int i = 0; i < n; i++) {
		struct lab lab = {.options = o};
		const char *file = o->n_args > 0 ? o->args[i] : only;

		if (!file)
			diag_error(&lab.d, -ENOENT, NO_MARK,
				   "no file given, and there is no ./topo.yaml");
		else if (lab_load_file(&lab, file) >= 0 && o->verbose)
			say(o, "%s: %s", file, lab.d.warnings ? "fine, with warnings" : "fine");
		errors += lab.d.errors;
		warnings += lab.d.warnings;
		if (o->format == FORMAT_JSON) {
			diags_sort(&lab.d);
			json_t *list = diags_json(&lab.d);
			json_array_extend(all, list);
			json_decref(list);
			lab.printed = true; /* below, with those of the other files */
		}
		lab_close(&lab, 0);
	}
	if (o->format == FORMAT_JSON)
		print_json(json_pack("{s:i, s:O, s:i, s:i}", "version", 1, "diagnostics", all,
				     "errors", (int)errors, "warnings", (int)warnings));
	json_decref(all);
	if (!only && o->n_args == 0)
		return EXIT_USAGE;
	return errors ? EXIT_FILE_WRONG : EXIT_DONE;
}

static size_t count_owned(const struct model *made)
{
	size_t n = 0;

	array_each(&made->namespaces, i)
		n += (*i)->class == NETNS_OWNED;
	return n;
}

static int list(struct lab *lab, json_t *labs)
{
	struct arena arena = {0};
	const char **names;
	size_t n = 0;
	int r = rundir_list(lab->rundir, &arena, &names, &n, &lab->d);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct record *record = NULL;

		r = record_load(lab->rundir, names[i], kernel_boot_id(lab->kernel), &record,
				&lab->d);
		if (record && lab->options->format == FORMAT_JSON)
			json_array_append_new(labs,
					      json_pack("{s:s, s:s, s:i}", "name", record->lab,
							"file", record->file, "namespaces",
							(int)count_owned(record->made)));
		else if (record) {
			cleanup_buf struct buf file = {0};
			buf_printable(&file, record->file);
			printf("%-24s %6zu  %s\n", record->lab, count_owned(record->made),
			       buf_text(&file));
		}
		record_free(record);
	}
	arena_free(&arena);
	return r;
}

int command_list(const struct options *o)
{
	struct lab lab = {.options = o};
	json_t *labs = json_array();
	int r = kernel_open(&lab.kernel, &lab.d);

	if (r >= 0)
		r = rundir_open(false, o->lock_timeout, &lab.rundir, &lab.d);
	if (r == -ENOENT && !lab.d.errors)
		r = 0;
	else if (r >= 0)
		r = list(&lab, labs);
	if (r >= 0 && o->format == FORMAT_JSON)
		lab_print_json(&lab, json_pack("{s:i, s:O}", "version", 1, "labs", labs));
	json_decref(labs);
	return lab_close(&lab, r < 0 ? EXIT_FAILED : EXIT_DONE);
}
