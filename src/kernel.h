/* SPDX-License-Identifier: MIT */
/* The only way to the kernel. kernel_*.c implement it over netlink, nsfs and
 * /proc/sys; tests link a fake one.
 *
 * A namespace that was opened has a handle, a small number kept in struct
 * netns. Requests are queued per namespace and sent by kernel_flush(), many in
 * one datagram; a refusal comes back with the tag of its request. Sysctls and
 * namespaces are dealt with at once. */
#pragma once

#include "model.h"

#include <sys/types.h>

struct kernel;

/* What the kernel said no to. */
struct refusal {
	const void *tag;
	int code;	  /* negative errno */
	char text[200];	  /* its own words (extended ack), "" when it gave none */
	uint16_t attr;	  /* top-level netlink attribute it points at; 0: none */
	uint16_t subattr; /* the attribute inside it, for link info */
};
typedef ARRAY(struct refusal) refusals;

int kernel_open(struct kernel **ret_kernel, struct diags *d);
void kernel_close(struct kernel *k);
/* Holds back as many open files as the way back needs, until they are let go: -EMFILE, told in d. */
int kernel_hold_back_files(struct kernel *k, struct diags *d);
void kernel_let_go_files(struct kernel *k);
/* This boot (/proc/sys/kernel/random/boot_id) and the namespace we were started in. */
const char *kernel_boot_id(const struct kernel *k);
uint64_t kernel_host_cookie(const struct kernel *k);

/* The cookie of the namespace that n describes; 0: there is none, or this kernel has no cookies. */
uint64_t kernel_netns_cookie(struct kernel *k, const struct netns *n);

/* The names that namespaces have, and of which: a model of their heads, with cookies and paths, in no
 * order. What cannot be opened is not among them. */
struct model *kernel_named_netns(struct kernel *k);

/* Has one of these live veths its other end in the namespace that n describes? Of those whose other end
 * is beyond what was read (link->beyond). */
typedef ARRAY(const struct link *) found_ends;
bool kernel_leads_to(struct kernel *k, const found_ends *ends, const struct netns *n);

/* Opens the namespace that n describes, and sets its handle and cookie. -ENOENT, without a
 * diagnostic, when there is none. */
int kernel_netns_open(struct kernel *k, struct netns *n, struct diags *d);
/* A socket inside it, which does not block. Returns it, or a negative errno. */
int kernel_socket(struct kernel *k, const struct netns *n, int family, int type, int protocol);

/* Where the open namespace n would send a packet for this address now: the neighbour that is next,
 * whether that has been asked for its MAC and does not answer, and else how long ago it was last known
 * to be there (milliseconds; UINT64_MAX: that is not known). A negative errno is what whoever sends
 * gets: -ENETUNREACH where there is no route, -EINVAL where that is a blackhole. */
struct next_hop {
	struct ip ip;
	char dev[IFNAME_MAX + 1];
	bool silent;
	uint64_t confirmed;
};
int kernel_next_hop(struct kernel *k, const struct netns *n, const struct ip *to,
		    struct next_hop *ret);

/* Reads the state of every namespace named in scope (by class, pid and path) that
 * exists, with the sysctls that scope lists for it. Namespaces that are `absent` in
 * scope are looked up but only read when deep. In the result handles, cookies and
 * indexes are set, peers and masters resolved to names, everything sorted. Writes
 * nothing. Calling it again reads afresh over the same handles. A veth whose other end is
 * outside the scope has no peer (NULL names, bit not given): which namespace it is in is
 * proven, never guessed. Of one in a namespace that was only looked up, peer.netns is set and
 * peer.name not. IPv6 addresses and routes have no scope (0, not given).
 * `known`: what was read earlier, of which the namespaces that are not `touched` are not read
 * again: the result lists them, and refers to it, so it must live as long. NULL: nothing. */
int kernel_read(struct kernel *k, const struct model *scope, bool deep, const struct model *known,
		struct model **ret_live, struct diags *d);
