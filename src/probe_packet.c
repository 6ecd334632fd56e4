/* SPDX-License-Identifier: MIT */
/* ICMP and ICMPv6: echo requests are written, replies and errors are read. What
 * is read comes from anybody, so every length is looked at. An error carries
 * the beginning of the packet that it is about (RFC 792: 8 bytes beyond its IP
 * header at least; RFC 4443: as much as fits). */
#include "probe_internal.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <string.h>

/* <netinet/ip.h> has a struct ip of its own. */
#define IPV4_HEADER 20
#define IPV4_OFFSET_MASK 0x1fff
#define IPV6_HEADER 40
#define IPV6_OFFSET_MASK 0xfff8

static uint16_t get16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static void put16(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

void packet_fill(uint8_t *out, size_t size)
{
	static const char text[] = "nsapply check\n";

	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)text[i % (sizeof(text) - 1)];
	if (size) /* a service that reads lines has a whole one */
		out[size - 1] = '\n';
}

/* RFC 1071 */
static uint16_t checksum(const uint8_t *data, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t packet_echo(uint8_t family, uint32_t token, size_t size, uint8_t *out)
{
	size_t n = ECHO_HEADER + size;

	memset(out, 0, ECHO_HEADER);
	out[0] = family == AF_INET ? ICMP_ECHO : ICMPV6_ECHO_REQUEST;
	put16(out + 4, (uint16_t)(token >> 16));
	put16(out + 6, (uint16_t)token);
	packet_fill(out + ECHO_HEADER, size);
	if (family == AF_INET) /* for IPv6 the kernel does it: it knows the addresses */
		put16(out + 2, checksum(out, n));
	return n;
}

/* --- what an error is about ------------------------------------------------------------ */

/* The header after the IP header, of which 8 bytes are there. */
static bool parse_transport(uint8_t protocol, const uint8_t *data, struct packet *ret)
{
	ret->protocol = protocol;
	switch (protocol) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		ret->token = (uint32_t)get16(data + 4) << 16 | get16(data + 6);
		return data[0] == (protocol == IPPROTO_ICMP ? ICMP_ECHO : ICMPV6_ECHO_REQUEST);
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		ret->source_port = get16(data);
		ret->port = get16(data + 2);
		return true;
	}
	return false;
}

static bool parse_inner4(const uint8_t *data, size_t n, struct packet *ret)
{
	size_t header = n ? (data[0] & 15u) * 4u : 0;

	if (header < IPV4_HEADER || n < header + 8)
		return false;
	if (get16(data + 6) & IPV4_OFFSET_MASK) /* a later fragment */
		return false;
	ret->to = (struct ip){.family = AF_INET, .len = 32};
	memcpy(ret->to.bytes, data + 16, 4);
	return parse_transport(data[9], data + header, ret);
}

static bool parse_inner6(const uint8_t *data, size_t n, struct packet *ret)
{
	size_t header = IPV6_HEADER;
	uint8_t next;

	if (n < header + 8)
		return false;
	ret->to = (struct ip){.family = AF_INET6, .len = 128};
	memcpy(ret->to.bytes, data + 24, 16);
	next = data[6];
	if (next == IPPROTO_FRAGMENT) {
		if (n < header + 16 || get16(data + header + 2) & IPV6_OFFSET_MASK)
			return false;
		next = data[header];
		header += 8;
	}
	return parse_transport(next, data + header, ret);
}

/* --- a message ----------------------------------------------------------------------- */

static bool parse4(const uint8_t *data, size_t n, struct packet *ret)
{
	switch (data[0]) {
	case ICMP_ECHOREPLY:
		return true;
	case ICMP_DEST_UNREACH:
		if (data[1] == ICMP_FRAG_NEEDED)
			ret->mtu = get16(data + 6);
		break;
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		break;
	default:
		return false;
	}
	ret->is_error = true;
	return parse_inner4(data + 8, n - 8, ret);
}

static bool parse6(const uint8_t *data, size_t n, struct packet *ret)
{
	switch (data[0]) {
	case ICMPV6_ECHO_REPLY:
		return true;
	case ICMPV6_PKT_TOOBIG:
		ret->mtu = (uint32_t)get16(data + 4) << 16 | get16(data + 6);
		break;
	case ICMPV6_DEST_UNREACH:
	case ICMPV6_TIME_EXCEED:
	case ICMPV6_PARAMPROB:
		break;
	default:
		return false;
	}
	ret->is_error = true;
	return parse_inner6(data + 8, n - 8, ret);
}

bool packet_parse(uint8_t family, const uint8_t *data, size_t n, struct packet *ret)
{
	size_t header = 0;

	*ret = (struct packet){0};
	if (family == AF_INET)
		header = n ? (data[0] & 15u) * 4u : IPV4_HEADER;
	if (n < header + 8)
		return false;
	data += header;
	n -= header;
	ret->type = data[0];
	ret->code = data[1];
	ret->token = (uint32_t)get16(data + 4) << 16 | get16(data + 6);
	return family == AF_INET ? parse4(data, n, ret) : parse6(data, n, ret);
}

bool answer_is_transit(const struct answer *a)
{
	if (a->kind != ANSWER_ERROR || a->code)
		return false;
	return a->type == (a->from.family == AF_INET ? ICMP_TIME_EXCEEDED : ICMPV6_TIME_EXCEED);
}
