/* SPDX-License-Identifier: MIT */
/* What the verbs share: a lab with its file, its record, the kernel, and a plan. */
#pragma once

#include "command.h"
#include "execute.h"
#include "probe.h"

struct lab {
	const struct options *options;
	struct diags d;
	struct document document;
	struct model *file;  /* NULL when there is none (--destroy LAB) */
	struct model *named; /* of a file of which only names count: lab_load_name() */
	char *name;
	char *path; /* absolute; "-" for standard input */
	struct kernel *kernel;
	struct rundir *rundir;
	struct record *record; /* as it is being changed; NULL: none yet */
	/* lab_others.c: the external namespaces of file and record, and who else holds something
	 * in them */
	struct model *externals;
	struct others others;
	ARRAY(struct record *) other_records; /* that `others` points into */
	ARRAY(struct model *) guests;	      /* likewise; their strings are the records' */
	struct model *beyond; /* lab_beyond.c: what else is looked into; NULL: nothing */
	struct model *goal, *live;
	struct model *before; /* the live state to go back to; may be `live` */
	struct plan *plan;
	bool printed; /* the one JSON object of this run */
};

/* Is the argument a file (rather than a lab's name)? SPEC: a `/`, .yaml, .yml, .json, or `-`. */
bool is_file_argument(const char *arg);
/* The argument, or ./topo.yaml where that is a file; NULL. */
const char *default_file(const struct options *o);

/* The same for a verb that takes no lab's name; NULL with the reason in lab->d. */
const char *lab_find_file(struct lab *lab);

/* Each returns 0 or a negative errno, with the reason in lab->d. */
int lab_load_file(struct lab *lab, const char *path);
/* Only the lab's name: what else the file says need not be right. */
int lab_load_name(struct lab *lab, const char *path);
/* Opens the kernel and the run folder, locks the lab and those that it shares something with,
 * and reads its record; waits for others, if need be. lab->rundir stays NULL where there is
 * none, and is not to be made. */
int lab_open(struct lab *lab, enum rundir_use use);
/* The same with labs in general, and no name: `look` is called under the shared lock, and again
 * after having waited when it returns -EBUSY. */
int lab_enter(struct lab *lab, enum rundir_use use, int (*look)(struct lab *lab, void *data),
	      void *data);
void lab_forget(struct lab *lab); /* what was found on the machine */
/* Others may go on: nothing is to be read or changed any more. What there is to say comes
 * afterwards, since whoever reads that may take their time. */
void lab_unlock(struct lab *lab);
int lab_plan(struct lab *lab, bool deep);
/* The same, deep, but of namespaces that are not `touched` in lab->before it is believed that they
 * are still as they were, unless something is found that differs. */
int lab_verify(struct lab *lab);
/* Warns of what the lab made or changed and somebody has renamed. To be called once a plan was made, or
 * could not be made. */
void lab_tell_renamed(struct lab *lab);
/* Fills in lab->externals and lab->others, and locks the labs that share something with this
 * one: -EBUSY, without a diagnostic, when somebody else works on one of them. */
int lab_meet_others(struct lab *lab);
/* lab_sysctl.c: tells of values that could not be read once their namespaces are made. */
int lab_check_sysctls(struct lab *lab);
/* lab_beyond.c. Adds lab->beyond to the goal. */
void lab_add_beyond(struct lab *lab);
/* Does the plan take along what is not read yet, the other end of a cable? 1: that is in lab->beyond now, or has
 * gone by itself, so plan again. Negative, with a diagnostic, when it cannot be read, and so could not be put back. */
int lab_look_beyond(struct lab *lab);
/* Could another lab have something to do with what this one is about? */
bool lab_meets_others(const struct lab *lab);
/* Warns of namespaces that exist and that the file of a lab without a record calls its own
 * (lab->named), but for those of other labs. */
int lab_tell_unrecorded(struct lab *lab);
void lab_leave_others(struct lab *lab);
/* Does its file, or its record, say anything of the namespace of this name? */
bool lab_uses(const struct lab *lab, const char *netns);
/* Makes the machine match the file, which is loaded. Returns an exit status. */
int lab_apply(struct lab *lab);
/* Carries out the file's checks, from the namespaces of the lab that is applied. The outcomes' strings
 * are the file's. */
int lab_check(struct lab *lab, outcomes *ret);
/* Prints lab->d where that was not done yet, frees everything, passes `status` on. */
int lab_close(struct lab *lab, int status);

/* A run prints one JSON object, with its diagnostics in it. Takes the reference. */
void lab_print_json(struct lab *lab, json_t *object);
/* With --format json, what came of a run: "applied". plan: plan_json() of what was done;
 * NULL: nothing was; takes the reference. */
void lab_print_result(struct lab *lab, const char *result, json_t *plan);
void print_json(json_t *object); /* takes the reference */
/* A line on standard error, unless --quiet. */
void say(const struct options *o, const char *fmt, ...) PRINTF(2, 3);
/* "3 created, 1 changed, 0 replaced, 0 deleted" */
void say_done(const struct lab *lab, const char *what, const size_t count[4]);