/* Makes a namespace without a name: sets n->handle and n->cookie, brings the
 * values of netns_defaults in force. It dies with this process until named. */
int kernel_netns_make(struct kernel *k, struct netns *n, struct diags *d);
/* Gives it its name under /run/netns, as `ip netns add` does. -EEXIST when taken; a stray
 * file of that name (n->stray) is replaced. */
int kernel_netns_name(struct kernel *k, const struct netns *n, struct diags *d);
/* A process in a namespace, which lives on with it when its name is taken away. */
struct resident {
	const struct netns *netns;
	pid_t pid;
	char name[32];
	dev_t dev; /* of the namespace, with ino */
	ino_t ino;
};
typedef ARRAY(struct resident) residents;
/* Who (but ourselves) is in these namespaces, sorted by their names. One walk over /proc for
 * all of them. They must be open still. */
void kernel_find_residents(struct kernel *k, const struct netns *const *list, size_t n,
			   residents *ret);
/* Is that process there still? Also when the namespace is closed. */
bool kernel_is_resident(const struct resident *r);
/* Takes the name away, if it still is the namespace with this cookie, or the stray file. It lives on
 * and can be named again until released. */
int kernel_netns_unname(struct kernel *k, const struct netns *n, struct diags *d);
/* Closes the handle. A namespace without a name ends here, unless somebody else is in it. */
void kernel_netns_release(struct kernel *k, const struct netns *n);

/* What the kernel does later, of links in open namespaces: */
enum await {
	AWAIT_GONE,    /* the link is no more */
	AWAIT_LINK,    /* it is operational, and settled as a port */
	AWAIT_ADDRESS, /* an IPv6 address of it is no longer tentative */
};
struct awaited {
	enum await what;
	const struct link *link; /* its index counts */
	bool any_port; /* AWAIT_LINK: also as a port that nothing goes through, its bridge being down */
	bool addresses; /* AWAIT_LINK: and then none of its addresses is tentative any more */
	const struct address *address; /* AWAIT_ADDRESS */
	bool over;		       /* it has come, or */
	bool failed;		       /* never will: a duplicate address, or no more there */
};
struct patience {
	int ms;	      /* how long to wait for all of them; 0: only ask */
	bool renewed; /* no: for the next one */
	bool all;     /* also when one has failed */
	int stop;     /* ends the waiting when there is something to read from it; -1: nothing */
};
/* Returns how many are not over. Returns early where one has failed, unless all are waited for. */
size_t kernel_wait(struct kernel *k, struct awaited *items, size_t n, const struct patience *p);

/* Queued. `tag` comes back with a refusal. Links and routes find the interfaces they
 * name (master, dev) in their own netns by name, so those must be known: live, or made
 * in an earlier flush. */
/* Sends the given rows of both ends, but for those that follow. A peer cannot be made up or a port:
 * set that afterwards. */
void kernel_link_add(struct kernel *k, struct link *l, const struct link *peer, bool up,
		     const void *tag);
void kernel_link_set(struct kernel *k, const struct link *l, uint64_t mask, uint64_t kind_mask,
		     const void *tag);
void kernel_link_state(struct kernel *k, const struct link *l, bool up, const void *tag);
/* To l's namespace, name and index. Refused, and nothing moved, when one of these is taken there now,
 * or when it is the namespace where it is. */
void kernel_link_move(struct kernel *k, const struct link *source, const struct link *l,
		      const void *tag);
void kernel_link_delete(struct kernel *k, const struct link *l, const void *tag);
void kernel_address_add(struct kernel *k, const struct address *a, bool replace, const void *tag);
void kernel_address_delete(struct kernel *k, const struct address *a, const void *tag);
/* n: where, and whose interfaces it names. */
void kernel_route_add(struct kernel *k, const struct netns *n, const struct route *r, bool replace,
		      const void *tag);
