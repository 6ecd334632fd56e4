/* SPDX-License-Identifier: MIT */
/* Values <-> text, by a row's type. The type comes from the row, never from how
 * the text looks. attr_format() prints what attr_parse() reads.
 *
 * Messages and strings belong to the caller's arena. The object is untouched
 * when a value is refused. */
#include "attr_text.h"
#include "model.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define SHOWN_MAX 40

int complain(const struct complaint *c, int code, const char *fmt, ...)
{
	cleanup_buf struct buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	*c->why = arena_strdup(c->arena, buf_text(&text));
	return code;
}

void complain_hint(const struct complaint *c, const char *fmt, ...)
{
	cleanup_buf struct buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	*c->hint = arena_strdup(c->arena, buf_text(&text));
}

const char *complain_text(const struct complaint *c)
{
	size_t n = strlen(c->text);

	if (n <= SHOWN_MAX)
		return arena_printf(c->arena, "\"%s\"", c->text);
	n = SHOWN_MAX;
	while (n && (c->text[n] & 0xc0) == 0x80) /* not inside a UTF-8 sequence */
		n--;
	return arena_printf(c->arena, "\"%.*s...\"", (int)n, c->text);
}

/* --- text -> value ----------------------------------------------------------- */

static bool looks_boolean(const char *s)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "y", "n"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(s, words[i]))
			return true;
	return false;
}

static int parse_bool(const struct complaint *c, uint32_t *ret)
{
	if (!strcmp(c->text, "true") || !strcmp(c->text, "false")) {
		*ret = c->text[0] == 't';
		return 0;
	}
	complain(c, -EINVAL, "%s must be true or false, not %s", c->row->key, complain_text(c));
	if (looks_boolean(c->text))
		complain_hint(c, "booleans are true or false");
	return -EINVAL;
}

static void did_you_mean(const struct complaint *c, const struct choice *choices)
{
	const char *names[64];
	const char *near;
	size_t n = 0;

	for (; choices->name && n < ARRAY_SIZE(names); choices++)
		names[n++] = choices->name;
	near = str_nearest(c->text, names, n);
	if (near)
		complain_hint(c, "did you mean %s?", near);
}

static int parse_choice(const struct complaint *c, uint32_t *ret)
{
	cleanup_buf struct buf list = {0};
	bool boolean = false;

	for (const struct choice *o = c->row->choices; o->name; o++) {
		if (!strcmp(o->name, c->text)) {
			*ret = o->value;
			return 0;
		}
		if (o != c->row->choices)
			buf_puts(&list, o[1].name ? ", " : " or ");
		buf_puts(&list, o->name);
		boolean |= !strcmp(o->name, "true");
	}
	complain(c, -EINVAL, "%s must be %s, not %s", c->row->key, buf_text(&list),
		 complain_text(c));
	if (boolean && looks_boolean(c->text))
		complain_hint(c, "booleans are true or false");
	else
		did_you_mean(c, c->row->choices);
	return -EINVAL;
}

static void nearest_name(const struct complaint *c)
{
	const char *names[256], *near;
	size_t n = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = names_name(c->row->names, i);

		if (name)
			names[n++] = name;
	}
	near = str_nearest(c->text, names, n);
	if (near)
		complain_hint(c, "did you mean %s?", near);
}

static int parse_number_name(const struct complaint *c, uint32_t *ret)
{
	const struct attr *row = c->row;
	uint32_t number;

	if (!names_lookup(row->names, c->text, &number)) {
		if (*c->text && strchr("0123456789+-", *c->text))
			return attr_parse_number(c, ret);
		complain(c, -EINVAL, "%s must be a number from %u to %u or a name of %s, not %s",
			 row->key, row->min, row->max, names_file(row->names), complain_text(c));
		nearest_name(c);
		return -EINVAL;
	}
	if (!(row->flags & ATTR_AS_FOUND) && (number < row->min || number > row->max))
		return complain(c, -ERANGE, "%s must be %u to %u, not %u (%s)", row->key, row->min,
				row->max, number, c->text);
	*ret = number;
	return 0;
}

