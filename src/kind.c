/* SPDX-License-Identifier: MIT */
/* The one table of kinds; its order is the manual's. */
#include "kind.h"

static const struct kind *const kinds[] = {
	&kind_veth,
	&kind_bridge,
};

const struct kind *kind_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_equal(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

const struct kind *const *kind_list(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(kinds);
	return kinds;
}

uint64_t kind_passing(const struct kind *kind, const void *data)
{
	return kind->passing ? kind->passing(data) : 0;
}
