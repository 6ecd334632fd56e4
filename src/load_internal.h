/* SPDX-License-Identifier: MIT */
/* What the files load*.c, normalise.c and check*.c share. */
#pragma once

#include "load.h"

/* --- index.c part: finding things by name before the model is sorted -------- */

struct named {
	const void *scope;
	const char *name;
	uint64_t hash; /* of both */
	void *value;
};
/* A map of (scope, name) to a pointer. Scopes are addresses of whatever the name belongs
 * to. No choice of names makes it slow. */
struct name_index {
	struct named *slots;
	size_t n, size; /* how many are in use, and there: a power of two */
	uint64_t secret[2];
};
/* Both strings must outlive the index. Puts over what was there. */
void index_put(struct name_index *x, const void *scope, const char *name, void *value);
void *index_get(const struct name_index *x, const void *scope, const char *name);
void index_free(struct name_index *x);

/* What the file says but could not be understood: nothing may be concluded from its
 * absence, or what follows from one error would be told as another.
 *
 * Of a mapping: a key (ANYTHING: an unknown one that could stand for any that is not
 * there). Of any other node ANYTHING: its value, or that a list is not known in full. */
#define ANYTHING ""
void unclear_key_put(struct name_index *x, const struct node *n, const char *key);
/* May the mapping (or NULL) say something of this key that is not known? */
bool unclear_key(const struct name_index *x, const struct node *mapping, const char *key);
/* The same of a link: in its entry (which may be what is not known) or its cable's. */
bool unclear_link_key(const struct name_index *x, const struct link *k, const char *key);
/* Of an interface: what it is, or whether there is one of that name (ANYTHING: of any).
 * n NULL: in whichever namespace. */
void unclear_link_put(struct name_index *x, const struct netns *n, const char *name);
bool unclear_link(const struct name_index *x, const struct netns *n, const char *name);

/* --- the loader --------------------------------------------------------------- */

/* A cable, or an inline peer: both ends, and the keys that hold for both. */
struct cable {
	const struct node *node;
	struct link *ends[2];
	struct link keys; /* only its scalar rows */
	uint64_t given;	  /* rows of cable_table */
};

/* Said of an interface, and settled once all are known: its peer, or a port of it. */
struct claim {
	struct link *link;
	struct ref to;
	const struct node *node;
};

struct loader {
	const struct document *doc; /* NULL for a state */
	struct model *m;
	struct diags *d;
	bool state;    /* load_state(): only what stands there */
	bool tolerant; /* the interface's kind is not known, so neither are all its keys */
	struct name_index names;
	struct name_index unclear;
	ARRAY(struct cable) cables;
	ARRAY(struct claim) peers, ports;
	const struct node *default_keys;   /* defaults.interfaces, or NULL */
	const struct node *default_sysctl; /* defaults.sysctl, or NULL */
};

/* Loads one structural or special key. `object` is the one of its table. */
typedef int (*load_fn)(struct loader *l, const struct node *value, void *object);
struct load_part {
	const char *key;
	load_fn load;
};
/* A table, and the object that its rows are loaded into. */
struct load_target {
	const struct attr_table *table;
	void *object;
	uint64_t *given;
	const struct load_part *parts; /* ends with a NULL key; NULL: none */
};

/* Loads every key of a mapping into the first target that has it. All errors are
 * reported, those about the whole of it at `at`; -EINVAL when there was one.
 * `what`: "an interface". */
int load_mapping(struct loader *l, const struct node *n, struct mark at, const char *what,
		 const struct load_target *targets, size_t n_targets);
/* Loads a scalar by its row; sets the row's bit in *given. */
int load_scalar(struct loader *l, const struct attr *row, const struct node *n, void *object);
/* The node must be of that kind; a null is an empty mapping (*ret_empty true). */
int load_expect(struct loader *l, const struct node *n, enum node_kind kind, const char *what,
		bool *ret_empty);
/* A hint where what was found to be no mapping (n) may be a key of the table above, indented too far: it
 * has the name of one. key: below which it stands. */
void load_hint_level(struct loader *l, const struct node *n, const char *name,
		     const struct attr_table *above, const char *key);
/* A list of single values: where it is one text instead, of what `item` accepts, a hint says how to write
 * that. */
int load_expect_items(struct loader *l, const struct node *n, const char *what,
		      const struct attr *item);
/* Says that a mapping of `what` has no such key, with the best hint there is. */
int load_unknown_key(struct loader *l, const struct node *mapping, const struct pair *p,
		     const char *what, const struct load_target *targets, size_t n_targets);
/* The pair of a mapping whose unknown key stands for `key`: misspelt, or another tool's word. */
const struct pair *load_find_meant(const struct node *mapping, const char *key,
				   const struct load_target *targets, size_t n);
/* A part that does nothing: its key is loaded at another time. */
int load_later(struct loader *l, const struct node *n, void *unused);
/* "is not supported yet" for kinds of interface that are to come. */
bool load_is_future_kind(const char *kind);

