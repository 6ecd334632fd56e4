/* SPDX-License-Identifier: MIT */
/* What the files predict*.c share: the lab as packets find it. */
#pragma once

#include "predict.h"

/* IPv4 is 0, IPv6 is 1: indexes of what there is for each family. */
enum { FAMILIES = 2 };

/* --- what there is (predict_world.c) ------------------------------------------------------ */

/* A broadcast domain: cables and the bridges between them, as far as they are up. */
struct lan {
	ARRAY(struct nic *) stations; /* whom a packet can come from or go to: ports are none */
	bool foreign;		      /* others may be plugged in that the file does not show */
	bool has_helpers;	      /* a station's namespace has them */
	/* An external namespace with a station here, which may have addresses that the file does not
	 * show; NULL: none. outsiders: there is another one. */
	const struct place *outsider;
	bool outsiders;
	bool circular; /* a circle, and no spanning tree that would cut it */
	uint32_t mtu;  /* no interface that says one has a smaller one */
	bool mtu_unclear;
};

/* An interface. */
struct nic {
	const struct link *link;
	struct place *place;
	struct nic *peer;	/* the other end of its cable */
	struct nic *master;	/* the bridge that it is a port of */
	struct lan *lan;	/* NULL: it is down */
	address_list addresses; /* in the order in which the kernel has them */
	bool up;
	bool foreign;		 /* it is there without the lab: the file may not say all of it */
	bool circular;		 /* a cable or a port of it closed a circle */
	int rp_filter, forwards; /* IPv4; -1: not known */
	uint32_t mtu;		 /* 0: not known */
	struct nic *joined;	 /* to the same broadcast domain; itself: the first of it */
	struct nic *ports, *next_port;
	/* Of a station: who in the same domain is given the same hardware address, to its harm; NULL:
	 * nobody. */
	const struct nic *twin;
	struct nic *before; /* predict_lan.c: on the way through the domain */
	size_t search;	    /* by which search */
};

/* Routes of the tables that are asked first, or after that. IPv4: local and main are one
 * (net/ipv4/fib_trie.c, fib_trie_unmerge()), then comes default. IPv6: local, then main. */
enum { PASSES = 2 };
struct entry {
	struct ip to;
	uint8_t pass;
	bool main; /* of table main, not local */
	uint32_t metric;
	uint32_t type;		   /* RTN_* */
	const struct route *route; /* NULL: the kernel's own, because of an address */
	struct nic *nic;	   /* the kernel's own */
	const struct address *address;
};
struct table {
	ARRAY(struct entry) entries; /* sorted */
	bool lengths[PASSES][129];
};

/* A namespace. */
struct place {
	const struct netns *netns;
	bool complete;	  /* owned: what the file does not say is not so */
	bool has_daemon;  /* routes come from elsewhere as well */
	bool has_helpers; /* processes, or interfaces of others: they may give it addresses */
	int forwards6;	  /* -1: not known */
	struct nic *nics; /* sorted by name */
	size_t n_nics;
	struct table tables[FAMILIES];
	uint64_t told; /* predict_mistake.c: causes, as bits, that were warned of here */
	/* A sysctl that changes what is reckoned with here; NULL: none. */
	const struct sysctl *odd[FAMILIES];
	const struct sysctl *mute[FAMILIES]; /* no echo request is answered */
};

/* Who has an address, or all those of a network. */
struct owner {
	struct ip ip;		       /* len: all of it, or the network's */
	const struct address *address; /* NULL: a route of type local */
	const struct route *route;
	struct nic *nic; /* that has the address; NULL: a route of type local */
	struct place *place;
};
typedef ARRAY(struct owner) owner_list; /* sorted by address */

/* An IPv6 network that somebody has an address in. */
struct foothold {
	struct ip first; /* address of it; len: all of it */
	const struct lan *lan;
};

struct world {
	const struct model *m;
	struct place *places; /* as m->namespaces */
	size_t n_places;
	struct nic *nics; /* of all of them */
	size_t n_nics;
	struct lan *lans;
	size_t n_lans;
	owner_list owners;
	/* Of whole IPv4 networks, by a route or an address of lo; and which lengths there are. */
	owner_list wide_owners;
	bool wide_lengths[32];
	ARRAY(struct foothold) footholds; /* of stations, sorted */
	bool has_proxies[FAMILIES];	  /* somebody answers for others' addresses */
	size_t searches;
};

void world_build(const struct model *m, struct world *ret);
void world_free(struct world *w);
struct place *world_place(const struct world *w, const char *netns);
struct nic *place_nic(const struct place *p, const char *name);
/* Can packets begin and end at it? */
bool nic_is_station(const struct nic *n);
/* Where those begin whose address is in the network, or else the first after it. */
size_t owners_from(const owner_list *list, const struct ip *net);
/* All who have an address: the first of *ret_n. */
const struct owner *world_owners(const struct world *w, const struct ip *ip, size_t *ret_n);
/* All who have the IPv4 network of that length that the address is in. */
const struct owner *world_wide_owners(const struct world *w, const struct ip *ip, uint8_t len,
				      size_t *ret_n);
/* Is it the first address of an IPv6 network that a station there has an address in? */
bool lan_has_foothold(const struct world *w, const struct lan *lan, const struct ip *ip);
static inline int family_of(const struct ip *ip)
{
	return ip_bits(ip) == 128;
}
bool same_ip(const struct ip *a, const struct ip *b); /* whatever their lengths */

/* predict_sysctl.c: the values of namespaces and interfaces. */
void world_read_sysctls(struct world *w);

/* --- broadcast domains (predict_lan.c) ------------------------------------------------------ */

