/* SPDX-License-Identifier: MIT */
/* What other labs hold in the namespaces that this one names. A value may be held by
 * several labs, as long as they want it to be the same; what a lab made is its alone. */
#include "plan_internal.h"

#include <errno.h>
#include <string.h>

int plan_is_held(struct planner *p, struct mark at, const char *what,
		 const struct other_lab *holder)
{
	diag_error(p->d, -EEXIST, at, "%s is lab \"%s\"'s", what, holder->name);
	diag_hint(p->d, "leave it out of one of the two labs, or destroy \"%s\" first",
		  holder->name);
	return -EEXIST;
}

/* Two labs that want a value to be different things. */
static int differ(struct planner *p, struct mark at, const char *what, const char *want,
		  const char *held, const struct other_lab *holder)
{
	diag_error(p->d, -EEXIST, at, "%s is to be %s, but lab \"%s\" holds it at %s", what, want,
		   holder->name, held);
	diag_hint(p->d,
		  "give both labs the same value, leave it out of one of them, or destroy \"%s\" "
		  "first",
		  holder->name);
	return -EEXIST;
}

const struct other_lab *plan_netns_owner(const struct planner *p, const struct netns *have)
{
	array_each(p->others, lab) {
		const struct netns *n = model_find_netns(lab->made, have->name);

		if (!plan_is_same_netns(n, have) && have->cookie) /* somebody may have renamed it */
			n = model_find_cookie(lab->made, have->cookie);
		if (n && n->class == NETNS_OWNED && plan_is_same_netns(n, have))
			return lab;
	}
	return NULL;
}

const struct netns *plan_find_guest(const struct other_lab *lab, const struct netns *have)
{
	const struct netns *n = lab->guest ? model_find_netns(lab->guest, have->name) : NULL;

	return n && n->cookie == have->cookie ? n : NULL;
}

/* What the other lab has in that namespace; NULL: nothing. */
static const struct netns *find_held(const struct other_lab *lab, const struct netns *have)
{
	return netns_is_external(have) ? model_find_netns(lab->made, have->name)
				       : plan_find_guest(lab, have);
}

/* --- links --------------------------------------------------------------------- */

static const char *row_text(const struct attr *row, const struct link *l, struct buf *out)
{
	attr_format(row, l, out);
	return out->n ? buf_text(out) : "none";
}

static int check_rows(struct planner *p, const struct link *want, const struct link *held,
		      const struct other_lab *lab)
{
	uint64_t both = link_claims(want) & link_values(held);
	int result = 0;

	for (size_t i = 0; i < link_table.n; i++) {
		const struct attr *row = &link_table.rows[i];
		cleanup_buf struct buf what = {0}, a = {0}, b = {0};

		if (!(both >> i & 1) || attr_equal(row, want, held))
			continue;
		buf_printf(&what, "%s of ", row->key);
		link_id(want, &what);
		result = differ(p, link_key_mark(want, row->key), buf_text(&what),
				row_text(row, want, &a), row_text(row, held, &b), lab);
	}
	return result;
}

static int check_addresses(struct planner *p, const struct link *want, const struct link *held,
			   const struct other_lab *lab)
{
	int result = 0;

	array_each(&want->addresses, a) {
		cleanup_buf struct buf what = {0};
		char text[IP_TEXT_MAX];

		if (!(*a)->node || !link_find_address(held, *a))
			continue;
		buf_printf(&what, "address %s on ", ip_format(&(*a)->address, true, text));
		link_id(want, &what);
		result = plan_is_held(p, (*a)->node->mark, buf_text(&what), lab);
	}
	return result;
}

/* Another lab's route as it is: by what interface its gateway is reached, its file need not say. */
static const struct route *find_way(const struct netns *have, const struct route *held)
{
	const struct route *live = netns_find_route(have, held);

	return live ? live : held;
}

static bool is_way(const struct netns *held, const struct netns *have, const char *dev)
{
	array_each(&held->routes, r) {
		const struct route *way = find_way(have, *r);
		const struct address *source = route_source(way);

		if (route_goes_by(way, dev) || (source && str_equal(source->link->name, dev)))
			return true;
	}
	return false;
}

static bool has_port(const struct netns *held, const char *name)
{
	array_each(&held->links, l)
		if (str_equal((*l)->master, name))
			return true;
	return false;
}

static bool is_used(const struct netns *held, const struct netns *have, const char *name)
{
	array_each(&held->sysctls, s)
		if (sysctl_is_of((*s)->path, name))
			return true;
	return netns_find_link(held, name) || has_port(held, name) || is_way(held, have, name);
}

/* An interface that is to be moved away from under another lab. */
static int check_move(struct planner *p, const struct link *want, const struct other_lab *lab)
{
	const struct netns *n =
		want->from.name ? model_find_netns(lab->made, want->from.netns) : NULL;

	if (!n || !is_used(n, model_find_netns(p->live, want->from.netns), want->from.name))
		return 0;
	diag_error(p->d, -EEXIST, link_key_mark(want, "from"),
		   "%s:%s cannot be moved away: lab \"%s\" uses it", want->from.netns,
		   want->from.name, lab->name);
	diag_hint(p->d, "leave it out of one of the two labs, or destroy \"%s\" first", lab->name);
	return -EEXIST;
}

