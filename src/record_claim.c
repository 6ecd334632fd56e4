/* SPDX-License-Identifier: MIT */
/* What a lab claims in namespaces that are not its own, before a plan runs.
 *
 * Everything that the file names in an external namespace is claimed, whether or not
 * the plan has to change it. `made` says what is claimed, with the values that are
 * wanted; `before` how it was found when that began. What another lab claims as well
 * was found by that one: its old value is taken over and not the present one, so that
 * all who claim something have the same to go back to. */
#include "record_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* One external namespace whose things are being claimed. */
struct claiming {
	struct record *record;
	const struct others *others;
	const struct netns *goal;
	struct netns *made;
};

static struct netns *before_netns(const struct claiming *c)
{
	return record_netns(c->record->before, c->goal);
}

/* --- how it was found ------------------------------------------------------------ */

/* Was it given to lo because this lab set that up? */
static bool has_gained(const struct other_lab *lab, const struct address *a)
{
	const struct netns *n = a->link->netns;
	const struct link *before = model_find_link(lab->before, n, a->link->name);

	return before && before->given & LINK_BIT("state") && before->state == LINK_DOWN &&
	       link_gains_address(model_find_link(lab->made, n, a->link->name), a);
}

/* The address as it was before any lab; NULL: a lab made it. */
static const struct address *original_address(const struct record *r, const struct others *o,
					      const struct address *live)
{
	const struct netns *n = live->link->netns;
	const char *name = live->link->name;

	if (link_find_address(model_find_link(r->made, n, name), live))
		return NULL; /* where it was found, that is on record */
	array_each(o, lab)
		if (link_find_address(model_find_link(lab->made, n, name), live) ||
		    has_gained(lab, live))
			return link_find_address(model_find_link(lab->before, n, name), live);
	return live;
}

static const struct route *find_route(const struct model *m, const struct route *like)
{
	return netns_find_route(model_find_netns(m, like->netns->name), like);
}

static const struct route *original_route(const struct record *r, const struct others *o,
					  const struct route *live)
{
	if (find_route(r->made, live))
		return NULL;
	array_each(o, lab)
		if (find_route(lab->made, live))
			return find_route(lab->before, live);
	return live;
}

/* What goes off the interface takes it, as its way or for its source. */
static bool takes_route(unsigned loss, const struct route *route, const char *name)
{
	const struct address *source = route_source(route);

	return (route_goes_by(route, name) && loss_takes_route(loss, route)) ||
	       (source && str_equal(source->link->name, name) && loss_takes_address(loss, source));
}

static void take_losses(struct record *r, const struct others *o, struct link *to,
			const struct link *live, unsigned loss)
{
	array_each(&live->addresses, a) {
		const struct address *found = original_address(r, o, *a);
		if (found && !(*a)->automatic && loss_takes_address(loss, *a))
			take_address(r->before, to, found);
	}
	array_each(&live->netns->routes, i) {
		const struct route *found = original_route(r, o, *i);
		if (found && takes_route(loss, *i, live->name))
			take_route(r->before, to->netns, found);
	}
}

/* Routes by way of it that another lab's record has: they went with that one's interface, of several. Of
 * what is left of them live, that is the original. */
static void take_their_routes(struct record *r, const struct others *o, struct link *to,
			      unsigned loss)
{
	array_each(o, lab) {
		const struct netns *n = model_find_netns(lab->before, to->netns->name);

		if (!n)
			continue;
		array_each(&n->routes, i)
			if (takes_route(loss, *i, to->name) && !find_route(lab->made, *i) &&
			    !find_route(r->made, *i))
				take_route(r->before, to->netns, *i);
	}
}

/* What it has lost already, for another lab. */
static void take_their_losses(struct record *r, const struct other_lab *lab, struct link *to)
{
	const struct link *made = model_find_link(lab->made, to->netns, to->name);
	const struct link *before = model_find_link(lab->before, to->netns, to->name);
	const struct netns *n = model_find_netns(lab->before, to->netns->name);

	if (before)
		array_each(&before->addresses, a)
			if (!link_find_address(made, *a))
				take_address(r->before, to, *a);
	if (!n)
		return;
	array_each(&n->sysctls, s)
		if (sysctl_is_of((*s)->path, to->name) && str_starts((*s)->path, "ipv6/"))
			take_sysctl(r->before, to->netns, (*s)->path, (*s)->value);
}

