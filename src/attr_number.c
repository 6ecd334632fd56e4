/* SPDX-License-Identifier: MIT */
/* Numbers as the file writes them: decimal digits, nothing else. What YAML 1.1
 * would make of 010, 0x10, 1e3, 1_000 or 1:30 is refused by name, since two
 * readers would take it for two numbers. */
#include "attr_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

static bool all_of(const char *s, const char *set)
{
	return *s && s[strspn(s, set)] == '\0';
}

static int out_of_range(const struct complaint *c)
{
	const struct attr *row = c->row;

	if (row->unit)
		return complain(c, -ERANGE, "%s must be %u to %u (%s)", row->key, row->min,
				row->max, row->unit);
	return complain(c, -ERANGE, "%s must be %u to %u", row->key, row->min, row->max);
}

/* 0x10, 0o17, 0b11: the hint is the number in decimal. */
static int other_base(const struct complaint *c, const char *name, int base)
{
	unsigned long long value;
	char *end;

	complain(c, -EINVAL, "%s must be a decimal number, not %s %s", c->row->key, name,
		 complain_text(c));
	errno = 0;
	value = strtoull(c->text + 2, &end, base);
	if (!errno && !*end && end != c->text + 2)
		complain_hint(c, "write %llu", value);
	return -EINVAL;
}

static int leading_zero(const struct complaint *c)
{
	const char *rest = c->text + strspn(c->text, "0");

	complain(c, -EINVAL,
		 "%s must be a decimal number without leading zeros: %s is ambiguous (octal to "
		 "some)",
		 c->row->key, complain_text(c));
	if (strlen(rest) <= 10)
		complain_hint(c, "write %s", *rest ? rest : "0");
	return -EINVAL;
}

/* 1_000 */
static int grouped(const struct complaint *c)
{
	char digits[16];
	size_t n = 0;

	complain(c, -EINVAL, "%s must be a number in plain digits, not %s", c->row->key,
		 complain_text(c));
	for (const char *s = c->text; *s; s++) {
		if (*s == '_' || *s == ',')
			continue;
		if (n == sizeof(digits) - 1)
			return -EINVAL;
		digits[n++] = *s;
	}
	digits[n] = '\0';
	complain_hint(c, "write %s", digits);
	return -EINVAL;
}

static int not_a_number(const struct complaint *c)
{
	const struct attr *row = c->row;
	const char *s = c->text;
	size_t digits = strspn(s, DIGITS);

	if (!*s)
		return complain(c, -EINVAL, "%s must be a number, not empty", row->key);
	if (str_starts(s, "0x") || str_starts(s, "0X"))
		return other_base(c, "hexadecimal", 16);
	if (str_starts(s, "0o") || str_starts(s, "0O"))
		return other_base(c, "octal", 8);
	if (str_starts(s, "0b") || str_starts(s, "0B"))
		return other_base(c, "binary", 2);
	if (s[0] == '-' && all_of(s + 1, DIGITS))
		return out_of_range(c);
	if (s[0] == '+' && all_of(s + 1, DIGITS)) {
		complain(c, -EINVAL, "%s must be a number without a sign", row->key);
		if (strlen(s + 1) <= 10)
			complain_hint(c, "write %s", s + 1);
		return -EINVAL;
	}
	if (digits && all_of(s, DIGITS "_,"))
		return grouped(c);
	if (digits && all_of(s, DIGITS ".eE+-:"))
		return complain(c, -EINVAL, "%s must be a whole number in plain digits, not %s",
				row->key, complain_text(c));
	if (digits && row->unit) {
		complain(c, -EINVAL, "%s must be a number, not %s", row->key, complain_text(c));
		complain_hint(c, "write the number of %s, without a unit", row->unit);
		return -EINVAL;
	}
	return complain(c, -EINVAL, "%s must be a number, not %s", row->key, complain_text(c));
}

int attr_parse_number(const struct complaint *c, uint32_t *ret_number)
{
	const char *s = c->text;
	uint64_t value = 0;

	if (!all_of(s, DIGITS))
		return not_a_number(c);
	if (s[0] == '0' && s[1])
		return leading_zero(c);
	for (; *s && value <= UINT32_MAX; s++)
		value = value * 10 + (uint64_t)(*s - '0');
	if (value > UINT32_MAX ||
	    (!(c->row->flags & ATTR_AS_FOUND) && (value < c->row->min || value > c->row->max)))
		return out_of_range(c);
	*ret_number = (uint32_t)value;
	return 0;
}

/* --- durations ------------------------------------------------------------------------- */

/* From the largest. iproute2's words, as far as they are ones for all. */
static const struct {
	const char *name;
	uint32_t factor;
} units[] = {{"min", 60000000}, {"s", 1000000}, {"ms", 1000}, {"us", 1}};

void attr_format_duration(uint32_t duration, struct buf *out)
{
	size_t i = duration ? 0 : 1;

	while (duration % units[i].factor)
		i++;
	buf_printf(out, "%u%s", duration / units[i].factor, units[i].name);
}

static int duration_out_of_range(const struct complaint *c)
{
	cleanup_buf struct buf min = {0}, max = {0};

	attr_format_duration(c->row->min, &min);
	attr_format_duration(c->row->max, &max);
	return complain(c, -ERANGE, "%s must be %s to %s", c->row->key, buf_text(&min),
			buf_text(&max));
}

int attr_parse_duration(const struct complaint *c, uint32_t *ret_duration)
{
	size_t digits = strspn(c->text, DIGITS);
	const char *unit = c->text + digits;
	uint64_t value = 0;
	uint32_t factor = 0;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (str_equal(unit, units[i].name))
			factor = units[i].factor;
	if (!digits || !factor || (c->text[0] == '0' && digits > 1)) {
		complain(c, -EINVAL,
			 "%s must be a whole number with its unit (min, s, ms or us), not %s",
			 c->row->key, complain_text(c));
		if (digits && !*unit)
			complain_hint(c, "as in 5s or 500ms");
		return -EINVAL;
	}
	for (size_t i = 0; i < digits && value <= UINT32_MAX; i++)
		value = value * 10 + (uint64_t)(c->text[i] - '0');
	value *= factor;
	if (value < c->row->min || value > c->row->max)
		return duration_out_of_range(c);
	*ret_duration = (uint32_t)value;
	return 0;
}
