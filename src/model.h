/* SPDX-License-Identifier: MIT */
/* The one model: what a file asks for, what the kernel holds, and what a record
 * remembers are all this. A model owns its objects through its arena; pointers
 * to objects stay good for as long as the model. Strings belong to the model as
 * well, or to the one that an object was taken from, which must live as long. */
#pragma once

#include "attr.h"
#include "document.h"
#include "kind.h"

#define HOST "host" /* the name of the namespace nsapply was started in */
#define LOOPBACK "lo"
#define IFNAME_MAX 15
#define IPV6_MIN_MTU 1280 /* RFC 8200; below it the kernel turns IPv6 off */
#define NETNS_NAME_MAX 200
#define LAB_NAME_MAX 64

/* What a file has no key for, but belongs to an address that was found and is to come back. */
struct found_address {
	uint64_t given; /* rows of found_address_table that are set */
	struct ip broadcast;
	uint32_t metric, valid_lft, preferred_lft;
	uint32_t home, mngtmpaddr, noprefixroute, autojoin;
};
extern const struct attr_table found_address_table;

struct address {
	/* Where the file says so; NULL: not from a file. Once loaded it has no more than the mark. */
	const struct node *node;
	struct link *link;
	uint64_t given;	   /* rows of address_table that are set */
	struct ip address; /* with its prefix length; with a peer that of the peer */
	struct ip peer;
	uint32_t scope;
	const char *label;		   /* IPv4 */
	const struct found_address *found; /* NULL: nothing (address_found()) */
	uint32_t dad;			   /* IPv6: is duplicate address detection wanted? */
	uint32_t rank; /* among those of its link: the order in which they are added */
	/* live only */
	bool automatic; /* the kernel's own (link-local, lo's): pruned on a lo that goes down alone */
	bool dynamic;	/* for a time only, as from a DHCP server: never pruned */
	bool tentative, dad_failed;
	bool secondary;	  /* IPv4: goes with the primary address of its network */
	bool unconnected; /* its interface is up, but the route to its network is missing */
	bool dropped;	  /* plan.c: the kernel will have dropped it by then */
	bool yields;	  /* plan.c: to the one that is to be the primary address of its network */
};
extern const struct attr_table address_table;

struct nexthop {
	const struct node *node;
	uint64_t given;
	struct ip via;
	const char *dev;
	uint32_t weight; /* 1..256 */
	uint32_t onlink;
};
extern const struct attr_table nexthop_table;

/* The longest is a segment routing header, of up to 2 KiB. */
#define FOUND_ROUTE_MAX 4096

struct route {
	const struct node *node;
	struct netns *netns; /* a goal lists the file's routes: then it is the file's */
	uint64_t given;
	struct ip
		to; /* family set even for default (length 0); no bits are set beyond the length */
	struct ip via;
	struct ip src;
	bool dev_resolved; /* dev was not named: it is the one whose network holds via */
	bool dropped;	   /* live, plan.c: the kernel will have dropped it by then */
	const char *dev;
	uint32_t family; /* key `family`: 0, AF_INET, AF_INET6; to.family is what counts */
	uint32_t metric, table, type, scope, onlink, mtu, advmss, proto;
	/* Of a route that was found and is to come back: its netlink attributes that there are no
	 * keys for, at most FOUND_ROUTE_MAX bytes, in hexadecimal digits; NULL: none. */
	const char *found;
	/* Two or more; a single one is stored as via, dev, onlink. */
	ARRAY(struct nexthop) nexthops;
	const char *
		special; /* live: why it could not be set again as it is ("has a TOS"); may be NULL */
	/* goal, plan.c: the live one that it is or replaces; NULL: none */
	const struct route *match;
	bool beside; /* goal, plan.c: there are others of its identity; it does not replace them */
};
extern const struct attr_table route_table, found_route_table;

/* One value under /proc/sys/net. Also what `forwarding` and an interface's
 * `sysctl` are turned into. */
