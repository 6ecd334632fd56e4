/* SPDX-License-Identifier: MIT */
/* Addresses as the file writes them, and what is wrong with those that are not
 * quite: netmasks, zones, short forms, other tools' notations. */
#include "attr_text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"

/* Twelve hexadecimal digits whatever stands between them. */
static bool loose_mac(const char *s, struct mac *ret_mac)
{
	struct mac mac = {.set = 1};
	size_t n = 0;

	for (; *s; s++) {
		if (strchr(":-. ", *s))
			continue;
		if (!isxdigit((unsigned char)*s) || n == 12)
			return false;
		mac.bytes[n / 2] = (uint8_t)(mac.bytes[n / 2] << 4 | hex_value(*s));
		n++;
	}
	if (n != 12)
		return false;
	*ret_mac = mac;
	return true;
}

static bool is_strict_mac(const char *s)
{
	if (strlen(s) != 17)
		return false;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? s[i] != ':' : !isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

/* What the kernel takes: is_valid_ether_addr() in include/linux/etherdevice.h. */
int attr_parse_mac(const struct complaint *c, struct mac *ret_mac)
{
	static const struct mac zero;
	const char *key = c->row->key;
	struct mac mac;
	bool understood = loose_mac(c->text, &mac);

	if (!is_strict_mac(c->text)) {
		complain(c, -EINVAL, "%s must be six octets such as 02:00:00:00:00:01, not %s", key,
			 complain_text(c));
		if (understood)
			complain_hint(c, "write %02x:%02x:%02x:%02x:%02x:%02x", mac.bytes[0],
				      mac.bytes[1], mac.bytes[2], mac.bytes[3], mac.bytes[4],
				      mac.bytes[5]);
		return -EINVAL;
	}
	if (c->row->flags & ATTR_AS_FOUND) {
		*ret_mac = mac;
		return 0;
	}
	if (!memcmp(mac.bytes, zero.bytes, sizeof(mac.bytes)))
		return complain(c, -EINVAL, "%s must not be all zero", key);
	if (mac.bytes[0] & 1) {
		complain(c, -EINVAL, "%s must be a unicast address; %s is a multicast one", key,
			 c->text);
		complain_hint(c, "the first octet must be even: 02 is a good one for a lab");
		return -EINVAL;
	}
	*ret_mac = mac;
	return 0;
}

/* The length of a netmask ("255.255.255.0"), or -1. */
static int mask_length(const char *text)
{
	uint32_t mask;

	if (inet_pton(AF_INET, text, &mask) != 1)
		return -1;
	mask = ntohl(mask);
	if (~mask & (~mask + 1)) /* ones, then zeros */
		return -1;
	return mask ? 32 - __builtin_ctz(mask) : 0;
}

static bool has_leading_zero(const char *s)
{
	for (const char *octet = s; octet; octet = strchr(octet, '.')) {
		if (*octet == '.')
			octet++;
		if (octet[0] == '0' && octet[1] >= '0' && octet[1] <= '9')
			return true;
	}
	return false;
}

/* A short part of the text ("10.0.0.1" of "10.0.0.1/24") for hints. */
static const char *part(const struct complaint *c, size_t n)
{
	return arena_strndup(c->arena, c->text, n);
}

static int bad_address(const struct complaint *c, const char *what, size_t n)
{
	const char *key = c->row->key, *address = part(c, n < 64 ? n : 64);
	size_t zone = strcspn(address, "%");

	if (!*c->text)
		return complain(c, -EINVAL, "%s must be %s, not empty", key, what);
	complain(c, -EINVAL, "%s must be %s, not %s", key, what, complain_text(c));
	if (address[zone])
		complain_hint(c,
			      "leave out the zone (%s): an address belongs to the interface it "
			      "stands under, and a route says dev",
			      address + zone);
	else if (address[strspn(address, DIGITS ".")])
		; /* IPv6, or no address at all: nothing more to say */
	else if (has_leading_zero(address))
		complain_hint(c, "leave out leading zeros: some read them as octal");
	else if (*address)
		complain_hint(c, "an IPv4 address has four numbers from 0 to 255");
	return -EINVAL;
}

static int bad_length(const struct complaint *c, const struct ip *ip, const char *length, size_t n)
{
	const char *key = c->row->key;
	int mask = mask_length(length);

	complain(c, -EINVAL, "%s must have a prefix length of 0 to %u, not %s", key, ip_bits(ip),
		 complain_text(c));
	if (ip->family == AF_INET && mask >= 0)
		complain_hint(c, "write the netmask as a length: %s/%d", part(c, n), mask);
	else if (length[0] == '0' && length[1])
		complain_hint(c, "leave out leading zeros");
	return -EINVAL;
}

/* Says what is wrong with it. */
static int refuse_ip(const struct complaint *c, const char *what, bool takes_len)
{
	const char *slash = strchr(c->text, '/'), *key = c->row->key;
	size_t n = slash ? (size_t)(slash - c->text) : strlen(c->text);
	char address[INET6_ADDRSTRLEN];
	struct ip ip;

	if (n >= sizeof(address))
		return bad_address(c, what, n);
	memcpy(address, c->text, n);
	address[n] = '\0';
	if (ip_parse(address, false, &ip) < 0)
		return bad_address(c, what, n);
	if (slash && takes_len)
		return bad_length(c, &ip, slash + 1, n);
	if (slash) {
		complain(c, -EINVAL, "%s must be an address without a prefix length", key);
		complain_hint(c, "write %s", part(c, n));
	} else {
		complain(c, -EINVAL, "%s must have a prefix length", key);
		complain_hint(c, "write %s/%u", c->text, ip_bits(&ip));
	}
	return -EINVAL;
}

int attr_parse_ip(const struct complaint *c, struct ip *ret_ip)
{
	const uint32_t flags = c->row->flags;
	bool prefix = c->row->type == ATTR_PREFIX, has_len = strchr(c->text, '/');
	const char *what = prefix ? "an address with its prefix length" : "an address";

	if (prefix && flags & ATTR_DEFAULT_OK) {
		what = "default, a network or an address";
		if (!strcmp(c->text, "default")) {
			*ret_ip = (struct ip){0};
			return 0;
		}
	} else if (prefix && flags & ATTR_LEN_OPTIONAL) {
		what = "an address";
	}
	if ((has_len ? prefix : !prefix || flags & ATTR_LEN_OPTIONAL) &&
	    ip_parse(c->text, has_len, ret_ip) >= 0)
		return 0;
	return refuse_ip(c, what, prefix);
}