static void take_original_rows(const struct claiming *c, struct link *to, const struct link *live,
			       uint64_t rows)
{
	array_each(c->others, lab) {
		const struct link *made = model_find_link(lab->made, c->goal, live->name);
		const struct link *before = model_find_link(lab->before, c->goal, live->name);
		if (before && !before->from.name)
			take_rows(c->record->before, to, before, rows & link_values(before));
		if (made) /* what it has no old value of, it made */
			rows &= ~link_values(made);
	}
	take_rows(c->record->before, to, live, rows);
}

/* What it was for that lab; or, where the interface (or IPv6 on it) came after what drags it along,
 * what it would have started with. */
static const struct sysctl *found_value(const struct other_lab *lab, const struct netns *n,
					const char *path)
{
	const struct netns *before = model_find_netns(lab->before, n->name);
	const struct sysctl *s = before ? netns_find_sysctl(before, path) : NULL;
	char initial[SYSCTL_PATH_MAX + 1];

	if (s || !before || !holds_dragged(lab->made, n, path) || !sysctl_initial_of(path, initial))
		return s;
	return netns_find_sysctl(before, initial);
}

/* The value as it was before any lab; NULL: there was none, or a lab made it. */
static const char *original_value(const struct claiming *c, const char *path)
{
	const struct sysctl *live = netns_find_sysctl(c->goal->live, path);

	array_each(c->others, lab) {
		const struct netns *made = model_find_netns(lab->made, c->goal->name);
		const struct sysctl *s = found_value(lab, c->goal, path);
		if (s)
			return s->value;
		if (made && netns_find_sysctl(made, path))
			return NULL;
	}
	return live && !live->missing ? live->value : NULL;
}

/* Of an IPv6 MTU that is the interface's own: as it was before the lab set that. NULL: it is not. */
static const char *original_mtu(const struct claiming *c, const char *path)
{
	const struct link *live = sysctl_ipv6_mtu_of(c->goal->live, path), *before;
	const struct sysctl *s = live ? netns_find_sysctl(c->goal->live, path) : NULL;

	if (!s || s->missing || strtoul(s->value, NULL, 10) != live->mtu)
		return NULL;
	before = model_find_link(c->record->before, c->goal, live->name);
	return before && before->given & LINK_BIT("mtu")
		       ? arena_printf(&c->record->before->arena, "%u", before->mtu)
		       : NULL;
}

static void take_original_sysctl(const struct claiming *c, const char *path)
{
	const char *value = original_value(c, path), *mtu = value ? original_mtu(c, path) : NULL;

	if (mtu)
		value = mtu;
	if (value)
		take_sysctl(c->record->before, before_netns(c), path, value);
}

/* Of an interface that the plan makes or moves: it starts as others do. What it left with when it
 * comes home, and was not that, is on record. */
static void take_initial_sysctl(const struct claiming *c, const char *path)
{
	struct netns *before = before_netns(c);
	char initial[SYSCTL_PATH_MAX + 1];
	const struct sysctl *known;
	const char *value;

	if (!sysctl_initial_of(path, initial))
		return;
	known = netns_find_sysctl(before, initial);
	value = known ? known->value : original_value(c, initial);
	if (value)
		take_sysctl(c->record->before, before, path, value);
}

/* --- claiming ---------------------------------------------------------------------- */

/* An existing cable whose other end is in a namespace that the lab owns goes with that. */
static bool is_owned_cable(const struct plan *p, const struct link *l)
{
	const struct link *peer = l->kind && l->kind->is_pair ? link_peer(p->goal, l) : NULL;

	return peer && peer->netns->class == NETNS_OWNED;
}

