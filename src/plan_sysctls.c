/* SPDX-License-Identifier: MIT */
/* Sysctls. Writing some changes others (sysctl_drags()): those are written first, and
 * what they drag along is written again where the goal names it. */
#include "plan_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What an owned namespace starts from; NULL: this table does not say. */
static const char *default_value(const char *path)
{
	for (size_t i = 0; i < netns_defaults_n; i++)
		if (strcmp(netns_defaults[i].path, path) == 0)
			return netns_defaults[i].value;
	return NULL;
}

/* The link of the goal that a path below conf/IF speaks of; NULL: none. */
static struct link *link_of(const struct netns *n, const char *path)
{
	size_t size = 0;
	const char *name = sysctl_interface(path, &size);
	char text[IFNAME_MAX + 1];

	if (!name || size > IFNAME_MAX)
		return NULL;
	memcpy(text, name, size);
	text[size] = '\0';
	return netns_find_link(n, text);
}

/* --- advertised default routes -------------------------------------------------- */

static const struct sysctl *find_accept_ra(const struct netns *n, const struct link *l)
{
	char path[SYSCTL_PATH_MAX + 1];

	return netns_find_sysctl(n, sysctl_accept_ra(l->name, path));
}

/* Is the value what decides whether an interface that stays loses its advertised route? */
static bool guards_route(const struct netns *n, const struct sysctl *want)
{
	const struct link *link = link_of(n, want->path);

	return link && link->fate == LINK_STAYS && link->match && link->match->advertised &&
	       find_accept_ra(n, link) == want;
}

/* Turning IPv6 forwarding on makes the kernel drop the default routes that it took from router
 * advertisements, but for those of interfaces whose accept_ra is 2 (rt6_purge_dflt_routers() in
 * net/ipv6/route.c), and turning it off does not bring them back. Where accept_ra is 0, a
 * program took the route (systemd-networkd, NetworkManager), and the kernel lets it be. */
static int check_advertised(struct planner *p, const struct netns_pair *pair,
			    const struct sysctl *want)
{
	int result = 0;

	if (!want->node || !netns_is_external(pair->want) || !pair->have ||
	    !sysctl_forwards_ipv6(want->path) || strcmp(want->value, "0") == 0)
		return 0;
	array_each(&pair->have->links, l) {
		const struct sysctl *now = find_accept_ra(pair->have, *l);
		const struct sysctl *then = find_accept_ra(pair->want, *l);
		const char *value = then ? then->value : now ? now->value : "0";

		if (!value) /* it could not be read */
			value = "1";
		if (!(*l)->advertised || (*l)->fate != LINK_STAYS || strcmp(value, "1") != 0)
			continue;
		result = diag_error(p->d, -EPERM, want->node->mark,
				    "turning IPv6 forwarding on would lose the default route that "
				    "a router advertised to %s:%s",
				    pair->have->name, (*l)->name);
		diag_hint(p->d,
			  "under %s, `sysctl: {ipv6.accept_ra: 2}` keeps it; `forwarding: ipv4` "
			  "leaves IPv6 as it is",
			  (*l)->name);
	}
	return result;
}

/* --- steps ------------------------------------------------------------------------ */

/* Does the plan make room for IPv6 on the interface, which so far has no such sysctls? */
static bool gets_ipv6(const struct link *l, const char *path)
{
	return l && l->match && l->match->mtu < IPV6_MIN_MTU && l->mtu >= IPV6_MIN_MTU &&
	       str_starts(path, "ipv6/");
}

/* With room for it IPv6 starts at once, as new interfaces do (addrconf_notify() in
 * net/ipv6/addrconf.c), and has a link-local address that the interface's own values may not
 * want. So it is off until they are written: starting once more then, it goes by them. */
static bool starts_ipv6(const struct link *l, const char *path)
{
	char own[SYSCTL_PATH_MAX + 1];

	return gets_ipv6(l, path) && str_equal(path, sysctl_dragged(IPV6_OFF, l->name, own));
}

static void write_off(struct planner *p, struct netns *n, const char *path)
{
	struct sysctl *off = arena_alloc(&p->plan->arena, sizeof(*off));
	struct step *s = plan_step(p, OP_LINK_SYSCTL, n);

	*off = (struct sysctl){.path = path, .value = "1"};
	s->sysctl = off;
	s->level = 0;
}

static bool is_key(const struct sysctl *s, const char *key)
{
	const char *slash = strrchr(s->path, '/');

	return slash && str_equal(slash + 1, key);
}

/* Those that drag others along come before these; a secret before the addr_gen_mode that is
 * refused without; where IPv6 starts, it has the interface's MTU for its own. */
static uint32_t value_level(const struct netns *n, const struct sysctl *want)
{
	const struct link *l = link_of(n, want->path);
	char dragged[SYSCTL_PATH_MAX + 1];

	if (sysctl_dragged(want->path, "default", dragged) || is_key(want, "stable_secret"))
		return 1;
	if (starts_ipv6(l, want->path))
		return 3;
	return gets_ipv6(l, want->path) && is_key(want, "mtu") ? 4 : 2;
}

/* Those that guard a route come before forwarding is switched on. */
static void write_value(struct planner *p, struct netns *n, const struct sysctl *want)
{
	size_t size;
	bool guards = guards_route(n, want);
	bool early = guards || !sysctl_interface(want->path, &size);
	struct step *s;

	if (starts_ipv6(link_of(n, want->path), want->path))
		write_off(p, n, want->path);
	s = plan_step(p, early ? OP_NETNS_SYSCTL : OP_LINK_SYSCTL, n);
	s->sysctl = want;
	s->level = guards ? 0 : value_level(n, want);
}

