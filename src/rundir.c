/* SPDX-License-Identifier: MIT */
/* The run folder: one at a time, and nobody else's.
 *
 * Everything below it is reached through descriptors (openat and friends) and
 * without following links, once the folder itself has been found to belong to
 * the caller alone. The lock is flock() on a file in it, so it ends with the
 * process however that ends. The last lab's close removes folder and lock file;
 * so whoever got the lock looks again whether it is still the one in the path.
 *
 * A folder opened without `create` is not written to, not even its lock file:
 * who holds the lock is read from /proc/locks. */
#include "rundir.h"

#include "interrupt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#define RUNDIR_DEFAULT "/run/nsapply"
#define RUNDIR_VARIABLE "NSAPPLY_RUNDIR"
#define LOCK_FILE ".lock"
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DIR_MODE 0700
#define POLL_NS 20000000 /* between two tries for the lock */

static int fail(struct diags *d, const char *what, const char *path)
{
	int code = -errno;

	return diag_error(d, code, NO_MARK, "cannot %s %s: %s", what, path, strerror(-code));
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

static int check_folder(int fd, const char *path, struct diags *d)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(d, "look at", path);
	if (st.st_uid != geteuid()) {
		diag_error(d, -EPERM, NO_MARK, "%s belongs to user %u, not to you (%u)", path,
			   st.st_uid, geteuid());
		diag_hint(d, "what is in it is acted on, so it must be yours; set " RUNDIR_VARIABLE
			     " to use another folder");
		return -EPERM;
	}
	if ((st.st_mode & 07777) != DIR_MODE) {
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
		made = mkdir(path, DIR_MODE) == 0;
		if (!made && errno != EEXIST)
			return fail(d, "make", path);
		*ret_made |= made;
	}
	fd = open(path, DIR_FLAGS);
	if (fd < 0 && errno == ENOENT)
		return create ? -ESTALE : -ENOENT;
	if (fd < 0)
		return fail(d,
			    errno == ELOOP || errno == ENOTDIR ? "use, since it is no folder,"
							       : "open",
			    path);
	if (made && fchmod(fd, DIR_MODE) < 0) /* the umask may have taken some of it */
		r = fail(d, "set the mode of", path);
	else
		r = check_folder(fd, path, d);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Calls fn for each entry but ".", ".." and the lock, until it returns other than 0. */
static int each_entry(int folder, int (*fn)(int folder, const char *name, void *data), void *data)
{
	int fd = openat(folder, ".", DIR_FLAGS), r = 0;
	struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (!str_equal(entry->d_name, ".") && !str_equal(entry->d_name, "..") &&
		    !str_equal(entry->d_name, LOCK_FILE))
			r = fn(folder, entry->d_name, data);
	closedir(dir);
	return r;
}

/* --- the lock --------------------------------------------------------------------- */

/* What a file of /proc/PID says in one line: NULs separate the words of a command line. */
static void read_line(int pid, const char *name, struct buf *out)
{
	char path[64], text[200];
	ssize_t n, first = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	for (ssize_t i = 0; i < n; i++)
		if (!text[i] || text[i] == '\n')
			text[i] = ' ';
	while (n > 0 && text[n - 1] == ' ')
		n--;
	while (first < n && text[first] == ' ')
		first++;
	if (first < n)
		buf_add(out, text + first, (size_t)(n - first));
}

/* "nsapply topo.yaml" (pid 7). A process may have an empty command line (it is about to end,
 * or was started so), but always has a name. Nothing, if there is no such process any more. */
static void put_process(int pid, struct buf *out)
{
	cleanup_buf struct buf command = {0};

	read_line(pid, "cmdline", &command);
	if (!command.n)
		read_line(pid, "comm", &command);
	if (!command.n)
		return;
	buf_puts(out, "\"");
	buf_printable(out, buf_text(&command));
	buf_printf(out, "\" (pid %d)", pid);
}

static void put_holder(int lock, struct buf *out)
{
	FILE *locks = fopen("/proc/locks", "re");
	struct stat st;
	char line[256];

	if (locks && fstat(lock, &st) == 0)
		while (!out->n && fgets(line, sizeof(line), locks)) {
			unsigned long inode;
			unsigned dev[2];
			int pid;

			if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &dev[0], &dev[1],
				   &inode) == 4 &&
			    pid > 0 && inode == st.st_ino && dev[0] == major(st.st_dev) &&
			    dev[1] == minor(st.st_dev))
				put_process(pid, out);
		}
	if (locks)
		fclose(locks);
	if (!out->n)
		buf_puts(out, "another process");
}

static int timed_out(int lock, const char *path, unsigned timeout, struct diags *d)
{
	cleanup_buf struct buf holder = {0};

	put_holder(lock, &holder);
	diag_error(d, -EAGAIN, NO_MARK, "%s is locked by %s (waited %u seconds)", path,
		   buf_text(&holder), timeout);
	diag_hint(d, "only one nsapply works at a time; wait longer with --lock-timeout SECONDS");
	return -EAGAIN;
}

/* flock() itself has no timeout, and would not be ended by signals that wait. */
static int wait_for_lock(int lock, const char *path, unsigned timeout,
			 const struct timespec *deadline, struct diags *d)
{
	while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		struct timespec now;

		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(d, "lock", path);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > deadline->tv_sec ||
		    (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec))
			return timed_out(lock, path, timeout, d);
		if (interrupt_wait(POLL_NS))
			return diag_error(d, -EINTR, NO_MARK,
					  "interrupted while waiting for the lock of %s", path);
	}
	return 0;
}

