/* SPDX-License-Identifier: MIT */
/* `checks`: what is stated about reachability. Loaded last, when every address
 * there is is known, since an interface stands for one of its addresses. What
 * cannot be told because something else in the file is wrong is passed over. */
#include "load_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define PROBES_MAX 10000
#define VIA_MAX 64
#define IPV4_SIZE_MAX 65507 /* 65535 less the headers of IPv4 (20) and of ICMP or UDP (8) */

/* --- what an interface stands for ------------------------------------------------------ */

/* What is not in the file of an external namespace may be there all the same. */
static bool has_family(const struct netns *n, uint8_t family)
{
	if (netns_is_external(n))
		return true;
	array_each(&n->links, pk)
		array_each(&(*pk)->addresses, pa)
			if ((*pa)->address.family == family)
				return true;
	return false;
}

/* The first address, link-local ones aside, of the family; of 0: of one that `from` has, or else of
 * any. family 0: there is none. */
static struct ip first_address(const struct link *k, uint32_t family, const struct netns *from)
{
	address_list list = link_ranked_addresses(k);
	struct ip first = {0}, found = {0};

	array_each(&list, pa) {
		const struct ip *ip = &(*pa)->address;

		if (ip_is_link_local(ip) || (family && ip->family != family))
			continue;
		if (!first.family)
			first = *ip;
		if (!found.family && (family || has_family(from, ip->family)))
			found = *ip;
	}
	ranked_addresses_free(k, &list);
	return found.family ? found : first;
}

static int no_address(struct loader *l, const struct node *n, const struct link *k, uint32_t family)
{
	char id[LINK_TEXT_MAX];

	if (unclear_link(&l->unclear, k->netns, k->name) ||
	    unclear_link_key(&l->unclear, k, "addresses"))
		return -EINVAL;
	diag_error(l->d, -EINVAL, n->mark, "%s has no %saddress in this file", link_text(k, id),
		   family == AF_INET	? "IPv4 "
		   : family == AF_INET6 ? "IPv6 "
					: "");
	if (netns_is_external(k->netns) || k->from.name)
		diag_hint(l->d, "write the address itself");
	else
		diag_hint(l->d, "give it one, or name another interface");
	return -EINVAL;
}

static struct link *find_link(struct loader *l, const struct node *n, const struct ref *ref)
{
	struct netns *netns = load_find_netns(l, ref->netns);
	struct link *k = netns ? load_find_link(l, netns, ref->name) : NULL;

	if (!netns) {
		load_unknown_netns(l, n, ref->netns);
	} else if (!k && !unclear_link(&l->unclear, netns, ref->name)) {
		diag_error(l->d, -EINVAL, n->mark, "there is no interface '%s' in namespace '%s'",
			   ref->name, netns->name);
		if (netns_is_external(netns))
			diag_hint(l->d, "the file says nothing of it: write the address itself");
		else
			netns_hint_link(netns, ref->name, NULL, l->d);
	}
	return k;
}

/* *ret_link: NULL for an address. */
static int settle_target(struct loader *l, const struct node *n, const struct target *target,
			 uint32_t family, const struct netns *from, struct ip *ret_ip,
			 const struct link **ret_link)
{
	const struct link *k = NULL;
	struct ip ip = target->ip;

	if (target->ref.name) {
		k = find_link(l, n, &target->ref);
		if (!k)
			return -EINVAL;
		ip = first_address(k, family, from);
		if (!ip.family)
			return no_address(l, n, k, family);
	} else if (!check_is_unicast(&ip)) {
		return diag_error(l->d, -EINVAL, n->mark, "%s is not one machine's address",
				  n->text);
	} else if (ip_is_link_local(&ip)) {
		diag_error(l->d, -EINVAL, n->mark,
			   "a link-local address is another one on every interface");
		diag_hint(l->d, "name an address that is routed");
		return -EINVAL;
	}
	ip.len = (uint8_t)ip_bits(&ip);
	*ret_ip = ip;
	*ret_link = k;
	return 0;
}

/* --- one entry --------------------------------------------------------------------------- */

static const struct attr hop_row = {.key = "a hop", .type = ATTR_TARGET};

static int load_via(struct loader *l, const struct node *list, void *probe)
{
	struct probe *p = probe;
	int ret = load_expect_items(l, list, "via", &hop_row);

	if (ret < 0)
		return ret;
	if (list->n > VIA_MAX) {
		unclear_key_put(&l->unclear, list, ANYTHING);
		return diag_error(l->d, -EINVAL, list->mark, "more than %d hops", VIA_MAX);
	}
	for (uint32_t i = 0; i < list->n; i++) {
		struct hop hop = {.node = list->items[i]};

		if (load_scalar(l, &hop_row, hop.node, &hop.target) < 0)
			ret = -EINVAL;
		else
			array_add(&p->via, hop);
	}
	if (ret < 0)
		unclear_key_put(&l->unclear, list, ANYTHING);
	return ret;
}

