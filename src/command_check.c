/* SPDX-License-Identifier: MIT */
/* nsapply --check: the file's checks, carried out in the lab that is applied. (What a file means is
 * checked by check*.c.)
 *
 * The lock is held while the record is read and the namespaces are opened, and no longer: packets
 * change nothing, and somebody may be waiting to mend what they show. */
#include "lab.h"

#include <errno.h>
#include <string.h>

/* --- the namespaces ------------------------------------------------------------------------ */

static int not_there(struct lab *lab, const struct probe *p, const struct netns *n)
{
	diag_error(&lab->d, -ENOENT, p->node->mark, "there is no namespace '%s' on this machine",
		   n->name);
	if (!netns_is_external(n))
		diag_hint(&lab->d, "apply the file first: nsapply %s", lab->path);
	return -ENOENT;
}

/* Is it the lab's own, and not just one of the same name? */
static bool is_made(const struct lab *lab, const struct netns *n)
{
	const struct netns *made = model_find_netns(lab->record->made, n->name);

	return netns_is_external(n) || (made && made->cookie == n->cookie);
}

static int open_netns(struct lab *lab, const struct probe *p)
{
	struct netns *n = model_find_netns(lab->file, p->from);
	int r;

	if (n->handle >= 0)
		return 0;
	r = kernel_netns_open(lab->kernel, n, &lab->d);
	if (r == -ENOENT)
		return not_there(lab, p, n);
	if (r < 0 || is_made(lab, n))
		return r;
	diag_error(&lab->d, -EEXIST, p->node->mark, "namespace '%s' was not made by lab \"%s\"",
		   n->name, lab->name);
	diag_hint(&lab->d, "`nsapply --plan` tells how the machine differs from the file");
	return -EEXIST;
}

static int open_all(struct lab *lab)
{
	int r = 0;

	for (size_t i = 0; i < lab->file->probes.n && r >= 0; i++)
		r = open_netns(lab, lab->file->probes.items[i]);
	return r;
}

int lab_check(struct lab *lab, outcomes *ret)
{
	int r = open_all(lab);

	lab_unlock(lab);
	return r < 0 ? r : probe_all(lab->kernel, lab->file, ret, &lab->d);
}

/* --- which lab ----------------------------------------------------------------------------- */

static int no_lab(struct lab *lab)
{
	if (!lab->name) {
		diag_error(&lab->d, -ENOENT, NO_MARK, "no file given, and there is no lab");
		diag_hint(&lab->d, "nsapply FILE applies one");
		return -ENOENT;
	}
	diag_error(&lab->d, -ENOENT, NO_MARK, "lab \"%s\" is not applied", lab->name);
	if (lab->path)
		diag_hint(&lab->d, "apply it first: nsapply %s", lab->path);
	else
		diag_hint(&lab->d, "`nsapply --list` shows those that are there");
	return -ENOENT;
}

/* The file that a lab, which was named, was applied from. */
static int load_recorded_file(struct lab *lab, int *ret_status)
{
	const char *path = lab->record->file;
	cleanup_free char *name = lab->name;
	int r;

	lab->name = NULL;
	if (strcmp(path, "-") == 0) {
		diag_error(&lab->d, -ENOENT, NO_MARK,
			   "lab \"%s\" was applied from standard input: its checks are not on "
			   "record",
			   name);
		diag_hint(&lab->d, "name its file: nsapply --check FILE");
		return -ENOENT;
	}
	if (access(path, F_OK) < 0) {
		r = diag_error(&lab->d, -errno, NO_MARK,
			       "the file that lab \"%s\" was applied from cannot be read: %s: %s",
			       name, path, strerror(errno));
		diag_hint(&lab->d, "its checks stand in it: name the file, if it is elsewhere");
		return r;
	}
	r = lab_load_file(lab, path);
	if (r < 0) {
		*ret_status = EXIT_FILE_WRONG;
		return r;
	}
	if (str_equal(lab->name, name))
		return 0;
	return diag_error(&lab->d, -EINVAL, NO_MARK,
			  "lab \"%s\" was applied from %s, which now describes lab \"%s\"", name,
			  path, lab->name);
}

static int find(struct lab *lab, int *ret_status)
{
	const char *arg = default_file(lab->options), *why;
	int r;

	*ret_status = EXIT_FAILED;
	if (arg && is_file_argument(arg)) {
		r = lab_load_file(lab, arg);
		if (r < 0) {
			*ret_status = EXIT_FILE_WRONG;
			return r;
		}
	} else if (arg) {
		why = lab_name_error(arg);
		if (why) {
			*ret_status = EXIT_USAGE;
			return diag_error(&lab->d, -EINVAL, NO_MARK, "the lab's name \"%s\" %s",
					  arg, why);
		}
		lab->name = xstrdup(arg);
	}
	r = lab_open(lab, RUNDIR_READ);
	if (r < 0)
		return r;
	if (!lab->record)
		return no_lab(lab);
	return lab->file ? 0 : load_recorded_file(lab, ret_status);
}

/* --- telling --------------------------------------------------------------------------------- */

static void print(struct lab *lab, const outcomes *found)
{
	cleanup_buf struct buf out = {0};

	switch (lab->options->format) {
	case FORMAT_TEXT:
	case FORMAT_IP: /* not for this: main.c */
		outcomes_text(found, lab->file, !lab->options->quiet, lab->options->color_out,
			      &out);
		break;
	case FORMAT_TAP:
		outcomes_tap(found, lab->file, &out);
		break;
	case FORMAT_JUNIT:
		outcomes_junit(found, lab->file, &out);
		break;
	case FORMAT_JSON:
		lab_print_json(lab, outcomes_json(found, lab->file));
		return;
	}
	fputs(buf_text(&out), stdout);
}

int command_check(const struct options *o)
{
	struct lab lab = {.options = o};
	outcomes found = {0};
	int status;

	if (find(&lab, &status) >= 0 && lab_check(&lab, &found) >= 0) {
		print(&lab, &found);
		status = outcomes_failed(&found) ? EXIT_DIFFERENCES : EXIT_DONE;
	}
	outcomes_free(&found);
	return lab_close(&lab, status);
}
