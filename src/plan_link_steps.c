/* SPDX-License-Identifier: MIT */
/* The lines and requests for links whose fate plan_links.c has settled. */
#include "plan_internal.h"

#include <string.h>
#include <sys/socket.h>

/* Steps come in levels: what others hang on is made first and brought up last
 * (a large bridge that is up floods every port's IPv6 autoconfiguration). */
static uint32_t add_level(const struct link *l)
{
	return l->kind && l->kind->is_master ? 0 : 1;
}

static uint32_t up_level(const struct link *l)
{
	return l->kind && l->kind->is_master ? 1 : 0;
}

static bool has_own_sysctls(const struct link *l)
{
	array_each(&l->netns->sysctls, s) {
		size_t size = 0;
		const char *name = sysctl_interface((*s)->path, &size);
		if (name && size == strlen(l->name) && strncmp(name, l->name, size) == 0)
			return true;
	}
	return false;
}

static void bring_up(struct planner *p, struct link *l)
{
	struct step *s = plan_step(p, OP_LINK_UP, l->netns);

	s->link = l;
	s->level = up_level(l);
}

static void add_link(struct planner *p, struct link *want)
{
	struct link *peer = want->kind->is_pair ? link_peer(p->goal, want) : NULL;
	const struct link *old = want->match ? want->match : peer ? peer->match : NULL;
	struct change *c;
	struct step *s;

	if (!plan_link_is_main(want, peer))
		return;
	c = plan_change(p, old ? ACTION_REPLACE : ACTION_CREATE, OBJECT_LINK, want->netns);
	c->want.link = want;
	c->have.link = old;
	c->reason = want->why		? want->why
		    : peer && peer->why ? peer->why
		    : old		? "its cable is new"
					: NULL;
	c->cable = peer;
	s = plan_step(p, OP_LINK_ADD, want->netns);
	s->link = want;
	s->peer = peer;
	s->level = add_level(want);
	want->follows = plan_link_follows(p, want);
	s->mask = want->given & ~want->follows;
	s->kind_mask = want->kind_given;
	/* The peer of a veth cannot be created up (ENOTCONN), nor can it be given a master. */
	s->up = want->state == LINK_UP && !want->kind->is_master && !has_own_sysctls(want);
	if (want->state == LINK_UP && !s->up)
		bring_up(p, want);
	if (!peer)
		return;
	if (peer->master) {
		s = plan_step(p, OP_LINK_SET, peer->netns);
		s->link = peer;
		s->mask = LINK_BIT("master");
	}
	if (peer->state == LINK_UP)
		bring_up(p, peer);
}

static void move_link(struct planner *p, struct link *want)
{
	const struct link *source = want->match;
	uint64_t kind_mask, mask = plan_link_mask(p, want, source, &kind_mask);
	struct change *c = plan_change(p, ACTION_CREATE, OBJECT_LINK, want->netns);
	struct step *s;

	c->want.link = want;
	c->moved = true;
	plan_move_steps(p, want);
	/* Moving takes it down and away from its master; the rest it keeps. */
	mask &= ~(LINK_BIT("state") | LINK_BIT("master"));
	if (want->master)
		mask |= LINK_BIT("master");
	if (mask || kind_mask) {
		s = plan_step(p, OP_LINK_SET, want->netns);
		s->link = want;
		s->mask = mask;
		s->kind_mask = kind_mask;
	}
	if (want->state == LINK_UP)
		bring_up(p, want);
	/* What the old place knew of it goes with it. */
	array_each(&want->match->addresses, a)
		(*a)->dropped = true;
}

