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

static bool keep_link(struct link *l, bool keep)
{
	if (!keep)
		array_free(&l->addresses);
	return keep;
}

static bool keep_route(const struct netns *n, struct route *r, bool keep)
{
	if (!keep && r->netns == n) /* a copy lists another model's */
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
	const struct link *f = netns_find_link(file, l->name);

	if (!f || !link_is_made(f))
		link_set_kind(NULL, l, NULL);
	l->given &= f ? link_claims(f) : 0;
	keep_if(&l->addresses, a, link_find_address(f, a) != NULL);
	return keep_link(l, netns_is_external(l->netns) ? f != NULL : l->kind && l->given);
}

/* A process is to be found in its namespace. */
static bool has_process(const struct model *m, const struct netns *n)
{
	array_each(&m->processes, p)
		if (str_equal((*p)->netns, n->name))
			return true;
	return false;
}

static bool settle_made(struct netns *n, const struct model *file)
{
	const struct netns *f = model_find_netns(file, n->name);

	if (!f)
		return keep_netns(n, false);
	if (netns_is_external(f)) { /* what the lab owned the file leaves to others from now on */
		n->class = f->class;
		n->pid = f->pid;
		n->path = f->path;
	}
	keep_if(&n->links, l, settle_made_link(l, f));
	keep_if(&n->routes, r, keep_route(n, r, netns_find_route(f, r) != NULL));
	keep_if(&n->sysctls, s, netns_find_sysctl(f, s->path) != NULL);
	return keep_netns(n, n->class == NETNS_OWNED || n->links.n || n->routes.n || n->sysctls.n ||
				     has_process(file, n));
}

static bool settle_before_link(struct link *l, const struct model *file)
{
	const struct link *f = model_find_link(file, l->netns, l->name);

	if (model_find_moved(file, l->netns, l->name))
		return true;
	l->home = l->away = 0;		     /* it is home */
	if (l->kind && f && link_is_made(f)) /* taken over, as a whole */
		return true;
	link_set_kind(NULL, l, NULL);
	l->given &= f ? link_claims(f) : 0;
	keep_if(&l->addresses, a, holds_address(file, a));
	return keep_link(l, l->given || l->addresses.n);
}

static bool settle_before(struct netns *n, const struct model *file)
{
	keep_if(&n->links, l, settle_before_link(l, file));
	keep_if(&n->routes, r, keep_route(n, r, holds_route(file, r)));
	keep_if(&n->sysctls, s, holds_sysctl(file, n, s->path));
	return keep_netns(n, n->links.n || n->routes.n || n->sysctls.n);
}

static bool keep_process(struct process *p, bool keep)
{
	if (!keep)
		process_free(p);
	return keep;
}

void record_settle(struct record *r, const struct model *file)
{
	keep_if(&r->made->processes, p, keep_process(p, model_find_process(file, p) != NULL));
	keep_if(&r->made->namespaces, n, settle_made(n, file));
	keep_if(&r->before->namespaces, n, settle_before(n, file));
}

void record_forget_netns(struct record *r, const char *name)
{
	keep_if(&r->made->namespaces, n, keep_netns(n, !str_equal(n->name, name)));
	keep_if(&r->before->namespaces, n, keep_netns(n, !str_equal(n->name, name)));
}
