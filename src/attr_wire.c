/* SPDX-License-Identifier: MIT */
/* The engine between a row's value and a netlink attribute.
 *
 * Owns nothing: texts that are read go to the caller's arena. Traps: `scale`
 * rounds to the nearest value when reading, for the kernel keeps times in
 * jiffies and reports what they come to; WIRE_FLAG has no payload, so its
 * absence is a value too. */
#include "attr_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

static const void *field(const struct attr *row, const void *object)
{
	return (const char *)object + row->offset;
}

static bool is_number(const struct attr *row)
{
	switch (row->type) {
	case ATTR_BOOL:
	case ATTR_UINT:
	case ATTR_CHOICE:
	case ATTR_DURATION:
	case ATTR_NUMBER_NAME:
		return true;
	case ATTR_TEXT:
	case ATTR_IFNAME:
	case ATTR_NETNS:
	case ATTR_REF:
	case ATTR_MAC:
	case ATTR_ADDRESS:
	case ATTR_PREFIX:
	case ATTR_TARGET:
	case ATTR_OBJECT:
	case ATTR_LIST:
	case ATTR_MAP:
		return false;
	}
	return false;
}

static uint32_t get_number(const struct attr *row, const void *object)
{
	uint32_t scale = row->scale ? row->scale : 1;

	return is_number(row) ? *(const uint32_t *)field(row, object) * scale : 0;
}

static int put_bytes(struct nl_msg *msg, const struct attr *row, const void *object)
{
	if (row->type == ATTR_MAC) {
		const struct mac *mac = field(row, object);

		return mac->set ? nla_put(msg, row->nla, sizeof(mac->bytes), mac->bytes) : 0;
	}
	if (row->type == ATTR_ADDRESS || row->type == ATTR_PREFIX) {
		const struct ip *ip = field(row, object);

		return ip->family ? nla_put(msg, row->nla, (int)ip_bits(ip) / 8, ip->bytes) : 0;
	}
	return 0;
}

static int put_text(struct nl_msg *msg, const struct attr *row, const void *object)
{
	const char *text = NULL;

	if (row->type == ATTR_TEXT || row->type == ATTR_IFNAME)
		text = *(const char *const *)field(row, object);
	return text ? nla_put_string(msg, row->nla, text) : 0;
}

int attr_put(struct nl_msg *msg, const struct attr *row, const void *object)
{
	uint32_t number = get_number(row, object);
	int error = 0;

	switch (row->wire) {
	case WIRE_NONE:
		break;
	case WIRE_U8:
		error = nla_put_u8(msg, row->nla, (uint8_t)number);
		break;
	case WIRE_U16:
		error = nla_put_u16(msg, row->nla, (uint16_t)number);
		break;
	case WIRE_U32:
		error = nla_put_u32(msg, row->nla, number);
		break;
	case WIRE_BE16:
		error = nla_put_u16(msg, row->nla, htons((uint16_t)number));
		break;
	case WIRE_BE32:
		error = nla_put_u32(msg, row->nla, htonl(number));
		break;
	case WIRE_STRING:
		error = put_text(msg, row, object);
		break;
	case WIRE_BYTES:
		error = put_bytes(msg, row, object);
		break;
	case WIRE_FLAG:
		error = number ? nla_put_flag(msg, row->nla) : 0;
		break;
	}
	return error < 0 ? -EMSGSIZE : 0;
}

int attr_put_rows(struct nl_msg *msg, const struct attr_table *t, uint64_t mask, const void *object)
{
	for (size_t i = 0; i < t->n; i++) {
		int error = mask & UINT64_C(1) << i ? attr_put(msg, &t->rows[i], object) : 0;

		if (error)
			return error;
	}
	return 0;
}

static bool set_number(const struct attr *row, uint32_t number, void *object)
{
	uint32_t scale = row->scale ? row->scale : 1;

	if (!is_number(row))
		return false;
	/* In 64 bits: rounding must not overflow. */
	*(uint32_t *)((char *)object + row->offset) =
		(uint32_t)(((uint64_t)number + scale / 2) / scale);
	return true;
}

static bool get_text(const struct attr *row, const struct nlattr *nla, struct arena *a,
		     void *object)
{
	size_t size = (size_t)nla_len(nla);

	if (row->type != ATTR_TEXT && row->type != ATTR_IFNAME)
		return false;
	*(const char **)((char *)object + row->offset) =
		arena_strndup(a, nla_data(nla), strnlen(nla_data(nla), size));
	return true;
}

static bool get_bytes(const struct attr *row, const struct nlattr *nla, void *object)
{
	void *to = (char *)object + row->offset;
	size_t size = (size_t)nla_len(nla);

	if (row->type == ATTR_MAC && size == 6) {
		struct mac mac = {.set = 1};

		memcpy(mac.bytes, nla_data(nla), sizeof(mac.bytes));
		*(struct mac *)to = mac;
		return true;
	}
	if ((row->type == ATTR_ADDRESS || row->type == ATTR_PREFIX) && (size == 4 || size == 16)) {
		struct ip ip = {.family = size == 4 ? AF_INET : AF_INET6,
				.len = (uint8_t)(size * 8)};

		memcpy(ip.bytes, nla_data(nla), size);
		*(struct ip *)to = ip;
		return true;
	}
	return false;
}

bool attr_get(const struct attr *row, const struct nlattr *nla, struct arena *a, void *object)
{
	int size = nla_len(nla);

	switch (row->wire) {
	case WIRE_NONE:
		return false;
	case WIRE_U8:
		return size == 1 && set_number(row, nla_get_u8(nla), object);
	case WIRE_U16:
		return size == 2 && set_number(row, nla_get_u16(nla), object);
	case WIRE_U32:
		return size == 4 && set_number(row, nla_get_u32(nla), object);
	case WIRE_BE16:
		return size == 2 && set_number(row, ntohs(nla_get_u16(nla)), object);
	case WIRE_BE32:
		return size == 4 && set_number(row, ntohl(nla_get_u32(nla)), object);
	case WIRE_STRING:
		return get_text(row, nla, a, object);
	case WIRE_BYTES:
		return get_bytes(row, nla, object);
	case WIRE_FLAG:
		return set_number(row, 1, object);
	}
	return false;
}

uint64_t attr_get_rows(const struct attr_table *t, struct nlattr *const *tb, int max,
		       struct arena *a, void *object)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];

		if (row->wire == WIRE_NONE || row->nla > max)
			continue;
		if (tb[row->nla] ? attr_get(row, tb[row->nla], a, object)
				 : row->wire == WIRE_FLAG && set_number(row, 0, object))
			mask |= UINT64_C(1) << i;
	}
	return mask;
}
