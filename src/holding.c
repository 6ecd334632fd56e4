/* SPDX-License-Identifier: MIT */
/* Who holds what. An other lab's moves are not followed: what it has moved away is not there to
 * be named by this one. */
#include "holding.h"

#include <string.h>
#include <sys/socket.h>

/* The rows that are values of a link, to be set and put back; without those flagged `except`. */
static uint64_t value_rows(uint32_t except)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < link_table.n; i++) {
		const struct attr *row = &link_table.rows[i];

		if (attr_is_scalar(row) && row->type != ATTR_REF &&
		    !(row->flags & (ATTR_IDENTITY | ATTR_READ_ONLY | except)))
			mask |= UINT64_C(1) << i;
	}
	return mask;
}

uint64_t link_values(const struct link *l)
{
	return l->given & value_rows(0);
}

uint64_t link_fixed_values(const struct link *l)
{
	return l->given & value_rows(ATTR_AUTOMATIC);
}

uint64_t link_claims(const struct link *l)
{
	uint64_t mask = link_values(l);

	if (link_is_made(l))
		mask |= value_rows(ATTR_AUTOMATIC);
	return l->mtu ? mask | LINK_BIT("mtu") : mask;
}

struct link *model_find_moved(const struct model *m, const struct netns *n, const char *name)
{
	if (!m)
		return NULL;
	array_each(&m->namespaces, f) {
		array_each(&(*f)->links, l)
			if (ref_is_link(&(*l)->from, n, name))
				return *l;
	}
	return NULL;
}

static const struct netns *same_netns(const struct model *m, const struct netns *n)
{
	return m ? model_find_netns(m, n->name) : NULL;
}

struct link *model_find_link(const struct model *m, const struct netns *n, const char *name)
{
	const struct netns *same = same_netns(m, n);

	return same ? netns_find_link(same, name) : NULL;
}

/* --- one lab -------------------------------------------------------------------- */

const struct sysctl *netns_find_ipv6_off(const struct netns *n, const char *name)
{
	char path[SYSCTL_PATH_MAX + 1];
	const struct sysctl *s;

	/* The interface's own value has the last word. */
	s = netns_find_sysctl(n, sysctl_dragged(IPV6_OFF, name, path));
	if (!s)
		s = netns_find_sysctl(n, IPV6_OFF);
	return s && !str_equal(s->value, "0") ? s : NULL;
}

unsigned netns_link_loss(const struct netns *n, const char *name)
{
	const struct link *l = netns_find_link(n, name);
	unsigned loss = netns_find_ipv6_off(n, name) ? LOSS_DISABLED : 0;

	if (l && l->given & LINK_BIT("state") && l->state == LINK_DOWN)
		loss |= LOSS_DOWN;
	if (l && l->mtu && l->mtu < IPV6_MIN_MTU)
		loss |= LOSS_SMALL_MTU;
	return loss;
}

const char *route_dev(const struct route *r)
{
	bool nowhere = !r->dev && !r->nexthops.n && r->to.family == AF_INET6;

	return nowhere ? LOOPBACK : r->dev;
}

bool route_goes_by(const struct route *r, const char *name)
{
	array_each(&r->nexthops, h)
		if (str_equal(h->dev, name))
			return true;
	return str_equal(route_dev(r), name);
}

static bool is_source(const struct route *r, const struct address *a)
{
	return r->src.family == a->address.family &&
	       memcmp(r->src.bytes, a->address.bytes, sizeof(r->src.bytes)) == 0;
}

const struct address *route_source(const struct route *r)
{
	const struct address *source = NULL;

	if (!r->src.family)
		return NULL;
	array_each(&r->netns->links, l) {
		array_each(&(*l)->addresses, a) {
			if (!is_source(r, *a))
				continue;
			if (source)
				return NULL;
			source = *a;
		}
	}
	return source;
}

bool link_gains_address(const struct link *l, const struct address *a)
{
	return l && l->given & LINK_BIT("state") && l->state == LINK_UP &&
	       str_equal(l->name, LOOPBACK) && a->address.family == AF_INET &&
	       address_is_loopback(a);
}

bool loss_takes_address(unsigned loss, const struct address *a)
{
	return loss & LOSS_REST || (loss & LOSS_IPV6 && a->address.family == AF_INET6);
}

bool loss_takes_route(unsigned loss, const struct route *r)
{
	return loss & LOSS_ROUTES || (loss & LOSS_IPV6 && r->to.family == AF_INET6);
}

bool loss_takes_sysctl(unsigned loss, const char *path)
{
	return loss & (str_starts(path, "ipv6/") ? LOSS_IPV6_SYSCTLS : LOSS_REST);
}