static int found_entry(int folder, const char *name, void *data)
{
	(void)folder;
	(void)name;
	(void)data;
	return 1;
}

static int open_lock(int folder, const char *path, bool create, int *ret_lock, struct diags *d)
{
	/* reading is enough for flock(); a FIFO in its place must not block */
	int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int lock = openat(folder, LOCK_FILE, flags);

	/* Without a lock file nobody is at work; an empty folder is then as good as none. */
	if (lock < 0 && errno == ENOENT && !create && each_entry(folder, found_entry, NULL) == 0)
		return -ENOENT;
	if (lock < 0 && errno == ENOENT)
		lock = openat(folder, LOCK_FILE, flags | O_CREAT, 0600);
	if (lock < 0 && errno == ENOENT) /* the folder has just been removed */
		return -ESTALE;
	if (lock < 0)
		return fail(d, "open the lock of", path);
	*ret_lock = lock;
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Are these still the folder in the path and its lock? */
static bool is_current(const struct rundir *dir)
{
	struct stat a, b;

	return fstat(dir->fd, &a) == 0 && lstat(dir->path, &b) == 0 && is_same_file(&a, &b) &&
	       fstat(dir->lock, &a) == 0 &&
	       fstatat(dir->fd, LOCK_FILE, &b, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(&a, &b);
}

static void release(struct rundir *dir)
{
	if (dir->lock >= 0)
		close(dir->lock);
	if (dir->fd >= 0)
		close(dir->fd);
	dir->lock = dir->fd = -1;
}

static void rundir_free(struct rundir *dir)
{
	release(dir);
	free(dir->path);
	free(dir);
}

int rundir_open(bool create, unsigned timeout, struct rundir **ret_dir, struct diags *d)
{
	struct rundir *dir = xcalloc(1, sizeof(*dir));
	struct timespec deadline;
	bool made = false;
	int r;

	dir->fd = dir->lock = -1;
	dir->tidy = create;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += timeout;
	r = choose_path(&dir->path, d);
	if (r < 0)
		goto failed;
	do {
		release(dir);
		r = open_folder(dir->path, create, &made, &dir->fd, d);
		if (r == 0)
			r = open_lock(dir->fd, dir->path, create, &dir->lock, d);
		if (r == 0)
			r = wait_for_lock(dir->lock, dir->path, timeout, &deadline, d);
		if (r == 0 && !is_current(dir))
			r = -ESTALE;
	} while (r == -ESTALE);
	if (r < 0)
		goto failed;
	*ret_dir = dir;
	return 0;
failed:
	/* One that was made just now, and there was no room for the lock in it. Fails where there
	 * is more in it; where somebody is about to use it, he makes a new one. */
	if (made)
		rmdir(dir->path);
	rundir_free(dir);
	return r;
}

/* --- labs in it ------------------------------------------------------------------- */

int rundir_open_lab(const struct rundir *dir, const char *lab, bool create, int *ret_fd,
		    struct diags *d)
{
	const char *why = lab_name_error(lab);
	cleanup_buf struct buf path = {0};
	int fd, r;

	if (why) /* it is about to become a path */
		return diag_error(d, -EINVAL, NO_MARK, "lab name \"%s\" %s", lab, why);
	buf_printf(&path, "%s/%s", dir->path, lab);
	if (create && mkdirat(dir->fd, lab, DIR_MODE) < 0 && errno != EEXIST)
		return fail(d, "make", buf_text(&path));
	fd = openat(dir->fd, lab, DIR_FLAGS);
	if (fd < 0 && errno == ENOENT && !create)
		return -ENOENT;
	if (fd < 0)
		return fail(d, "open", buf_text(&path));
	r = check_folder(fd, buf_text(&path), d);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static bool has_record(int folder, const char *lab)
{
	cleanup_close int fd = openat(folder, lab, DIR_FLAGS);
	struct stat st;

	return fd >= 0 && fstatat(fd, RECORD_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

struct lab_list {
	ARRAY(const char *) names;
	struct arena *arena;
};

static int list_lab(int folder, const char *name, void *data)
{
	struct lab_list *list = data;

	if (!lab_name_error(name) && has_record(folder, name))
		array_add(&list->names, arena_strdup(list->arena, name));
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int rundir_list(struct rundir *dir, struct arena *a, const char ***ret_names, size_t *ret_n,
		struct diags *d)
{
	struct lab_list list = {.arena = a};
	int r = each_entry(dir->fd, list_lab, &list);

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

/* --- tidying up -------------------------------------------------------------------- */

static int clean_lab(int folder, const char *name, void *data)
{
	(void)data;
	if (lab_name_error(name) || has_record(folder, name))
		return 0;
	/* what an interrupted record_save() or record_remove() left; other people's files stay */
	cleanup_close int fd = openat(folder, name, DIR_FLAGS);
	if (fd >= 0)
		unlinkat(fd, RECORD_NEW_FILE, 0);
	unlinkat(folder, name, AT_REMOVEDIR);
	return 0;
}

void rundir_clean_lab(const struct rundir *dir, const char *lab)
{
	clean_lab(dir->fd, lab, NULL);
}

void rundir_close(struct rundir *dir)
{
	if (!dir)
		return;
	if (dir->tidy) {
		each_entry(dir->fd, clean_lab, NULL);
		if (each_entry(dir->fd, found_entry, NULL) == 0 && is_current(dir)) {
			unlinkat(dir->fd, LOCK_FILE, 0);
			/* Fails where somebody has made a new lock by now: then it is theirs. */
			rmdir(dir->path);
		}
	}
	rundir_free(dir);
}
