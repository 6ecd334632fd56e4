/* SPDX-License-Identifier: MIT */
/* What the kernel makes by itself: of lo its addresses; of an address its routes: net/ipv4/fib_frontend.c
 * (fib_add_ifaddr()), net/ipv6/addrconf.c (inet6_addr_add()). */
#include "model.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

const struct ip *address_far(const struct address *a)
{
	return a->peer.family ? &a->peer : &a->address;
}

bool address_same_network(const struct address *a, const struct address *b)
{
	return a->address.family == AF_INET && b->address.family == AF_INET &&
	       a->address.len == b->address.len && ip_contains(address_far(a), address_far(b));
}

bool address_is_loopback(const struct address *a)
{
	static const uint8_t v4[4] = {127, 0, 0, 1}, v6[16] = {[15] = 1};

	if (strcmp(a->link->name, LOOPBACK) != 0)
		return false;
	if (a->address.family == AF_INET)
		return a->address.len == 8 && memcmp(a->address.bytes, v4, sizeof(v4)) == 0;
	return a->address.len == 128 && memcmp(a->address.bytes, v6, sizeof(v6)) == 0;
}

static struct ip host_of(const struct ip *ip)
{
	struct ip host = *ip;

	host.len = (uint8_t)ip_bits(ip);
	return host;
}

static struct ip last_of(const struct ip *net)
{
	struct ip last = host_of(net);

	for (unsigned bit = net->len; bit < 32; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return last;
}

static size_t ipv4_routes(const struct address *a, struct address_route *ret)
{
	const struct ip *net = address_far(a);
	bool loopback = str_equal(a->link->name, LOOPBACK);
	size_t n = 0;

	if (net->len < 32 || a->peer.family)
		ret[n++] = (struct address_route){
			.to = ip_network(net),
			.table = loopback ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
			.type = loopback ? RTN_LOCAL : RTN_UNICAST,
		};
	if (net->len < 31)
		ret[n++] = (struct address_route){
			.to = last_of(net), .table = RT_TABLE_LOCAL, .type = RTN_BROADCAST};
	return n;
}

/* With a peer the network is that of the address, and the peer is a host beside it. */
static size_t ipv6_routes(const struct address *a, struct address_route *ret)
{
	const struct address_route route = {
		.table = RT_TABLE_MAIN, .metric = ADDRCONF_METRIC, .type = RTN_UNICAST};
	size_t n = 0;

	ret[n] = route;
	ret[n++].to = ip_network(&a->address);
	if (a->peer.family) {
		ret[n] = route;
		ret[n++].to = host_of(&a->peer);
	}
	return n;
}

size_t address_routes(const struct address *a, struct address_route ret[static ADDRESS_ROUTES_MAX])
{
	ret[0] = (struct address_route){
		.to = host_of(&a->address), .table = RT_TABLE_LOCAL, .type = RTN_LOCAL};
	return 1 + (a->address.family == AF_INET ? ipv4_routes : ipv6_routes)(a, ret + 1);
}