struct sysctl {
	const struct node *node;
	const char *path;  /* below net, with slashes: "ipv4/conf/eth0.10/rp_filter" */
	const char *value; /* normalised (sysctl_normalise) */
	bool missing;	   /* live only: the kernel has no such file, or: */
	int unreadable;	   /* a negative errno; 0: it is not */
	bool implied;	   /* by owning the namespace, not named in the file */
	bool kept; /* goal: another lab's: written again where it is dragged along, else let be */
	bool follows_mtu; /* goal: IPv6's MTU of an interface, to be that interface's own again */
};

enum link_state { LINK_DOWN, LINK_UP };

/* What becomes of a link while a plan runs: it stays, is removed, is made (or
 * made anew), or is moved (from here, if live; to here, if wanted). */
enum link_fate { LINK_STAYS, LINK_GOES, LINK_COMES, LINK_MOVES };

struct link {
	struct mark mark; /* where the file names it; line 0: it does not */
	/* Its entry under `interfaces`, and under `links`; once loaded, their keys' marks, or NULL. */
	const struct node *node, *cable;
	struct netns *netns;
	const char *name;
	uint64_t given;		 /* rows of link_table that are set */
	uint64_t kind_given;	 /* rows of kind->table that are set */
	const struct kind *kind; /* NULL: an existing or moved interface, lo, or an unknown kind */
	void *data;		 /* kind->size bytes */
	struct ref peer;	 /* veth: netns always set */
	/* Moved: where its home is, to which it is given back; its own place when it is on its way back. */
	struct ref from;
	/* Moved: the indexes that it has at home and anywhere else. 0: not known yet. The record's
	 * `before` has them, and nothing else says which interface a name meant. */
	uint32_t home, away;
	/* The index, at home, of what the kernel deletes it with when that leaves: live, or where a move has
	 * it from. 0: nothing. */
	uint32_t lower;
	uint32_t state; /* enum link_state */
	uint32_t mtu;
	struct mac mac;
	const char *master;
	ARRAY(struct address *) addresses;
	/* Known of live links, and of wanted ones once they exist. */
	uint32_t index;
	const char *kind_name; /* live: as the kernel says; "" for hardware and lo */
	bool fixed;	       /* live: the kernel moves it to no other namespace */
	bool fallback;	       /* live: a device that the kernel puts into every namespace */
	bool operational;      /* live: up with a carrier, and the kernel has noticed */
	bool unsettled;	       /* live: nothing goes through it yet, as a port of its master */
	bool advertised;       /* live: a router advertised a default route that goes out of it */
	/* live: a veth whose other end is in a namespace that was not looked into: from 1, the kernel's
	 * number for that one. 0: it is not, or that namespace is about to end */
	uint32_t beyond;
	bool recalled; /* live: all sysctls of it are to be read, kernel_sysctl_read_interfaces() */
	bool found; /* goal: it was there before the lab took it over: never replaced, nor made anew */
	uint64_t
		restored; /* goal: rows that no file names any more, and that are as they were before */
	unsigned regains; /* goal: what it had to do without, and gets back: LOSS_* of holding.h */
	/* plan.c's own */
	struct link *match; /* the same link in the other model */
	enum link_fate fate;
	const char *why;  /* it is replaced */
	uint64_t follows; /* wanted, given, and not to be set where it is made: see plan_options */
	bool loses_ipv4_routes, loses_ipv6_routes;
	bool by_stopover; /* wanted, moved: in two steps */
	uint32_t turn;	  /* wanted, moved: after those that free its name; from 1 */
};
extern const struct attr_table link_table;
#define LINK_BIT(key) attr_bit(&link_table, key)
/* Indexes from here on are of interfaces that are away from home. The kernel counts up from 1
 * and does not get here. */
#define AWAY_INDEX UINT32_C(0x40000000)
#define AWAY_INDEXES UINT32_C(0x40000000) /* how many there are: an index is a positive int */

enum netns_class {
	NETNS_OWNED,
	NETNS_HOST,
	NETNS_NAMED, /* external: true */
	NETNS_PID,
	NETNS_PATH,
};
/* `forwarding`, bits */
enum { FORWARD_IPV4 = 1, FORWARD_IPV6 = 2 };