static void change_link(struct planner *p, struct link *want)
{
	struct link *have = want->match;
	uint64_t kind_mask, mask = plan_link_mask(p, want, have, &kind_mask);
	uint64_t state = mask & LINK_BIT("state");
	struct change *c;
	struct step *s;

	want->index = have->index;
	if (!mask && !kind_mask)
		return;
	c = plan_change(p, ACTION_CHANGE, OBJECT_LINK, want->netns);
	c->want.link = want;
	c->have.link = have;
	c->mask = mask;
	c->kind_mask = kind_mask;
	if (state && want->state == LINK_DOWN) {
		s = plan_step(p, OP_LINK_DOWN, want->netns);
		s->link = want;
	}
	if (kind_mask && want->kind->is_master) {
		s = plan_step(p, OP_MASTER_SET, want->netns);
		s->link = want;
		s->kind_mask = kind_mask;
		kind_mask = 0;
	}
	if ((mask & ~state) || kind_mask) {
		s = plan_step(p, OP_LINK_SET, want->netns);
		s->link = want;
		s->mask = mask & ~state;
		s->kind_mask = kind_mask;
	}
	if (state && want->state == LINK_UP)
		bring_up(p, want);
}

/* lo of a namespace that is about to be made: there is nothing to compare with. */
static void new_loopback(struct planner *p, const struct netns_pair *pair, struct link *want)
{
	uint64_t mask = want->given & (LINK_BIT("mtu") | LINK_BIT("mac"));

	want->index = 1; /* LOOPBACK_IFINDEX: it is the first in every namespace */
	if (mask) {
		struct step *s = plan_step(p, OP_LINK_SET, want->netns);
		s->link = want;
		s->mask = mask;
		s->change = pair->change;
	}
	if (want->state == LINK_UP) {
		bring_up(p, want);
		p->plan->steps.items[p->plan->steps.n - 1].change = pair->change;
	}
}

static bool netns_goes(const struct netns_pair *pairs, size_t n, const char *name)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct netns *at = pairs[mid].have ? pairs[mid].have : pairs[mid].want;
		int order = strcmp(at->name, name);
		if (order == 0)
			return pairs[mid].ours && (!pairs[mid].want || pairs[mid].want->absent);
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* A live link that goes and does not come back under its name. */
static void delete_link(struct planner *p, const struct netns_pair *pairs, size_t n,
			const struct netns_pair *pair, struct link *have)
{
	struct link *peer = link_peer(p->live, have);
	/* Of a namespace that is only known to be there, its links have no names. */
	bool peer_dies = have->peer.netns && netns_goes(pairs, n, have->peer.netns);
	bool with_peer = peer && peer->fate == LINK_GOES && !peer_dies;
	struct netns *netns = have->netns;
	bool line = !have->match, step = true;

	if (with_peer) {
		/* the other end's line, or that of what replaces it, says it all */
		if (peer->match || !plan_link_is_main(have, peer))
			line = false;
		if (!plan_link_is_main(have, peer))
			step = false;
	}
	/* A whole lab goes faster with its namespaces, all at once; the executor waits. */
	if (peer_dies && !p->keeps_some && line &&
	    !(pair->want && netns_find_link(pair->want, have->name)))
		step = false;
	if (line) {
		struct change *c = plan_change(p, ACTION_DELETE, OBJECT_LINK, netns);
		c->have.link = have;
		c->cable = with_peer;
	}
	if (step) {
		struct step *s = plan_step(p, OP_LINK_DEL, netns);
		s->link = have;
	}
}

void plan_link_steps(struct planner *p, struct netns_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct netns_pair *pair = &pairs[i];
		bool stays = pair->want && !pair->want->absent;

		if (stays)
			array_each(&pair->want->links, l) {
				if ((*l)->fate == LINK_COMES)
					add_link(p, *l);
				else if ((*l)->fate == LINK_MOVES)
					move_link(p, *l);
				else if ((*l)->match)
					change_link(p, *l);
				else if ((*l)->fate == LINK_STAYS && !pair->have)
					new_loopback(p, pair, *l);
			}
		if (pair->have && !netns_goes(pairs, n, pair->have->name))
			array_each(&pair->have->links, l)
				if ((*l)->fate == LINK_GOES)
					delete_link(p, pairs, n, pair, *l);
	}
}