unsigned model_link_loss(const struct model *m, const struct netns *n, const char *name)
{
	const struct netns *same = same_netns(m, n);

	if (model_find_moved(m, n, name))
		return LOSS_MOVED;
	return same ? netns_link_loss(same, name) : 0;
}

static const struct sysctl *find_dragging(const struct netns *n, const char *path)
{
	char by[SYSCTL_PATH_MAX + 1];

	return sysctl_dragging(path, by) ? netns_find_sysctl(n, by) : NULL;
}

/* The switch that drags a value along. Of an owned namespace everything is said anyway. */
static const struct sysctl *find_switch(const struct netns *n, const char *path)
{
	return n && netns_is_external(n) ? find_dragging(n, path) : NULL;
}

const char *netns_unnamed_value(const struct netns *n, const char *path)
{
	char initial[SYSCTL_PATH_MAX + 1];
	const struct sysctl *s = NULL;

	/* lo has been there from the beginning. IPv4's value reaches it all the same, as long as it has
	 * no address (net/ipv4/devinet.c, devinet_copy_dflt_conf()). */
	if ((str_starts(path, "ipv4/") || !sysctl_is_of(path, LOOPBACK)) &&
	    sysctl_initial_of(path, initial))
		s = netns_find_sysctl(n, initial);
	if (s)
		return s->value;
	s = find_dragging(n, path);
	return s ? sysctl_dragged_value(s->path, s->value, path) : NULL;
}

bool holds_sysctl(const struct model *m, const struct netns *n, const char *path)
{
	const struct netns *same = same_netns(m, n);
	size_t size = 0;
	const char *name = sysctl_interface(path, &size);
	char link[IFNAME_MAX + 1];

	if (same && (netns_find_sysctl(same, path) || find_switch(same, path)))
		return true;
	if (!name || size > IFNAME_MAX)
		return false;
	memcpy(link, name, size);
	link[size] = '\0';
	return loss_takes_sysctl(model_link_loss(m, n, link), path);
}

const char *holds_dragged(const struct model *m, const struct netns *n, const char *path)
{
	const struct sysctl *s = find_switch(same_netns(m, n), path);

	return s ? sysctl_dragged_value(s->path, s->value, path) : NULL;
}

bool holds_address(const struct model *m, const struct address *a)
{
	const struct netns *n = a->link->netns;
	const char *name = a->link->name;
	const struct link *l = model_find_link(m, n, name);

	return link_find_address(l, a) || link_gains_address(l, a) ||
	       loss_takes_address(model_link_loss(m, n, name), a);
}

static bool holds_way(const struct model *m, const struct route *r, const char *dev)
{
	return dev && loss_takes_route(model_link_loss(m, r->netns, dev), r);
}

static bool holds_source(const struct model *m, const struct route *r)
{
	const struct address *a = route_source(r);

	return a && loss_takes_address(model_link_loss(m, r->netns, a->link->name), a);
}

bool holds_route(const struct model *m, const struct route *r)
{
	if (netns_find_route(same_netns(m, r->netns), r) || holds_source(m, r))
		return true;
	array_each(&r->nexthops, h)
		if (holds_way(m, r, h->dev))
			return true;
	return holds_way(m, r, route_dev(r));
}

/* --- the others ------------------------------------------------------------------ */

bool others_hold_sysctl(const struct others *o, const struct netns *n, const char *path)
{
	array_each(o, lab)
		if (holds_sysctl(lab->made, n, path))
			return true;
	return false;
}

bool others_hold_address(const struct others *o, const struct address *a)
{
	array_each(o, lab)
		if (holds_address(lab->made, a))
			return true;
	return false;
}

static bool is_away(const struct other_lab *lab, const struct netns *n, const char *dev)
{
	const struct link *l = dev ? model_find_link(lab->before, n, dev) : NULL;

	return l && l->away;
}

/* It went with an interface that the lab moved, one of several, and comes back with that. */
static bool is_to_bring(const struct other_lab *lab, const struct route *r)
{
	const struct address *source = route_source(r);

	if (!netns_find_route(same_netns(lab->before, r->netns), r))
		return false;
	array_each(&r->nexthops, h)
		if (is_away(lab, r->netns, h->dev))
			return true;
	return is_away(lab, r->netns, r->dev) ||
	       (source && is_away(lab, r->netns, source->link->name));
}

bool others_hold_route(const struct others *o, const struct route *r)
{
	array_each(o, lab)
		if (holds_route(lab->made, r) || is_to_bring(lab, r))
			return true;
	return false;
}

uint64_t others_hold_rows(const struct others *o, const struct netns *n, const char *name)
{
	uint64_t mask = 0;

	array_each(o, lab) {
		const struct link *l = model_find_link(lab->made, n, name);
		mask |= l ? link_values(l) : 0;
	}
	return mask;
}