struct ignore_route {
	uint64_t given; /* rows of ignore_route_table that are set: what must match */
	uint32_t proto, table;
	const char *dev;
};

struct netns {
	struct mark mark;	   /* where the file names it; line 0: it does not */
	const struct node *node;   /* while it is loaded */
	const struct model *owner; /* what is in it goes with that, though others may list it */
	const char *name;
	enum netns_class class;
	uint32_t pid;	     /* NETNS_PID */
	const char *path;    /* NETNS_PATH */
	uint32_t forwarding; /* FORWARD_*; meaningful when forwarding_given */
	bool forwarding_given;
	ARRAY(struct link *) links;	  /* sorted by name once normalised, like the rest */
	ARRAY(struct route *) routes;	  /* by route_compare() */
	ARRAY(struct route *) strange;	  /* live: those that no file can name */
	ARRAY(struct sysctl *) sysctls;	  /* by path */
	ARRAY(const char *) ignore_links; /* globs */
	ARRAY(struct ignore_route) ignore_routes;
	/* goal: this namespace, which the lab made, is to go */
	bool absent;
	bool may_hold_moved;	  /* goal: an interface that was moved may be in it */
	const struct netns *live; /* goal: what it is now; NULL: it is yet to be made */
	/* Something has its name but is no namespace. Live: found so; goal: the lab's own, to be
	 * replaced. */
	bool stray;
	/* live: an empty file, which is left where somebody was killed between making it and
	 * mounting on it. Nothing else is the lab's to replace. */
	bool empty;
	bool touched; /* live: a plan that ran may have changed it (transaction_touched.c) */
	/* live and record */
	uint64_t cookie;     /* SO_NETNS_COOKIE; 0: not known */
	int handle;	     /* the kernel interface's number for it; -1: none */
	uint32_t next_index; /* execute.c: for the next interface it makes here */
};
/* The keys of namespaces and of the file's top, for the loader, the schema and the manual. */
extern const struct attr_table netns_table, external_table, ignore_table, ignore_route_table;
extern const struct attr_table file_table, defaults_table, cable_table;

enum probe_protocol { PROBE_ICMP, PROBE_TCP, PROBE_UDP };
enum probe_expect { EXPECT_REACHABLE, EXPECT_UNREACHABLE };

struct hop {
	const struct node *node;
	struct target target;
	struct ip address; /* the one that is meant */
};

/* One entry of the file's `checks`: what is (not) to be reached from where. (What is right and
 * wrong about a file is checked by check*.c, which has nothing to do with these.) */
struct probe {
	const struct node *node;
	uint64_t given; /* rows of probe_table that are set */
	const char *from;
	const struct netns *netns; /* from */
	struct target to;
	struct ip address;	 /* to: the one that is meant; family always set */
	const struct link *link; /* to: the interface that the file names; NULL: an address */
	/* The hops between, in order. Not what was given: PROBE_BIT("via") tells that, and may be
	 * set where this is empty: there is to be none. */
	ARRAY(struct hop) via;
	uint32_t family;   /* key `family`: 0, AF_INET, AF_INET6; address.family is what counts */
	uint32_t protocol; /* enum probe_protocol */
	uint32_t port;	   /* 0: not given */
	uint32_t size;	   /* bytes of payload; given: they must not be fragmented */
	uint32_t expect;   /* enum probe_expect */
	uint32_t within;   /* microseconds */
};
extern const struct attr_table probe_table;
#define PROBE_BIT(key) attr_bit(&probe_table, key)
/* "from host to bar:eth0 (10.9.9.10), tcp port 80": what it is about, for people. */
void probe_id(const struct probe *p, struct buf *out);
/* The same, and what it states: "...: reachable via 10.13.37.2". */
void probe_title(const struct probe *p, struct buf *out);

#define PROCESS_NAME_MAX 32
#define PROCESSES_MAX 1000     /* of one file */
#define PROCESS_WORDS_MAX 1000 /* of a command, and variables of an environment */
#define PROCESS_TEXT_MAX 65536 /* bytes of a command, of an environment, and of standard input */
#define READY_TEXT_MAX 200

