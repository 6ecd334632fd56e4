/* SPDX-License-Identifier: MIT */
/* Deleting namespaces: their names are taken away back to back, and when that has worked for
 * all of them they are let go, and the kernel does the rest, later. Unless a process is inside: then a
 * namespace lives on, without its name. It is said which process, and what the
 * namespace would have taken along is deleted. */
#include "execute_internal.h"

/* So long nothing has to go for us to believe that nothing more will go by itself. */
#define GONE_QUIET_MS 1000

typedef ARRAY(const struct link *) link_list;

/* How many are still there? */
static size_t wait_gone(struct execution *e, const link_list *links)
{
	const struct patience patience = {.ms = GONE_QUIET_MS, .renewed = true, .stop = -1};
	struct awaited *items = xcalloc(links->n, sizeof(*items));
	size_t left;

	for (size_t i = 0; i < links->n; i++)
		items[i] = (struct awaited){.what = AWAIT_GONE, .link = links->items[i]};
	left = kernel_wait(e->kernel, items, links->n, &patience);
	free(items);
	return left;
}

static bool has_residents(const residents *inside, const char *netns)
{
	array_each(inside, r)
		if (str_equal(r->netns->name, netns))
			return true;
	return false;
}

static int delete_links(struct execution *e, const link_list *links, const void *tag,
			struct diags *d)
{
	refusals ignored = {0}; /* those that are gone by now */
	int r;

	array_each(links, l)
		kernel_link_delete(e->kernel, *l, tag);
	r = kernel_flush(e->kernel, &ignored, d);
	array_free(&ignored);
	return r;
}

/* Ends of cables in namespaces that stay go with the other ends, a moment later. */
static int delete_other_ends(struct execution *e, const struct plan *p, const residents *inside,
			     const void *tag, struct diags *d)
{
	link_list left = {0}, held = {0};
	int r = 0;

	array_each(&p->changes, c) {
		if (c->object != OBJECT_LINK || c->action != ACTION_DELETE)
			continue;
		array_add(&left, c->have.link);
		if (has_residents(inside, c->have.link->peer.netns))
			array_add(&held, c->have.link);
	}
	if (held.n)
		r = delete_links(e, &held, tag, d);
	if (r >= 0 && left.n && wait_gone(e, &left))
		r = delete_links(e, &left, tag, d);
	array_free(&left);
	array_free(&held);
	return r;
}

static void tell_residents(const residents *inside, struct diags *d)
{
	size_t next;

	for (size_t i = 0; i < inside->n; i = next) {
		const struct resident *first = NULL;
		size_t others = 0;

		for (next = i;
		     next < inside->n && inside->items[next].netns == inside->items[i].netns;
		     next++) {
			if (!kernel_is_resident(&inside->items[next]))
				continue;
			if (first)
				others++;
			else
				first = &inside->items[next];
		}
		if (!first)
			continue;
		cleanup_buf struct buf who = {0};
		buf_printf(&who, "process %d (%s)", (int)first->pid, first->name);
		if (others)
			buf_printf(&who, " and %zu other%s", others, others > 1 ? "s" : "");
		diag_warning(
			d, NO_MARK,
			"namespace \"%s\" lives on without its name, because %s %s still inside",
			first->netns->name, buf_text(&who), others ? "are" : "is");
		diag_hint(d, "the kernel takes it away when no process is left in it");
	}
}

/* All or none: while they are held open, a name that was taken away can be given again. */
static int take_names_away(struct execution *e, const struct step *s, size_t n, struct diags *d)
{
	size_t done = 0;
	int r = 0;

	while (done < n && (r = kernel_netns_unname(e->kernel, s[done].netns, d)) >= 0)
		done++;
	if (r >= 0)
		return 0;
	while (done-- > 0)
		if (!s[done].netns->stray)
			kernel_netns_name(e->kernel, s[done].netns, d);
	return r;
}

int execute_delete_namespaces(struct execution *e, const struct plan *p, struct step *s, size_t n,
			      struct diags *d)
{
	const struct netns **list = xcalloc(n, sizeof(*list));
	residents inside = {0};
	int r;

	for (size_t i = 0; i < n; i++)
		list[i] = s[i].netns;
	kernel_find_residents(e->kernel, list, n, &inside);
	r = take_names_away(e, s, n, d);
	if (r >= 0) {
		e->no_return = e->no_return || !e->remakes;
		for (size_t i = 0; i < n; i++)
			kernel_netns_release(e->kernel, s[i].netns);
		r = delete_other_ends(e, p, &inside, &s[0], d);
		tell_residents(&inside, d);
	}
	array_free(&inside);
	free(list);
	return r;
}
