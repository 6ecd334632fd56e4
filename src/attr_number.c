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
