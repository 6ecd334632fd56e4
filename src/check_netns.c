/* SPDX-License-Identifier: MIT */
/* Namespaces, their sysctls, and interfaces that are moved between them. */
#include "load_internal.h"

#include <errno.h>
#include <string.h>

/* Devices that the kernel puts into every namespace once their module is loaded
 * (net_has_fallback_tunnels()). */
static const char *const fallback_devices[] = {
	"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0",
};

static bool is_fallback(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fallback_devices); i++)
		if (str_equal(fallback_devices[i], name))
			return true;
	return false;
}

static void check_sysctl(struct checker *c, const struct netns *n, const struct sysctl *s)
{
	size_t size;
	const char *start = sysctl_interface(s->path, &size);
	char name[IFNAME_MAX + 1];

	if (!start || !s->node || netns_is_external(n))
		return;
	if (size > IFNAME_MAX) {
		diag_error(c->d, -EINVAL, s->node->mark,
			   "'%.*s' is too long for an interface's name", (int)size, start);
		return;
	}
	memcpy(name, start, size);
	name[size] = '\0';
	if (netns_find_link(n, name) || is_fallback(name) || unclear_link(c->unclear, n, name))
		return;
	diag_error(c->d, -EINVAL, s->node->mark,
		   "this sysctl is about '%s', which namespace '%s' does not have", name, n->name);
}

/* The kernel's one value cannot be two, and which one it would end as hangs on the order. */
static void check_twin(struct checker *c, const struct netns *n, const struct sysctl *s)
{
	cleanup_buf struct buf name = {0}, other_name = {0};
	char path[SYSCTL_PATH_MAX + 1];
	const struct sysctl *other = sysctl_twin(s->path, path) ? netns_find_sysctl(n, path) : NULL;

	if (!other || !s->node || !other->node || strcmp(s->path, other->path) < 0)
		return;
	sysctl_name(s->path, &name);
	sysctl_name(other->path, &other_name);
	diag_error(c->d, -EINVAL, s->node->mark, "%s and %s are one value in two units",
		   buf_text(&name), buf_text(&other_name));
	diag_hint(c->d, "the other one is in line %u; leave one of them out",
		  other->node->mark.line);
}

void check_netns(struct checker *c, const struct netns *n)
{
	array_each(&n->sysctls, ps) {
		check_sysctl(c, n, *ps);
		check_twin(c, n, *ps);
	}
	if (netns_is_external(n) && (n->ignore_links.n || n->ignore_routes.n)) {
		diag_warning(c->d, value_mark(n->node, "ignore"),
			     "'ignore' has no effect in an external namespace");
		diag_hint(c->d, "nothing is pruned from it");
	}
}

/* --- from ---------------------------------------------------------------------------- */

static void check_move(struct checker *c, const struct link *k, struct name_index *seen)
{
	struct mark at = link_key_mark(k, "from");
	const struct netns *source;
	const struct link *other;
	char id[LINK_TEXT_MAX];

	if (!k->from.netns) {
		diag_error(c->d, -EINVAL, at, "'%s' does not say in which namespace", k->from.name);
		diag_hint(c->d, "write NAMESPACE:%s; the host's is host:%s", k->from.name,
			  k->from.name);
		return;
	}
	source = model_find_netns(c->m, k->from.netns);
	if (!source && unclear_key(c->unclear, c->root, "namespaces"))
		return;
	if (!source) {
		diag_error(c->d, -EINVAL, at, "there is no namespace '%s'", k->from.netns);
		diag_hint(c->d, "an interface is moved from host, or from a namespace declared "
				"'external'");
		return;
	}
	if (source == k->netns || !netns_is_external(source)) {
		diag_error(c->d, -EINVAL, at, "%s cannot be moved from '%s', %s", k->name,
			   source->name,
			   source == k->netns ? "where it already is" : "which the lab owns");
		diag_hint(c->d, "what is moved exists without the lab, in host or another external "
				"namespace");
		return;
	}
	if (str_equal(k->from.name, LOOPBACK)) {
		diag_error(c->d, -EINVAL, at, "lo cannot be moved");
		return;
	}
	other = index_get(seen, source, k->from.name);
	if (other) {
		diag_error(c->d, -EINVAL, at, "%s:%s is moved to two places", source->name,
			   k->from.name);
		diag_hint(c->d, "the other one is %s", link_text(other, id));
		return;
	}
	index_put(seen, source, k->from.name, (void *)k);
	other = netns_find_link(source, k->from.name);
	if (other && !other->from.name) { /* two may change places */
		diag_error(c->d, -EINVAL, at, "%s:%s is also declared where it is moved from",
			   source->name, k->from.name);
		diag_hint(c->d, "say what it is to be under %s", link_text(k, id));
	}
}

/* Two names for one namespace would be two plans for it. */
static void check_same_netns(struct checker *c, const struct netns *n, struct name_index *seen,
			     struct arena *keys)
{
	const char *key = n->path;
	const struct netns *other;

	if (n->class == NETNS_PID)
		key = arena_printf(keys, "%u", n->pid);
	if (!key || (n->class != NETNS_PID && n->class != NETNS_PATH) ||
	    unclear_key(c->unclear, n->node, "external"))
		return;
	other = index_get(seen, seen, key);
	if (other)
		diag_error(c->d, -EINVAL, value_mark(n->node, "external"),
			   "'%s' and '%s' are the same namespace", other->name, n->name);
	index_put(seen, seen, key, (void *)n);
}

void check_moves(struct checker *c)
{
	struct name_index seen = {0};
	struct arena keys = {0};

	array_each(&c->m->namespaces, pn) {
		check_same_netns(c, *pn, &seen, &keys);
		array_each(&(*pn)->links, pk)
			if ((*pk)->from.name)
				check_move(c, *pk, &seen);
	}
	index_free(&seen);
	arena_free(&keys);
}
