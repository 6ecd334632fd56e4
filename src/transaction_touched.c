/* SPDX-License-Identifier: MIT */
/* Which namespaces may a plan have changed, itself or by what the kernel makes of its steps?
 *
 * After a plan has run these are read again, and no others. So this is the one place that knows
 * how far a step reaches beyond the namespace that it is about:
 *
 * - What is done to an end of a cable happens to the other one as well: they come, go, and move
 *   together (drivers/net/veth.c), and the carrier of one follows whether the other is up. That may
 *   be all it is: routes and addresses of IPv6 depend on it (net/ipv6/addrconf.c,
 *   addrconf_notify()).
 * - A bridge follows its ports' MTU and MAC, and ports go on without their bridge. They are all
 *   in one namespace (net/core/rtnetlink.c, do_set_master() finds the master in the port's own).
 * - A namespace that goes takes along its interfaces, so all other ends of its cables, or
 *   sends them elsewhere (net/core/dev.c, default_device_exit_net()).
 * - Sysctls of `conf` and `neigh`, and the forwarding switches, are a namespace's own. Any other
 *   may be the machine's as a whole, and shows in all namespaces.
 * - An interface that the lab has not made may hang on one in another namespace in ways that are
 *   not known here (a macvlan follows the MTU of what it is on). It can be in external namespaces, and
 *   in those that interfaces were moved into. In external ones others are at work, too.
 *
 * Addresses and routes change nothing elsewhere. Nor is anything sent to other namespaces that
 * would change what is compared: what advertisements and redirects bring is not. */
#include "transaction_internal.h"

#include <string.h>

static void touch(struct model *live, const struct netns *n)
{
	struct netns *found = n ? model_find_netns(live, n->name) : NULL;

	if (found) /* else it is new, and not known anyway */
		found->touched = true;
}

/* l: of the goal or live; may be NULL. Its other end may be another one now than it will be. */
static void touch_link(struct model *live, const struct plan *p, const struct link *l)
{
	const struct model *const models[] = {live, p->goal};

	if (!l)
		return;
	touch(live, l->netns);
	for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
		const struct link *here = model_find_link(models[i], l->netns, l->name);

		if (here && here->peer.netns)
			touch(live, model_find_netns(live, here->peer.netns));
	}
}

static bool names_sysctl(const struct netns *n, const char *path)
{
	return n && netns_find_sysctl(n, path);
}

/* Of all that look at the value as well. */
static void touch_sysctl(struct model *live, const struct plan *p, const char *path)
{
	if (sysctl_is_of_netns(path))
		return;
	array_each(&live->namespaces, n)
		if (names_sysctl(*n, path) ||
		    names_sysctl(model_find_netns(p->goal, (*n)->name), path))
			(*n)->touched = true;
}

static bool holds_moved(const struct netns *goal)
{
	array_each(&goal->links, l)
		if ((*l)->from.name)
			return true;
	return false;
}

void transaction_touch(struct model *live, const struct plan *p)
{
	array_each(&p->goal->namespaces, n)
		if (netns_is_external(*n) || holds_moved(*n))
			touch(live, *n);
	array_each(&p->steps, s) {
		touch(live, s->netns);
		touch_link(live, p, s->link);
		touch_link(live, p, s->peer);
		touch_link(live, p, s->source);
		if (s->sysctl)
			touch_sysctl(live, p, s->sysctl->path);
		if (s->op == OP_NETNS_DEL)
			array_each(&s->netns->links, l)
				touch_link(live, p, *l);
	}
}