static int unknown_value(struct planner *p, const struct netns *n, const struct sysctl *want,
			 const struct sysctl *have)
{
	cleanup_buf struct buf name = {0};

	if (have->unreadable)
		return sysctl_tell_unreadable(want->path, n->name, have->unreadable,
					      want->node ? want->node->mark : NO_MARK, p->d);
	if (!want->node)
		return 0;
	sysctl_name(want->path, &name);
	diag_error(p->d, -ENOENT, want->node->mark, "this kernel has no sysctl %s",
		   buf_text(&name));
	return -ENOENT;
}

static void write_dragged(struct planner *p, struct netns *n, const char *by)
{
	char dragged[SYSCTL_PATH_MAX + 1];

	if (!sysctl_dragged(by, LOOPBACK, dragged)) /* nor of any other interface */
		return;
	array_each(&n->sysctls, s)
		if (!(*s)->missing && sysctl_drags(by, (*s)->path))
			write_value(p, n, *s);
}

/* Was it the interface's when the lab found it? Where the lab has set that since, the goal knows. */
static bool follows_mtu(const struct planner *p, const struct netns_pair *pair,
			const struct link *l, const struct sysctl *want)
{
	const struct link *made = pair->made ? netns_find_link(pair->made, l->name) : NULL;
	bool is_set = made && made->given & LINK_BIT("mtu");

	if (want->node || p->options->rollback)
		return false;
	return want->follows_mtu ||
	       (l->match && !is_set && strtoul(want->value, NULL, 10) == l->match->mtu);
}

/* Gives IPv6's MTU the value that its interface's will have, where it is to be that. Is there anything
 * to write? */
static bool settle_mtu(struct planner *p, const struct netns_pair *pair, struct sysctl *want)
{
	const struct link *l = sysctl_ipv6_mtu_of(pair->want, want->path);
	uint32_t mtu;

	if (!l || !follows_mtu(p, pair, l, want))
		return true;
	mtu = l->mtu ? l->mtu : l->match ? l->match->mtu : 0;
	want->value = arena_printf(&p->goal->arena, "%u", mtu);
	return l->fate == LINK_STAYS && mtu >= IPV6_MIN_MTU && !gets_ipv6(l, want->path);
}

static int plan_value(struct planner *p, const struct netns_pair *pair, struct sysctl *want)
{
	const struct sysctl *have = pair->have ? netns_find_sysctl(pair->have, want->path) : NULL;
	const struct link *link = link_of(pair->want, want->path);
	const struct link *old = pair->have ? link_of(pair->have, want->path) : NULL;
	bool on_new_link = link && (link->fate == LINK_COMES || link->fate == LINK_MOVES ||
				    gets_ipv6(link, want->path));
	const char *initial = pair->have ? NULL : default_value(want->path);
	struct change *c;
	int error;

	if (!settle_mtu(p, pair, want))
		return 0;
	if (want->missing || want->kept || (link && link->fate == LINK_GOES) ||
	    (!link && old && old->fate == LINK_GOES))
		return 0;
	/* On the way back, what cannot be read is written. */
	if (on_new_link || (have && have->unreadable && p->options->rollback))
		have = NULL;
	if (have && have->missing)
		return unknown_value(p, pair->want, want, have);
	if (have && strcmp(have->value, want->value) == 0)
		return 0;
	if (initial && want->implied && strcmp(initial, want->value) == 0)
		return 0;
	error = check_advertised(p, pair, want);
	if (error)
		return error;
	c = plan_change(p, have ? ACTION_CHANGE : ACTION_CREATE, OBJECT_SYSCTL, pair->want);
	c->want.sysctl = want;
	c->have.sysctl = have;
	write_value(p, pair->want, want);
	write_dragged(p, pair->want, want->path);
	return 0;
}

/* What comes back starts as the file's conf/default says from now on, and is to be as it was: as
 * that was. Where writing it writes that of interfaces that have always been there, it goes along. */
static void keep_initial(struct planner *p, const struct netns_pair *pair,
			 const struct sysctl *want)
{
	const struct sysctl *have = netns_find_sysctl(pair->have, want->path);
	char path[SYSCTL_PATH_MAX + 1];

	if (!want->node || !have || have->missing || str_equal(have->value, want->value))
		return;
	array_each(&pair->want->links, l) {
		if (!(*l)->regains || !sysctl_initial(want->path, (*l)->name, path) ||
		    !loss_takes_sysctl((*l)->regains, path) || netns_find_sysctl(pair->want, path))
			continue;
		if (sysctl_drags(want->path, path) && link_follows_default(*l))
			continue;
		netns_add_sysctl(p->goal, pair->want, path, have->value);
		netns_place_sysctl(pair->want);
	}
}

int plan_sysctls(struct planner *p, struct netns_pair *pair)
{
	int result = 0, r;

	if (!pair->want || pair->want->absent)
		return 0;
	/* By number: what is added makes room for itself. */
	for (size_t i = 0; pair->have && i < pair->want->sysctls.n; i++)
		keep_initial(p, pair, pair->want->sysctls.items[i]);
	array_each(&pair->want->sysctls, s) {
		if ((r = plan_value(p, pair, *s)) < 0)
			result = r;
	}
	return result;
}