void kernel_route_delete(struct kernel *k, const struct netns *n, const struct route *r,
			 const void *tag);
/* Sends what is queued and waits for the answers. Refusals are appended. 0, or a
 * negative errno when the conversation itself failed (told in d). */
int kernel_flush(struct kernel *k, refusals *ret, struct diags *d);
/* Learns the indexes of links that were added or moved without one being chosen. */
int kernel_learn_index(struct kernel *k, struct link *l, struct diags *d);

/* At once. Writes value; -EINVAL and the like come back without a diagnostic. The thread stays in the
 * namespace, where the next one may be as well, until kernel_leave(). */
int kernel_sysctl_write(struct kernel *k, const struct netns *n, const char *path,
			const char *value);
/* Back to our own namespace. */
void kernel_leave(struct kernel *k);
/* *ret_value is the value, normalised, in the arena; NULL when there is no such file, or the value was
 * never set. Negative, with a diagnostic, when it cannot be read. */
int kernel_sysctl_read(struct kernel *k, const struct netns *n, const char *path, struct arena *a,
		       const char **ret_value, struct diags *d);
/* Adds to the live namespace n of m, for each link that is to be recalled, every value below ipv4 and
 * ipv6 conf/NAME and neigh/NAME that is not what a new interface would start with: what is to be given
 * back with it. */
int kernel_sysctl_read_interfaces(struct kernel *k, struct model *m, struct netns *n,
				  struct diags *d);

/* --- processes, at once ------------------------------------------------------------- */

/* kernel_read() finds those of scope->started that are running, with what they were started as.
 * Each is known by pid and start: no other process is ever taken for one. */

/* Is it running? 1, 0, or a negative errno, told in d. */
int kernel_process_runs(struct kernel *k, const struct process *p, struct diags *d);
/* Makes a process inside n that waits: p->pid and p->started are known from then on. It ends with us,
 * unless kernel_process_go() makes it run the command. Its output goes to `log`. */
int kernel_process_make(struct kernel *k, struct process *p, const struct netns *n, int log,
			struct diags *d);
void kernel_process_go(struct kernel *k, const struct process *p);
/* Does it run the command? 1, 0 (not yet, after a moment), or a negative errno, told in d. */
int kernel_process_went(struct kernel *k, const struct process *p, struct diags *d);
/* Ends them, with all that they have started: SIGTERM, and SIGKILL for who needs it after PROCESS_GRACE
 * seconds. One that is gone is none the worse. */
int kernel_process_stop(struct kernel *k, const struct process *const *list, size_t n,
			struct diags *d);
#define PROCESS_GRACE 5
/* Has it ended, and is our child? Then the wait status, else -1. */
int kernel_process_status(const struct process *p);
/* Whose TCP socket listens on that port of the namespace? LISTENER_IT: that process's, or one's that it
 * has started. */
enum listener { LISTENER_NONE, LISTENER_OTHER, LISTENER_IT };
enum listener kernel_tcp_listener(struct kernel *k, const struct process *p, const struct netns *n,
				  uint32_t port);

/* As what nsapply is called where it is to be the init of a process: PROCESS_INIT, what it is
 * ("foo:echo"), UID:GID ("-": stay who you are), the user's name ("-": none), the folder, and the command.
 * On PROCESS_CHANNEL it waits for a byte, and tells what failed (struct process_failure). */
#define PROCESS_INIT "nsapply-process"
/* The init's comm from when it has been told to go. */
#define PROCESS_KEEPS "nsapply-keeps"
#define PROCESS_CHANNEL 3
enum {
	PROCESS_ARG_ID = 1,
	PROCESS_ARG_IDS,
	PROCESS_ARG_USER,
	PROCESS_ARG_CWD,
	PROCESS_ARG_COMMAND
};
struct process_failure {
	int code;	/* negative errno */
	char what[252]; /* "run nc" */
};
/* what, name: "run", "nc". */
void process_report(int channel, int code, const char *what, const char *name);
