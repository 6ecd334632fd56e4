/* SPDX-License-Identifier: MIT */
/* Between the parts of attr_parse(): how they say what is wrong. */
#pragma once

#include "attr.h"

struct complaint {
	const struct attr *row;
	const char *text; /* what was to be parsed */
	struct arena *arena;
	const char **why, **hint;
};

/* Sets the message, "KEY must be ..."; returns the code. */
int complain(const struct complaint *c, int code, const char *fmt, ...) PRINTF(3, 4);
void complain_hint(const struct complaint *c, const char *fmt, ...) PRINTF(2, 3);
/* The text as messages show it: in quotes, shortened where it is long. */
const char *complain_text(const struct complaint *c);

/* attr_number.c: decimal digits only, within the row's bounds. */
int attr_parse_number(const struct complaint *c, uint32_t *ret_number);
/* The same in microseconds, of a number with its unit. */
int attr_parse_duration(const struct complaint *c, uint32_t *ret_duration);
void attr_format_duration(uint32_t duration, struct buf *out);
/* attr_address.c */
int attr_parse_mac(const struct complaint *c, struct mac *ret_mac);
int attr_parse_ip(const struct complaint *c, struct ip *ret_ip);