struct variable {
	const char *name, *value;
};
/* When is it ready? */
struct ready {
	uint64_t given; /* rows of ready_table that are set */
	uint32_t tcp, within;
	const char *log;
};
extern const struct attr_table ready_table;

/* A process belongs to the lab rather than to its namespace: it may outlive that. */
struct process {
	const struct node *node;
	struct mark mark; /* where the file names it; line 0: it does not */
	const char *netns, *name;
	uint64_t given; /* rows of process_table that are set */
	ARRAY(const char *) command;
	ARRAY(struct variable) env; /* sorted by name */
	const char *input;	    /* its standard input; NULL: none */
	const char *user, *cwd, *log;
	struct ready ready;
	/* Of one that was started: live and record, and a wanted one from then on. */
	uint32_t pid;	  /* of the init of its pid namespace, with which all of it ends */
	uint64_t started; /* when, in ticks since boot */
	uint64_t space;	  /* the pid namespace where that is its pid: its inode */
	uint32_t ends;	  /* it was told to end, or is about to be: it may do so at any time */
	bool elsewhere;	  /* live: not in the namespace of that name */
	/* record, from its start until we end: */
	bool is_new;
	uint64_t log_from; /* where in its log it began */
};
extern const struct attr_table process_table;

struct model {
	struct arena arena;
	const char *name; /* the lab's; NULL: the file does not say */
	const char *description;
	ARRAY(struct netns *) namespaces;  /* sorted by name */
	ARRAY(struct process *) processes; /* sorted by namespace and name */
	ARRAY(struct probe *) probes;	   /* in the order of the file */
	const struct model *started; /* goal: whose processes the lab has started; NULL: none */
};

struct model *model_new(void);
void model_free(struct model *m);
/* What a namespace holds outside the arena; for one that is taken out of its model. */
void netns_free(struct netns *n);

struct netns *model_find_netns(const struct model *m, const char *name); /* sorted models */
struct netns *model_find_cookie(const struct model *m, uint64_t cookie); /* linear */
struct netns *model_add_netns(struct model *m, const char *name, enum netns_class class);
struct link *netns_find_link(const struct netns *n, const char *name); /* sorted models */
struct link *netns_find_index(const struct netns *n, uint32_t index);  /* linear */
struct link *model_find_index(const struct model *m, uint32_t index); /* linear; in any namespace */
/* Of the link of that name here, or else in the live namespace; 0: there is none. */
uint32_t netns_link_index(const struct netns *n, const char *name);
struct link *netns_add_link(struct model *m, struct netns *n, const char *name);
struct address *link_add_address(struct model *m, struct link *l, const struct ip *ip);
/* Never NULL. */
const struct found_address *address_found(const struct address *a);
void address_set_found(struct arena *arena, struct address *a, const struct found_address *found);
typedef ARRAY(struct address *) address_list;
/* Its addresses by rank, while the link's own list is sorted by identity. It is that very list
 * where both are the same order; ranked_addresses_free() knows. */
address_list link_ranked_addresses(const struct link *l);
void ranked_addresses_free(const struct link *l, address_list *list);
struct probe *model_add_probe(struct model *m);
struct route *netns_add_route(struct model *m, struct netns *n);
struct sysctl *netns_find_sysctl(const struct netns *n, const char *path); /* sorted models */
struct sysctl *netns_add_sysctl(struct model *m, struct netns *n, const char *path,
				const char *value);