void world_join(struct world *w); /* finds them all */
/* The interface between a and b that has no room for a packet of that size (whole: that is not to be
 * fragmented); NULL: it arrives. Not *ret_sure: it may have. */
const struct nic *lan_narrow(struct world *w, struct nic *a, struct nic *b, uint32_t size,
			     bool whole, bool *ret_sure);

/* --- routes (predict_route.c) ---------------------------------------------------------------- */

void place_build_tables(struct world *w, struct place *p);

/* What a lookup finds: routes of one prefix and metric. n 0: nothing. */
struct found {
	const struct entry *entries;
	size_t n;
};
struct found place_lookup(const struct place *p, const struct ip *to);
/* Only the default routes, as for an address that no other one knows. */
struct found place_lookup_default(const struct place *p, uint8_t family);
bool place_has(const struct place *p, const struct ip *ip); /* as its own */

/* One way out. */
struct way {
	const struct entry *entry;
	const struct nexthop *hop; /* of several; NULL */
	struct nic *nic;	   /* NULL: not known */
	struct ip via;		   /* family 0: there is no gateway */
};
typedef ARRAY(struct way) ways;
void found_ways(const struct place *p, const struct found *f, ways *ret);
struct mark way_mark(const struct way *w, const char *key);

/* --- what goes wrong (predict_cause.c) --------------------------------------------------------- */

enum cause_kind {
	/* It surely does not arrive. */
	CAUSE_NO_ROUTE,
	CAUSE_REJECTED,
	CAUSE_BROADCAST,
	CAUSE_NOBODY,
	CAUSE_DOWN,
	CAUSE_NOT_FORWARDING,
	CAUSE_RP_FILTER,
	CAUSE_MARTIAN,
	CAUSE_TOO_LARGE,
	CAUSE_LOOP,
	CAUSE_HOPS,
	CAUSE_NO_SOURCE,
	CAUSE_ELSEWHERE,
	CAUSE_MUTE,
	/* It arrives, by another way than was stated. */
	CAUSE_OTHER_HOP,
	CAUSE_FEWER_HOPS,
	CAUSE_MORE_HOPS,
	CAUSE_SILENT_HOP,
	CAUSE_REACHED,
	/* It cannot be told. */
	CAUSE_UNKNOWN_ROUTE,
	CAUSE_UNKNOWN_DAEMON,
	CAUSE_UNKNOWN_NETWORK,
	CAUSE_UNKNOWN_FORWARDING,
	CAUSE_UNKNOWN_RP_FILTER,
	CAUSE_UNKNOWN_SOURCE,
	CAUSE_UNKNOWN_BROADCAST,
	CAUSE_UNKNOWN_MTU,
	CAUSE_UNKNOWN_GATEWAY,
	CAUSE_NETFILTER,
	CAUSE_DUPLICATE,
	CAUSE_TWIN,
	CAUSE_SYSCTL,
	CAUSE_CIRCULAR,
	CAUSE_SAME_NETWORK,
	CAUSE_ENSLAVED,
	CAUSE_HAIRPIN,
	CAUSE_TOO_MANY_WAYS,
	CAUSE_PORT,
};

struct cause {
	enum cause_kind kind;
	bool back;	     /* on the way back */
	bool one_of_several; /* ways; others lead elsewhere */
	const struct place *place;
	const struct nic *nic, *other;
	const struct route *route, *other_route;
	const struct sysctl *sysctl;
	struct ip ip;
	struct ip seen;
	uint32_t number;
	struct mark mark; /* line 0: nothing in particular */
};
void cause_text(const struct cause *c, struct buf *out);
/* Where the namespace's key stands, or else the namespace. */
struct mark place_mark(const struct place *p, const char *key);
const char *family_name(const struct ip *ip);

/* --- source addresses (predict_source.c) --------------------------------------------------------- */

/* What the kernel sends from when it sends that way to that address, and nobody has chosen: 1; there is
 * none: 0; not known: -1. */
int source_of(const struct place *p, const struct way *way, const struct ip *to, struct ip *ret);
/* The same for what is sent out of a certain interface. */
int source_on(const struct place *p, const struct nic *nic, const struct ip *to, struct ip *ret);

/* --- the walk (predict_walk.c) ------------------------------------------------------------------- */

/* A question: what becomes of an echo request. */
struct question {
	struct world *world;
	struct place *from;
	struct ip to;
	uint32_t size;		   /* bytes of payload */
	bool whole;		   /* not to be fragmented */
	const struct probe *probe; /* with its `via`; NULL */
	size_t patience;	   /* how many hops are looked at, over all ways */
};
/* All ways that it may take, counted. */
struct tally {
	size_t reached, lost, unsure;
	struct cause why_lost, why_unsure; /* the first ones */
};
void ask(const struct question *q, struct tally *ret);

/* Does it surely not arrive, or arrive otherwise? Else it cannot be told. */
static inline bool cause_is_sure(const struct cause *c)
{
	return c->kind < CAUSE_UNKNOWN_ROUTE;
}

/* predict_neighbor.c. May a packet with this source come in here? If not, or if that is not known,
 * false and why. */
bool admits(const struct nic *in, const struct ip *src, struct cause *ret_why);
/* Who answers when `out` asks its network for an address; NULL: not exactly one, and why. `sender`
 * (family 0: not known) is the address that the question bears. */
struct nic *find_neighbor(const struct world *w, const struct nic *out, const struct ip *ip,
			  const struct ip *sender, struct cause *ret_why);

/* --- mistakes (predict_mistake*.c) ------------------------------------------------------------------ */

void find_mistakes(struct world *w, struct diags *d);
void find_lan_mistakes(struct world *w, struct diags *d); /* without a walk */
