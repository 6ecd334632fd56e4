/* SPDX-License-Identifier: MIT */
/* Labs in the run folder: their folders, which are their locks as well (rundir.c). */
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int rundir_open_lab(const struct rundir *dir, const char *lab, int *ret_fd, struct diags *d)
{
	const char *why = lab_name_error(lab);
	cleanup_buf struct buf path = {0};
	int fd, r;

	if (why) /* it is about to become a path */
		return diag_error(d, -EINVAL, NO_MARK, "lab name \"%s\" %s", lab, why);
	buf_printf(&path, "%s/%s", dir->path, lab);
	fd = openat(dir->fd, lab, RUNDIR_FLAGS);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return rundir_fail(d, "open", buf_text(&path));
	r = rundir_check_folder(fd, buf_text(&path), d);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int rundir_has_record(int folder, const char *lab)
{
	cleanup_buf struct buf path = {0};
	struct stat st;
	int r = fstatat(folder, lab, &st, AT_SYMLINK_NOFOLLOW);

	if (r == 0 && !S_ISDIR(st.st_mode))
		return 0;
	buf_printf(&path, "%s/" RECORD_FILE, lab);
	if (r == 0)
		r = fstatat(folder, buf_text(&path), &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
}

static int remove_log(int folder, const char *name, void *data)
{
	(void)data;
	return rundir_is_log(name) ? rundir_removed(unlinkat(folder, name, 0)) : 0;
}

/* What an interrupted record_save() or record_remove() left, and logs; other people's files stay. */
int rundir_clean_lab(int folder, const char *lab)
{
	int r = rundir_has_record(folder, lab);

	if (r != 0)
		return r < 0 ? r : 0;
	cleanup_close int fd = openat(folder, lab, RUNDIR_FLAGS);
	if (fd < 0)
		return rundir_no_folder();
	r = rundir_removed(unlinkat(fd, RECORD_NEW_FILE, 0));
	if (r == 0)
		r = rundir_each_entry(fd, remove_log, NULL);
	return r < 0 ? r : rundir_removed(unlinkat(folder, lab, AT_REMOVEDIR));
}

struct lab_list {
	ARRAY(const char *) names;
	struct arena *arena;
};

static int list_lab(int folder, const char *name, void *data)
{
	struct lab_list *list = data;

	int r = lab_name_error(name) ? 0 : rundir_has_record(folder, name);

	if (r > 0)
		array_add(&list->names, arena_strdup(list->arena, name));
	return r < 0 ? r : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int rundir_list(struct rundir *dir, struct arena *a, const char ***ret_names, size_t *ret_n,
		struct diags *d)
{
	struct lab_list list = {.arena = a};
	int r = rundir_each_entry(dir->fd, list_lab, &list);

	if (r < 0)
		return diag_error(d, r, NO_MARK, "cannot list %s: %s", dir->path, strerror(-r));
	array_sort(&list.names, compare_names);
	*ret_names = arena_alloc(a, (list.names.n + 1) * sizeof(char *));
	if (list.names.n)
		memcpy(*ret_names, list.names.items, list.names.n * sizeof(char *));
	*ret_n = list.names.n;
	array_free(&list.names);
	return 0;
}

/* --- labs that are locked ----------------------------------------------------------- */

static struct lab_lock *find_lock(struct rundir *dir, const char *lab)
{
	array_each(&dir->labs, l)
		if (str_equal(l->lab, lab))
			return l;
	return NULL;
}

/* Opens a lab's folder, and locks it. -EAGAIN: it has just been removed. */
static int try_lab(struct rundir *dir, const char *lab, bool create, int *ret_fd, struct diags *d)
{
	cleanup_close int fd = -1;
	int r = lab_name_error(lab) ? -EINVAL : 0;

	if (r == 0 && create && mkdirat(dir->fd, lab, RUNDIR_MODE) < 0 && errno != EEXIST) {
		r = diag_error(d, -errno, NO_MARK, "cannot make %s/%s: %s", dir->path, lab,
			       strerror(errno));
		diag_hint_full(d, r, dir->path);
		return r;
	}
	r = rundir_open_lab(dir, lab, &fd, d);
	if (r < 0)
		return r == -ENOENT && create ? -EAGAIN : r;
	r = lock_try(fd, rundir_is_exclusive(dir));
	if (r < 0)
		return r == -EBUSY ? r
				   : diag_error(d, r, NO_MARK, "cannot lock lab %s: %s", lab,
						strerror(-r));
	r = rundir_is_current(fd, dir->fd, lab);
	if (r < 0)
		return diag_error(d, r, NO_MARK, "cannot look at %s/%s: %s", dir->path, lab,
				  strerror(-r));
	if (!r)
		return -EAGAIN;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int rundir_lock_lab(struct rundir *dir, const char *lab, bool create, struct diags *d)
{
	int fd = -1, r;

	if (find_lock(dir, lab))
		return 0;
	do
		r = try_lab(dir, lab, create, &fd, d);
	while (r == -EAGAIN);
	if (r == 0)
		array_add(&dir->labs, ((struct lab_lock){xstrdup(lab), fd}));
	if (r == -EBUSY) {
		free(dir->busy);
		dir->busy = xstrdup(lab);
	}
	return r;
}

/* 1, once it is locked; 0: it has just gone. */
static int lock_listed(struct rundir *dir, const char *lab, struct diags *d)
{
	int r = rundir_lock_lab(dir, lab, false, d);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = rundir_has_record(dir->fd, lab);
	return r < 0 ? diag_error(d, r, NO_MARK, "cannot look for the record of lab %s: %s", lab,
				  strerror(-r))
		     : r;
}

int rundir_lock_all(struct rundir *dir, struct arena *a, const char ***ret_names, size_t *ret_n,
		    struct diags *d)
{
	size_t n = 0, kept = 0;
	const char **names;
	int r = rundir_list(dir, a, &names, &n, d);

	for (size_t i = 0; i < n && r >= 0; i++) {
		r = lock_listed(dir, names[i], d);
		if (r > 0)
			names[kept++] = names[i];
	}
	if (r < 0)
		return r;
	*ret_names = names;
	*ret_n = kept;
	return 0;
}

static void unlock(const struct rundir *dir, struct lab_lock *l)
{
	/* It may have gone with its record, and be another's by now. */
	if (rundir_is_exclusive(dir) && rundir_is_current(l->fd, dir->fd, l->lab) > 0)
		rundir_clean_lab(dir->fd, l->lab);
	close(l->fd);
	free(l->lab);
}

void rundir_unlock_lab(struct rundir *dir, const char *lab)
{
	struct lab_lock *l = find_lock(dir, lab);

	if (!l)
		return;
	unlock(dir, l);
	*l = dir->labs.items[--dir->labs.n];
}

void rundir_unlock_labs(struct rundir *dir)
{
	array_each(&dir->labs, l)
		unlock(dir, l);
	dir->labs.n = 0;
}

/* A lab that is free now may be taken again by the time that we have begun anew: then whoever calls
 * us waits once more, until the time is over. */
int rundir_wait(struct rundir *dir, struct diags *d)
{
	cleanup_free char *lab = dir->busy;
	cleanup_buf struct buf what = {0};
	int fd, r;

	dir->busy = NULL;
	rundir_unlock_labs(dir);
	rundir_let_in(dir);
	r = rundir_open_lab(dir, lab, &fd, d);
	if (r == 0) {
		buf_printf(&what, "lab \"%s\"", lab);
		r = lock_wait(fd, rundir_is_exclusive(dir), buf_text(&what), &dir->waiting, d);
		close(fd);
	}
	return r < 0 && r != -ENOENT ? r : rundir_begin(dir, d);
}
