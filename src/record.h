/* SPDX-License-Identifier: MIT */
/* What a lab holds and how it found that, under /run/nsapply/LAB/record.
 *
 * `made` and `before` are models. `made`: the namespaces that the lab owns and, of external
 * ones, all that its file names, with the values it wants. `before`: of what is in `made` and
 * was there already, how it was; and what that drags along. So what is in `made` alone the
 * lab made. Written whole, to a temporary file that is renamed. Processes that the lab started are
 * those of `made`, with what they were started as. */
#pragma once

#include "lock.h"
#include "model.h"
#include "plan.h"

struct record {
	char *lab;
	char *file; /* absolute path of the topology; "-" for standard input */
	char *boot_id;
	uint64_t host_cookie; /* of the namespace that was `host` */
	struct model *made, *before;
	/* A record read from disk owns its text, which the models point into. */
	struct document document;
	char *text;
};

struct rundir; /* /run/nsapply (or NSAPPLY_RUNDIR), open */

enum rundir_use {
	RUNDIR_READ,   /* nothing is written, and others may read as well */
	RUNDIR_REMOVE, /* labs go, none is made */
	RUNDIR_MAKE,
};

/* Opens (and makes, to make labs) the run folder and takes the lock that labs share. `waiting`
 * is copied: its time begins now, and is that of all waits together. -ENOENT without a
 * diagnostic when the folder is not there and not to be made. */
int rundir_open(enum rundir_use use, const struct waiting *waiting, struct rundir **ret_dir,
		struct diags *d);
/* The next four are for the time under the shared lock. Locks a lab; `create`: makes its folder
 * if need be. -ENOENT without a diagnostic when there is none; -EBUSY, likewise, when somebody
 * else works on it: then it is time for rundir_wait(). */
int rundir_lock_lab(struct rundir *dir, const char *lab, bool create, struct diags *d);
void rundir_unlock_lab(struct rundir *dir, const char *lab);
/* Locks all that have a record. Their names are as in rundir_list(). */
int rundir_lock_all(struct rundir *dir, struct arena *a, const char ***ret_names, size_t *ret_n,
		    struct diags *d);
/* Lets go of all locks, and waits until the lab that was busy is free. Afterwards it is as right
 * after rundir_open(), and what was found before may be so no more. */
int rundir_wait(struct rundir *dir, struct diags *d);
/* Lets go of the shared lock: our records say what we use. */
void rundir_let_in(struct rundir *dir);
/* Unlocks all; removes the folder when it holds no lab (a warning where it cannot). Takes NULL. */
void rundir_close(struct rundir *dir, struct diags *d);
/* Is there a run folder? Without looking at whose it is. */
bool rundir_exists(void);
/* The names of the labs, sorted; strings belong to the arena. */
int rundir_list(struct rundir *dir, struct arena *a, const char ***ret_names, size_t *ret_n,
		struct diags *d);
/* rundir_log.c: the log of a process of a lab that is locked, or the file that it names, to be
 * added to. */
int rundir_open_log(struct rundir *dir, const char *lab, const struct process *p, int *ret_fd,
		    struct diags *d);
/* Is it the name of a log that rundir_open_log() makes? */
bool rundir_is_log(const char *name);
/* Empties those in a lab's folder. Is there any? */
bool rundir_empty_logs(int folder);

/* *ret_record is NULL when the lab has no record (or one of another boot). A damaged one is an error. */
int record_load(struct rundir *dir, const char *lab, const char *boot_id,
		struct record **ret_record, struct diags *d);
/* One that was loaded, once more as it was then; *ret_old is NULL when it was not. */
int record_as_loaded(const struct record *r, struct record **ret_old, struct diags *d);
/* Both of a lab that is locked. */
int record_save(struct rundir *dir, const struct record *r, struct diags *d);
int record_remove(struct rundir *dir, const char *lab, struct diags *d);
struct record *record_new(const char *lab, const char *file, const char *boot_id,
			  uint64_t host_cookie);
void record_free(struct record *r);

/* goal.c */
/* What the machine should be: the file, and for what the record knows and the file (no
 * longer) names, how it was before, unless another lab holds it. file NULL: destroy; r NULL:
 * nothing recorded. Strings belong to file, r and others, which must outlive the goal. */
struct model *goal_make(const struct model *file, const struct record *r,
			const struct others *others);
/* Objects of its own; routes, sysctls and strings are shared. */
struct model *model_copy(const struct model *from);

/* record_update.c */
/* Adds all that the plan's goal names, and how it is found, before the plan runs. */
void record_add_plan(struct record *r, const struct plan *p);
/* The plan has run: what was set once on links that it replaced is no longer. */
void record_plan_done(struct record *r, const struct plan *p);
/* What was there before cannot be put back any more. */
void record_forget_route(struct record *r, const struct netns *n, const struct route *route);
/* The links in external namespaces that the plan makes are known by their names alone, until it has
 * run. Is there any? */
bool record_forget_indexes(struct record *r, const struct plan *p);
/* The same of those that m has with the indexes of the record; and when they may have been made anew
 * and m has their new ones, these. */
void record_release_indexes(struct record *r, const struct model *m);
void record_take_indexes(struct record *r, const struct model *m);
/* A namespace was made: from now on it is known by its cookie. */
void record_add_netns(struct record *r, const struct netns *n);
/* The same of one that the record knows already; another is not added. */
void record_set_cookie(struct record *r, const char *netns, uint64_t cookie);
/* The value of a sysctl of an owned namespace, read just before it is first written. */
void record_add_sysctl(struct record *r, const struct netns *n, const char *path,
		       const char *value);
/* record_process.c */
/* It was started, and is not running the command yet. Returns the record's own. */
struct process *record_add_process(struct record *r, const struct process *p);
/* It has ended. */
void record_drop_process(struct record *r, const struct process *p);
/* Those that r knows may have been started anew, which `now` knows. */
void record_take_processes(struct record *r, const struct record *now);
/* After a plan has run: forgets what is gone and what was put back. */
void record_settle(struct record *r, const struct model *file);
/* An external namespace that is no more, or another one by now. */
void record_forget_netns(struct record *r, const char *name);
