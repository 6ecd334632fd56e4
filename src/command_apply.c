/* SPDX-License-Identifier: MIT */
/* nsapply FILE and nsapply --destroy. */
#include "transaction.h"

#include <errno.h>
#include <string.h>

/* --- apply --------------------------------------------------------------------------- */

/* In a copy: where it cannot be saved, the way back needs what would be forgotten. */
static int conclude_apply(struct lab *lab)
{
	struct record settled = *lab->record;
	int r;

	settled.made = model_copy(lab->record->made);
	settled.before = model_copy(lab->record->before);
	record_settle(&settled, lab->file);
	r = record_save(lab->rundir, &settled, &lab->d);
	model_free(settled.made);
	model_free(settled.before);
	return r;
}

int lab_apply(struct lab *lab)
{
	static const struct transaction transaction = {
		.done = "applied", .deep = true, .conclude = conclude_apply};
	int r = lab_open(lab, RUNDIR_MAKE);

	if (r >= 0)
		r = lab_plan(lab, true);
	lab_tell_renamed(lab);
	if (r < 0)
		return EXIT_FAILED;
	if (!lab->record)
		lab->record = record_new(lab->name, lab->path, kernel_boot_id(lab->kernel),
					 kernel_host_cookie(lab->kernel));
	free(lab->record->file); /* it may have been adopted from another file */
	lab->record->file = xstrdup(lab->path);
	return transact(lab, &transaction);
}

int command_apply(const struct options *o)
{
	struct lab lab = {.options = o};
	const char *file = lab_find_file(&lab);

	if (!file)
		return lab_close(&lab, EXIT_USAGE);
	if (lab_load_file(&lab, file) < 0)
		return lab_close(&lab, EXIT_FILE_WRONG);
	return lab_close(&lab, lab_apply(&lab));
}

/* --- destroy -------------------------------------------------------------------------- */

/* FILE or LAB, else ./topo.yaml; with neither, lab_open() picks the only lab there is. */
static int name_lab(struct lab *lab, const char *arg)
{
	const char *why;

	if (!arg)
		return 0;
	if (is_file_argument(arg)) {
		int r = lab_load_name(lab, arg);
		if (r < 0)
			diag_hint(&lab->d,
				  "to take a lab away without its file: nsapply --destroy LAB");
		return r;
	}
	why = lab_name_error(arg);
	if (why)
		return diag_error(&lab->d, -EINVAL, NO_MARK, "the lab's name \"%s\" %s", arg, why);
	lab->name = xstrdup(arg);
	return 0;
}

static int conclude_destroy(struct lab *lab)
{
	return record_remove(lab->rundir, lab->name, &lab->d);
}

static int destroy(struct lab *lab)
{
	static const struct transaction transaction = {.done = "destroyed",
						       .conclude = conclude_destroy};
	const char *arg = default_file(lab->options);

	if (name_lab(lab, arg) < 0)
		return arg && is_file_argument(arg) ? EXIT_FILE_WRONG : EXIT_USAGE;
	if (lab_open(lab, RUNDIR_REMOVE) < 0)
		return EXIT_FAILED;
	if (!lab->record && arg && !is_file_argument(arg)) {
		diag_error(&lab->d, -ENOENT, NO_MARK, "there is no lab \"%s\"", lab->name);
		diag_hint(&lab->d, "`nsapply --list` shows those that are there");
		return EXIT_FAILED;
	}
	if (!lab->record) {
		if (lab->named && lab_tell_unrecorded(lab) < 0)
			return EXIT_FAILED;
		say(lab->options, "%s: nothing to destroy", lab->name ? lab->name : "nsapply");
		lab_print_result(lab, "unchanged", NULL);
		return EXIT_DONE;
	}
	if (lab_plan(lab, false) < 0)
		return EXIT_FAILED;
	lab_tell_renamed(lab);
	return transact(lab, &transaction);
}

int command_destroy(const struct options *o)
{
	struct lab lab = {.options = o};

	return lab_close(&lab, destroy(&lab));
}
