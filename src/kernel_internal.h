/* SPDX-License-Identifier: MIT */
/* What the kernel_*.c files share; nobody else includes it.
 *
 * A "space" is a network namespace that we hold open: its nsfs file and, where one is
 * needed, a route netlink socket inside it. Its place in kernel->spaces is the handle that
 * the rest of the program knows it by. Handle 0 is the namespace we started in. */
#pragma once

#include "kernel.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define NETNS_DIR "/run/netns"
#define HANDLE_NONE (-1)
#define HANDLE_HOST 0

struct request {
	const void *tag;
	size_t offset; /* of its message in the space's `queue` */
};

struct space {
	int fd;	    /* nsfs; -1: closed, the handle is not used again */
	int socket; /* NETLINK_ROUTE, inside; -1: none, netlink_socket() opens it */
	uint64_t cookie;
	dev_t dev; /* with ino: which namespace it is, for as long as fd is open */
	ino_t ino;
	int next; /* in the hash chain by ino */
	uint32_t sequence;
	size_t max_replies; /* that its receive buffer surely holds; 0: it sends no changes yet */
	bool enlarged;	    /* that buffer */
	struct buf queue;
	ARRAY(struct request) requests;
};

#define SPACE_BUCKETS 1024

/* A process that was made and does not run its command yet. */
struct waiting_process {
	uint32_t pid;
	int channel;
};

struct kernel {
	char boot_id[64];
	ARRAY(struct space) spaces;
	int buckets[SPACE_BUCKETS];
	bool returns;		/* we may come back to our own namespace, from another one */
	bool ids_are_cookies;	/* the nsfs file tells its namespace's cookie (Linux 6.18) */
	bool lost;		/* could not go back to our own namespace: nothing works any more */
	int current;		/* handle of the namespace that this thread is in */
	int scratch;		/* handle of an empty namespace that veth pairs are made from */
	bool has_address_proto; /* addresses say whether the kernel made them (Linux 5.18) */
	ARRAY(int) held_back;	/* descriptors for the way back */
	ARRAY(struct waiting_process) waiting;
	struct rlimit files; /* of those that we may open, as it was */
	bool chooses_index;  /* what is moved gets the index that is asked for (Linux 5.12) */

	/* requests */
	struct nl_msg *message; /* the one being built */
	bool overflow;		/* it did not fit */
	size_t usual_replies; /* max_replies of a buffer that was not enlarged; 0: not known yet */
	ARRAY(int) queued;    /* handles with requests, in order of the first */
	refusals refused;     /* before they were sent */
	char *reply;
	size_t reply_size;

	/* kernel_sysctl.c */
	int proc;	   /* a private procfs instance; -1: none yet */
	bool proc_refused; /* the kernel does not let us have one */
	int proc_handle;   /* the last namespace it was used in */
	unsigned proc_uses;

	/* kernel_name.c */
	int netns_dir;	    /* NETNS_DIR, prepared for mounting; -1: not yet */
	bool ipv6_is_plain; /* kernel_ipv6_is_plain(), of where namespaces are made */
	bool defaults_known;
	struct indexes {
		size_t *items;
		size_t n, cap;
	} defaults; /* those of netns_defaults to write into a new namespace, in order */
};

/* --- kernel_netns.c ----------------------------------------------------------- */

struct space *kernel_space(const struct kernel *k, int handle); /* NULL: not open */
int kernel_find_space(struct kernel *k, const struct stat *st); /* HANDLE_NONE: not open */
/* Moves this thread into the namespace. Returns a negative errno. */
int kernel_enter(struct kernel *k, int handle);
/* A namespace of its own, without a name; the thread is in it afterwards when `stay`. */
int kernel_unshare(struct kernel *k, bool stay, int *ret_handle);
/* Gives a namespace that was entered its handle; one that is open already keeps the handle it has, and s is
 * closed. */
int kernel_add_space(struct kernel *k, struct space *s);
void kernel_close_space(struct kernel *k, int handle);
/* Opens the namespace that n describes; dir is NETNS_DIR or -1. The thread may be inside afterwards:
 * there is no need to go back between many. Without a diagnostic: -ENOENT, there is none; -ESTALE, the
 * name is that of something else. */
int kernel_open_netns(struct kernel *k, int dir, const struct netns *n, int *ret_handle,
		      struct diags *d);
/* The same, but of k only k->current changes, so that several threads can do it at once, each with a copy: what
 * was not open before is *ret, for kernel_add_space(), and *ret_handle HANDLE_NONE. talk: it gets its
 * socket at once. An error is told by kernel_open_failed(). */
int kernel_hold_netns(struct kernel *k, int dir, const struct netns *n, bool talk,
		      struct space *ret, int *ret_handle);