struct process *model_add_process(struct model *m, const char *netns, const char *name);
/* A copy of its own, strings and all. */
struct process *model_copy_process(struct model *m, const struct process *from);
void process_free(struct process *p); /* what it holds outside the arena */
/* The one of the same namespace and name in a sorted model (NULL: an empty one), or NULL. */
struct process *model_find_process(const struct model *m, const struct process *like);
int process_compare(const struct process *a, const struct process *b);
/* Where the file says this of a process, or else where it names it. */
struct mark process_key_mark(const struct process *p, const char *key);
/* The rows of process_table that are not as wanted. */
uint64_t process_differences(const struct process *want, const struct process *have);
/* Gives l the kind and room for its keys' values. */
void link_set_kind(struct model *m, struct link *l, const struct kind *kind);
/* Where the file says this of a link: in its entry or its cable's, or else where it names it. */
struct mark link_key_mark(const struct link *l, const char *key);
bool ref_is_link(const struct ref *ref, const struct netns *n, const char *name);
/* The link at the other end of a veth, or NULL. */
struct link *link_peer(const struct model *m, const struct link *l);
bool netns_is_external(const struct netns *n);
/* Does the lab make this link (rather than find or move it)? */
bool link_is_made(const struct link *l);
/* A kind without an MTU of its own follows its ports until one is set, and one given at creation does
 * not count as set (net/bridge/br_device.c: only br_change_mtu() does), nor does setting the value it
 * has. So it is set behind its creation, by way of another value; 0: that is not needed. */
uint32_t link_mtu_by_way_of(const struct link *l);
/* The MTU that the kernel gives it when the file is silent; 0: not ours to say. */
uint32_t link_default_mtu(const struct link *l);

/* Sort every list by identity; needed before any find or diff. */
void model_sort(struct model *m);
void netns_sort(struct netns *n);
void model_sort_namespaces(struct model *m); /* not what is in them */
/* What was added last goes into its place in a sorted model. */
void model_place_netns(struct model *m);
void netns_place_link(struct netns *n);
void netns_place_route(struct netns *n);
void netns_place_sysctl(struct netns *n);
void model_place_process(struct model *m);
void link_place_address(struct link *l);
/* A route that the kernel makes of an address: its own one first (type local), which is there also
 * while the interface is down. */
struct address_route {
	struct ip to;
	uint32_t table, metric, type; /* RT_TABLE_*, RTN_* */
};
#define ADDRESS_ROUTES_MAX 3
#define ADDRCONF_METRIC 256 /* of IPv6's: IP6_RT_PRIO_ADDRCONF */
/* Returns how many. */
size_t address_routes(const struct address *a, struct address_route ret[static ADDRESS_ROUTES_MAX]);

/* The address that IPv4's network of it is about, as IFA_ADDRESS: the peer's, if there is one. */
const struct ip *address_far(const struct address *a);
/* IPv4 alone: one of the two is the primary one of the network that both are in (inet_ifa_match()). */
bool address_same_network(const struct address *a, const struct address *b);
/* One that the kernel gives lo. */
bool address_is_loopback(const struct address *a);
int address_compare(const struct address *a, const struct address *b); /* identity */
int route_compare(const struct route *a, const struct route *b);       /* identity */
/* The one of the same identity in a sorted model, or NULL. l and n may be NULL: there is none. */
struct address *link_find_address(const struct link *l, const struct address *like);
struct route *netns_find_route(const struct netns *n, const struct route *like);

/* --- names and text -------------------------------------------------------- */

/* NULL when the name is legal, else what is wrong with it ("is longer than 15 bytes"). */
const char *ifname_error(const char *name);
const char *netns_name_error(const char *name);
const char *lab_name_error(const char *name);
const char *process_name_error(const char *name);
bool process_user_is_legal(const char *user);
/* "foo:eth0", for people. */
void link_id(const struct link *l, struct buf *out);
/* A hint to the error just told, with the interface of n (but this one; NULL: any) whose name is nearest
 * to `name`, which is none's; false: none is. */
bool netns_hint_link(const struct netns *n, const char *name, const char *but, struct diags *d);
/* "foo:echo" */
void process_id(const struct process *p, struct buf *out);
/* "default via 10.0.0.1 table 7"; identity only: "default table 7 metric 5". */
void route_id(const struct route *r, struct buf *out);
const char *route_type_name(uint32_t type); /* "blackhole" */

/* --- sysctls --------------------------------------------------------------- */

#define SYSCTL_PATH_MAX 255
#define SYSCTL_FOLDERS 4
#define IPV4_SWITCH "ipv4/ip_forward"
#define IPV6_SWITCH "ipv6/conf/all/forwarding"
#define IPV6_OFF "ipv6/conf/all/disable_ipv6"

