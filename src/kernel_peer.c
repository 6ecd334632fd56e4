/* SPDX-License-Identifier: MIT */
/* Which link is at the other end of a veth?
 *
 * The kernel tells the other end's index, and for another namespace the number
 * that the asking namespace has for it (nsid). Indexes alone prove nothing: in a
 * chain of routers all namespaces use the same ones. So a candidate is believed only
 * when its namespace has that nsid, which RTM_GETNSID tells for a descriptor
 * without changing anything. Candidates that the file expects are asked about first: of a
 * lab in order one question a cable is all it takes. A pair that was found counts for
 * both of its ends. */
#include "kernel_internal.h"

#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* By index of r->found; filled in when the namespace has been asked. */
struct nsids {
	int32_t *nsid;
	bool *asked;
};

static void see_nsid(const struct nlmsghdr *h, void *arg)
{
	struct nlattr *nla =
		nlmsg_find_attr((struct nlmsghdr *)h, sizeof(struct rtgenmsg), NETNSA_NSID);

	if (h->nlmsg_type == RTM_NEWNSID && nla && nla_len(nla) == 4)
		*(int32_t *)arg = (int32_t)nla_get_u32(nla);
}

int32_t ask_nsid(struct kernel *k, int in, int of)
{
	struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	int32_t nsid = NSID_UNKNOWN;

	request_begin(k, RTM_GETNSID, 0, &header, sizeof(header));
	request_put_u32(k, NETNSA_FD, (uint32_t)kernel_space(k, of)->fd);
	if (netlink_ask(k, in, see_nsid, &nsid) < 0)
		return NSID_UNKNOWN;
	return nsid;
}

static int32_t nsid_of(struct reader *r, const struct found_netns *in, const struct found_netns *of)
{
	return ask_nsid(r->k, in->live->handle, of->live->handle);
}

static void set_peer(struct found_link *of, const struct link *peer)
{
	of->link->peer.netns = peer->netns->name;
	of->link->peer.name = peer->name;
	of->link->given |= LINK_BIT("peer");
	of->peer = 0; /* settled */
}

static void pair(struct found_link *a, struct found_link *b)
{
	set_peer(a, b->link);
	set_peer(b, a->link);
}

/* The link of f that may be the other end of `of`, as far as indexes tell. */
static struct found_link *candidate(const struct found_netns *f, const struct found_link *of)
{
	struct found_link *other = found_by_index(f, of->peer);

	if (!other || other == of || other->peer != of->link->index ||
	    (of->peer_nsid == NSID_SAME) != (other->peer_nsid == NSID_SAME))
		return NULL;
	return other;
}

static bool unsettled(const struct found_link *l)
{
	return l->peer && l->peer_nsid != NSID_SAME && l->peer_nsid != NSID_UNKNOWN;
}

static int compare_found(const void *a, const void *b)
{
	return strcmp(((const struct found_netns *)a)->live->name,
		      ((const struct found_netns *)b)->live->name);
}

void sort_found(struct reader *r)
{
	array_sort(&r->found, compare_found);
}

static struct found_netns *find_netns(const struct reader *r, const char *name)
{
	struct netns n = {.name = name};
	struct found_netns key = {.live = &n};

	return bsearch(&key, r->found.items, r->found.n, sizeof(key), compare_found);
}

static void pair_within(struct found_netns *f)
{
	array_each(&f->links, l) {
		struct found_link *other =
			l->peer && l->peer_nsid == NSID_SAME ? candidate(f, l) : NULL;

		if (other)
			pair(l, other);
	}
}

/* The other end in a namespace that is not read again: there it still is, as long as the link is
 * the one that it was. */
static void pair_as_before(struct reader *r, struct found_netns *f)
{
	const struct netns *before = r->known ? model_find_netns(r->known, f->live->name) : NULL;

	if (!before)
		return;
	array_each(&f->links, l) {
		const struct link *old =
			unsettled(l) ? netns_find_link(before, l->link->name) : NULL;
		const struct link *peer =
			old && old->index == l->link->index ? link_peer(r->known, old) : NULL;

		if (peer && peer->index == l->peer && !peer->netns->touched)
			set_peer(l, peer);
	}
}

