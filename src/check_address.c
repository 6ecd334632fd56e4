/* SPDX-License-Identifier: MIT */
/* Addresses. What the kernel refuses was tried on Linux 6.18; it takes multicast
 * and broadcast addresses for IPv4, which cannot be meant. */
#include "load_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define is_given(a, key) !!((a)->given & attr_bit(&address_table, key))

static struct mark mark_of(const struct address *a, const char *key)
{
	const struct node *n = a->node ? a->node : a->link->node;

	return value_mark(n, key);
}

static bool is_all(const struct ip *ip, uint8_t byte)
{
	for (unsigned i = 0; i < ip_bits(ip) / 8; i++)
		if (ip->bytes[i] != byte)
			return false;
	return true;
}

static bool is_multicast(const struct ip *ip)
{
	return ip->family == AF_INET ? (ip->bytes[0] & 0xf0) == 0xe0 : ip->bytes[0] == 0xff;
}

bool check_is_unicast(const struct ip *ip)
{
	return !is_multicast(ip) && !is_all(ip, 0) && !(ip->family == AF_INET && is_all(ip, 0xff));
}

/* 10.0.0.0/24 and 10.0.0.255/24. */
const char *check_special_host(const struct ip *ip)
{
	struct ip net = ip_network(ip), last = net;

	if (ip->family != AF_INET || ip->len >= 31)
		return NULL;
	for (unsigned bit = ip->len; bit < 32; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	if (!memcmp(ip->bytes, net.bytes, 4))
		return "network";
	return memcmp(ip->bytes, last.bytes, 4) ? NULL : "broadcast";
}

static void check_value(struct checker *c, const struct address *a)
{
	static const uint8_t loopback6[16] = {[15] = 1};
	const char *special = check_special_host(&a->address);
	char text[IP_TEXT_MAX];

	if (!check_is_unicast(&a->address)) {
		diag_error(c->d, -EINVAL, mark_of(a, "address"),
			   "%s cannot be an interface's address",
			   ip_format(&a->address, false, text));
		diag_hint(c->d, "it is %s address",
			  is_multicast(&a->address) ? "a multicast"
			  : is_all(&a->address, 0)  ? "the unspecified"
						    : "the broadcast");
	} else if (a->address.family == AF_INET6 && !memcmp(a->address.bytes, loopback6, 16) &&
		   !str_equal(a->link->name, LOOPBACK)) {
		diag_error(c->d, -EINVAL, mark_of(a, "address"),
			   "::1 can only be an address of lo");
	} else if (special && !a->peer.family) {
		diag_warning(c->d, mark_of(a, "address"), "%s is the %s address of its network",
			     ip_format(&a->address, false, text), special);
	}
	if (a->peer.family && !check_is_unicast(&a->peer)) {
		diag_error(c->d, -EINVAL, mark_of(a, "peer"), "%s cannot be a peer's address",
			   ip_format(&a->peer, false, text));
	} else if (a->peer.family && ip_compare(&a->peer, &a->address) == 0) {
		diag_error(c->d, -EINVAL, mark_of(a, "peer"), "an address is not its own peer");
		diag_hint(c->d, "leave the peer out");
	}
}

/* iproute2 refuses other labels (ipaddress.c), and ifconfig shows none of them. */
static void check_label(struct checker *c, const struct address *a)
{
	const char *name = a->link->name;
	size_t size = strlen(name);

	if (a->address.family != AF_INET) {
		diag_error(c->d, -EINVAL, mark_of(a, "label"), "only IPv4 addresses have labels");
		return;
	}
	if (strncmp(a->label, name, size) || (a->label[size] && a->label[size] != ':')) {
		diag_error(c->d, -EINVAL, mark_of(a, "label"),
			   "the label '%s' does not begin with the interface's name", a->label);
		diag_hint(c->d, "as in '%s:1'", name);
	}
}

static void check_keys(struct checker *c, const struct address *a)
{
	bool v6 = a->address.family == AF_INET6;

	if (a->label && !ifname_error(a->link->name))
		check_label(c, a);
	if (!v6 && is_given(a, "dad"))
		diag_error(c->d, -EINVAL, mark_of(a, "dad"),
			   "duplicate address detection is of IPv6 addresses");
	if (v6 && is_given(a, "scope")) {
		diag_error(c->d, -EINVAL, mark_of(a, "scope"),
			   "the kernel derives the scope of IPv6 addresses itself");
		diag_hint(c->d, "leave 'scope' out");
	}
}

/* --- IPv6 on this interface ---------------------------------------------------------- */

static bool is_disabled(const struct netns *n, const struct link *k)
{
	char own[SYSCTL_PATH_MAX + 1];
	const char *paths[] = {own, "ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6"};
	bool disabled = false;

	snprintf(own, sizeof(own), "ipv6/conf/%s/disable_ipv6", k->name);
	/* The interface's own value has the last word. */
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const struct sysctl *s = netns_find_sysctl(n, paths[i]);

		if (s && s->value)
			disabled |= str_equal(s->value, "1");
		if (s && i == 0)
			break;
	}
	return disabled;
}