/* Turns "net.ipv4.conf.all.rp_filter" or "net/ipv4/conf/eth0.10/rp_filter" into the path
 * below net, in the arena or static; one path for values that have several names. NULL with
 * *ret_why set when it leaves net or is no such name. */
const char *sysctl_path(struct arena *a, const char *name, const char **ret_why);
/* The key as users write it: "net.ipv4.ip_forward"; dots inside names become slashes. */
void sysctl_name(const char *path, struct buf *out);
/* Adds the error that it cannot be read there; returns `error`, a negative errno. */
int sysctl_tell_unreadable(const char *path, const char *netns, int error, struct mark at,
			   struct diags *d);
/* As the kernel would say it back: 0x1 is 1, 010 is 8, blanks folded. */
const char *sysctl_normalise(struct arena *a, const char *value);
/* The interface in ipv4/conf/IF/... or ipv6/neigh/IF/... ("all" and "default" are none); NULL when none.
 * *ret_size: its bytes. */
const char *sysctl_interface(const char *path, size_t *ret_size);
/* Is it one of `conf` or `neigh`, or a switch, of which each namespace has its own? */
bool sysctl_is_of_netns(const char *path);
/* Is the path about this interface? */
bool sysctl_is_of(const char *path, const char *ifname);
/* The link of n (which is sorted) of which that is IPv6's MTU, or NULL. It is the interface's own until
 * it is set, and again when that is (addrconf_notify() in net/ipv6/addrconf.c). */
struct link *sysctl_ipv6_mtu_of(const struct netns *n, const char *path);
/* The path that sysctl_path() makes this one of as well; NULL: there is none. */
const char *sysctl_alias(const char *path);
/* The same value in another unit (retrans_time, retrans_time_ms); NULL: there is none. */
const char *sysctl_twin(const char *path, char ret_twin[static SYSCTL_PATH_MAX + 1]);
/* The folders that have one for each interface, "all" and "default". */
extern const char *const sysctl_folders[SYSCTL_FOLDERS];
/* `forwarding`'s: IPV4_SWITCH or IPV6_SWITCH. */
bool sysctl_is_switch(const char *path);
/* Does it make the kernel forward IPv6, from all interfaces or one? */
bool sysctl_forwards_ipv6(const char *path);
/* The path of an interface's accept_ra; returns ret_path. */
const char *sysctl_accept_ra(const char *ifname, char ret_path[static SYSCTL_PATH_MAX + 1]);
/* The value of `name` (an interface, "all" or "default") that changes when `by` is written;
 * NULL: none. */
const char *sysctl_dragged(const char *by, const char *name,
			   char ret_path[static SYSCTL_PATH_MAX + 1]);
/* The value of that interface which starts as `initial` (ipv6/conf/default/hop_limit, say); NULL:
 * it is none that others start as. */
const char *sysctl_initial(const char *initial, const char *name,
			   char ret_path[static SYSCTL_PATH_MAX + 1]);
/* The other way round: what an interface's value starts as, ipv6/conf/default/hop_limit; NULL: it is
 * of no interface. */
const char *sysctl_initial_of(const char *path, char ret_initial[static SYSCTL_PATH_MAX + 1]);
/* Is it one whose values writing ipv4/conf/default changes? */
bool link_follows_default(const struct link *l);
/* Does writing `by` change `path`? */
bool sysctl_drags(const char *by, const char *path);
/* The other way round: the one value whose writing changes `path`; NULL: none. */
const char *sysctl_dragging(const char *path, char ret_by[static SYSCTL_PATH_MAX + 1]);
/* To what, when `value` is written; NULL: it depends on what was done to `path` before. */
const char *sysctl_dragged_value(const char *by, const char *value, const char *path);

/* What an owned namespace starts from (and not from what this host happens to have set). */
struct sysctl_default {
	const char *path, *value;
	bool ours;	/* not the kernel's own default, but the lab's */
	bool parameter; /* of the kernel's command line as well: ipv6.autoconf, ipv6.disable_ipv6 */
};
extern const struct sysctl_default netns_defaults[];
extern const size_t netns_defaults_n;
