/* SPDX-License-Identifier: MIT */
/* Which external namespaces this lab means, and what other labs hold in them.
 *
 * A namespace is known by its cookie: two labs may have different names for one, and one
 * name may be another namespace by now. The records of other labs are only looked at where
 * this one names something that is not its own, or has a namespace in which they may be guests. What
 * two labs share only one run at a time may work on: so it has the locks of both. */
#include "lab.h"

#include <errno.h>

/* --- our own external namespaces --------------------------------------------------- */

static bool file_names(const struct lab *lab, const char *netns)
{
	return lab->file && model_find_netns(lab->file, netns);
}

static void look_up(struct lab *lab, struct netns *known, const struct netns *like)
{
	known->class = like->class;
	known->pid = like->pid;
	known->path = like->path;
	known->cookie = kernel_netns_cookie(lab->kernel, known);
}

static void add_externals(struct lab *lab, const struct model *m)
{
	array_each(&m->namespaces, n) {
		struct netns *known;

		if (!netns_is_external(*n) || model_find_netns(lab->externals, (*n)->name))
			continue;
		known = model_add_netns(lab->externals, (*n)->name, (*n)->class);
		look_up(lab, known, *n);
		model_place_netns(lab->externals);
	}
}

/* Neither what the record says of it leads there any more, nor what the file says. */
static bool is_lost(const struct lab *lab, const struct netns *n)
{
	const struct netns *now = model_find_netns(lab->externals, n->name);

	return netns_is_external(n) && n->cookie && now->cookie != n->cookie &&
	       kernel_netns_cookie(lab->kernel, n) != n->cookie;
}

/* It may live on all the same, and have a name: from now on the record says that. All names are only
 * looked at when one is missing. */
static void find_lost(struct lab *lab, struct model *m, struct model **named)
{
	array_each(&m->namespaces, n) {
		const struct netns *found;

		if (!is_lost(lab, *n))
			continue;
		if (!*named)
			*named = kernel_named_netns(lab->kernel);
		found = model_find_cookie(*named, (*n)->cookie);
		if (!found)
			continue;
		(*n)->class = NETNS_PATH;
		(*n)->path = arena_strdup(&m->arena, found->path);
		if (!file_names(lab, (*n)->name))
			look_up(lab, model_find_netns(lab->externals, (*n)->name), *n);
	}
}

/* Was something moved away from it, that is to be given back? */
static bool is_home(const struct lab *lab, const char *name)
{
	const struct netns *before = model_find_netns(lab->record->before, name);

	if (before)
		array_each(&before->links, l)
			if ((*l)->away)
				return true;
	return false;
}

/* The first external namespace on record that is another one now than it was; NULL: none. A home that
 * the file does not name is not forgotten: the plan knows it from that other one. */
