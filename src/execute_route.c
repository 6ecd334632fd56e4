/* SPDX-License-Identifier: MIT */
/* Routes that the kernel may refuse now, and not a moment later. It goes on with IPv6 addresses in a
 * work of its own (net/ipv6/addrconf.c, addrconf_dad_work()).
 *
 * And it may lack a route that it should have made itself: to the network of an IPv6 address whose
 * interface comes up (fixup_permanent_addr()). There it must not wait for memory, has none of a kind of
 * which little is kept ready ("percpu: allocation failed, atomic=1" in its log), and goes on without the
 * route. In labs of 2000 namespaces that happens. Setting the address again makes up for it
 * (inet6_addr_modify()). */
#include "execute_internal.h"
#include "interrupt.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOURCE_MS 4000 /* duplicate address detection takes one to three seconds */
#define GATEWAY_MS 10
#define GATEWAY_TRIES 20
#define RENEW_TRY 2
#define PEER_TRIES 400 /* with duplicate address detection it takes as long */

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

static bool is_by_way_of(const struct route *r, const struct address *a)
{
	const struct ip network = ip_network(&a->address);

	if (a->address.family != AF_INET6)
		return false;
	array_each(&r->nexthops, hop)
		if (ip_contains(&network, &hop->via))
			return true;
	return ip_contains(&network, &r->via);
}

/* As it is: what the plan leaves alone keeps what no file has a key for. */
static void renew_address(struct execution *e, const struct step *s, const struct address *a)
{
	const struct link *live = a->link->match;
	const struct address *have =
		live && live->fate == LINK_STAYS ? link_find_address(live, a) : NULL;
	struct address again = *a;

	if (have && !have->automatic && have->dad == a->dad && !a->found)
		again.found = have->found;
	kernel_address_add(e->kernel, &again, true, s);
}

/* Addresses on whose network a gateway is. What comes of it the next try tells. */
static int renew_addresses(struct execution *e, const struct step *s, struct diags *d)
{
	refusals no = {0};
	int r;

	array_each(&s->netns->links, l)
		array_each(&(*l)->addresses, a)
			if (is_by_way_of(s->route, *a))
				renew_address(e, s, *a);
	r = kernel_flush(e->kernel, &no, d);
	array_free(&no);
	return r;
}

static int wait_for_gateway(struct execution *e, struct diags *d)
{
	nanosleep(&(struct timespec){.tv_nsec = GATEWAY_MS * 1000000L}, NULL);
	return execution_stopped(e, d);
}

static int try_again(struct execution *e, const struct step *s, struct refusal *last,
		     struct diags *d)
{
	bool replace = s->op == OP_ROUTE_SET || s->op == OP_ROUTE_SET_DIRECT;
	refusals no = {0};
	int r;

	kernel_route_add(e->kernel, s->netns, s->route, replace, s);
	r = kernel_flush(e->kernel, &no, d);
	*last = no.n ? no.items[0] : (struct refusal){0};
	array_free(&no);
	return r;
}

bool execute_may_be_early(const struct refusal *f)
{
	const struct step *s = f->tag;

	return s->route && s->op != OP_ROUTE_DEL &&
	       (f->code == -EHOSTUNREACH || (f->code == -EINVAL && waits_for_source(s)));
}

int execute_early_route(struct execution *e, const struct plan *p, const struct refusal *f,
			struct diags *d)
{
	const struct step *s = f->tag;
	struct awaited source = source_of(s->netns, s->route);
	int tries = waits_for_peer(s) ? PEER_TRIES : GATEWAY_TRIES;
	struct refusal last = *f;
	bool waited = false;
	int unreachable = 0, r = 0;

	while (r >= 0 && last.code) {
		if (last.code == -EINVAL && source.link && !waited)
			r = wait_for_source(e, &source, d);
		else if (last.code == -EHOSTUNREACH && unreachable++ < tries)
			r = wait_for_gateway(e, d);
		else
			break;
		if (r >= 0 && unreachable == RENEW_TRY)
			r = renew_addresses(e, s, d);
		waited = waited || last.code == -EINVAL;
		if (e->progress)
			e->progress(e->data, (size_t)(s - p->steps.items), p->steps.n);
		if (r >= 0)
			r = try_again(e, s, &last, d);
	}
	if (r < 0 || !last.code)
		return r;
	r = execute_refused(e, p, &last, d);
	if (r < 0 && source.failed)
		diag_hint(d, "another interface on the network of its source address has that, too "
			     "(duplicate address detection)");
	return r;
}
