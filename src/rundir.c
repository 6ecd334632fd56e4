/* SPDX-License-Identifier: MIT */
/* The run folder, and who may work on what is in it.
 *
 * Everything below it is reached through descriptors (openat and friends) and
 * without following links, once the folder itself has been found to belong to
 * the caller alone.
 *
 * Each lab's folder is a lock: whoever has it works on the lab, or on something
 * that the lab holds as well, so a run has those of all labs that it shares something
 * with. The shared lock is for beginning: under it labs are made, and the locks of
 * labs are taken, all that a run needs or none. Nobody waits for a lock while holding
 * another (but to tidy up, at the very end, holding no other): so there is no order to
 * keep, and no deadlock. Once the record of a run says what it holds, it lets go of the
 * shared lock, since whoever comes then sees what it is that is in use.
 *
 * A lab's folder goes with its record, and the last lab's end takes all of it away, the
 * shared lock's file too. So whoever has got a lock looks again whether it is still that
 * of the path.
 *
 * A folder opened to be read is not written to. */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RUNDIR_DEFAULT "/run/nsapply"
#define RUNDIR_VARIABLE "NSAPPLY_RUNDIR"
#define LOCK_FILE ".lock"
#define TIDY_SECONDS 2

int rundir_fail(struct diags *d, const char *what, const char *path)
{
	int code = -errno;

	diag_error(d, code, NO_MARK, "cannot %s %s: %s", what, path, strerror(-code));
	if (code == -ENOTDIR || code == -ELOOP)
		diag_hint(d, "nsapply makes folders there and follows no symbolic links: if nobody "
			     "needs what it is, remove it");
	else if (code == -EACCES || code == -EPERM)
		diag_hint(d,
			  "this takes root; a private lab does not: nsapply --run FILE -- COMMAND");
	return code;
}

/* --- the folder ------------------------------------------------------------------- */

static int choose_path(char **ret_path, struct diags *d)
{
	const char *path = secure_getenv(RUNDIR_VARIABLE);
	size_t n;

	if (!path || !*path)
		path = RUNDIR_DEFAULT;
	if (*path != '/')
		return diag_error(d, -EINVAL, NO_MARK,
				  RUNDIR_VARIABLE " must be an absolute path, not \"%s\"", path);
	*ret_path = xstrdup(path);
	/* a slash at the end would have links followed */
	for (n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		(*ret_path)[n - 1] = '\0';
	return 0;
}

int rundir_check_folder(int fd, const char *path, struct diags *d)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return rundir_fail(d, "look at", path);
	if (st.st_uid != geteuid()) {
		diag_error(d, -EPERM, NO_MARK, "%s belongs to user %u, not to you (%u)", path,
			   st.st_uid, geteuid());
		diag_hint(d, "what is in it is acted on, so it must be yours; set " RUNDIR_VARIABLE
			     " to use another folder");
		return -EPERM;
	}
	if ((st.st_mode & 07777) != RUNDIR_MODE) {
		diag_error(d, -EPERM, NO_MARK,
			   "%s has mode %04o: others might change what is in it", path,
			   st.st_mode & 07777u);
		diag_hint(d, "if nobody did, chmod 0700 %s", path);
		return -EPERM;
	}
	return 0;
}

