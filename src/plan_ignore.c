/* SPDX-License-Identifier: MIT */
/* What is left to other programs in a namespace of which everything else is the lab's: what the file has
 * under `ignore`, and routes that other programs keep. */
#include "plan_internal.h"

#include <fnmatch.h>
#include <linux/rtnetlink.h>

static bool matches_link(const struct netns *n, const char *name)
{
	if (n)
		array_each(&n->ignore_links, glob)
			if (fnmatch(*glob, name, 0) == 0)
				return true;
	return false;
}

/* Not the lab's, whoever gave it that name. */
static bool is_new(const struct netns_pair *pair, const struct link *have)
{
	return !netns_find_link(pair->undone, have->name) &&
	       !netns_find_index(pair->undone, have->index) &&
	       !(pair->want && netns_find_index(pair->want, have->index));
}

/* The way back leaves what came while the plan that is undone was carried out. */
bool plan_leaves_link(const struct netns_pair *pair, const struct link *have)
{
	return matches_link(pair->want, have->name) ||
	       (matches_link(pair->undone, have->name) && is_new(pair, have));
}

static bool is_dynamic(const struct route *r)
{
	static const uint32_t quiet[] = {RTPROT_UNSPEC, RTPROT_BOOT, RTPROT_STATIC};

	if (r->proto >= RTPROT_GATED && names_name(NAMES_PROTO, r->proto))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(quiet); i++)
		if (r->proto == quiet[i])
			return false;
	return r->proto <= RTPROT_STATIC;
}

static bool matches_route(const struct netns *n, const struct route *r)
{
	const uint64_t proto = attr_bit(&ignore_route_table, "proto");
	const uint64_t table = attr_bit(&ignore_route_table, "table");
	const uint64_t dev = attr_bit(&ignore_route_table, "dev");

	array_each(&n->ignore_routes, i) {
		if ((!(i->given & proto) || i->proto == r->proto) &&
		    (!(i->given & table) || i->table == r->table) &&
		    (!(i->given & dev) || str_equal(i->dev, r->dev)))
			return true;
	}
	return false;
}

bool plan_leaves_route(const struct netns *n, const struct route *r)
{
	return is_dynamic(r) || (n && matches_route(n, r));
}