static int parse_text(const struct complaint *c, const char **ret)
{
	size_t n = strlen(c->text);

	if (c->row->max && n > c->row->max)
		return complain(c, -ERANGE, "%s must be at most %u bytes long, not %zu",
				c->row->key, c->row->max, n);
	*ret = arena_strdup(c->arena, c->text);
	return 0;
}

static int parse_ifname(const struct complaint *c, const char **ret)
{
	const char *wrong = c->row->flags & ATTR_AS_FOUND ? NULL : ifname_error(c->text);

	if (wrong)
		return complain(c, -EINVAL, "%s must be an interface name: %s %s", c->row->key,
				complain_text(c), wrong);
	*ret = arena_strdup(c->arena, c->text);
	return 0;
}

static int parse_netns(const struct complaint *c, const char **ret)
{
	const char *wrong = netns_name_error(c->text);

	if (wrong)
		return complain(c, -EINVAL, "%s must be a namespace's name: %s %s", c->row->key,
				complain_text(c), wrong);
	*ret = arena_strdup(c->arena, c->text);
	return 0;
}

static int parse_ref(const struct complaint *c, struct ref *ret)
{
	const char *colon = strchr(c->text, ':');
	struct ref ref = {.name = colon ? colon + 1 : c->text};
	const char *wrong;

	if (colon) {
		ref.netns = arena_strndup(c->arena, c->text, (size_t)(colon - c->text));
		wrong = netns_name_error(ref.netns);
		if (wrong)
			return complain(
				c, -EINVAL,
				"%s must be IFNAME or NAMESPACE:IFNAME; in %s the namespace's "
				"name %s",
				c->row->key, complain_text(c), wrong);
	}
	wrong = ifname_error(ref.name);
	if (wrong)
		return complain(
			c, -EINVAL,
			"%s must be IFNAME or NAMESPACE:IFNAME; in %s the interface's name %s",
			c->row->key, complain_text(c), wrong);
	ref.name = arena_strdup(c->arena, ref.name);
	*ret = ref;
	return 0;
}

/* An IPv6 address has two colons at least, a reference one. */
static int parse_target(const struct complaint *c, struct target *ret)
{
	const char *colon = strchr(c->text, ':');
	struct target target = {0};
	size_t n = strcspn(c->text, "/");

	if (ip_parse(c->text, false, &target.ip) >= 0) {
		*ret = target;
		return 0;
	}
	if (colon && !strchr(colon + 1, ':')) {
		if (parse_ref(c, &target.ref) < 0)
			return -EINVAL;
		*ret = target;
		return 0;
	}
	complain(c, -EINVAL, "%s must be an address or NAMESPACE:IFNAME, not %s", c->row->key,
		 complain_text(c));
	if (ip_parse(arena_strndup(c->arena, c->text, n), false, &target.ip) >= 0)
		complain_hint(c, "leave out the prefix length");
	return -EINVAL;
}

/* long: one case a type */
int attr_parse(const struct attr *row, const char *text, void *object, struct arena *arena,
	       const char **ret_why, const char **ret_hint)
{
	const char *why = NULL, *hint = NULL;
	const struct complaint c = {row, text, arena, &why, &hint};
	void *value = (char *)object + row->offset;
	int r = -EINVAL;

	switch (row->type) {
	case ATTR_BOOL:
		r = parse_bool(&c, value);
		break;
	case ATTR_UINT:
		r = attr_parse_number(&c, value);
		break;
	case ATTR_CHOICE:
		r = parse_choice(&c, value);
		break;
	case ATTR_DURATION:
		r = attr_parse_duration(&c, value);
		break;
	case ATTR_NUMBER_NAME:
		r = parse_number_name(&c, value);
		break;
	case ATTR_TEXT:
		r = row->offset == UINT16_MAX ? complain(&c, -EINVAL, "%s has no field", row->key)
					      : parse_text(&c, value);
		break;
	case ATTR_IFNAME:
		r = parse_ifname(&c, value);
		break;
	case ATTR_NETNS:
		r = parse_netns(&c, value);
		break;
	case ATTR_REF:
		r = parse_ref(&c, value);
		break;
	case ATTR_MAC:
		r = attr_parse_mac(&c, value);
		break;
	case ATTR_ADDRESS:
	case ATTR_PREFIX:
		r = attr_parse_ip(&c, value);
		break;
	case ATTR_TARGET:
		r = parse_target(&c, value);
		break;
	case ATTR_OBJECT:
	case ATTR_LIST:
	case ATTR_MAP:
		r = complain(&c, -EINVAL, "%s must be a %s", row->key,
			     row->type == ATTR_LIST ? "list" : "mapping");
		break;
	}
	if (r < 0) {
		*ret_why = why;
		*ret_hint = hint;
	}
	return r;
}

