/* SPDX-License-Identifier: MIT */
/* The sysctls that a plan is about. Those that RTM_GETNETCONF tells of cost no file. */
#include "kernel_internal.h"

#include <errno.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* What RTM_GETNETCONF tells, several values an answer and without opening files. */
struct netconf {
	const char *path;
	uint8_t family;
	int index; /* NETCONFA_IFINDEX_ALL or _DEFAULT */
	int attr;
};
static const struct netconf netconfs[] = {
	{"ipv4/ip_forward", AF_INET, NETCONFA_IFINDEX_ALL, NETCONFA_FORWARDING},
	{"ipv4/conf/all/rp_filter", AF_INET, NETCONFA_IFINDEX_ALL, NETCONFA_RP_FILTER},
	{"ipv4/conf/all/proxy_arp", AF_INET, NETCONFA_IFINDEX_ALL, NETCONFA_PROXY_NEIGH},
	{"ipv4/conf/default/forwarding", AF_INET, NETCONFA_IFINDEX_DEFAULT, NETCONFA_FORWARDING},
	{"ipv4/conf/default/rp_filter", AF_INET, NETCONFA_IFINDEX_DEFAULT, NETCONFA_RP_FILTER},
	{"ipv4/conf/default/proxy_arp", AF_INET, NETCONFA_IFINDEX_DEFAULT, NETCONFA_PROXY_NEIGH},
	{"ipv6/conf/all/forwarding", AF_INET6, NETCONFA_IFINDEX_ALL, NETCONFA_FORWARDING},
	{"ipv6/conf/default/forwarding", AF_INET6, NETCONFA_IFINDEX_DEFAULT, NETCONFA_FORWARDING},
};

/* One answer, kept for the other values in it. */
struct netconf_answer {
	bool asked;
	uint8_t family;
	int index;
	bool known[NETCONFA_MAX + 1];
	int32_t values[NETCONFA_MAX + 1];
};
#define NETCONF_ANSWERS 4

static void see_netconf(const struct nlmsghdr *h, void *arg)
{
	struct netconf_answer *answer = arg;
	struct nlattr *tb[NETCONFA_MAX + 1];

	if (h->nlmsg_type != RTM_NEWNETCONF ||
	    nlmsg_parse((struct nlmsghdr *)h, NLMSG_ALIGN(sizeof(struct netconfmsg)), tb,
			NETCONFA_MAX, NULL) < 0)
		return;
	for (int i = 1; i <= NETCONFA_MAX; i++)
		if (tb[i] && nla_len(tb[i]) == 4) {
			answer->known[i] = true;
			answer->values[i] = (int32_t)nla_get_u32(tb[i]);
		}
}

static void ask_netconf(struct reader *r, struct netconf_answer *answer, const struct netconf *n)
{
	struct netconfmsg header = {.ncm_family = n->family};

	*answer = (struct netconf_answer){.asked = true, .family = n->family, .index = n->index};
	request_begin(r->k, RTM_GETNETCONF, 0, &header, sizeof(header));
	request_put_u32(r->k, NETCONFA_IFINDEX, (uint32_t)n->index);
	/* A kernel that refuses leaves everything unknown: then /proc is read. */
	netlink_ask(r->k, r->now->live->handle, see_netconf, answer);
}

/* NULL: not to be had this way. */
static const char *netconf_value(struct reader *r, struct netconf_answer *answers, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(netconfs); i++) {
		const struct netconf *n = &netconfs[i];
		struct netconf_answer *answer = answers;

		if (strcmp(n->path, path) != 0)
			continue;
		while (answer->asked && (answer->family != n->family || answer->index != n->index))
			answer++;
		if (!answer->asked)
			ask_netconf(r, answer, n);
		if (!answer->known[n->attr])
			return NULL;
		return arena_printf(&r->live->arena, "%d", answer->values[n->attr]);
	}
	return NULL;
}

static int read_sysctl(struct reader *r, const struct sysctl *want, const char **ret_value)
{
	int error = kernel_enter(r->k, r->now->live->handle);

	if (!error)
		error = sysctl_get(r->k, want->path, &r->live->arena, ret_value);
	/* What was never set cannot be read (addrconf_sysctl_stable_secret() in net/ipv6/addrconf.c),
	 * nor taken back: only what is known to have been set is to be set again. */
	if (error == -EIO && !want->node) {
		*ret_value = "";
		return 0;
	}
	return error;
}

/* value: NULL where /proc is to be asked. What cannot be read is an error for who needs it: the plan. */
static void add_sysctl(struct reader *r, const struct sysctl *want, const char *value)
{
	int error = value ? 0 : read_sysctl(r, want, &value);
	struct sysctl *s = netns_add_sysctl(r->live, r->now->live, want->path, value);

	s->missing = !value;
	s->unreadable = error == -ENOENT || error == -ENOTDIR ? 0 : error;
	s->implied = want->implied;
}

/* What becomes of an advertised default route depends on accept_ra of its interface. */
static void add_accept_ra(struct reader *r)
{
	array_each(&r->now->links, f) {
		char path[SYSCTL_PATH_MAX + 1];
		struct sysctl want = {.path = sysctl_accept_ra(f->link->name, path)};

		if (f->link->advertised && !netns_find_sysctl(r->now->want, want.path))
			add_sysctl(r, &want, NULL);
	}
}

void read_sysctls(struct reader *r)
{
	struct netconf_answer answers[NETCONF_ANSWERS + 1] = {0};

	array_each(&r->now->want->sysctls, want)
		add_sysctl(r, *want, netconf_value(r, answers, (*want)->path));
	if (netns_is_external(r->now->want))
		add_accept_ra(r);
	kernel_leave(r->k);
}