/* That `what` takes root, as a hint. */
void kernel_hint_root(const char *what, struct diags *d);
int kernel_open_failed(const struct netns *n, int error, struct diags *d);
/* Is it Linux major.minor, or a later one? */
bool kernel_release_at_least(int major, int minor);
/* Opens the empty file that a process left in dir which was killed before it could mount a namespace on
 * it. -ENOENT: there is nothing; -EEXIST, -ELOOP: it is something else. */
int kernel_open_stray(int dir, const char *name);

/* --- kernel_netns_file.c ------------------------------------------------------ */

/* Is fd an nsfs file of a network namespace? 1, 0, or a negative errno. */
int kernel_is_netns(int fd);
/* NETNS_DIR as it is now, or -1. */
int kernel_open_netns_dir(void);
/* The file that n describes, whatever it is; dir is NETNS_DIR or -1. -1: errno says why not. */
int kernel_open_netns_file(int dir, const struct netns *n);

/* --- kernel_name.c ------------------------------------------------------------ */

/* Does a namespace that this thread makes begin with the IPv6 values of netns_defaults? false: perhaps. */
bool kernel_ipv6_is_plain(void);
/* Brings the values of netns_defaults in force in the namespace that this thread is in, a new one. */
int kernel_write_defaults(struct kernel *k, struct diags *d);

/* --- kernel_threads.c --------------------------------------------------------- */

#define THREADS_MAX 8
/* How many threads are worth it for so many namespaces, this one counted: 1 to THREADS_MAX. */
size_t threads_worth(size_t namespaces);
/* What one of them does to the thing i; nothing that another thread changes. A negative errno ends the
 * work of all. */
typedef int thread_step(void *arg, size_t i);
/* Does step() for each i below n, once, in `threads` threads, of which this one is the first. args: one for
 * each of them, that no two may change. Returns an error of one step, or 0. */
int threads_run(thread_step *step, size_t n, void *const *args, size_t threads);

/* --- kernel_netlink.c --------------------------------------------------------- */

/* Opens the route socket of the namespace that this thread is in. */
int netlink_open(unsigned groups);
/* The route socket of an open namespace, or a negative errno. */
int netlink_socket(struct kernel *k, int handle);
/* Starts a message; end queues it for the namespace of `handle`. In between, what
 * does not fit is noticed at the end. */
struct nl_msg *request_begin(struct kernel *k, int type, int flags, const void *header,
			     size_t size);
void request_put(struct kernel *k, int type, const void *data, size_t size);
void request_put_u32(struct kernel *k, int type, uint32_t value);
struct nlattr *request_nest(struct kernel *k, int type);
void request_nest_end(struct kernel *k, struct nlattr *nest);
void request_end(struct kernel *k, int handle, const void *tag);
/* A refusal of our own, which comes back with the kernel's at the next flush. */
void request_refuse(struct kernel *k, const void *tag, int code, const char *fmt, ...) PRINTF(4, 5);
/* What the kernel says in an NLMSG_ERROR; sent: our message, or NULL. */
void netlink_read_error(const struct nlmsghdr *h, const struct nlmsghdr *sent, struct refusal *r);

int netlink_send(int socket, const void *data, size_t size);
bool netlink_is_error(const struct nlmsghdr *h);
int netlink_error(const struct nlmsghdr *h); /* its code; 0: an ack */
int netlink_errno(int code);		     /* the code, -EPROTO when it is none */

/* Called for each message of an answer. */
typedef void netlink_fn(const struct nlmsghdr *h, void *arg);
/* The message under construction, which asks for one thing, is sent at once; fn sees the answer. */
int netlink_ask(struct kernel *k, int handle, netlink_fn *fn, void *arg);
/* The message under construction becomes a dump. -EAGAIN: a change interrupted it, or a part was lost;
 * what fn saw is worthless, and the whole is to be asked again. (kernel_dump.c) */
int netlink_dump(struct kernel *k, int handle, netlink_fn *fn, void *arg);
/* One datagram into k->reply. Returns its size, or a negative errno: -ETIMEDOUT, -ENOBUFS,
 * -EMSGSIZE (it was cut; the buffer is larger now). */
ssize_t netlink_receive(struct kernel *k, int socket);

/* --- kernel_sysctl.c ---------------------------------------------------------- */

/* Of the namespace that this thread is in. A descriptor, or a negative errno. */
int sysctl_open(struct kernel *k, const char *path, int flags);
int sysctl_put(struct kernel *k, const char *path, const char *value);
int sysctl_get(struct kernel *k, const char *path, struct arena *a, const char **ret_value);
/* The same of a file that is open. */
int sysctl_read(int fd, struct arena *a, const char **ret_value);
/* Does this error of theirs say that there is no such file, or that it was never set? */
bool sysctl_has_no_value(int error);

