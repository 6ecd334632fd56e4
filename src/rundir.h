/* SPDX-License-Identifier: MIT */
/* The run folder as rundir*.c and record.c share it. */
#pragma once

#include "record.h"

#define RECORD_FILE "record"
#define RECORD_NEW_FILE ".record.new"
#define RUNDIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define RUNDIR_MODE 0700

struct lab_lock {
	char *lab;
	int fd; /* of its folder */
};

struct rundir {
	char *path;
	enum rundir_use use;
	struct waiting waiting;
	int fd, lock;		     /* of the folder, and of the shared lock's file; -1: none */
	bool is_locked;		     /* we have the shared lock */
	ARRAY(struct lab_lock) labs; /* those that are locked */
	char *busy;		     /* what rundir_wait() is to wait for */
};

/* rundir.c */
int rundir_fail(struct diags *d, const char *what, const char *path); /* errno */
/* Does it belong to the caller alone? */
int rundir_check_folder(int fd, const char *path, struct diags *d);
/* Calls fn for each entry but ".", ".." and the lock, until it returns other than 0. */
int rundir_each_entry(int folder, int (*fn)(int folder, const char *name, void *data), void *data);
/* What openat(2) says with RUNDIR_FLAGS: 0 where there is none such, or a negative errno. */
int rundir_no_folder(void);
/* What unlinkat(2) and rmdir(2) say: 0, also where it is gone already or something is in it (or
 * mounted there, which is not ours), or a negative errno. */
int rundir_removed(int r);
bool rundir_is_exclusive(const struct rundir *dir);
/* Is this descriptor still what the path says? 1, 0, or a negative errno. */
int rundir_is_current(int fd, int folder, const char *path);
/* Opens the folder and takes the shared lock. -ENOENT without a diagnostic: there is none. */
int rundir_begin(struct rundir *dir, struct diags *d);

/* rundir_lab.c */
/* Opens a lab's folder; -ENOENT without a diagnostic when there is none. */
int rundir_open_lab(const struct rundir *dir, const char *lab, int *ret_fd, struct diags *d);
/* 1, 0, or a negative errno: what cannot be looked at may well be there. Opens nothing. */
int rundir_has_record(int folder, const char *lab);
/* Removes a lab's folder and what record.c may have left in it, if there is no record; other
 * people's files stay. The lab, or all of them, must be locked. */
int rundir_clean_lab(int folder, const char *lab);
/* Those that have no record go. */
void rundir_unlock_labs(struct rundir *dir);
