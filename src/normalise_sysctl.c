/* SPDX-License-Identifier: MIT */
/* `forwarding`, `defaults.sysctl` and `dad` become sysctls. What stands under
 * `sysctl` is there already and wins over defaults; a contradiction with
 * `forwarding` is an error. */
#include "load_internal.h"

#include <errno.h>
#include <sys/socket.h>

static const struct {
	uint32_t bit;
	const char *path, *name;
} switches[] = {
	{FORWARD_IPV4, "ipv4/ip_forward", "net.ipv4.ip_forward"},
	{FORWARD_IPV6, "ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding"},
};

static struct sysctl *add_sysctl(struct loader *l, struct netns *n, const char *path,
				 const char *value)
{
	struct sysctl *s = netns_add_sysctl(l->m, n, path, value);

	index_put(&l->names, &n->sysctls, s->path, s);
	return s;
}

/* What the key `forwarding` says. */
static void apply_forwarding(struct loader *l, struct netns *n)
{
	bool external = netns_is_external(n);
	const struct node *node = n->node ? node_get(n->node, "forwarding") : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		const char *value = n->forwarding & switches[i].bit ? "1" : "0";
		struct sysctl *s = index_get(&l->names, &n->sysctls, switches[i].path);

		/* ipv4 and ipv6 in an external namespace leave the other as it is. */
		if (external && n->forwarding && !(n->forwarding & switches[i].bit))
			continue;
		if (s && !str_equal(s->value, value)) {
			diag_error(l->d, -EINVAL, node ? node->mark : NO_MARK,
				   "forwarding and the sysctl %s contradict each other",
				   switches[i].name);
			if (s->node)
				diag_hint(l->d, "the sysctl is in line %u; leave one of them out",
					  s->node->mark.line);
		} else if (!s) {
			s = add_sysctl(l, n, switches[i].path, value);
			s->node = node;
		}
	}
}

/* An owned namespace does not forward unless the file says so. */
static void imply_forwarding(struct loader *l, struct netns *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (!index_get(&l->names, &n->sysctls, switches[i].path))
			add_sysctl(l, n, switches[i].path, "0")->implied = true;
}

static void imply_dad(struct loader *l, struct netns *n, struct link *k)
{
	const char *path;
	bool wanted = false;

	array_each(&k->addresses, pa)
		wanted |= (*pa)->address.family == AF_INET6 && (*pa)->dad;
	if (!wanted)
		return;
	path = arena_printf(&l->m->arena, "ipv6/conf/%s/accept_dad", k->name);
	if (!index_get(&l->names, &n->sysctls, path))
		add_sysctl(l, n, path, "1")->implied = true;
}

void normalise_sysctls(struct loader *l)
{
	bool defaults = l->default_sysctl;

	array_each(&l->m->namespaces, pn) {
		struct netns *n = *pn;
		bool owned = !netns_is_external(n);

		if (n->forwarding_given)
			apply_forwarding(l, n);
		if (owned && defaults)
			defaults = load_sysctl_map(l, l->default_sysctl, n, true) >= 0;
		if (!owned)
			continue;
		imply_forwarding(l, n);
		array_each(&n->links, pk)
			imply_dad(l, n, *pk);
	}
}