/* Where the file says that the other end is, if it is one end that asks for both. */
static struct found_netns *expected_at(const struct reader *r, const struct found_netns *f,
				       const struct found_link *l)
{
	const struct link *want = unsettled(l) ? netns_find_link(f->want, l->link->name) : NULL;

	if (!want || !want->peer.netns || !want->peer.name ||
	    strcmp(f->live->name, want->peer.netns) >= 0)
		return NULL;
	return find_netns(r, want->peer.netns);
}

/* Nothing is known yet of what other threads read meanwhile. */
void ask_expected_peers(struct reader *r)
{
	array_each(&r->now->links, l) {
		const struct found_netns *there = expected_at(r, r->now, l);

		l->expected = there ? nsid_of(r, r->now, there) : NSID_UNKNOWN;
	}
}

static void pair_as_expected(struct reader *r, struct found_netns *f)
{
	array_each(&f->links, l) {
		struct found_netns *there = expected_at(r, f, l);
		struct found_link *other = there ? candidate(there, l) : NULL;

		if (other && l->expected == l->peer_nsid)
			pair(l, other);
	}
}

/* A namespace whose links are not read is known by its number alone. */
struct outline {
	int32_t nsid;
	const char *name;
};

static int compare_outlines(const void *a, const void *b)
{
	int32_t x = ((const struct outline *)a)->nsid, y = ((const struct outline *)b)->nsid;

	return x < y ? -1 : x > y;
}

/* In one of the namespaces that were looked up but not read: then it has no name. Or in none of those
 * that anybody asked for. */
static void pair_with_outlines(struct reader *r, struct found_netns *f)
{
	ARRAY(struct outline) outlines = {0};
	bool asked = false;

	array_each(&f->links, l) {
		struct outline key = {.nsid = l->peer_nsid}, *found;

		if (!unsettled(l))
			continue;
		if (!asked)
			array_each(&r->found, there)
				if (there->outline)
					array_add(&outlines, ((struct outline){nsid_of(r, f, there),
									       there->live->name}));
		if (!asked)
			array_sort(&outlines, compare_outlines);
		asked = true;
		found = outlines.n ? bsearch(&key, outlines.items, outlines.n, sizeof(key),
					     compare_outlines)
				   : NULL;
		if (found)
			l->link->peer.netns = found->name;
		else
			l->link->beyond = (uint32_t)l->peer_nsid + 1;
	}
	array_free(&outlines);
}

/* Anywhere: each namespace that could have it is asked about once. */
static void pair_by_search(struct reader *r, struct found_netns *f, struct nsids *known)
{
	memset(known->asked, 0, r->found.n * sizeof(*known->asked));
	array_each(&f->links, l) {
		for (size_t i = 0; i < r->found.n && unsettled(l); i++) {
			struct found_netns *there = &r->found.items[i];
			struct found_link *other = there == f ? NULL : candidate(there, l);

			if (!other)
				continue;
			if (!known->asked[i]) {
				known->nsid[i] = nsid_of(r, f, there);
				known->asked[i] = true;
			}
			if (known->nsid[i] == l->peer_nsid)
				pair(l, other);
		}
	}
}

int resolve_peers(struct reader *r)
{
	struct nsids known = {
		.nsid = xcalloc(r->found.n + 1, sizeof(*known.nsid)),
		.asked = xcalloc(r->found.n + 1, sizeof(*known.asked)),
	};

	array_each(&r->found, f)
		pair_within(f);
	array_each(&r->found, f)
		pair_as_before(r, f);
	array_each(&r->found, f)
		pair_as_expected(r, f);
	array_each(&r->found, f)
		pair_by_search(r, f, &known);
	array_each(&r->found, f)
		pair_with_outlines(r, f);
	free(known.nsid);
	free(known.asked);
	return 0;
}