struct mark plan_loss_mark(const struct netns *n, const char *name)
{
	const struct link *l = netns_find_link(n, name);
	const unsigned loss = netns_link_loss(n, name);
	const struct sysctl *off;

	if (loss & LOSS_ROUTES)
		return l->mark.line ? link_key_mark(l, "state") : NO_MARK;
	if (loss & LOSS_IPV6_SYSCTLS)
		return l->mark.line ? link_key_mark(l, "mtu") : NO_MARK;
	off = netns_find_ipv6_off(n, name);
	return off && off->node ? off->node->mark : NO_MARK;
}

/* What goes off another lab's interface; that lab itself may do without it. */
static unsigned find_loss(const struct netns *n, const struct netns *held, const char *name)
{
	return name ? netns_link_loss(n, name) & ~netns_link_loss(held, name) : 0;
}

static void warn_of_cost(struct planner *p, struct mark at, const struct buf *text,
			 const struct other_lab *lab)
{
	diag_warning(p->d, at, "%s", buf_text(text));
	diag_hint(p->d, "apply \"%s\" again when what it needs is there, or destroy it", lab->name);
}

/* No line of the file takes it: it goes with something of the lab's own, or with what that had made of
 * the interface. name: NULL where there is none, as with a blackhole that has a source. */
static void tell_loss(struct planner *p, const struct netns *n, const char *name, const char *what,
		      const struct other_lab *lab)
{
	cleanup_buf struct buf text = {0};

	buf_printf(&text, "this takes %s off %s%s", what, n->name, name ? ":" : "");
	buf_printable(&text, name ? name : "");
	buf_printf(&text, ", which lab \"%s\" has there", lab->name);
	warn_of_cost(p, NO_MARK, &text, lab);
}

static int refuse_loss(struct planner *p, const struct netns *n, const char *name, const char *what,
		       const struct other_lab *lab)
{
	struct mark at = plan_loss_mark(n, name);

	if (!at.line)
		tell_loss(p, n, name, what, lab);
	if (!at.line || plan_is_told(p->d, at))
		return 0;
	diag_error(p->d, -EEXIST, at, "this would take %s off %s:%s, which lab \"%s\" has there",
		   what, n->name, name, lab->name);
	diag_hint(p->d, "leave it out, or destroy \"%s\" first", lab->name);
	return -EEXIST;
}

static int check_ways(struct planner *p, const struct netns *n, const struct netns *held,
		      const struct route *way, const struct other_lab *lab)
{
	const size_t hops = way->nexthops.n;
	int result = 0, r;

	for (size_t i = 0; i < hops + !hops; i++) {
		const char *dev = hops ? way->nexthops.items[i].dev : route_dev(way);
		if (loss_takes_route(find_loss(n, held, dev), way) &&
		    (r = refuse_loss(p, n, dev, "routes", lab)) < 0)
			result = r;
	}
	return result;
}

static int check_losses(struct planner *p, const struct netns_pair *pair, const struct netns *held,
			const struct other_lab *lab)
{
	const struct netns *n = pair->want;
	int result = 0, r;

	array_each(&held->links, l)
		array_each(&(*l)->addresses, a)
			if (loss_takes_address(find_loss(n, held, (*l)->name), *a) &&
			    (r = refuse_loss(p, n, (*l)->name, "addresses", lab)) < 0)
				result = r;
	array_each(&held->routes, route)
		if ((r = check_ways(p, n, held, find_way(pair->have, *route), lab)) < 0)
			result = r;
	array_each(&n->links, l)
		array_each(&held->sysctls, s)
			if (sysctl_is_of((*s)->path, (*l)->name) &&
			    loss_takes_sysctl(find_loss(n, held, (*l)->name), (*s)->path) &&
			    (r = refuse_loss(p, n, (*l)->name, "sysctls", lab)) < 0)
				result = r;
	return result;
}

/* What becomes of an interface that is the lab's to take away; NULL: it stays, or is not. */
static const char *how_it_goes(const struct link *have)
{
	switch (have->fate) {
	case LINK_GOES:
		return have->match && have->match->fate == LINK_COMES ? "replaced" : "deleted";
	case LINK_MOVES: /* away from home: check_move() */
		return have->index == have->match->away ? "moved" : NULL;
	case LINK_STAYS:
	case LINK_COMES:
		break;
	}
	return NULL;
}

/* With all that is in it. */
static void tell_netns(struct planner *p, const struct netns *have, const struct other_lab *lab)
{
	cleanup_buf struct buf text = {0};

	buf_printf(&text, "namespace %s is deleted, with what lab \"%s\" has there", have->name,
		   lab->name);
	warn_of_cost(p, NO_MARK, &text, lab);
}

