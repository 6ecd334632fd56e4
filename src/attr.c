/* SPDX-License-Identifier: MIT */
/* The engine that walks rows: finding, comparing, filling in. How a value is
 * written as text is in attr_types.c. Rows are const and own nothing; objects
 * belong to their model.
 *
 * Trap: a row may be a scalar in the file and yet have no field (an interface's
 * `kind`): offset UINT16_MAX. Nothing here touches those. */
#include "attr.h"

#include <assert.h>
#include <string.h>

#define NO_FIELD UINT16_MAX

static bool has_field(const struct attr *row)
{
	return attr_is_scalar(row) && row->offset != NO_FIELD;
}

static size_t field_size(enum attr_type type)
{
	switch (type) {
	case ATTR_BOOL:
	case ATTR_UINT:
	case ATTR_CHOICE:
	case ATTR_DURATION:
	case ATTR_NUMBER_NAME:
		return sizeof(uint32_t);
	case ATTR_TEXT:
	case ATTR_IFNAME:
	case ATTR_NETNS:
		return sizeof(const char *);
	case ATTR_REF:
		return sizeof(struct ref);
	case ATTR_MAC:
		return sizeof(struct mac);
	case ATTR_ADDRESS:
	case ATTR_PREFIX:
		return sizeof(struct ip);
	case ATTR_TARGET:
		return sizeof(struct target);
	case ATTR_OBJECT:
	case ATTR_LIST:
	case ATTR_MAP:
		break;
	}
	return 0;
}

static const void *field(const struct attr *row, const void *object)
{
	return (const char *)object + row->offset;
}

int attr_find(const struct attr_table *t, const char *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_equal(t->rows[i].key, key))
			return (int)i;
	return -1;
}

uint64_t attr_find_bit(const struct attr_table *t, const char *key)
{
	int i = attr_find(t, key);

	assert(i >= 0 && i < 64);
	return UINT64_C(1) << i;
}

static bool ref_equal(const struct ref *a, const struct ref *b)
{
	return str_equal(a->netns, b->netns) && str_equal(a->name, b->name);
}

static bool mac_equal(const struct mac *a, const struct mac *b)
{
	if (!a->set || !b->set)
		return !a->set && !b->set;
	return !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static bool address_equal(const struct ip *a, const struct ip *b)
{
	size_t size = a->family ? ip_bits(a) / 8 : 0;

	return a->family == b->family && !memcmp(a->bytes, b->bytes, size);
}

static bool target_equal(const struct target *a, const struct target *b)
{
	return address_equal(&a->ip, &b->ip) && ref_equal(&a->ref, &b->ref);
}

void attr_copy(const struct attr *row, const void *from, void *to)
{
	if (has_field(row))
		memcpy((char *)to + row->offset, field(row, from), field_size(row->type));
}

bool attr_equal(const struct attr *row, const void *a, const void *b)
{
	if (!has_field(row))
		return true;
	a = field(row, a);
	b = field(row, b);
	switch (row->type) {
	case ATTR_BOOL:
		return !*(const uint32_t *)a == !*(const uint32_t *)b;
	case ATTR_UINT:
	case ATTR_CHOICE:
	case ATTR_DURATION:
	case ATTR_NUMBER_NAME:
		return *(const uint32_t *)a == *(const uint32_t *)b;
	case ATTR_TEXT:
	case ATTR_IFNAME:
	case ATTR_NETNS:
		return str_equal(*(const char *const *)a, *(const char *const *)b);
	case ATTR_REF:
		return ref_equal(a, b);
	case ATTR_MAC:
		return mac_equal(a, b);
	case ATTR_ADDRESS: /* a length says nothing here */
		return address_equal(a, b);
	case ATTR_PREFIX:
		return ip_compare(a, b) == 0;
	case ATTR_TARGET:
		return target_equal(a, b);
	case ATTR_OBJECT:
	case ATTR_LIST:
	case ATTR_MAP:
		break;
	}
	return true;
}

bool attr_is_initial(const struct attr *row, const void *object)
{
	if (!has_field(row))
		return true;
	object = field(row, object);
	switch (row->type) {
	case ATTR_BOOL:
		return !*(const uint32_t *)object == !row->initial;
	case ATTR_UINT:
	case ATTR_CHOICE:
	case ATTR_DURATION:
	case ATTR_NUMBER_NAME:
		return *(const uint32_t *)object == row->initial;
	case ATTR_TEXT:
	case ATTR_IFNAME:
	case ATTR_NETNS:
		return !*(const char *const *)object;
	case ATTR_REF:
		return !((const struct ref *)object)->name;
	case ATTR_MAC:
		return !((const struct mac *)object)->set;
	case ATTR_ADDRESS:
	case ATTR_PREFIX:
		return !((const struct ip *)object)->family;
	case ATTR_TARGET:
		return target_equal(object, &(struct target){0});
	case ATTR_OBJECT:
	case ATTR_LIST:
	case ATTR_MAP:
		break;
	}
	return true;
}

void attr_fill_new(const struct attr_table *t, void *object)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];

		if (row->initial && has_field(row) && row->type <= ATTR_NUMBER_NAME)
			*(uint32_t *)((char *)object + row->offset) = row->initial;
	}
}

void attr_fill(const struct attr_table *t, void *object, uint64_t given)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];
		void *value = (char *)object + row->offset;

		if (given >> i & 1 || !has_field(row))
			continue;
		if (row->type <= ATTR_NUMBER_NAME)
			*(uint32_t *)value = row->initial;
		else
			memset(value, 0, field_size(row->type));
	}
}

uint64_t attr_differences(const struct attr_table *t, const void *want, uint64_t want_given,
			  const void *have, uint64_t have_given, bool compare_all)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];
		uint64_t bit = UINT64_C(1) << i;
		bool equal;

		if (!has_field(row) || row->flags & (ATTR_IDENTITY | ATTR_READ_ONLY))
			continue;
		if (!(want_given & bit) && (row->flags & ATTR_AUTOMATIC || !compare_all))
			continue;
		if (have_given & bit)
			equal = attr_equal(row, want, have);
		else
			equal = attr_is_initial(row, want);
		if (!equal)
			mask |= bit;
	}
	return mask;
}
