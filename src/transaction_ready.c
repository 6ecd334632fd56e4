/* SPDX-License-Identifier: MIT */
/* Ready: what was made is usable. A cable's ends have a carrier, ports of bridges forward, addresses
 * are no longer tentative.
 *
 * Only what the lab can bring about by itself is waited for: cables whose both ends it has set up, and
 * what depends on them. An existing interface may lack its cable, and what is on it waits with it. */
#include "transaction_internal.h"

#include "interrupt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* What the kernel changes by itself takes it longer than this, or is waited for. */
#define STALE_MS 100

typedef ARRAY(struct awaited) awaited_list;

/* --- what is missing ---------------------------------------------------------------------- */

/* Does all that its carrier takes belong to the lab? */
static bool cable_is_up(const struct model *goal, const struct link *want)
{
	const struct link *peer = link_peer(goal, want);

	return link_is_made(want) && want->state == LINK_UP && peer && link_is_made(peer) &&
	       peer->state == LINK_UP;
}

static bool has_working_port(const struct model *goal, const struct link *bridge);

/* Is it, or does the lab make it, operational? */
static bool is_to_work(const struct model *goal, const struct link *want)
{
	if (want->match && want->match->operational)
		return true;
	if (want->kind && want->kind->is_master)
		return link_is_made(want) && want->state == LINK_UP && has_working_port(goal, want);
	return cable_is_up(goal, want);
}

/* A bridge has a carrier as soon as one of its ports forwards. */
static bool has_working_port(const struct model *goal, const struct link *bridge)
{
	array_each(&bridge->netns->links, l)
		if (str_equal((*l)->master, bridge->name) && is_to_work(goal, *l))
			return true;
	return false;
}

static bool master_is_up(const struct link *live)
{
	const struct link *master =
		live->master ? netns_find_link(live->netns, live->master) : NULL;

	return master && master->state == LINK_UP;
}

static bool link_is_missing(const struct model *goal, const struct link *want)
{
	const struct link *live = want->match;

	if (live->operational)
		return live->unsettled && want->master && master_is_up(live);
	return is_to_work(goal, want);
}

static bool waits_for_dad(const struct link *want)
{
	array_each(&want->addresses, a)
		if ((*a)->address.family == AF_INET6 && (*a)->dad)
			return true;
	return false;
}

/* Those of its addresses that the file does not name, and that stay, are link-local ones, which IPv6
 * works with. They count in the lab's own namespaces, where they are usable at once unless the file
 * says otherwise, and elsewhere where one is to wait anyway. */
static bool all_count(const struct link *want)
{
	return !netns_is_external(want->netns) || (link_is_made(want) && waits_for_dad(want));
}

static bool is_temporary(const struct address *live)
{
	return address_found(live)->given & attr_bit(&found_address_table, "valid_lft");
}

static void find_tentative(const struct model *goal, const struct link *want, awaited_list *ret)
{
	const struct link *live = want->match;

	if (!is_to_work(goal, want)) /* they stay tentative */
		return;
	array_each(&live->addresses, a)
		if ((*a)->tentative &&
		    (link_find_address(want, *a) || (all_count(want) && !is_temporary(*a))))
			*array_push(ret) = (struct awaited){
				.what = AWAIT_ADDRESS, .link = live, .address = *a};
}

static void find_missing(const struct model *goal, const struct link *want, awaited_list *ret)
{
	/* What becomes operational gets a link-local address. */
	if (link_is_missing(goal, want))
		*array_push(ret) =
			(struct awaited){.what = AWAIT_LINK,
					 .link = want->match,
					 .any_port = want->master && !master_is_up(want->match),
					 .addresses = all_count(want)};
	find_tentative(goal, want, ret);
}

/* What the file names and is not as it is to be yet. Bridges follow their ports. */
static void find_all_missing(const struct model *goal, awaited_list *ret)
{
	for (int masters = 0; masters < 2; masters++)
		array_each(&goal->namespaces, n)
			array_each(&(*n)->links, l)
				if ((*l)->mark.line && (*l)->match &&
				    ((*l)->kind && (*l)->kind->is_master) == (masters == 1))
					find_missing(goal, *l, ret);
}

/* --- telling -------------------------------------------------------------------------------- */

static struct mark mark_of(const struct awaited *item)
{
	const struct link *want = item->link->match;
	const struct address *a = item->address ? link_find_address(want, item->address) : NULL;

	return a && a->node ? a->node->mark : want->mark;
}

static void describe(const struct awaited *item, struct buf *out)
{
	char text[IP_TEXT_MAX];

	if (item->address)
		buf_printf(out, "address %s of ", ip_format(&item->address->address, true, text));
	link_id(item->link, out);
}