/* --- kernel_process.c ---------------------------------------------------------- */

/* The process behind a pidfd. A negative errno; -ESRCH: it has ended. */
struct identity {
	uint64_t started; /* in ticks since boot */
	pid_t seen;	  /* its number in /proc */
	pid_t parent;	  /* that one's */
	bool keeps;	  /* it is an init that runs its command */
};
int kernel_process_identify(int fd, struct identity *ret);
/* The inode of our pid namespace. */
int kernel_pid_space(uint64_t *ret_space);
/* It will end by itself. */
void kernel_process_forget(struct kernel *k, uint32_t pid);

/* --- kernel_read*.c ----------------------------------------------------------- */

/* Whether the link that a message is about is operational and settled, as struct link has them. */
void link_set_condition(struct link *l, const struct ifinfomsg *header, struct nlattr *const *tb);
/* Parses a message about a link, or about an IPv4 or IPv6 address. False: it is none. */
bool link_parse(const struct nlmsghdr *h, struct nlattr **tb);
bool address_parse(const struct nlmsghdr *h, struct nlattr **tb);
uint32_t address_parsed_flags(const struct nlmsghdr *h, struct nlattr *const *tb);
/* The gateway that a message about a route has, if any. */
void route_get_via(struct nlattr *const *tb, uint8_t family, struct ip *ret);

/* A live link with what only this reading needs to know of it. */
struct found_link {
	struct link *link;
	uint32_t master;   /* index; 0: none */
	uint32_t peer;	   /* index; 0: none */
	int32_t peer_nsid; /* where that is; NSID_SAME: here, NSID_UNKNOWN: elsewhere */
	int32_t expected;  /* the nsid of where the file has it; NSID_UNKNOWN: not asked */
};
#define NSID_SAME INT32_MIN
#define NSID_UNKNOWN (-1)

struct found_netns {
	struct netns *live;
	const struct netns *want;
	bool outline;			/* looked up, not read */
	bool again;			/* read under another name as well */
	ARRAY(struct found_link) links; /* sorted by index */
};

/* A route that the kernel has made to a network of an interface. */
struct connected {
	struct ip to;
	uint32_t index;
};

/* A namespace on its way to be read. */
struct opening {
	const struct netns *want;
	bool outline;	    /* to be looked up, not read */
	struct space space; /* when there is no handle */
	int handle, error;
};

struct reader {
	struct kernel *k;
	const struct model *scope;
	const struct model *known; /* read earlier; NULL: nothing */
	struct model *live;
	struct diags *d;
	int dir; /* NETNS_DIR, or -1 */
	bool deep;
	ARRAY(struct opening) openings;
	ARRAY(struct found_netns) found;
	struct found_netns *now;	   /* the one being read */
	ARRAY(struct connected) connected; /* there */
};

struct found_link *found_by_index(const struct found_netns *f, uint32_t index);
int read_links(struct reader *r);
int read_addresses(struct reader *r);
int read_routes(struct reader *r);
void read_sysctls(struct reader *r);
int read_processes(struct reader *r); /* kernel_process.c */
/* kernel_read_connected.c: routes that were seen, and once all are known, which addresses lack
 * theirs (address->unconnected). */
void connected_note(struct reader *r, const struct ip *to, uint32_t index);
void connected_forget(struct reader *r, uint8_t family);
void connected_check(struct reader *r);
/* A route that says it is the kernel's, by way of an interface: did the kernel make it? Programs that
 * manage a host's addresses (NetworkManager, systemd-networkd) give them `noprefixroute`, and set the
 * routes to their networks themselves, as the kernel's. Nobody does in a lab's own namespaces. Of IPv6
 * the metric tells: what a router advertised to be on the link has no address. */
bool connected_is_kernels(const struct reader *r, const struct ip *to, uint32_t index,
			  uint32_t metric, uint32_t table);
/* The number that the open namespace `in` has for another one; NSID_UNKNOWN: none, or no answer. */
int32_t ask_nsid(struct kernel *k, int in, int of);
/* Which link is at the other end of each veth? (kernel_peer.c) First the sorting, then for each
 * namespace whose links have been read a question to the kernel, then the answer for all. */
void sort_found(struct reader *r);
void ask_expected_peers(struct reader *r);
int resolve_peers(struct reader *r);
/* Repeats a dump for as long as it is interrupted (bounded); reset forgets what was seen. */
struct dump {
	int type;
	const void *header;
	size_t size;
	uint32_t ext_mask; /* IFLA_EXT_MASK; 0: none */
	netlink_fn *fn;
	void (*reset)(struct reader *r);
};
int read_dump(struct reader *r, const struct dump *dump);
