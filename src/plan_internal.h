/* SPDX-License-Identifier: MIT */
/* What the files plan*.c share. The layers run in this order, each knowing from
 * the one before what the kernel will have dropped by then: namespaces, links,
 * addresses, routes; sysctls on the side. */
#pragma once

#include "plan.h"

struct planner {
	struct plan *plan;
	struct model *live, *goal;
	const struct model *made; /* NULL: nothing */
	const struct plan_options *options;
	const struct others *others;
	struct diags *d;
	bool keeps_some;	/* at least one owned namespace stays */
	struct netns *stopover; /* plan_moves.c: made for this plan alone; NULL: none needed */
};

/* A goal namespace beside the live one. */
struct netns_pair {
	struct netns *want, *have;  /* either may be NULL */
	const struct netns *made;   /* what the lab made in it, NULL: nothing */
	const struct netns *undone; /* what the plan that failed was to make of it; NULL: nothing */
	bool ours;	 /* the lab owns it, or takes it over: everything in it is the lab's */
	bool taken;	 /* over: somebody else made it */
	uint32_t change; /* the line of the plan that makes it */
	/* Live addresses that will be gone before routes are set. */
	ARRAY(const struct address *) dropped;
};

struct change *plan_change(struct planner *p, enum action action, enum object object,
			   const struct netns *n);
/* The change returned by plan_change() last is the one that the step belongs to. */
struct step *plan_step(struct planner *p, enum op op, struct netns *n);

/* The pairs, sorted by name; namespaces that are nowhere to be found are errors. */
int plan_pair_namespaces(struct planner *p, struct netns_pair **ret_pairs, size_t *ret_n);

/* plan_claims.c: refuses what another lab holds otherwise, or for itself alone. */
int plan_check_claims(struct planner *p, const struct netns_pair *pair);
/* Warns where what goes of the lab's own is in use by another lab; and where a live route or address that
 * goes is another lab's. */
void plan_tell_costs(struct planner *p, const struct netns_pair *pair);
void plan_tell_lost_route(struct planner *p, const struct route *have);
void plan_tell_lost_address(struct planner *p, const struct address *have);
/* Where the file says what costs the interface something; line 0: it does not. */
struct mark plan_loss_mark(const struct netns *n, const char *name);
/* An error: what is this other lab's, and is not to be taken over. */
int plan_is_held(struct planner *p, struct mark at, const char *what,
		 const struct other_lab *holder);
/* The other lab that made this live namespace, or NULL. */
const struct other_lab *plan_netns_owner(const struct planner *p, const struct netns *have);
/* What another lab has in this live namespace, which is the lab's own; NULL: nothing. */
const struct netns *plan_find_guest(const struct other_lab *lab, const struct netns *have);
/* Is it still the namespace that the record means? */
bool plan_is_same_netns(const struct netns *made, const struct netns *have);

/* plan_ignore.c: a live link that nobody names: is it left to others, here or by the plan that is undone? */
bool plan_leaves_link(const struct netns_pair *pair, const struct link *have);
/* plan_links.c decides what becomes of each link (struct link's fate, match and why);
 * plan_link_steps.c turns that into changes and steps. */
int plan_links(struct planner *p, struct netns_pair *pairs, size_t n);
/* plan_moves.c: finds what is to be moved, and the order. */
int plan_match_moves(struct planner *p, struct netns_pair *pairs, size_t n);
void plan_order_moves(struct planner *p, const struct netns_pair *pairs, size_t n);
void plan_move_steps(struct planner *p, struct link *want);
/* plan_away.c: refuses to delete what was moved in and is not the lab's; warns of what cannot be given
 * back because its home is no more. To be asked once it is settled what goes. */
int plan_check_away(struct planner *p);
/* Where the file names this live link, or else the namespace that it is in. */
struct mark plan_live_mark(const struct planner *p, const struct link *have);
/* Warns that it is not given back. place: the goal's, at home. */
void plan_tell_lost(struct planner *p, const struct link *place);
void plan_link_steps(struct planner *p, struct netns_pair *pairs, size_t n);
int plan_addresses(struct planner *p, struct netns_pair *pair);
void plan_address_step(struct planner *p, enum op op, const struct address *a);
int plan_routes(struct planner *p, struct netns_pair *pair);
int plan_sysctls(struct planner *p, struct netns_pair *pair);
void plan_processes(struct planner *p);
/* plan_foreign.c: would the kernel take this live route again, once the plan has been carried out? */
bool plan_route_can_stay(const struct netns_pair *pair, const struct route *have);
/* Refuses what costs an interface routes that could not be set again, and warns where a default route
 * goes for a while. */
int plan_check_special_routes(struct planner *p, const struct netns_pair *pair);

/* Refuses to touch what the lab did not make (unless --adopt). what: "address 10.0.0.1/24 on host:eth0". */
int plan_conflict(struct planner *p, struct mark at, const char *what);
/* An existing cable is taken over: warns where it goes with a namespace of the lab's. */
void plan_tell_taken(struct planner *p, const struct link *want);
/* Has an error about this place been told already? */
bool plan_is_told(const struct diags *d, struct mark at);
/* What a made, moved or existing link is held to: rows that differ between it and the live one. */
uint64_t plan_link_mask(const struct planner *p, const struct link *want, const struct link *have,
			uint64_t *ret_kind_mask);
/* The rows of it that follow from other interfaces, and are left to (plan_options). */
uint64_t plan_link_follows(const struct planner *p, const struct link *want);
/* Did the lab make this link, or does it own the namespace? */
bool plan_link_is_ours(const struct netns_pair *pair, const char *name);
/* What the record says the lab made of this link: the link itself where it has a kind,
 * else only addresses on it. NULL: nothing. */
const struct link *plan_made_link(const struct netns_pair *pair, const char *name);
/* Of two ends, the one that a cable's lines and requests are about. */
bool plan_link_is_main(const struct link *l, const struct link *peer);