static void tell_costs(struct planner *p, const struct netns_pair *pair,
		       const struct other_lab *lab)
{
	const struct netns *held = find_held(lab, pair->have);

	if (!held)
		return;
	if (pair->ours && pair->want && pair->want->absent) {
		tell_netns(p, pair->have, lab);
		return;
	}
	array_each(&pair->have->links, l) {
		const char *how = how_it_goes(*l);
		cleanup_buf struct buf text = {0};

		if (!how || !is_used(held, pair->have, (*l)->name))
			continue;
		link_id(*l, &text);
		buf_printf(&text, " is %s, with what lab \"%s\" has there", how, lab->name);
		warn_of_cost(p, (*l)->match ? (*l)->match->mark : NO_MARK, &text, lab);
	}
}

void plan_tell_costs(struct planner *p, const struct netns_pair *pair)
{
	if (pair->have)
		array_each(p->others, lab)
			tell_costs(p, pair, lab);
}

static bool goes_along(const struct netns *have, const struct route *r)
{
	array_each(&have->links, l)
		if (route_goes_by(r, (*l)->name) && how_it_goes(*l))
			return true;
	return false;
}

void plan_tell_lost_route(struct planner *p, const struct route *have)
{
	const char *dev = have->nexthops.n ? have->nexthops.items[0].dev : route_dev(have);

	array_each(p->others, lab)
		if (netns_find_route(find_held(lab, have->netns), have) &&
		    !goes_along(have->netns, have)) /* plan_tell_costs() */
			tell_loss(p, have->netns, dev, "routes", lab);
}

void plan_tell_lost_address(struct planner *p, const struct address *have)
{
	const struct link *l = have->link;

	array_each(p->others, lab) {
		const struct netns *held = find_held(lab, l->netns);

		if (held && link_find_address(netns_find_link(held, l->name), have))
			tell_loss(p, l->netns, l->name, "addresses", lab);
	}
}

static int check_link(struct planner *p, const struct link *want, const struct netns *held,
		      const struct other_lab *lab)
{
	const struct link *l = held ? netns_find_link(held, want->name) : NULL;
	cleanup_buf struct buf what = {0};
	int r, result = check_move(p, want, lab);

	if (!l)
		return result;
	if (link_is_made(want) && link_is_made(l)) {
		buf_puts(&what, "interface ");
		link_id(want, &what);
		return plan_is_held(p, want->mark, buf_text(&what), lab);
	}
	if ((r = check_rows(p, want, l, lab)) < 0)
		result = r;
	if ((r = check_addresses(p, want, l, lab)) < 0)
		result = r;
	return result;
}

/* --- routes and sysctls ------------------------------------------------------------ */

static int check_route(struct planner *p, const struct route *want, const struct netns *held,
		       const struct other_lab *lab)
{
	cleanup_buf struct buf what = {0};

	if (!netns_find_route(held, want))
		return 0;
	buf_puts(&what, "route ");
	route_id(want, &what);
	buf_printf(&what, " in %s", want->netns->name);
	return plan_is_held(p, want->node->mark, buf_text(&what), lab);
}

static int check_sysctl(struct planner *p, const struct netns *n, const struct sysctl *want,
			const struct netns *held, const struct other_lab *lab)
{
	char twin[SYSCTL_PATH_MAX + 1];
	const struct sysctl *same = netns_find_sysctl(held, want->path);
	const struct sysctl *other =
		sysctl_twin(want->path, twin) ? netns_find_sysctl(held, twin) : NULL;
	cleanup_buf struct buf what = {0};

	buf_puts(&what, "sysctl ");
	sysctl_name(want->path, &what);
	buf_printf(&what, " of namespace \"%s\"", n->name);
	if (same && !str_equal(same->value, want->value))
		return differ(p, want->node->mark, buf_text(&what), want->value, same->value, lab);
	/* In another unit; what was before is on record in that one. */
	return other ? plan_is_held(p, want->node->mark, buf_text(&what), lab) : 0;
}

static int check_lab(struct planner *p, const struct netns_pair *pair, const struct other_lab *lab)
{
	const struct netns *n = pair->want;
	const struct netns *held =
		netns_is_external(n) ? model_find_netns(lab->made, n->name) : NULL;
	int result = 0, r;

	array_each(&n->links, l)
		if ((*l)->mark.line && (r = check_link(p, *l, held, lab)) < 0)
			result = r;
	if (!held)
		return result;
	if ((r = check_losses(p, pair, held, lab)) < 0)
		result = r;
	array_each(&n->routes, route)
		if ((*route)->node && (r = check_route(p, *route, held, lab)) < 0)
			result = r;
	array_each(&n->sysctls, s)
		if ((*s)->node && (r = check_sysctl(p, n, *s, held, lab)) < 0)
			result = r;
	return result;
}

int plan_check_claims(struct planner *p, const struct netns_pair *pair)
{
	int result = 0, r;

	if (!pair->want)
		return 0;
	array_each(p->others, lab)
		if ((r = check_lab(p, pair, lab)) < 0)
			result = r;
	return result;
}
