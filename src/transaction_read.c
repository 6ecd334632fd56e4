/* SPDX-License-Identifier: MIT */
/* What is read for a plan beyond what the goal names: values that go as a side effect of it, on
 * interfaces that are not the lab's. */
#include "transaction_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int transaction_read_value(struct kernel *k, struct model *live, struct netns *n, const char *path,
			   struct diags *d)
{
	const char *value;
	int r;

	if (netns_find_sysctl(n, path))
		return 0;
	r = kernel_sysctl_read(k, n, path, &live->arena, &value, d);
	if (r < 0 || !value)
		return r;
	netns_add_sysctl(live, n, path, value);
	netns_place_sysctl(n);
	return 0;
}

static int read_value(struct lab *lab, struct netns *n, const char *path)
{
	return transaction_read_value(lab->kernel, lab->live, n, path, &lab->d);
}

static int read_dragged(struct lab *lab, struct netns *n, const char *by)
{
	static const char *const always[] = {"all", "default"};
	char path[SYSCTL_PATH_MAX + 1];
	int r = 0;

	if (!sysctl_dragged(by, LOOPBACK,
			    path)) /* what drags any interface's drags all of theirs */
		return 0;
	for (size_t i = 0; i < n->links.n + ARRAY_SIZE(always) && r >= 0; i++) {
		const char *name =
			i < n->links.n ? n->links.items[i]->name : always[i - n->links.n];
		if (sysctl_dragged(by, name, path))
			r = read_value(lab, n, path);
	}
	return r;
}

/* What hangs on the values that the lab changes, or holds from now on. */
static int read_all_dragged(struct lab *lab)
{
	int r = 0;

	array_each(&lab->goal->namespaces, goal) {
		const struct netns *made = model_find_netns(lab->record->made, (*goal)->name);
		struct netns *n = model_find_netns(lab->live, (*goal)->name);

		if (!n || !netns_is_external(n))
			continue;
		array_each(&(*goal)->sysctls, s) {
			const struct sysctl *have = netns_find_sysctl(n, (*s)->path);
			bool changes = !have || !str_equal(have->value, (*s)->value);
			if (r >= 0 && (changes || !made || !netns_find_sysctl(made, (*s)->path)))
				r = read_dragged(lab, n, (*s)->path);
		}
	}
	return r;
}

/* A value that is what new interfaces start with is told by that, but not where it was another one
 * before a lab changed it. */
static int read_started(struct lab *lab, const struct link *live, const struct model *before)
{
	const struct netns *changed = model_find_netns(before, live->netns->name);
	char path[SYSCTL_PATH_MAX + 1];
	int r = 0;

	if (changed)
		array_each(&changed->sysctls, s)
			if (r >= 0 && sysctl_initial((*s)->path, live->name, path))
				r = read_value(lab, live->netns, path);
	return r;
}

/* IPv6 takes the link's MTU for its own where that is set, and where the interface comes up
 * (addrconf_notify() in net/ipv6/addrconf.c): one of its own is known from then on only by us. */
static int read_ipv6_mtu(struct lab *lab, struct link *live)
{
	char path[SYSCTL_PATH_MAX + 1];
	const char *value = NULL;
	int r = 0;

	if (!live)
		return 0;
	snprintf(path, sizeof(path), "ipv6/conf/%s/mtu", live->name);
	if (!netns_find_sysctl(live->netns, path))
		r = kernel_sysctl_read(lab->kernel, live->netns, path, &lab->live->arena, &value,
				       &lab->d);
	if (r < 0 || !value || strtoul(value, NULL, 10) == live->mtu)
		return r;
	netns_add_sysctl(lab->live, live->netns, path, value);
	netns_place_sysctl(live->netns);
	return 0;
}

