/* SPDX-License-Identifier: MIT */
/* Which hops a packet takes: echo requests with 1, 2, 3, ... hops to live, whose
 * end each router tells of. A few are asked for at a time, in a window that moves
 * on until somebody answers for good, or until nobody in it does.
 *
 * Routers tell of only so many: about one a second to the same address after the
 * first six, unless net.ipv4.icmp_ratelimit says otherwise. So who asks because
 * of `via`, and must know, waits for more than a second, and for its turn. */
#include "probe_internal.h"

#include <errno.h>

#define WINDOW 4
#define HOPS_MAX 68  /* one more than `via` may have, in whole windows */
#define AGAIN 300000 /* microseconds */
#define PAST_MARGIN \
	500 /* milliseconds: the kernel's clock of ticks may lag, in a virtual machine by 50 */
#define PATIENCE 600000
#define PATIENCE_VIA 1500000

static bool is_judged_by_hops(const struct trial *t)
{
	return t->outcome->seen.kind == ANSWER_REPLY;
}

/* The number of the first hop that answered for good; 0: none has. */
static size_t last_hop(const struct outcome *o)
{
	for (size_t i = 0; i < o->hops.n; i++)
		if (o->hops.items[i].kind != ANSWER_NONE && !answer_is_transit(&o->hops.items[i]))
			return i + 1;
	return 0;
}

static void ask(struct probing *p, struct trial *t)
{
	struct outcome *o = t->outcome;

	t->again = p->now + AGAIN;
	probing_wake(p, t->again);
	for (size_t i = t->window; i < o->hops.n && t->phase == PHASE_TRACING; i++)
		if (o->hops.items[i].kind == ANSWER_NONE && (!last_hop(o) || i + 1 < last_hop(o)))
			ear_shoot(p, t->ear, t, (uint32_t)i + 1);
}

static void move_on(struct probing *p, struct trial *t)
{
	struct outcome *o = t->outcome;

	t->window = o->hops.n;
	for (size_t i = 0; i < WINDOW && o->hops.n < HOPS_MAX; i++)
		array_push(&o->hops);
	t->until = p->now + (is_judged_by_hops(t) ? PATIENCE_VIA : PATIENCE);
	ask(p, t);
}

void trace_begin(struct probing *p, struct trial *t)
{
	t->phase = PHASE_TRACING;
	t->outcome->traced = true;
	t->outcome->hops.n = 0;
	move_on(p, t);
}

static bool goes_via(const struct outcome *o)
{
	const struct probe *p = o->probe;

	if (o->hops.n != p->via.n + 1 || o->hops.items[p->via.n].kind != ANSWER_REPLY)
		return false;
	for (size_t i = 0; i < p->via.n; i++)
		if (ip_compare(&o->hops.items[i].from, &p->via.items[i].address) != 0)
			return false;
	return true;
}

/* What is not known beyond the last answer is one silent hop; after an error it is not worth
 * telling that nothing else is known. */
static void cut(struct outcome *o)
{
	size_t last = last_hop(o), known = 0;

	for (size_t i = 0; i < o->hops.n; i++)
		if (o->hops.items[i].kind != ANSWER_NONE)
			known = i + 1;
	if (last)
		o->hops.n = last;
	else if (known < o->hops.n)
		o->hops.n = known || o->seen.kind == ANSWER_NONE ? known + 1 : 0;
}

static struct netns *owner_netns(const struct probing *p, const struct ip *ip)
{
	const struct link *owner = probe_only_owner(p->model, ip);

	return owner ? owner->netns : NULL;
}

/* Who had the packet last, as far as is known; NULL: nobody of the lab. */
static struct netns *last_place(const struct probing *p, const struct outcome *o)
{
	const struct answer *last = probe_last_known(o);

	if (!last)
		return model_find_netns(p->model, o->probe->from);
	return answer_is_transit(last) ? owner_netns(p, &last->from) : NULL;
}

static int ask_route(struct probing *p, struct netns *n, const struct ip *to, struct next_hop *ret)
{
	struct diags unheard = {0};
	int r = n->handle < 0 ? kernel_netns_open(p->kernel, n, &unheard) : 0;

	diags_free(&unheard);
	return r < 0 ? -ENOENT : kernel_next_hop(p->kernel, n, to, ret);
}

/* Does a route, or that there is none, say no? Else it could not be asked. */
static bool is_refusal(int error)
{
	return error == -ENETUNREACH || error == -EHOSTUNREACH || error == -EACCES ||
	       error == -EINVAL;
}

/* While what was sent is fresh in mind: the kernel forgets who did not answer. */
static void find_next(struct probing *p, const struct trial *t, struct outcome *o)
{
	const struct ip *to = &o->probe->address;
	struct netns *n = last_place(p, o), *after, *further;
	struct next_hop hop = {0};
	int r;

	if (!n || ask_route(p, n, to, &o->next.hop) < 0)
		return;
	o->next.place = n;
	o->next.past = o->next.hop.confirmed > (p->now - t->start) / 1000 + PAST_MARGIN;
	o->next.ends = ip_compare(&o->next.hop.ip, to) == 0;
	after = owner_netns(p, &o->next.hop.ip);
	if (!after || after == n || o->next.ends)
		return;
	r = ask_route(p, after, to, &hop);
	further = r == 0 ? owner_netns(p, &hop.ip) : NULL;
	o->next.returns = further == n;
	o->next.ends = further == after;
	o->next.refuses = is_refusal(r) ? -r : 0;
}

static void finish(struct probing *p, struct trial *t)
{
	bool holds;

	cut(t->outcome);
	if (t->outcome->seen.kind == ANSWER_NONE)
		find_next(p, t, t->outcome);
	holds = is_judged_by_hops(t) && goes_via(t->outcome);
	if (!holds && is_judged_by_hops(t) && p->now < t->deadline)
		trial_again(p, t); /* routes may be on their way */
	else
		trial_finish(p, t, holds);
}

/* Is everything known up to where the way ends, or to the window's end? */
static bool is_complete(const struct trial *t)
{
	const struct outcome *o = t->outcome;
	size_t end = last_hop(o) ? last_hop(o) : o->hops.n;

	for (size_t i = t->window; i < end; i++)
		if (o->hops.items[i].kind == ANSWER_NONE)
			return false;
	return true;
}

void trace_heard(struct probing *p, struct trial *t, uint32_t hop, const struct answer *a)
{
	struct outcome *o = t->outcome;

	if (hop > o->hops.n || o->hops.items[hop - 1].kind != ANSWER_NONE)
		return;
	o->hops.items[hop - 1] = *a;
	if (is_complete(t)) /* and then on, outside of whoever is listening */
		probing_wake(p, p->now);
}

void trace_look(struct probing *p, struct trial *t)
{
	const struct outcome *o = t->outcome;
	bool complete = is_complete(t), silent = true;

	for (size_t i = t->window; i < o->hops.n; i++)
		silent = silent && o->hops.items[i].kind == ANSWER_NONE;
	if (!complete && p->now < t->until) {
		if (p->now >= t->again)
			ask(p, t);
		probing_wake(p, t->again < t->until ? t->again : t->until);
		return;
	}
	if (last_hop(o) || silent || o->hops.n >= HOPS_MAX)
		finish(p, t);
	else
		move_on(p, t);
}
