/* SPDX-License-Identifier: MIT */
/* plan(live, goal): what differs, as people read it (changes), and the ordered
 * requests that mend it (steps). Pure: no kernel, no files, no printing; the
 * same input gives the same plan. Both point into the models they came from. */
#pragma once

#include "holding.h"

enum action { ACTION_CREATE, ACTION_CHANGE, ACTION_REPLACE, ACTION_DELETE };
enum object {
	OBJECT_NAMESPACE,
	OBJECT_LINK,
	OBJECT_ADDRESS,
	OBJECT_ROUTE,
	OBJECT_SYSCTL,
	OBJECT_PROCESS
};

/* One line of a plan. `want` points into the goal, `have` into the live model;
 * create has no `have`, delete no `want`. The member to look at is the object's. */
struct change {
	enum action action;
	enum object object;
	/* where: the goal's, or the live one for deletions; NULL for a process whose namespace is no more */
	const struct netns *netns;
	union object_ptr {
		const struct netns *netns;
		const struct link *link;
		const struct address *address;
		const struct route *route;
		const struct sysctl *sysctl;
		const struct process *process;
		const void *any;
	} want, have;
	uint64_t mask;	    /* rows of the object's table that differ */
	uint64_t kind_mask; /* links: rows of the kind's table that differ */
	const char *
		reason; /* why it is replaced, or done although the file did not change; may be NULL */
	bool moved;	/* links: moved here from where want->match is */
	bool cable; /* links: a pair of links; this is the first end, the other is link_peer() */
};

/* In the order in which they run. */
enum op {
	OP_NETNS_ADD,
	OP_NETNS_SYSCTL, /* of the namespace, ip_forward first, before its interfaces exist */
	OP_LINK_DOWN,	 /* what must be down to be changed, or is to stay down */
	OP_LINK_DEL,
	OP_MASTER_SET, /* of its kind, before ports come: only without stp do they forward at once */
	OP_LINK_MOVE,  /* `source` becomes `link`, in another namespace */
	OP_LINK_ADD,   /* with its peer, where it is one of a pair */
	OP_LINK_SET,
	OP_LINK_SYSCTL, /* below an interface's name */
	OP_ADDRESS_ADD_EARLY, /* before others go: the last address of an interface takes its routes along */
	OP_ADDRESS_DEL,
	OP_ADDRESS_ADD,
	OP_ADDRESS_SET,
	OP_LINK_UP,	     /* bridges last */
	OP_ADDRESS_SET_UP,   /* those that the kernel does not do all for while the link is down */
	OP_ROUTE_ADD_DIRECT, /* those without a gateway first: gateways are reached through them */
	OP_ROUTE_SET_DIRECT, /* replaces in place (NLM_F_REPLACE) */
	OP_ROUTE_ADD,
	OP_ROUTE_SET,
	OP_ROUTE_DEL,
	OP_PROCESS_STOP, /* when all else has worked: what stops cannot be as if it had not */
	OP_PROCESS_START,
	OP_NETNS_DEL, /* last: it alone cannot be undone */
	OP_COUNT
};

struct step {
	enum op op;
	uint32_t level;		   /* within an op: what others need comes first */
	uint32_t change;	   /* index into plan->changes: for errors and for progress */
	bool up;		   /* OP_LINK_ADD: may come up at once */
	struct netns *netns;	   /* goal's; for deletions the live one */
	struct link *link;	   /* goal's; for deletions the live one */
	const struct link *peer;   /* OP_LINK_ADD: the other end, or NULL */
	const struct link *source; /* OP_LINK_MOVE: live, or what an earlier one made of it */
	const struct address *address;
	const struct route *route;
	const struct sysctl *sysctl;
	struct process *process;  /* goal's; to be stopped: the live one */
	uint64_t mask, kind_mask; /* OP_*_SET and OP_LINK_ADD of links: the rows to send */
};

struct plan {
	struct arena arena;
	struct model *live, *goal;
	const struct others *others;
	ARRAY(struct change) changes;
	ARRAY(struct step) steps;
	size_t count[4]; /* changes by action */
};

struct plan_options {
	bool adopt;    /* same-named things that the lab did not make are taken over */
	bool rollback; /* goal is an earlier live state: nothing in it is a conflict */
	/* rollback: the goal that was not reached. What it names the lab may have put there, also
	 * where that is not the lab's but was to be put back. */
	const struct model *undone;
	/* rollback: what the lab had made then; NULL: nothing */
	const struct model *was;
	/* What follows from other interfaces by itself (a bridge's MTU and MAC from its ports) is
	 * left to do so; setting it would make it follow them no more. */
	bool follows;
	const char *lab;
	const struct others *others; /* labs that hold something in the same namespaces */
};

/* `made`: what the lab made before (its record), sorted; NULL: nothing.
 * Fills in goal's handles and indexes of what already exists. Conflicts (things
 * the lab did not make, what another lab holds, missing interfaces) are errors in d.
 * 0 or negative errno. */
int plan_make(struct model *live, struct model *goal, const struct model *made,
	      const struct plan_options *options, struct plan **ret_plan, struct diags *d);
void plan_free(struct plan *p);

/* plan_ignore.c: does the lab leave such routes in a namespace that it owns to others, but for those that its
 * record says it made? n: the goal's, or NULL where nothing is ignored. */
bool plan_leaves_route(const struct netns *n, const struct route *r);

/* plan_print.c, plan_json.c, plan_ip.c */
void plan_print_text(const struct plan *p, struct buf *out, bool color);
json_t *plan_json(const struct plan *p, const char *lab); /* a new reference */
/* A POSIX shell script of iproute2 commands that does the same. */
void plan_print_ip(const struct plan *p, struct buf *out);

/* Does a link become one of another kind? What the file does not make has no kind there. */
bool change_has_new_kind(const struct change *c);
/* "foo:eth0", "default via 10.0.0.1": what a change is about; "link", "route". */
void change_id(const struct change *c, struct buf *out);
const char *object_name(enum object object);
/* The name of the namespace where that is. */
const char *change_netns(const struct change *c);
/* One line of the plan without its sign, for messages: "link foo:eth0". */
void change_describe(const struct change *c, struct buf *out);
