/* SPDX-License-Identifier: MIT */
/* What a lab holds in namespaces that are not its own, and what others hold there.
 *
 * A file, and what a record says was made, are models of the same shape: both
 * name what is held. So the same questions are asked of either. */
#pragma once

#include "model.h"

/* Another lab, by its record; the namespaces in it bear the names that this lab has for them. */
struct other_lab {
	const char *name;
	const struct model *made, *before;
	/* of `made`, what it has in namespaces that this lab owns, or is to: to that it has no claim */
	const struct model *guest;
};
struct others {
	struct other_lab *items;
	size_t n, cap;
};

/* The rows of link_table that are given, of those that are values to be set and put back. */
uint64_t link_values(const struct link *l);
uint64_t link_fixed_values(const struct link *l); /* without those that the kernel may choose */
/* Those that naming a link so in a file holds: where the lab makes it, also those that have
 * a value without being given. */
uint64_t link_claims(const struct link *l);
/* The link that m moves (or has moved) from there, or NULL. m may be NULL, here and below: it
 * names nothing. */
struct link *model_find_moved(const struct model *m, const struct netns *n, const char *name);
/* The link of that name in the namespace of that name, or NULL. */
struct link *model_find_link(const struct model *m, const struct netns *n, const char *name);

/* What an existing interface loses, and has to do without, for as long as all is as n says. */
enum {
	LOSS_IPV6 = 1 << 0,	    /* IPv6's addresses and routes */
	LOSS_IPV6_SYSCTLS = 1 << 1, /* and its sysctls */
	LOSS_ROUTES = 1 << 2,
	LOSS_REST = 1 << 3,
	/* by way of */
	LOSS_DISABLED = LOSS_IPV6,			/* a sysctl */
	LOSS_SMALL_MTU = LOSS_IPV6 | LOSS_IPV6_SYSCTLS, /* the interface is none of IPv6's */
	LOSS_DOWN = LOSS_IPV6 | LOSS_ROUTES,
	LOSS_MOVED = LOSS_IPV6 | LOSS_IPV6_SYSCTLS | LOSS_ROUTES | LOSS_REST,
};
unsigned netns_link_loss(const struct netns *n, const char *name); /* never LOSS_MOVED */
unsigned model_link_loss(const struct model *m, const struct netns *n, const char *name);
/* The sysctl of n that disables IPv6 on that interface, or NULL. */
const struct sysctl *netns_find_ipv6_off(const struct netns *n, const char *name);
/* The interface that the route hangs on, where it is one: IPv6 has those that lead nowhere on lo. */
const char *route_dev(const struct route *r);
/* Does it lead out of that interface, as it is said? Of what a lab made only the live one says, where
 * its file names a gateway alone. */
bool route_goes_by(const struct route *r, const char *name);
/* The address that is its source, where one interface of its namespace has that, and no other; or NULL.
 * With it the kernel drops a route of IPv4, and takes the source off one of IPv6
 * (fib_sync_down_addr(), fib6_remove_prefsrc()). */
const struct address *route_source(const struct route *r);
/* What lo gets when it is set up and has no IPv4 address, and keeps when it is set down (net/ipv4/devinet.c,
 * inetdev_event()). l may be NULL. */
bool link_gains_address(const struct link *l, const struct address *a);
bool loss_takes_address(unsigned loss, const struct address *a);
bool loss_takes_route(unsigned loss, const struct route *r);
bool loss_takes_sysctl(unsigned loss, const char *path); /* of the interface */

/* Does m name it, or hold what took it along: a switch that drags the value, an interface that
 * is moved away, set down or has IPv6 taken off it? Or what brought it? For as long, what was before is not to come
 * back. */
bool holds_sysctl(const struct model *m, const struct netns *n, const char *path);
bool holds_address(const struct model *m, const struct address *a);
bool holds_route(const struct model *m, const struct route *r);
/* What a value in a namespace that the lab owns would be had it never been named, by the others that n
 * names: what interfaces start with, and what drags it along. NULL: those say nothing of it. */
const char *netns_unnamed_value(const struct netns *n, const char *path);
/* The value that something of m in this external namespace drags this one to; NULL: nothing does. */
const char *holds_dragged(const struct model *m, const struct netns *n, const char *path);

bool others_hold_sysctl(const struct others *o, const struct netns *n, const char *path);
bool others_hold_address(const struct others *o, const struct address *a);
bool others_hold_route(const struct others *o, const struct route *r);
/* The rows of that link that other labs hold. */
uint64_t others_hold_rows(const struct others *o, const struct netns *n, const char *name);
