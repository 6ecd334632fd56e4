/* SPDX-License-Identifier: MIT */
/* Which external namespaces this lab means, and what other labs hold in them.
 *
 * A namespace is known by its cookie: two labs may have different names for one, and one
 * name may be another namespace by now. The records of other labs are only looked at where
 * this one names something that is not its own. */
#include "lab.h"

#include <errno.h>

/* --- our own external namespaces --------------------------------------------------- */

static void add_externals(struct lab *lab, const struct model *m)
{
	array_each(&m->namespaces, n) {
		struct netns *known;

		if (!netns_is_external(*n) || model_find_netns(lab->externals, (*n)->name))
			continue;
		known = model_add_netns(lab->externals, (*n)->name, (*n)->class);
		known->pid = (*n)->pid;
		known->path = (*n)->path;
		known->cookie = kernel_netns_cookie(lab->kernel, known);
		model_sort_namespaces(lab->externals);
	}
}

/* The first external namespace on record that is another one now than it was; NULL: none. */
static const struct netns *find_changed(const struct lab *lab, const struct model *m)
{
	array_each(&m->namespaces, n) {
		const struct netns *now = model_find_netns(lab->externals, (*n)->name);

		if (now && netns_is_external(*n) && (*n)->cookie && now->cookie &&
		    (*n)->cookie != now->cookie)
			return *n;
	}
	return NULL;
}

/* What the lab did in namespaces that are no more went with them. */
static int forget_changed(struct lab *lab)
{
	const struct netns *n;

	while ((n = find_changed(lab, lab->record->made)) ||
	       (n = find_changed(lab, lab->record->before))) {
		if (kernel_netns_cookie(lab->kernel, n) == n->cookie) {
			diag_error(&lab->d, -EEXIST, NO_MARK,
				   "\"%s\" is another namespace now than when the lab was applied",
				   n->name);
			diag_hint(&lab->d, "destroy the lab first, or give this one another name");
			return -EEXIST;
		}
		record_forget_netns(lab->record, n->name);
	}
	return 0;
}

/* --- other labs ---------------------------------------------------------------------- */

static bool names_foreign(const struct model *m)
{
	array_each(&m->namespaces, n) {
		if (netns_is_external(*n) && ((*n)->links.n || (*n)->routes.n || (*n)->sysctls.n))
			return true;
		array_each(&(*n)->links, l)
			if ((*l)->from.name)
				return true;
	}
	return false;
}

/* Could another lab have something to do with what this one is about? */
static bool meets_others(const struct lab *lab)
{
	const struct record *r = lab->record;

	if (r && (names_foreign(r->made) || names_foreign(r->before)))
		return true;
	if (!lab->file)
		return false;
	array_each(&lab->file->namespaces, n) {
		const struct netns *made = r ? model_find_netns(r->made, (*n)->name) : NULL;
		if (!netns_is_external(*n) && !(made && made->class == NETNS_OWNED))
			return true; /* it may be another lab's */
	}
	return names_foreign(lab->file);
}

static bool is_same(const struct netns *a, uint64_t cookie, const struct netns *b)
{
	if (cookie && b->cookie)
		return cookie == b->cookie;
	return a->class == b->class && a->pid == b->pid && str_equal(a->path, b->path) &&
	       str_equal(a->name, b->name);
}

/* Gives the namespaces of another lab's model the names that they have in this one, and takes
 * those out that are external to both but not the same. */
static void translate(struct lab *lab, struct model *m, uint64_t host_cookie)
{
	size_t kept = 0;

	array_each(&m->namespaces, pn) {
		struct netns *n = *pn;
		uint64_t cookie = n->class == NETNS_HOST ? host_cookie : n->cookie;
		const struct netns *ours = NULL;

		array_each(&lab->externals->namespaces, e)
			if (is_same(n, cookie, *e))
				ours = *e;
		if (ours)
			n->name = ours->name;
		if (ours || (!netns_is_external(n) && !model_find_netns(lab->externals, n->name)))
			m->namespaces.items[kept++] = n;
		else
			netns_free(n);
	}
	m->namespaces.n = kept;
	model_sort_namespaces(m);
}

/* To destroy a lab a damaged record of another must be no obstacle. */
static int load_other(struct lab *lab, const char *name, struct record **ret_record)
{
	struct diags found = {0};
	const char *boot = kernel_boot_id(lab->kernel);
	int r;

	if (lab->file)
		return record_load(lab->rundir, name, boot, ret_record, &lab->d);
	r = record_load(lab->rundir, name, boot, ret_record, &found);
	if (r < 0) {
		*ret_record = NULL;
		array_each(&found.list, d)
			diag_warning(&lab->d, NO_MARK, "%s", d->message);
		diag_hint(&lab->d, "what that lab holds as well is put back, not left to it");
	}
	diags_free(&found);
	return 0;
}

static int load_others(struct lab *lab)
{
	struct arena arena = {0};
	const char **names;
	size_t n = 0;
	int r = rundir_list(lab->rundir, &arena, &names, &n, &lab->d);

	for (size_t i = 0; i < n && r >= 0; i++) {
		struct record *record = NULL;

		if (str_equal(names[i], lab->name))
			continue;
		r = load_other(lab, names[i], &record);
		if (r < 0 || !record)
			continue;
		array_add(&lab->other_records, record);
		translate(lab, record->made, record->host_cookie);
		translate(lab, record->before, record->host_cookie);
		array_add(&lab->others, ((struct other_lab){.name = record->lab,
							    .made = record->made,
							    .before = record->before}));
	}
	arena_free(&arena);
	return r;
}

int lab_meet_others(struct lab *lab)
{
	int r = 0;

	if (lab->externals)
		return 0;
	lab->externals = model_new();
	if (lab->file)
		add_externals(lab, lab->file);
	if (lab->record) {
		add_externals(lab, lab->record->made);
		add_externals(lab, lab->record->before);
		r = forget_changed(lab);
	}
	if (r >= 0 && lab->rundir && meets_others(lab))
		r = load_others(lab);
	return r;
}

void lab_leave_others(struct lab *lab)
{
	array_each(&lab->other_records, r)
		record_free(*r);
	array_free(&lab->other_records);
	array_free(&lab->others);
	model_free(lab->externals);
}