/* Is it given, or may it be? */
static bool may_have(const struct loader *l, const struct probe *p, const char *key)
{
	return node_get(p->node, key) || unclear_key(&l->unclear, p->node, key);
}

static void check_port(struct loader *l, const struct probe *p)
{
	bool has_ports = p->protocol != PROBE_ICMP;

	if (unclear_key(&l->unclear, p->node, "protocol"))
		return;
	if (has_ports && !may_have(l, p, "port")) {
		diag_error(l->d, -EINVAL, value_mark(p->node, "protocol"),
			   "a check by tcp or udp needs the key 'port'");
	} else if (!has_ports && p->given & PROBE_BIT("port")) {
		diag_error(l->d, -EINVAL, value_mark(p->node, "port"), "icmp has no ports");
		diag_hint(l->d, "add 'protocol: tcp' or 'protocol: udp'");
	}
}

static void check_size(struct loader *l, const struct probe *p)
{
	if (!(p->given & PROBE_BIT("size")))
		return;
	if (p->protocol == PROBE_TCP) {
		diag_error(l->d, -EINVAL, value_mark(p->node, "size"),
			   "size says nothing where a connection is made");
		diag_hint(l->d, "it is for protocol icmp and udp");
	} else if (p->address.family == AF_INET && p->size > IPV4_SIZE_MAX) {
		diag_error(l->d, -ERANGE, value_mark(p->node, "size"),
			   "size must be at most %d for IPv4", IPV4_SIZE_MAX);
	}
}

static void check_expect(struct loader *l, const struct probe *p)
{
	if (p->expect == EXPECT_UNREACHABLE && p->given & PROBE_BIT("via")) {
		diag_error(l->d, -EINVAL, value_mark(p->node, "via"),
			   "'via' says nothing where nothing is to be reached");
		diag_hint(l->d, "state what is to be reached on the way in a check of its own");
	}
}

/* The family that the entry speaks of, from what it says itself; 0: it does not. */
static uint32_t stated_family(const struct probe *p)
{
	if (p->family)
		return p->family;
	if (p->to.ip.family)
		return p->to.ip.family;
	array_each(&p->via, hop)
		if (hop->target.ip.family)
			return hop->target.ip.family;
	return 0;
}

static void settle_via(struct loader *l, struct probe *p)
{
	array_each(&p->via, hop) {
		const struct link *k;

		if (settle_target(l, hop->node, &hop->target, p->address.family, p->netns,
				  &hop->address, &k) >= 0 &&
		    hop->address.family != p->address.family)
			diag_error(l->d, -EINVAL, hop->node->mark,
				   "the hop's family is not that of 'to'");
	}
}

/* Finds what the entry names. */
static void settle(struct loader *l, struct probe *p)
{
	const struct node *from = node_get(p->node, "from"), *to = node_get(p->node, "to");

	p->netns = p->from ? load_find_netns(l, p->from) : NULL;
	if (p->from && !p->netns)
		load_unknown_netns(l, from, p->from);
	if (!p->netns || !(p->given & PROBE_BIT("to")) ||
	    unclear_key(&l->unclear, p->node, "family"))
		return;
	if (settle_target(l, to, &p->to, stated_family(p), p->netns, &p->address, &p->link) < 0)
		return;
	if (p->family && p->family != p->address.family)
		diag_error(l->d, -EINVAL, value_mark(p->node, "family"),
			   "the family is not that of 'to'");
	settle_via(l, p);
	check_size(l, p);
}

static void load_probe(struct loader *l, const struct node *n)
{
	static const struct load_part parts[] = {{"via", load_via}, {NULL, NULL}};
	struct probe *p = model_add_probe(l->m);
	struct load_target t = {&probe_table, p, &p->given, parts};

	p->node = n;
	load_mapping(l, n, n->mark, "a check", &t, 1);
	if (n->kind != NODE_MAPPING)
		return;
	check_port(l, p);
	check_expect(l, p);
	settle(l, p);
}

int load_probes(struct loader *l, const struct node *list)
{
	size_t errors = l->d->errors;

	if (load_expect(l, list, NODE_SEQUENCE, "checks", NULL) < 0)
		return -EINVAL;
	if (list->n > PROBES_MAX)
		return diag_error(l->d, -EINVAL, list->mark, "more than %d checks", PROBES_MAX);
	for (uint32_t i = 0; i < list->n; i++)
		load_probe(l, list->items[i]);
	return l->d->errors > errors ? -EINVAL : 0;
}