static void check_ipv6(struct checker *c, const struct netns *n, const struct link *k)
{
	const struct address *first = NULL;
	char id[LINK_TEXT_MAX];

	array_each(&k->addresses, pa)
		if (!first && (*pa)->address.family == AF_INET6)
			first = *pa;
	if (!first)
		return;
	if (k->mtu && k->mtu < IPV6_MIN_MTU) {
		diag_error(c->d, -EINVAL, mark_of(first, "address"),
			   "%s has an IPv6 address and an MTU of %u", link_text(k, id), k->mtu);
		diag_hint(c->d, "IPv6 needs at least %d; the kernel drops its addresses below that",
			  IPV6_MIN_MTU);
	}
	if (is_disabled(n, k) && !unclear_link_key(c->unclear, k, "sysctl") &&
	    !unclear_key(c->unclear, n->node, "sysctl"))
		diag_error(c->d, -EINVAL, mark_of(first, "address"),
			   "%s has an IPv6 address, but a sysctl disables IPv6 there",
			   link_text(k, id));
}

/* --- twice ----------------------------------------------------------------------------- */

static int by_bytes(const void *pa, const void *pb)
{
	const struct address *a = *(struct address *const *)pa, *b = *(struct address *const *)pb;
	int r = (int)a->address.family - (int)b->address.family;

	if (!r)
		r = memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes));
	if (!r)
		r = strcmp(a->link->name, b->link->name);
	return r ? r : address_compare(a, b);
}

/* The kernel knows an IPv6 address by its bytes alone, an IPv4 one by them and its network
 * (__inet_insert_ifa()). */
static bool is_same(const struct address *a, const struct address *b)
{
	return a->link == b->link && (a->address.family == AF_INET6 || address_same_network(a, b));
}

static void check_twice(struct checker *c, const struct netns *n)
{
	ARRAY(const struct address *) all = {0};
	char text[IP_TEXT_MAX];

	array_each(&n->links, pk)
		array_each(&(*pk)->addresses, pa)
			array_add(&all, *pa);
	array_sort(&all, by_bytes);
	for (size_t i = 1; i < all.n; i++) {
		const struct address *a = all.items[i - 1], *b = all.items[i];

		if (a->address.family != b->address.family ||
		    memcmp(a->address.bytes, b->address.bytes, sizeof(a->address.bytes)) != 0)
			continue;
		if (ip_is_link_local(&a->address) && a->link != b->link)
			continue; /* fe80::1 on every interface is usual */
		ip_format(&b->address, false, text);
		if (is_same(a, b))
			diag_error(c->d, -EINVAL, mark_of(b, "address"),
				   "%s has the address %s twice", b->link->name, text);
		else
			diag_warning(c->d, mark_of(b, "address"),
				     "the address %s is in namespace '%s' twice", text, n->name);
		if (a->node)
			diag_hint(c->d, "the other one is in line %u", a->node->mark.line);
	}
	array_free(&all);
}

/* --- scopes ---------------------------------------------------------------------------- */

static int by_network(const void *pa, const void *pb)
{
	const struct address *a = *(struct address *const *)pa, *b = *(struct address *const *)pb;
	struct ip x = ip_network(address_far(a)), y = ip_network(address_far(b));
	int r = (int)x.len - (int)y.len;

	if (!r)
		r = memcmp(x.bytes, y.bytes, sizeof(x.bytes));
	return r ? r : (int)a->rank - (int)b->rank;
}

static void tell_scopes(struct checker *c, const struct address *a, const struct address *b)
{
	char text[IP_TEXT_MAX];

	diag_error(c->d, -EINVAL, mark_of(a, "scope"),
		   "%s is in the same network and has another scope",
		   ip_format(&b->address, false, text));
	if (b->node)
		diag_hint(c->d, "it is in line %u", b->node->mark.line);
}

/* Those of one network have one scope (__inet_insert_ifa()). */
static void check_scopes(struct checker *c, const struct link *k)
{
	ARRAY(const struct address *) all = {0};

	array_each(&k->addresses, pa)
		if ((*pa)->address.family == AF_INET &&
		    !unclear_key(c->unclear, (*pa)->node, "scope"))
			array_add(&all, *pa);
	array_sort(&all, by_network);
	for (size_t i = 1; i < all.n; i++) {
		const struct address *a = all.items[i - 1], *b = all.items[i];

		if (address_same_network(a, b) && a->scope != b->scope)
			is_given(b, "scope") ? tell_scopes(c, b, a) : tell_scopes(c, a, b);
	}
	array_free(&all);
}

void check_addresses(struct checker *c, const struct netns *n)
{
	array_each(&n->links, pk) {
		check_scopes(c, *pk);
		array_each(&(*pk)->addresses, pa) {
			check_value(c, *pa);
			check_keys(c, *pa);
		}
		check_ipv6(c, n, *pk);
	}
	check_twice(c, n);
}