bool attr_accepts(const struct attr *row, const char *text)
{
	union {
		uint32_t number;
		const char *text;
		struct ref ref;
		struct mac mac;
		struct ip ip;
		struct target target;
	} value;
	struct attr alone = *row;
	struct arena arena = {0};
	const char *why, *hint;
	int r;

	alone.offset = 0;
	r = attr_parse(&alone, text, &value, &arena, &why, &hint);
	arena_free(&arena);
	return r >= 0;
}

/* --- value -> text ------------------------------------------------------------ */

static void format_choice(const struct attr *row, uint32_t value, struct buf *out)
{
	for (const struct choice *o = row->choices; o->name; o++) {
		if (o->value == value) {
			buf_puts(out, o->name);
			return;
		}
	}
	buf_printf(out, "%u", value);
}

static void format_number_name(const struct attr *row, uint32_t value, struct buf *out)
{
	const char *name = names_name(row->names, value);

	if (name && value >= row->min)
		buf_puts(out, name);
	else
		buf_printf(out, "%u", value);
}

static void format_ref(const struct ref *ref, struct buf *out)
{
	if (!ref->name)
		return;
	if (ref->netns)
		buf_printf(out, "%s:", ref->netns);
	buf_puts(out, ref->name);
}

static void format_mac(const struct mac *mac, struct buf *out)
{
	if (!mac->set)
		return;
	for (size_t i = 0; i < sizeof(mac->bytes); i++)
		buf_printf(out, i ? ":%02x" : "%02x", mac->bytes[i]);
}

/* A destination: default and single addresses as iproute2 prints them. */
static void format_prefix(const struct attr *row, const struct ip *ip, struct buf *out)
{
	char text[IP_TEXT_MAX];
	bool destination = row->flags & ATTR_DEFAULT_OK;

	if (destination && !ip->len)
		buf_puts(out, "default");
	else
		buf_puts(out, ip_format(ip, !destination || ip->len != ip_bits(ip), text));
}

void attr_format(const struct attr *row, const void *object, struct buf *out)
{
	const void *value = (const char *)object + row->offset;
	char text[IP_TEXT_MAX];

	if (row->offset == UINT16_MAX)
		return;
	switch (row->type) {
	case ATTR_BOOL:
		buf_puts(out, *(const uint32_t *)value ? "true" : "false");
		break;
	case ATTR_UINT:
		buf_printf(out, "%u", *(const uint32_t *)value);
		break;
	case ATTR_CHOICE:
		format_choice(row, *(const uint32_t *)value, out);
		break;
	case ATTR_DURATION:
		attr_format_duration(*(const uint32_t *)value, out);
		break;
	case ATTR_NUMBER_NAME:
		format_number_name(row, *(const uint32_t *)value, out);
		break;
	case ATTR_TEXT:
	case ATTR_IFNAME:
	case ATTR_NETNS:
		if (*(const char *const *)value)
			buf_puts(out, *(const char *const *)value);
		break;
	case ATTR_REF:
		format_ref(value, out);
		break;
	case ATTR_MAC:
		format_mac(value, out);
		break;
	case ATTR_ADDRESS:
		buf_puts(out, ip_format(value, false, text));
		break;
	case ATTR_PREFIX:
		format_prefix(row, value, out);
		break;
	case ATTR_TARGET:
		format_ref(&((const struct target *)value)->ref, out);
		buf_puts(out, ip_format(&((const struct target *)value)->ip, false, text));
		break;
	case ATTR_OBJECT:
	case ATTR_LIST:
	case ATTR_MAP:
		break;
	}
}