static void claim_addresses(const struct claiming *c, struct link *made, const struct link *want,
			    const struct link *live)
{
	const struct address *found;

	array_each(&want->addresses, a) {
		if (!(*a)->node || link_find_address(made, *a))
			continue;
		found = link_find_address(live, *a);
		if (found)
			take_address(c->record->before,
				     record_link(c->record->before, before_netns(c), want->name),
				     found);
		take_address(c->record->made, made, *a);
	}
}

/* What lo has already, though it is down: it is not to go when lo is set down again. */
static void claim_gains(const struct claiming *c, const struct link *made, const struct link *want,
			const struct link *live)
{
	array_each(&live->addresses, a) {
		const struct address *found;

		if (!link_gains_address(want, *a) || link_gains_address(made, *a))
			continue;
		found = original_address(c->record, c->others, *a);
		if (found && (found != *a || live->state == LINK_DOWN))
			take_address(c->record->before,
				     record_link(c->record->before, before_netns(c), want->name),
				     found);
	}
}

static void claim_ipv6_sysctls(const struct claiming *c, const struct link *live)
{
	array_each(&live->netns->sysctls, s)
		if (sysctl_is_of((*s)->path, live->name) && str_starts((*s)->path, "ipv6/"))
			take_original_sysctl(c, (*s)->path);
}

/* What an interface that is not the lab's loses by what the goal says of it. */
static void claim_losses(const struct claiming *c, const struct link *live)
{
	const unsigned loss = netns_link_loss(c->goal, live->name);
	struct link *before;

	if (!loss)
		return;
	before = record_link(c->record->before, before_netns(c), live->name);
	take_their_routes(c->record, c->others, before, loss);
	if (loss != LOSS_DOWN || live->state == LINK_UP)
		take_losses(c->record, c->others, before, live, loss);
	if (loss & LOSS_IPV6_SYSCTLS)
		claim_ipv6_sysctls(c, live);
	array_each(c->others, lab) {
		const struct netns *made = model_find_netns(lab->made, c->goal->name);
		if (made && netns_link_loss(made, live->name))
			take_their_losses(c->record, lab, before);
	}
}

/* Was it there before the lab? Also where that has taken it over (claim_link() comes first). */
static bool is_theirs(const struct claiming *c, const struct link *live)
{
	const struct link *made = netns_find_link(c->made, live->name);
	const struct link *before = model_find_link(c->record->before, c->goal, live->name);

	if (live->fate != LINK_STAYS || (live->match && live->match->from.name))
		return false;
	return (before && before->kind) ||
	       !((made && link_is_made(made)) || (live->match && link_is_made(live->match)));
}

/* The live link that was there before the lab; NULL: it makes it, moves it here, or has done so. */
static const struct link *find_theirs(const struct claiming *c, const struct plan *p,
				      const struct link *made, const struct link *want)
{
	const struct link *before = model_find_link(c->record->before, c->goal, want->name);
	bool is_own = made->kind && !(before && before->kind);

	if (want->fate != LINK_STAYS || want->from.name || is_own || is_owned_cable(p, want))
		return NULL;
	return want->match;
}

/* What the lab made is gone, and what has its name now is taken over. */
static void forget_other(struct link *made, const struct link *want)
{
	if (!made->index || want->fate != LINK_STAYS || made->index == want->index)
		return;
	made->kind = NULL;
	made->data = NULL;
	made->kind_name = "";
	made->given = made->kind_given = 0;
	made->addresses.n = 0;
}

static void claim_link(const struct claiming *c, const struct plan *p, const struct link *want)
{
	struct record *r = c->record;
	struct link *made = record_link(r->made, c->made, want->name), *before;
	const struct link *live;
	uint64_t rows = link_claims(want), new;
	bool found;

	forget_other(made, want);
	live = find_theirs(c, p, made, want);
	new = rows & ~link_values(made);
	found = live && link_is_made(want) && !made->kind;
	if (live && (found || new)) {
		before = record_link(r->before, before_netns(c), want->name);
		if (found)
			take_kind(r->before, before, live);
		/* What the kernel chooses goes on being its choice. */
		take_original_rows(c, before, live, found ? new | link_fixed_values(live) : new);
	}
	if (live)
		claim_gains(c, made, want, live);
	if (link_is_made(want) && !made->kind)
		link_set_kind(r->made, made, want->kind);
	/* A name may be another one's by and by. */
	made->index = link_is_made(want) && want->fate == LINK_STAYS ? want->index : 0;
	made->given &= ~rows;
	take_rows(r->made, made, want, rows);
	claim_addresses(c, made, want, live);
}