static const struct link *find_other(const struct model *live, const struct address *like)
{
	array_each(&live->namespaces, n)
		array_each(&(*n)->links, l)
			array_each(&(*l)->addresses, a)
				if (*a != like && (*a)->address.family == AF_INET6 &&
				    memcmp((*a)->address.bytes, like->address.bytes,
					   sizeof(like->address.bytes)) == 0)
					return *l;
	return NULL;
}

static int tell_duplicate(struct lab *lab, const struct awaited *item)
{
	const struct link *other = find_other(lab->live, item->address);
	cleanup_buf struct buf what = {0}, who = {0};
	int r;

	describe(item, &what);
	r = diag_error(&lab->d, -EADDRINUSE, mark_of(item),
		       "%s is not usable: another interface on its network has it "
		       "(duplicate address detection)",
		       buf_text(&what));
	if (other) {
		link_id(other, &who);
		diag_hint(&lab->d, "%s has it, too", buf_text(&who));
	}
	return r;
}

static int tell_duplicates(struct lab *lab, const awaited_list *missing)
{
	int r = 0;

	array_each(missing, item)
		if (item->address && item->address->dad_failed)
			r = tell_duplicate(lab, item);
	return r;
}

static int tell_missing(struct lab *lab, const awaited_list *missing)
{
	diag_error(&lab->d, -ETIME, NO_MARK, "the lab is not ready after %g seconds",
		   lab->options->wait / 1000.0);
	diag_hint(&lab->d, "let it take longer with --wait SECONDS, or do not wait with --wait 0");
	array_each(missing, item) {
		cleanup_buf struct buf what = {0};

		describe(item, &what);
		diag_error(&lab->d, -ETIME, mark_of(item), "%s %s", buf_text(&what),
			   item->address ? "is tentative: duplicate address detection has not ended"
			   : item->link->operational ? "does not forward yet, as a port"
						     : "has no carrier yet");
		if (!item->address && item->link->operational)
			diag_hint(&lab->d, "with stp a port listens, and then learns, for "
					   "forward_delay each: by default 30 seconds in all");
	}
	return -ETIME;
}

static void tell_waiting(struct readiness *r, const awaited_list *missing)
{
	const struct awaited *first = NULL;
	cleanup_buf struct buf what = {0};
	size_t more = 0;

	array_each(missing, item)
		if (item->over)
			continue;
		else if (first)
			more++;
		else
			first = item;
	if (!first)
		return;
	describe(first, &what);
	if (more)
		buf_printf(&what, " and %zu more", more);
	r->tell(r->data, buf_text(&what));
}

/* --- waiting -------------------------------------------------------------------------------- */

/* With its first carrier IPv6 starts on an interface that was set up, and takes its MTU for its own
 * once more (addrconf_notify() in net/ipv6/addrconf.c). */
static bool loses_ipv6_mtu(const struct link *want)
{
	char path[SYSCTL_PATH_MAX + 1];

	snprintf(path, sizeof(path), "ipv6/conf/%s/mtu", want->name);
	return netns_find_sysctl(want->netns, path);
}

/* Is what was read of the lab before that still good? */
static bool still_true(const awaited_list *missing, int64_t begin)
{
	array_each(missing, item)
		if (!item->over || item->failed || loses_ipv6_mtu(item->link->match))
			return false;
	return now_ms() - begin < STALE_MS;
}

/* 1: it is all there; 0: look again. */
static int wait_for(struct readiness *r, awaited_list *missing)
{
	struct lab *lab = r->lab;
	int64_t now = now_ms();

	r->end = r->end ? r->end : now + lab->options->wait;
	if (kernel_wait(lab->kernel, missing->items, missing->n, &(struct patience){0})) {
		cleanup_close int stop = interrupt_open();
		const struct patience patience = {.ms = (int)(r->end - now), .stop = stop};

		if (now >= r->end)
			return tell_missing(lab, missing);
		tell_waiting(r, missing);
		kernel_wait(lab->kernel, missing->items, missing->n, &patience);
	}
	return still_true(missing, now);
}

static int wait_once(struct readiness *r)
{
	awaited_list missing = {0};
	int result;

	find_all_missing(r->lab->goal, &missing);
	result = tell_duplicates(r->lab, &missing);
	if (result >= 0)
		result = missing.n ? wait_for(r, &missing) : 1;
	array_free(&missing);
	return result;
}

int transaction_wait_ready(struct readiness *r)
{
	for (;;) {
		int result = wait_once(r);

		if (result)
			return result < 0 ? result : 0;
		result = execution_stopped(r->execution, &r->lab->d);
		if (result >= 0)
			result = lab_plan(r->lab, true);
		if (result < 0 || execution_has_work(r->execution, r->lab->plan))
			return result;
	}
}