/* What it is set to is read when all that is to be recalled is known: read_recalled(). */
static int recall(struct lab *lab, struct link *live)
{
	int r = live ? read_started(lab, live, lab->record->before) : 0;

	array_each(&lab->others, other)
		if (live && r >= 0)
			r = read_started(lab, live, other->before);
	if (live)
		live->recalled = true;
	return r < 0 ? r : read_ipv6_mtu(lab, live);
}

static int read_recalled(struct lab *lab)
{
	int r = 0;

	array_each(&lab->live->namespaces, n) {
		bool any = false;

		array_each(&(*n)->links, l)
			any = any || (*l)->recalled;
		if (any && r >= 0)
			r = kernel_sysctl_read_interfaces(lab->kernel, lab->live, *n, &lab->d);
		array_each(&(*n)->links, l)
			(*l)->recalled = false;
	}
	return r;
}

/* Also whether IPv6 is on, whatever that is: by this it starts again (plan_sysctls.c). */
static int read_for_small_mtu(struct lab *lab, struct link *live)
{
	char path[SYSCTL_PATH_MAX + 1];
	int r = 0;

	if (live && live->mtu >= IPV6_MIN_MTU)
		r = read_value(lab, live->netns, sysctl_dragged(IPV6_OFF, live->name, path));
	return r < 0 ? r : recall(lab, live);
}

/* What a namespace that goes has that its lab gave it, should it have to be made anew. */
static int read_namespace(struct lab *lab, struct netns *n)
{
	const struct netns *before = model_find_netns(lab->record->before, n->name);
	int r;

	if (!n->links.n) /* only looked up: there is no way back, or no way back to it */
		return 0;
	r = read_value(lab, n, IPV4_SWITCH);
	if (r >= 0)
		r = read_value(lab, n, IPV6_SWITCH);
	if (before)
		array_each(&before->sysctls, s)
			if (r >= 0)
				r = read_value(lab, n, (*s)->path);
	for (size_t i = 0; i < n->links.n && r >= 0; i++)
		r = recall(lab, n->links.items[i]);
	return r;
}

/* What an interface that is made or moved starts with, of the values that the goal names. */
static int read_initials(struct lab *lab, const struct link *want)
{
	struct netns *n = want ? model_find_netns(lab->live, want->netns->name) : NULL;
	char initial[SYSCTL_PATH_MAX + 1];
	int r = 0;

	if (n && netns_is_external(n))
		array_each(&want->netns->sysctls, s)
			if (r >= 0 && sysctl_is_of((*s)->path, want->name) &&
			    sysctl_initial_of((*s)->path, initial))
				r = read_value(lab, n, initial);
	return r;
}

int transaction_read_side_effects(struct lab *lab)
{
	int r = 0;

	array_each(&lab->plan->steps, s) {
		if (s->op == OP_LINK_MOVE && !s->link->netns->absent)
			r = recall(lab, s->link->match);
		if (r >= 0 && (s->op == OP_LINK_MOVE || s->op == OP_LINK_ADD))
			r = read_initials(lab, s->link);
		if (r >= 0 && (s->op == OP_LINK_MOVE || s->op == OP_LINK_ADD))
			r = read_initials(lab, s->peer);
		if (s->op == OP_LINK_DOWN || (s->op == OP_LINK_SET && s->mask & LINK_BIT("mtu")))
			r = read_ipv6_mtu(lab, s->link->match);
		if (r >= 0 && s->op == OP_LINK_SET && s->mask & LINK_BIT("mtu") &&
		    s->link->mtu < IPV6_MIN_MTU && netns_is_external(s->link->netns))
			r = read_for_small_mtu(lab, s->link->match);
		if (s->op == OP_LINK_DEL)
			r = recall(lab, s->link);
		if (s->op == OP_LINK_DEL && r >= 0)
			r = recall(lab, link_peer(lab->live, s->link));
		if (s->op == OP_NETNS_DEL)
			r = read_namespace(lab, s->netns);
		if (r < 0)
			return r;
	}
	r = read_recalled(lab);
	return r < 0 ? r : read_all_dragged(lab);
}
