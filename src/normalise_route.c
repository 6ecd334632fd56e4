/* SPDX-License-Identifier: MIT */
/* Which interface a gateway is behind, where the file does not say: the one with
 * the longest connected network that holds it. Runs on a sorted model. In an
 * external namespace what the file does not show stays unknown. */
#include "load_internal.h"

#include <linux/rtnetlink.h>

static bool needs_dev(const struct netns *n)
{
	array_each(&n->routes, pr) {
		if ((*pr)->via.family && !(*pr)->dev)
			return true;
		array_each(&(*pr)->nexthops, hop)
			if (hop->via.family && !hop->dev)
				return true;
	}
	return false;
}

static void resolve(struct loader *l, const struct networks *w, const struct node *n,
		    const struct ip *via, uint32_t table, const char **dev, bool *ret_resolved)
{
	bool ambiguous = false;
	const char *found = networks_find(w, via, NULL, table, &ambiguous);
	char text[IP_TEXT_MAX];

	if (!found || ip_is_link_local(via)) /* link-local ones are behind every interface */
		return;
	if (ambiguous) {
		diag_warning(l->d, value_mark(n, "via"),
			     "the gateway %s is on networks of several interfaces",
			     ip_format(via, false, text));
		diag_hint(l->d, "say which with 'dev: IFNAME'; the kernel takes one of them");
		return;
	}
	*dev = found;
	*ret_resolved = true;
}

void normalise_routes(struct loader *l)
{
	array_each(&l->m->namespaces, pn) {
		struct networks w;

		if (!needs_dev(*pn))
			continue;
		networks_build(*pn, true, &w);
		array_each(&(*pn)->routes, pr) {
			struct route *r = *pr;

			if (r->via.family && !r->dev)
				resolve(l, &w, r->node, &r->via, r->table, &r->dev,
					&r->dev_resolved);
			array_each(&r->nexthops, hop)
				if (hop->via.family && !hop->dev)
					resolve(l, &w, hop->node, &hop->via, r->table, &hop->dev,
						&r->dev_resolved);
		}
		networks_free(&w);
	}
}
