/* SPDX-License-Identifier: MIT */
/* How a record shrinks when a plan has run: what the file no longer names was
 * removed or put back, and is forgotten. What is taken out of a model here must
 * not leave its arrays behind. */
#include "record.h"

#include <string.h>

/* Keeps the items for which `cond` (of `it`, the item) holds. */
#define keep_if(array, it, cond)                                               \
	do {                                                                   \
		size_t kept_ = 0;                                              \
		for (size_t i_ = 0; i_ < (array)->n; i_++) {                   \
			__typeof__((array)->items[0]) it = (array)->items[i_]; \
			if (cond)                                              \
				(array)->items[kept_++] = it;                  \
		}                                                              \
		(array)->n = kept_;                                            \
	} while (0)

static bool names_address(const struct link *l, const struct address *a)
{
	if (l)
		array_each(&l->addresses, i)
			if (address_compare(*i, a) == 0)
				return true;
	return false;
}

static bool names_route(const struct netns *n, const struct route *r)
{
	if (n)
		array_each(&n->routes, i)
			if (route_compare(*i, r) == 0)
				return true;
	return false;
}

static bool keep_link(struct link *l, bool keep)
{
	if (!keep)
		array_free(&l->addresses);
	return keep;
}

static bool keep_route(struct route *r, bool keep)
{
	if (!keep)
		array_free(&r->nexthops);
	return keep;
}

static bool keep_netns(struct netns *n, bool keep)
{
	if (!keep)
		netns_free(n);
	return keep;
}

static bool settle_made_link(struct link *l, const struct netns *file)
{
	const struct link *f = file ? netns_find_link(file, l->name) : NULL;
	bool made = f && link_is_made(f) && l->kind;

	if (made)
		l->given &= f->given;
	else
		l->kind = NULL;
	keep_if(&l->addresses, a, names_address(f, a));
	return keep_link(l,
			 netns_is_external(l->netns) ? made || l->addresses.n : made && l->given);
}

static bool settle_made(struct netns *n, const struct model *file)
{
	const struct netns *f = model_find_netns(file, n->name);

	if (n->class == NETNS_OWNED && (!f || f->class != NETNS_OWNED))
		return keep_netns(n, false);
	keep_if(&n->links, l, settle_made_link(l, f));
	keep_if(&n->routes, r, keep_route(r, names_route(f, r)));
	return keep_netns(n, n->class == NETNS_OWNED || n->links.n || n->routes.n);
}

static bool settle_before_link(struct link *l, const struct model *file)
{
	const struct netns *f = model_find_netns(file, l->netns->name);
	const struct link *w = f ? netns_find_link(f, l->name) : NULL;
	bool held = link_is_held(file, l->netns, l->name);

	if (l->away && model_find_moved(file, l->netns, l->name))
		return keep_link(l, true);
	l->home = l->away = 0; /* it is home */
	keep_if(&l->addresses, a, held || names_address(w, a));
	l->given &= w ? w->given : 0;
	l->kind_given &= w ? w->kind_given : 0;
	return keep_link(l, l->given || l->kind_given || l->addresses.n);
}

/* Is an old value still needed, because the file still names the key or what drags it along? */
static bool needs_sysctl(const struct netns *n, const struct model *file, const struct sysctl *s)
{
	const struct netns *f = model_find_netns(file, n->name);
	size_t size = 0;
	const char *name = sysctl_interface(s->path, &size);
	char text[IFNAME_MAX + 1];

	if (f && netns_find_sysctl(f, s->path))
		return true;
	if (sysctl_is_held(file, n, s->path))
		return true;
	if (!name || size > IFNAME_MAX)
		return false;
	memcpy(text, name, size);
	text[size] = '\0';
	return model_find_moved(file, n, text);
}

static bool settle_before(struct netns *n, const struct model *file)
{
	const struct netns *f = model_find_netns(file, n->name);

	keep_if(&n->links, l, settle_before_link(l, file));
	keep_if(&n->routes, r,
		keep_route(r, names_route(f, r) || (r->dev && link_is_held(file, n, r->dev))));
	keep_if(&n->sysctls, s, needs_sysctl(n, file, s));
	return keep_netns(n, n->links.n || n->routes.n || n->sysctls.n);
}

void record_settle(struct record *r, const struct model *file)
{
	keep_if(&r->made->namespaces, n, settle_made(n, file));
	keep_if(&r->before->namespaces, n, settle_before(n, file));
}