static void claim_routes(const struct claiming *c)
{
	array_each(&c->goal->routes, want) {
		if (!(*want)->node || find_route(c->record->made, *want))
			continue;
		if ((*want)->match)
			take_route(c->record->before, before_netns(c), (*want)->match);
		take_route(c->record->made, c->made, *want);
	}
}

/* What writing this value changes as well. */
static void claim_dragged(const struct claiming *c, const char *by)
{
	array_each(c->others, lab) {
		const struct netns *made = model_find_netns(lab->made, c->goal->name);
		const struct netns *before = model_find_netns(lab->before, c->goal->name);
		if (!made || !netns_find_sysctl(made, by))
			continue;
		if (before)
			array_each(&before->sysctls, s)
				if (sysctl_drags(by, (*s)->path))
					take_sysctl(c->record->before, before_netns(c), (*s)->path,
						    (*s)->value);
		return;
	}
	array_each(&c->goal->live->sysctls, s)
		if (sysctl_drags(by, (*s)->path))
			take_original_sysctl(c, (*s)->path);
}

/* Is it about an interface that this plan makes or moves here? */
static bool is_on_new_link(const struct netns *n, const char *path)
{
	array_each(&n->links, l)
		if (sysctl_is_of(path, (*l)->name))
			return (*l)->fate == LINK_COMES || (*l)->fate == LINK_MOVES;
	return false;
}

/* What comes back starts as a value of the goal's that goes on to write it, and has it for one of its
 * own: it does not follow when that is put back (inetdev_init() in net/ipv4/devinet.c copies which
 * values were set). */
static void claim_started(const struct claiming *c, const struct link *want)
{
	char path[SYSCTL_PATH_MAX + 1];

	array_each(&c->goal->sysctls, s)
		if ((*s)->node && sysctl_dragged((*s)->path, want->name, path) &&
		    loss_takes_sysctl(want->regains, path))
			take_initial_sysctl(c, path);
}

static void claim_sysctls(const struct claiming *c)
{
	array_each(&c->goal->sysctls, s) {
		struct sysctl *made = netns_find_sysctl(c->made, (*s)->path);

		if (!(*s)->node)
			continue;
		if (made) {
			made->value = arena_strdup(&c->record->made->arena, (*s)->value);
			continue;
		}
		take_sysctl(c->record->made, c->made, (*s)->path, (*s)->value);
		if (is_on_new_link(c->goal, (*s)->path)) {
			take_initial_sysctl(c, (*s)->path);
			continue;
		}
		take_original_sysctl(c, (*s)->path);
		claim_dragged(c, (*s)->path);
	}
	array_each(&c->goal->links, l)
		if ((*l)->regains)
			claim_started(c, *l);
}

void record_claim_netns(struct record *r, const struct plan *p, const struct netns *n)
{
	struct claiming c = {
		.record = r, .others = p->others, .goal = n, .made = record_netns(r->made, n)};

	array_each(&n->links, l)
		if ((*l)->mark.line)
			claim_link(&c, p, *l);
	array_each(&n->live->links, l)
		if (is_theirs(&c, *l))
			claim_losses(&c, *l);
	claim_routes(&c);
	claim_sysctls(&c);
}

void record_claim_moved(struct record *r, const struct plan *p, struct link *to,
			const struct link *source)
{
	const struct claiming c = {.record = r,
				   .others = p->others,
				   .goal = model_find_netns(p->goal, source->netns->name)};

	take_their_routes(r, p->others, to, LOSS_MOVED);
	take_losses(r, p->others, to, source, LOSS_MOVED);
	/* As they were before any lab: another one's switch may have dragged them along. */
	array_each(&source->netns->sysctls, s)
		if (sysctl_is_of((*s)->path, source->name))
			take_original_sysctl(&c, (*s)->path);
}