static int open_folder(const char *path, bool create, bool *ret_made, int *ret_fd, struct diags *d)
{
	bool made = false;
	int fd, r;

	if (create) {
		made = mkdir(path, RUNDIR_MODE) == 0;
		if (!made && errno != EEXIST)
			return rundir_fail(d, "make", path);
		*ret_made |= made;
	}
	fd = open(path, RUNDIR_FLAGS);
	if (fd < 0 && errno == ENOENT)
		return create ? -ESTALE : -ENOENT;
	if (fd < 0)
		return rundir_fail(d, "open", path);
	if (made && fchmod(fd, RUNDIR_MODE) < 0) /* the folder above may have given it its group */
		r = rundir_fail(d, "set the mode of", path);
	else
		r = rundir_check_folder(fd, path, d);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Without opendir(3), which allocates: what an out of memory has left is to go as well. */
int rundir_each_entry(int folder, int (*fn)(int folder, const char *name, void *data), void *data)
{
	cleanup_close int fd = openat(folder, ".", RUNDIR_FLAGS);
	alignas(struct dirent64) char entries[4096];
	ssize_t n = 0;
	int r = 0;

	if (fd < 0)
		return -errno;
	while (r == 0 && (n = getdents64(fd, entries, sizeof(entries))) > 0)
		for (ssize_t at = 0; at < n && r == 0;) {
			const struct dirent64 *entry = (const void *)(entries + at);

			at += entry->d_reclen;
			if (!str_equal(entry->d_name, ".") && !str_equal(entry->d_name, "..") &&
			    !str_equal(entry->d_name, LOCK_FILE))
				r = fn(folder, entry->d_name, data);
		}
	return n < 0 ? -errno : r;
}

int rundir_no_folder(void)
{
	return errno != ENOENT && errno != ENOTDIR && errno != ELOOP ? -errno : 0;
}

int rundir_removed(int r)
{
	return r < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY ? -errno : 0;
}

/* --- the shared lock --------------------------------------------------------------- */

static int found_entry(int folder, const char *name, void *data)
{
	(void)folder;
	(void)name;
	(void)data;
	return 1;
}

/* *ret_lock is -1 where there is no such file and it is not to be made: nobody is at work. */
static int open_lock(int folder, const char *path, bool create, int *ret_lock, struct diags *d)
{
	/* reading is enough for flock(); a FIFO in its place must not block */
	int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int lock = openat(folder, LOCK_FILE, flags);

	/* An empty folder is as good as none. */
	if (lock < 0 && errno == ENOENT && !create)
		return rundir_each_entry(folder, found_entry, NULL) == 0 ? -ENOENT : 0;
	if (lock < 0 && errno == ENOENT)
		lock = openat(folder, LOCK_FILE, flags | O_CREAT, 0600);
	if (lock < 0 && errno == ENOENT) /* the folder has just been removed */
		return -ESTALE;
	if (lock < 0)
		return rundir_fail(d, "open the lock of", path);
	*ret_lock = lock;
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

int rundir_is_current(int fd, int folder, const char *path)
{
	struct stat a, b;

	if (fstat(fd, &a) == 0 && fstatat(folder, path, &b, AT_SYMLINK_NOFOLLOW) == 0)
		return is_same_file(&a, &b);
	return errno == ENOENT ? 0 : -errno;
}

bool rundir_is_exclusive(const struct rundir *dir)
{
	return dir->use != RUNDIR_READ;
}

/* Are these still the folder in the path and its lock? 1, 0, or a negative errno. */
static int is_rundir_current(const struct rundir *dir)
{
	int r = rundir_is_current(dir->fd, AT_FDCWD, dir->path);

	return r > 0 && dir->lock >= 0 ? rundir_is_current(dir->lock, dir->fd, LOCK_FILE) : r;
}

/* -ESTALE: begin anew. */
static int expect_current(const struct rundir *dir, struct diags *d)
{
	int r = is_rundir_current(dir);

	return r < 0   ? diag_error(d, r, NO_MARK, "cannot look at %s: %s", dir->path, strerror(-r))
	       : r > 0 ? 0
		       : -ESTALE;
}

static void close_folder(struct rundir *dir)
{
	if (dir->lock >= 0)
		close(dir->lock);
	if (dir->fd >= 0)
		close(dir->fd);
	dir->lock = dir->fd = -1;
	dir->is_locked = false;
}

static int tidy(const struct rundir *dir);

int rundir_begin(struct rundir *dir, struct diags *d)
{
	bool made = false;
	int r;

	do {
		close_folder(dir);
		r = open_folder(dir->path, dir->use == RUNDIR_MAKE, &made, &dir->fd, d);
		if (r == 0)
			r = open_lock(dir->fd, dir->path, rundir_is_exclusive(dir), &dir->lock, d);
		if (r == 0 && dir->lock >= 0)
			r = lock_wait(dir->lock, rundir_is_exclusive(dir), dir->path, &dir->waiting,
				      d);
		if (r == 0)
			r = expect_current(dir, d);
	} while (r == -ESTALE);
	dir->is_locked = r == 0;
	if (r == 0)
		return 0;
	/* What was made just now goes again: the lock only by who has it. */
	if (made && dir->lock >= 0 && lock_try(dir->lock, true) == 0 && is_rundir_current(dir) > 0)
		tidy(dir);
	close_folder(dir);
	/* There was no room for the lock in it. Fails where there is more in it; where somebody is
	 * about to use it, he makes a new one. */
	if (made)
		rmdir(dir->path);
	return r;
}

static void rundir_free(struct rundir *dir)
{
	close_folder(dir);
	array_free(&dir->labs);
	free(dir->busy);
	free(dir->path);
	free(dir);
}

int rundir_open(enum rundir_use use, const struct waiting *waiting, struct rundir **ret_dir,
		struct diags *d)
{
	struct rundir *dir = xcalloc(1, sizeof(*dir));
	int r;

	dir->fd = dir->lock = -1;
	dir->use = use;
	dir->waiting = *waiting;
	waiting_start(&dir->waiting);
	r = choose_path(&dir->path, d);
	if (r == 0)
		r = rundir_begin(dir, d);
	if (r < 0)
		rundir_free(dir);
	else
		*ret_dir = dir;
	return r;
}

bool rundir_exists(void)
{
	struct diags ignored = {0};
	cleanup_free char *path = NULL;
	struct stat st;
	bool found = choose_path(&path, &ignored) == 0 && lstat(path, &st) == 0;

	diags_free(&ignored);
	return found;
}

void rundir_let_in(struct rundir *dir)
{
	if (dir->is_locked && dir->lock >= 0)
		flock(dir->lock, LOCK_UN);
	dir->is_locked = false;
}

/* --- tidying up -------------------------------------------------------------------- */

static int find_leftover(int folder, const char *name, void *data)
{
	bool *any = data;

	*any = true;
	return !lab_name_error(name) && rundir_has_record(folder, name) == 0;
}

/* Is there nothing, or something that an interrupted run has left? 1, 0, or a negative errno. */
static int is_untidy(const struct rundir *dir)
{
	bool any = false;
	int r = rundir_each_entry(dir->fd, find_leftover, &any);

	return r == 0 && !any ? 1 : r;
}

/* Somebody may be reading, or about to make a lab. Only a reader leaves it to us to tidy up, and
 * is soon done, unless it was stopped: an empty folder is not worth a long wait for that. 1, 0, or a
 * negative errno. */
static int keep_out(const struct rundir *dir)
{
	struct waiting waiting = {.timeout = dir->waiting.timeout ? TIDY_SECONDS : 0};
	struct diags ignored = {0};
	int r = 0;

	if (!dir->is_locked) {
		waiting_start(&waiting);
		r = lock_wait(dir->lock, true, dir->path, &waiting, &ignored);
		diags_free(&ignored);
	}
	if (r == 0)
		return is_rundir_current(dir);
	return r == -EAGAIN || r == -EINTR ? 0 : r; /* it is left to who is at work */
}

static int clean_lab(int folder, const char *name, void *data)
{
	(void)data;
	if (lab_name_error(name))
		return 0;
	cleanup_close int fd = openat(folder, name, RUNDIR_FLAGS);
	if (fd < 0)
		return rundir_no_folder();
	/* One that is locked is about to go by the hand of who has the lock: else he might remove
	 * that of the same name that was made meanwhile. */
	return lock_try(fd, true) == 0 ? rundir_clean_lab(folder, name) : 0;
}

/* Under the shared lock: nobody makes a lab meanwhile. */
static int tidy(const struct rundir *dir)
{
	int r = rundir_each_entry(dir->fd, clean_lab, NULL);

	if (r == 0)
		r = rundir_each_entry(dir->fd, found_entry, NULL);
	if (r != 0)
		return r < 0 ? r : 0;
	r = rundir_removed(unlinkat(dir->fd, LOCK_FILE, 0));
	if (r < 0)
		return r;
	/* Stays where somebody has made a new lock by now: then it is theirs. Without the lock this
	 * is the last chance, hence twice. */
	r = rundir_removed(rmdir(dir->path));
	return r < 0 ? rundir_removed(rmdir(dir->path)) : 0;
}

static int tidy_up(const struct rundir *dir)
{
	int r = is_untidy(dir);

	if (r > 0)
		r = keep_out(dir);
	return r > 0 ? tidy(dir) : r;
}

void rundir_close(struct rundir *dir, struct diags *d)
{
	int r = 0;

	if (!dir)
		return;
	rundir_unlock_labs(dir);
	if (rundir_is_exclusive(dir) && dir->fd >= 0)
		r = tidy_up(dir);
	if (r < 0) /* what there was too little of may be there again */
		r = tidy_up(dir);
	/* It may be a folder that was made for us where we can make none. */
	if (r < 0 && r != -EACCES && r != -EPERM && r != -EROFS) {
		diag_warning(d, NO_MARK, "cannot tidy up %s: %s", dir->path, strerror(-r));
		diag_hint(d, "no lab needs what is left there, and a later run removes it");
	}
	rundir_free(dir);
}
