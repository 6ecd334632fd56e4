/* SPDX-License-Identifier: MIT */
/* Routes that the kernel may refuse now, and not a moment later: it goes on with IPv6 addresses in a
 * work of its own (net/ipv6/addrconf.c, addrconf_dad_work()). */
#include "execute_internal.h"
#include "interrupt.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOURCE_MS 4000 /* duplicate address detection takes one to three seconds */
#define PEER_TRIES 400 /* with duplicate address detection it takes as long */
#define PEER_MS 10

static bool is_same_ipv6(const struct ip *a, const struct ip *b)
{
	return a->family == AF_INET6 && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool has_peer(const struct netns *n, const char *dev, const struct ip *via)
{
	const struct link *k = via->family == AF_INET6 && dev ? netns_find_link(n, dev) : NULL;

	for (size_t i = 0; k && i < k->addresses.n; i++)
		if (is_same_ipv6(&k->addresses.items[i]->peer, via))
			return true;
	return false;
}

/* Is a gateway the peer of an address? The kernel may have no route to that one yet. */
static bool waits_for_peer(const struct step *s)
{
	const struct route *r = s->route;

	if (has_peer(s->netns, r->dev, &r->via))
		return true;
	array_each(&r->nexthops, hop)
		if (has_peer(s->netns, hop->dev, &hop->via))
			return true;
	return false;
}

/* May its source address still be tentative? */
static bool waits_for_source(const struct step *s)
{
	return s->route->src.family == AF_INET6;
}

static struct awaited source_of(const struct netns *n, const struct route *r)
{
	array_each(&n->links, l)
		array_each(&(*l)->addresses, a)
			if (is_same_ipv6(&(*a)->address, &r->src))
				return (struct awaited){
					.what = AWAIT_ADDRESS, .link = *l, .address = *a};
	return (struct awaited){0};
}

static int wait_for_source(struct execution *e, struct awaited *source, struct diags *d)
{
	cleanup_close int stop = e->no_return ? -1 : interrupt_open();

	kernel_wait(e->kernel, source, 1, &(struct patience){.ms = SOURCE_MS, .stop = stop});
	return execution_stopped(e, d);
}

static int wait_for_peer(struct execution *e, struct diags *d)
{
	nanosleep(&(struct timespec){.tv_nsec = PEER_MS * 1000000L}, NULL);
	return execution_stopped(e, d);
}

/* A route whose source the kernel may not have checked for duplicates yet, or whose gateway it may
 * not know yet: again, when it has. */
int execute_early_route(struct execution *e, const struct plan *p, const struct step *s,
			struct diags *d)
{
	struct awaited source = source_of(s->netns, s->route);
	bool peer = waits_for_peer(s), waited = false;
	bool replace = s->op == OP_ROUTE_SET || s->op == OP_ROUTE_SET_DIRECT;
	refusals no = {0};
	int r = 0;

	for (int tries = 0; r >= 0 && tries < PEER_TRIES; tries++) {
		no.n = 0;
		kernel_route_add(e->kernel, s->netns, s->route, replace, s);
		r = kernel_flush(e->kernel, &no, d);
		if (r < 0 || no.n != 1)
			break;
		if (no.items[0].code == -EINVAL && source.link && !waited) {
			waited = true;
			r = wait_for_source(e, &source, d);
		} else if (no.items[0].code == -EHOSTUNREACH && peer) {
			r = wait_for_peer(e, d);
		} else {
			break;
		}
	}
	if (no.n && r >= 0) {
		execute_tell_refusal(p, &no.items[0], d);
		r = no.items[0].code;
		if (source.failed)
			diag_hint(d, "another interface on the network of its source address has "
				     "that, too (duplicate address detection)");
	}
	array_free(&no);
	return r;
}

bool execute_is_early_route(const struct step *s)
{
	return s->route && s->op != OP_ROUTE_DEL && (waits_for_source(s) || waits_for_peer(s));
}