/* load_netns.c */
int load_namespaces(struct loader *l, const struct node *n);	     /* names and classes */
int load_namespace_contents(struct loader *l, const struct node *n); /* the rest */
struct netns *load_find_netns(struct loader *l, const char *name);
/* Sets a value. A contradiction is an error, or, when `weak` (a default), not set.
 * n NULL: the value is only looked at. */
int load_sysctl(struct loader *l, struct netns *n, const char *path, const struct node *value,
		bool weak);
/* The same for each pair of a mapping of full names. */
int load_sysctl_map(struct loader *l, const struct node *map, struct netns *n, bool weak);

/* load_interface.c */
int load_interfaces(struct loader *l, const struct node *map, void *netns);
struct link *load_find_link(struct loader *l, const struct netns *n, const char *name);
struct link *load_add_link(struct loader *l, struct netns *n, const char *name);
int load_addresses(struct loader *l, const struct node *list, void *link);
/* The same for each pair of an interface's `sysctl`. */
int load_link_sysctl(struct loader *l, const struct node *map, struct link *k, bool weak);

/* load_cable.c */
int load_cables(struct loader *l, const struct node *list, void *unused);
void load_settle_peers(struct loader *l);
/* What a cable's ends are: veth, the first kind that comes in pairs. */
const struct kind *load_cable_kind(void);
/* NAMESPACE:IFNAME, both legal, the namespace declared; NULL otherwise, reported. */
struct netns *load_endpoint(struct loader *l, const struct node *n, struct ref *ret_ref);

/* Says that there is none of that name; the one that may have been meant, or NULL. Silent
 * where namespaces are not known in full. */
const char *load_unknown_netns(struct loader *l, const struct node *n, const char *name);

/* load_probe.c: of the normalised model. */
int load_probes(struct loader *l, const struct node *list);

/* load_route.c */
int load_routes(struct loader *l, const struct node *list, void *netns);

/* load_process.c */
int load_processes(struct loader *l, const struct node *map, void *netns);

/* What of a route follows from the rest of it: family, table, scope, metric. */
int load_route_defaults(struct loader *l, struct route *r);

/* normalise.c: from what was written to what is meant. Errors go to l->d. */
void normalise(struct loader *l);
/* `ports` becomes the ports' master. */
void normalise_ports(struct loader *l);
/* normalise_sysctl.c */
void normalise_sysctls(struct loader *l);
/* normalise_route.c */
void normalise_routes(struct loader *l);

/* --- connected networks (networks.c) ------------------------------------------- */

/* What a namespace reaches without a gateway. */
struct network {
	struct ip net;
	const char *dev;
	uint32_t table;
};
struct networks {
	ARRAY(struct network) list;
	bool lengths[2][129]; /* which prefix lengths occur: IPv4, IPv6 */
};
/* Of a sorted namespace: its addresses and peers and, if `routes`, its routes without a gateway. */
void networks_build(const struct netns *n, bool routes, struct networks *ret);
/* What its own routes of type local cover. */
void networks_build_local(const struct netns *n, struct networks *ret);
void networks_free(struct networks *w);
/* The device of the longest network with ip in it (out of dev, unless NULL) that a route
 * of that table could use, or NULL.
 * *ret_ambiguous (may be NULL): another device has that network as well. */
const char *networks_find(const struct networks *w, const struct ip *ip, const char *dev,
			  uint32_t table, bool *ret_ambiguous);

/* --- checks ---------------------------------------------------------------------- */

struct checker {
	const struct model *m;
	const struct node *root; /* of the file */
	struct diags *d;
	const struct name_index *unclear;
};
/* The meaning of the loader's normalised model; silent about what follows from errors. */
void check_model(struct loader *l);
/* check_link.c, check_address.c, check_route.c, check_connected.c, check_netns.c */
void check_links(struct checker *c, const struct netns *n);
void check_addresses(struct checker *c, const struct netns *n);
void check_routes(struct checker *c, const struct netns *n);
/* Routes in the place of one that the kernel makes of an address. */
void check_connected(struct checker *c, const struct netns *n);
void check_netns(struct checker *c, const struct netns *n);
void check_moves(struct checker *c); /* `from`, across namespaces */
/* Can it be one machine's address? */
bool check_is_unicast(const struct ip *ip);
/* "network", "broadcast": what an IPv4 address is of its network; NULL: a host. */
const char *check_special_host(const struct ip *ip);
/* Are more found than will be shown? Then an exact place is not worth a search. */
bool check_is_enough(const struct checker *c);
/* Where a key of a mapping's value stands; the mapping's own mark when it has none. */
struct mark value_mark(const struct node *mapping, const char *key);
/* "host:eth0" in a buffer of the caller's. */
#define LINK_TEXT_MAX (NETNS_NAME_MAX + IFNAME_MAX + 2)
const char *link_text(const struct link *k, char buf[static LINK_TEXT_MAX]);
