/* SPDX-License-Identifier: MIT */
/* Which source address the kernel chooses. IPv4: net/ipv4/devinet.c,
 * inet_select_addr(); IPv6: net/ipv6/addrconf.c, ipv6_dev_get_saddr(), which is
 * RFC 6724 with the kernel's initial table of labels. */
#include "predict_internal.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* --- IPv4 ------------------------------------------------------------------------------------ */

/* Its first address of that scope or a wider one; better one whose network holds `to`. They lie in
 * the order of their scopes (__inet_insert_ifa()); those of one network have one scope, so that the
 * first of them comes before its secondary ones. */
static const struct address *first_ipv4(const struct nic *n, const struct ip *to, uint32_t scope)
{
	const struct address *first = NULL;

	array_each(&n->addresses, pa) {
		const struct address *a = *pa;

		if (a->address.family != AF_INET || a->scope > scope)
			continue;
		if (to && ip_contains(address_far(a), to))
			return a;
		if (!first || a->scope < first->scope)
			first = a;
	}
	return first;
}

/* Of another interface: lo, or the only one that has any. */
static int other_ipv4(const struct place *p, uint32_t scope, struct ip *ret)
{
	const struct nic *lo = place_nic(p, LOOPBACK);
	const struct address *found = lo ? first_ipv4(lo, NULL, scope) : NULL;
	size_t n = found ? 1 : 0;

	for (size_t i = 0; i < p->n_nics && !(lo && found && found->link == lo->link); i++) {
		const struct address *a = first_ipv4(&p->nics[i], NULL, scope);

		if (!a || a->scope == RT_SCOPE_LINK)
			continue;
		found = a;
		n++;
	}
	if (!p->complete || n > 1)
		return -1;
	if (found)
		*ret = found->address;
	return found ? 1 : 0;
}

static int select_ipv4(const struct nic *n, const struct ip *to, uint32_t scope, struct ip *ret)
{
	const struct address *a = n->foreign ? NULL : first_ipv4(n, to, scope);

	if (n->foreign)
		return -1;
	if (!a)
		return other_ipv4(n->place, scope, ret);
	*ret = a->address;
	return 1;
}

/* --- IPv6 ------------------------------------------------------------------------------------ */

/* addrconf.c and addrlabel.c; the first that matches. */
static unsigned label_of(const struct ip *ip)
{
	static const struct {
		struct ip net;
		unsigned label;
	} labels[] = {
		{{AF_INET6, 128, {[15] = 1}}, 0},
		{{AF_INET6, 96, {[10] = 0xff, 0xff}}, 4},
		{{AF_INET6, 96, {0}}, 3},
		{{AF_INET6, 32, {0x20, 0x01}}, 6},
		{{AF_INET6, 28, {0x20, 0x01, 0x00, 0x10}}, 7},
		{{AF_INET6, 16, {0x20, 0x02}}, 2},
		{{AF_INET6, 7, {0xfc}}, 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		if (ip_contains(&labels[i].net, ip))
			return labels[i].label;
	return 1;
}

static unsigned common_bits(const struct ip *a, const struct ip *b)
{
	unsigned n = 0;

	while (n < 128 && !((a->bytes[n / 8] ^ b->bytes[n / 8]) & (0x80 >> n % 8)))
		n++;
	return n;
}

/* Larger is better: the rules in their order, 8 bits for the last one. Whatever is routed has the same
 * scope here: global, unique local ones included. */
static unsigned worth(const struct nic *out, const struct nic *n, const struct ip *a,
		      const struct ip *to)
{
	unsigned bits = common_bits(a, to);

	if (bits > a->len)
		bits = a->len;
	return (unsigned)same_ip(a, to) << 12 | (unsigned)(n == out) << 10 |
	       (unsigned)(label_of(a) == label_of(to)) << 9 | bits;
}

static bool is_source_ipv6(const struct nic *n, const struct ip *ip)
{
	static const struct ip loopback = {AF_INET6, 128, {[15] = 1}};

	return n->up && ip->family == AF_INET6 && !ip_is_link_local(ip) && !same_ip(ip, &loopback);
}

/* An interface's later addresses come first (ipv6_link_dev_addr()); which interface does, is not
 * known. */
static int select_ipv6(const struct nic *out, const struct ip *to, struct ip *ret)
{
	const struct place *p = out->place;
	const struct nic *by = NULL;
	unsigned best = 0;
	bool several = false;

	for (size_t i = 0; i < p->n_nics; i++)
		array_each(&p->nics[i].addresses, pa) {
			const struct ip *ip = &(*pa)->address;
			unsigned w = worth(out, &p->nics[i], ip, to);

			if (!is_source_ipv6(&p->nics[i], ip) || (by && w < best))
				continue;
			if (by && w == best)
				several |= by != &p->nics[i];
			else
				several = false;
			by = &p->nics[i];
			best = w;
			*ret = *ip;
		}
	if (out->foreign || several || (!p->complete && by != out))
		return -1;
	return by ? 1 : -1; /* a link-local one, which gets to neighbours only */
}

/* --- both ------------------------------------------------------------------------------------ */

int source_on(const struct place *p, const struct nic *nic, const struct ip *to, struct ip *ret)
{
	int r;

	(void)p;
	if (to->family == AF_INET6)
		r = select_ipv6(nic, to, ret);
	else
		r = select_ipv4(nic, to, RT_SCOPE_LINK, ret);
	if (r > 0)
		ret->len = (uint8_t)ip_bits(ret);
	return r;
}

/* The kernel's route to an interface's network bears that network's first address. */
static const struct address *primary_of(const struct nic *n, const struct address *of)
{
	array_each(&n->addresses, pa)
		if (address_same_network(*pa, of))
			return *pa;
	return of;
}

int source_of(const struct place *p, const struct way *way, const struct ip *to, struct ip *ret)
{
	const struct route *r = way->entry->route;
	int known = 1;

	if (r && r->src.family)
		*ret = r->src;
	else if (!way->nic)
		return -1;
	else if (to->family == AF_INET6)
		known = select_ipv6(way->nic, to, ret);
	else if (!r)
		*ret = primary_of(way->nic, way->entry->address)->address;
	else
		known = select_ipv4(way->nic, way->via.family == AF_INET ? &way->via : NULL,
				    r->scope, ret);
	(void)p;
	if (known > 0)
		ret->len = (uint8_t)ip_bits(ret);
	return known;
}