static const struct netns *find_changed(const struct lab *lab, const struct model *m)
{
	array_each(&m->namespaces, n) {
		const struct netns *now = model_find_netns(lab->externals, (*n)->name);

		if (now && netns_is_external(*n) && (*n)->cookie && now->cookie &&
		    (*n)->cookie != now->cookie &&
		    (file_names(lab, (*n)->name) || !is_home(lab, (*n)->name)))
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
		if (kernel_netns_cookie(lab->kernel, n) == n->cookie || is_home(lab, n->name)) {
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

bool lab_meets_others(const struct lab *lab)
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

static bool is_by_name(const struct netns *n)
{
	return n->class == NETNS_OWNED || n->class == NETNS_NAMED;
}

static bool is_same(const struct netns *a, uint64_t cookie, const struct netns *b)
{
	if (cookie && b->cookie)
		return cookie == b->cookie;
	if (is_by_name(a) || is_by_name(b))
		return is_by_name(a) && is_by_name(b) && str_equal(a->name, b->name);
	return a->class == b->class && a->pid == b->pid && str_equal(a->path, b->path);
}

static uint64_t cookie_of(const struct record *r, const struct netns *n)
{
	return n->class == NETNS_HOST ? r->host_cookie : n->cookie;
}

/* --- what is shared ------------------------------------------------------------------- */

/* Does m want anything of the namespace of this name? */
static bool uses(const struct model *m, const char *name)
{
	const struct netns *n = m ? model_find_netns(m, name) : NULL;

	if (!m)
		return false;
	if (n && (!netns_is_external(n) || n->links.n || n->routes.n || n->sysctls.n))
		return true;
	array_each(&m->namespaces, i) {
		array_each(&(*i)->links, l)
			if (str_equal((*l)->from.netns, name))
				return true;
	}
	return false;
}

static bool owns(const struct model *m, const struct netns *n, uint64_t cookie)
{
	const struct netns *same = m && is_by_name(n) ? model_find_netns(m, n->name) : NULL;

	if (same && same->class == NETNS_OWNED)
		return true;
	if (m && cookie && netns_is_external(n))
		array_each(&m->namespaces, i)
			if ((*i)->class == NETNS_OWNED && (*i)->cookie == cookie)
				return true;
	return false;
}

bool lab_uses(const struct lab *lab, const char *netns)
{
	const struct record *r = lab->record;

	return uses(lab->file, netns) || (r && (uses(r->made, netns) || uses(r->before, netns)));
}

/* Is this namespace of another lab one that ours says something of as well? */
static bool is_ours_too(const struct lab *lab, const struct netns *n, uint64_t cookie)
{
	array_each(&lab->externals->namespaces, e)
		if (is_same(n, cookie, *e) && lab_uses(lab, (*e)->name))
			return true;
	return owns(lab->file, n, cookie) || (lab->record && owns(lab->record->made, n, cookie));
}

static bool shares(const struct lab *lab, const struct record *r)
{
	const struct model *const models[] = {r->made, r->before};

	for (size_t i = 0; i < ARRAY_SIZE(models); i++)
		array_each(&models[i]->namespaces, n)
			if (uses(models[i], (*n)->name) && is_ours_too(lab, *n, cookie_of(r, *n)))
				return true;
	return false;
}

/* --- their records --------------------------------------------------------------------- */

/* The namespace of m, which it owns, that this external one of another lab is; or NULL. */
static const struct netns *find_own(const struct model *m, const struct netns *n)
{
	if (m)
		array_each(&m->namespaces, own)
			if ((*own)->class == NETNS_OWNED && is_same(n, n->cookie, *own))
				return *own;
	return NULL;
}

/* Takes out of another lab's record what it has in namespaces of ours, under the names that we have for
 * them. */
static struct model *take_guest(const struct lab *lab, const struct record *r)
{
	struct model *guest = model_new();
	size_t kept = 0;

	array_each(&r->made->namespaces, n) {
		const struct netns *own = NULL;

		if (netns_is_external(*n) && lab->record)
			own = find_own(lab->record->made, *n);
		if (netns_is_external(*n) && !own)
			own = find_own(lab->file, *n);
		if (own) {
			(*n)->name = own->name;
			(*n)->owner = guest;
			array_add(&guest->namespaces, *n);
		} else {
			r->made->namespaces.items[kept++] = *n;
		}
	}
	r->made->namespaces.n = kept;
	model_sort_namespaces(guest);
	return guest;
}

/* Gives the namespaces of another lab's model the names that they have in this one, and takes
 * those out that are external to both but not the same. */
static void translate(struct lab *lab, const struct record *r, struct model *m)
{
	size_t kept = 0;

	array_each(&m->namespaces, pn) {
		struct netns *n = *pn;
		uint64_t cookie = cookie_of(r, n);
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

/* To destroy a lab a damaged record of another must be no obstacle; nor to apply one that names nothing
 * of others: then it could tell of no more than a guest. */
static int load_other(struct lab *lab, const char *name, struct record **ret_record)
{
	struct diags found = {0};
	const char *boot = kernel_boot_id(lab->kernel);
	int r;

	if (lab->file && lab_meets_others(lab))
		return record_load(lab->rundir, name, boot, ret_record, &lab->d);
	r = record_load(lab->rundir, name, boot, ret_record, &found);
	if (r < 0)
		*ret_record = NULL;
	if (r < 0 && (!lab->file || lab_meets_others(lab))) {
		array_each(&found.list, d)
			diag_warning(&lab->d, NO_MARK, "%s", d->message);
		diag_hint(&lab->d, "what that lab holds as well is put back, not left to it");
	}
	diags_free(&found);
	return 0;
}

static void add_other(struct lab *lab, struct record *record)
{
	struct model *guest = take_guest(lab, record);

	array_add(&lab->other_records, record);
	array_add(&lab->guests, guest);
	translate(lab, record, record->made);
	translate(lab, record, record->before);
	array_add(&lab->others, ((struct other_lab){.name = record->lab,
						    .made = record->made,
						    .before = record->before,
						    .guest = guest}));
}

/* It stays locked where it shares something with ours. The record of one that somebody else works
 * on may be read, since it is always whole, and says at least what that lab holds: enough to
 * tell whether we have to wait. */
static int meet_other(struct lab *lab, const char *name)
{
	int locked = rundir_lock_lab(lab->rundir, name, false, &lab->d), r;
	struct record *record = NULL;

	if (locked == -ENOENT) /* it has just gone */
		return 0;
	if (locked < 0 && locked != -EBUSY)
		return locked;
	r = load_other(lab, name, &record);
	if (r < 0)
		return r;
	if (record && locked == -EBUSY && shares(lab, record)) {
		record_free(record);
		return -EBUSY;
	}
	if (!record || !shares(lab, record))
		rundir_unlock_lab(lab->rundir, name);
	if (record)
		add_other(lab, record);
	return 0;
}

static int load_others(struct lab *lab)
{
	struct arena arena = {0};
	const char **names;
	size_t n = 0;
	int r = rundir_list(lab->rundir, &arena, &names, &n, &lab->d);

	for (size_t i = 0; i < n && r >= 0; i++)
		if (!str_equal(names[i], lab->name))
			r = meet_other(lab, names[i]);
	arena_free(&arena);
	return r;
}

static bool has_own(const struct record *r)
{
	if (r)
		array_each(&r->made->namespaces, n)
			if ((*n)->class == NETNS_OWNED)
				return true;
	return false;
}

int lab_meet_others(struct lab *lab)
{
	struct model *named = NULL;
	int r = 0;

	lab->externals = model_new();
	if (lab->file)
		add_externals(lab, lab->file);
	if (lab->record) {
		add_externals(lab, lab->record->made);
		add_externals(lab, lab->record->before);
		find_lost(lab, lab->record->made, &named);
		find_lost(lab, lab->record->before, &named);
		model_free(named);
		r = forget_changed(lab);
	}
	if (r >= 0 && (lab_meets_others(lab) || has_own(lab->record)))
		r = load_others(lab);
	return r;
}

static bool is_owned_by_others(const struct lab *lab, const struct netns *n)
{
	array_each(&lab->others, other)
		if (owns(other->made, n, 0))
			return true;
	return false;
}

/* They may be of this lab, whose record is gone; or somebody else's, whom nothing is taken away. */
int lab_tell_unrecorded(struct lab *lab)
{
	cleanup_buf struct buf list = {0};
	int r = lab->rundir ? load_others(lab) : 0;
	size_t n = 0;

	if (r < 0)
		return r;
	array_each(&lab->named->namespaces, i) {
		if ((*i)->class != NETNS_OWNED || is_owned_by_others(lab, *i) ||
		    !kernel_netns_cookie(lab->kernel, *i))
			continue;
		buf_puts(&list, n++ ? ", " : "");
		buf_printable(&list, (*i)->name);
	}
	if (!n)
		return 0;
	diag_warning(&lab->d, NO_MARK,
		     "%s %s exist%s, but no record says that lab %s made %s: left alone",
		     n > 1 ? "namespaces" : "namespace", buf_text(&list), n > 1 ? "" : "s",
		     lab->name, n > 1 ? "them" : "it");
	diag_hint(&lab->d,
		  "if nobody needs what is in there: `ip netns delete NAME`; or apply the file "
		  "with --adopt, and destroy the lab then");
	return 0;
}

void lab_leave_others(struct lab *lab)
{
	array_each(&lab->guests, m)
		model_free(*m);
	array_free(&lab->guests);
	array_each(&lab->other_records, r)
		record_free(*r);
	array_free(&lab->other_records);
	array_free(&lab->others);
	model_free(lab->externals);
	lab->externals = NULL;
}
