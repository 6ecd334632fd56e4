/* SPDX-License-Identifier: MIT */
/* Addresses and prefixes as values: text, order, containment. Stricter than
 * inet_aton(): no short forms, no leading zeros (octal to some), no zone. */
#include "attr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

unsigned ip_bits(const struct ip *ip)
{
	return ip->family == AF_INET6 ? 128 : 32;
}

int ip_compare(const struct ip *a, const struct ip *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	if (!a->family)
		return 0;
	order = memcmp(a->bytes, b->bytes, ip_bits(a) / 8);
	if (order)
		return order;
	return (a->len > b->len) - (a->len < b->len);
}

struct ip ip_network(const struct ip *ip)
{
	struct ip net = *ip;
	size_t whole = ip->len / 8;

	if (whole < sizeof(net.bytes)) {
		net.bytes[whole] &= (uint8_t) ~(0xff >> ip->len % 8);
		memset(net.bytes + whole + 1, 0, sizeof(net.bytes) - whole - 1);
	}
	return net;
}

bool ip_contains(const struct ip *net, const struct ip *ip)
{
	struct ip a, b;

	if (!net->family || net->family != ip->family)
		return false;
	a = ip_network(net);
	b = *ip;
	b.len = net->len;
	b = ip_network(&b);
	return !memcmp(a.bytes, b.bytes, ip_bits(net) / 8);
}

bool ip_is_link_local(const struct ip *ip)
{
	return ip->family == AF_INET6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

struct ip ip_of_mac(const struct mac *mac)
{
	const uint8_t *b = mac->bytes;

	return (struct ip){.family = AF_INET6,
			   .len = 64,
			   .bytes = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, b[0] ^ 2, b[1], b[2], 0xff, 0xfe,
				     b[3], b[4], b[5]}};
}

/* 0 to max in decimal digits without a leading zero. */
static bool parse_length(const char *s, unsigned max, uint8_t *ret_len)
{
	unsigned value = 0;

	if (!*s || strlen(s) > 3 || (s[0] == '0' && s[1]))
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		value = value * 10 + (unsigned)(*s - '0');
	}
	if (value > max)
		return false;
	*ret_len = (uint8_t)value;
	return true;
}

int ip_parse(const char *text, bool with_len, struct ip *ret_ip)
{
	struct ip ip = {0};
	const char *slash = strchr(text, '/');
	size_t size = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];

	if (!slash != !with_len || size >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, size);
	address[size] = '\0';
	ip.family = memchr(address, ':', size) ? AF_INET6 : AF_INET;
	/* glibc's and musl's refuse leading zeros and zones. */
	if (inet_pton(ip.family, address, ip.bytes) != 1)
		return -EINVAL;
	ip.len = (uint8_t)ip_bits(&ip);
	if (slash && !parse_length(slash + 1, ip_bits(&ip), &ip.len))
		return -EINVAL;
	*ret_ip = ip;
	return 0;
}

const char *ip_format(const struct ip *ip, bool with_len, char buf[static IP_TEXT_MAX])
{
	size_t n;

	buf[0] = '\0';
	if (!ip->family || !inet_ntop(ip->family, ip->bytes, buf, IP_TEXT_MAX))
		return buf;
	n = strlen(buf);
	if (with_len)
		snprintf(buf + n, IP_TEXT_MAX - n, "/%u", ip->len);
	return buf;
}
