/* SPDX-License-Identifier: MIT */
/* One row's value as JSON schema. A scalar is typed as its key says: numbers may
 * be quoted, booleans are JSON's, all else is text. Patterns refuse what is
 * surely wrong and leave the rest to the parser: a schema that refused a good
 * file would be worse than none. */
#include "generate.h"

#include <string.h>

#define NUMBER "^(0|[1-9][0-9]{0,9})$"
#define ADDRESS "[0-9a-fA-F:.]{2,}"
#define LENGTH "/(0|[1-9][0-9]{0,2})"

static json_t *pattern(const char *regex)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", regex);
}

json_t *generate_ifname(void)
{
	return pattern("^(?!-)(?!(all|default|\\.{1,2})$)[^ \\t\\n\\v\\f\\r/:%]{1,15}$");
}

json_t *generate_netns_name(void)
{
	return pattern("^(?!-)(?!\\.{1,2}$)[^ \\t\\n\\v\\f\\r/:]{1,200}$");
}

static json_t *reference(bool with_netns)
{
	json_t *s = pattern(with_netns ? "^(?!-)[^ \\t\\n\\v\\f\\r/:]{1,200}:"
					 "(?!-)[^ \\t\\n\\v\\f\\r/:%]{1,15}$"
				       : "^((?!-)[^ \\t\\n\\v\\f\\r/:]{1,200}:)?"
					 "(?!-)[^ \\t\\n\\v\\f\\r/:%]{1,15}$");

	json_object_set_new(s, "examples", json_pack("[s]", "foo:eth0"));
	return s;
}

bool generate_has_default(const struct attr *row)
{
	if (strstr(row->help, "absent") || strstr(row->help, "unless") ||
	    row->flags & (ATTR_AUTOMATIC | ATTR_REQUIRED))
		return false;
	return row->type == ATTR_BOOL || row->type == ATTR_CHOICE || row->initial;
}

static json_t *choice_value(const char *name)
{
	if (!strcmp(name, "true") || !strcmp(name, "false"))
		return json_boolean(name[0] == 't');
	return json_string(name);
}

static json_t *choices(const struct attr *row)
{
	json_t *s = json_object(), *list = json_array();

	for (const struct choice *c = row->choices; c->name; c++) {
		json_array_append_new(list, choice_value(c->name));
		if (c->value == row->initial && generate_has_default(row))
			json_object_set_new(s, "default", choice_value(c->name));
	}
	json_object_set_new(s, "enum", list);
	return s;
}

static json_t *number(const struct attr *row)
{
	json_t *s = json_pack("{s:[s,s], s:I, s:I}", "type", "integer", "string", "minimum",
			      (json_int_t)row->min, "maximum", (json_int_t)row->max);

	if (row->type == ATTR_UINT)
		json_object_set_new(s, "pattern", json_string(NUMBER));
	else
		json_object_set_new(s, "minLength", json_integer(1));
	if (generate_has_default(row)) {
		const char *name = names_name(row->names, row->initial);

		json_object_set_new(s, "default",
				    name ? json_string(name) : json_integer(row->initial));
	}
	return s;
}

static json_t *text(const struct attr_table *t, const struct attr *row)
{
	json_t *s = json_pack("{s:s}", "type", "string");
	size_t n;
	const struct kind *const *kinds = kind_list(&n);
	json_t *names = json_array();

	if (t == &process_table && str_equal(row->key, "user")) /* a uid */
		json_object_set_new(s, "type", json_pack("[s,s]", "string", "integer"));
	if (row->max)
		json_object_set_new(s, "maxLength", json_integer(row->max));
	if (t == &file_table && str_equal(row->key, "name"))
		json_object_set_new(s, "pattern", json_string("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(names, json_string(kinds[i]->name));
	if (t == &link_table && str_equal(row->key, "kind"))
		json_object_set(s, "enum", names);
	json_decref(names);
	return s;
}

static json_t *prefix(const struct attr *row)
{
	if (row->flags & ATTR_DEFAULT_OK)
		return pattern("^(default|" ADDRESS "(" LENGTH ")?)$");
	if (row->flags & ATTR_LEN_OPTIONAL)
		return pattern("^" ADDRESS "(" LENGTH ")?$");
	return pattern("^" ADDRESS LENGTH "$");
}

static json_t *target(void)
{
	return json_pack("{s:[o,o]}", "anyOf", pattern("^" ADDRESS "$"), reference(true));
}

static json_t *duration(const struct attr *row)
{
	json_t *s = pattern("^[1-9][0-9]{0,9}(min|s|ms|us)$");
	struct attr at_zero = *row;
	cleanup_buf struct buf text = {0};

	at_zero.offset = 0;
	attr_format(&at_zero, &row->initial, &text);
	if (generate_has_default(row))
		json_object_set_new(s, "default", json_string(buf_text(&text)));
	return s;
}

/* What is text to us may look like something else to YAML. */
static json_t *scalar_types(void)
{
	return json_pack("[s,s,s]", "string", "number", "boolean");
}

/* A list: of what a table describes, or of names. */
static json_t *list(const struct attr_table *t, const struct attr *row)
{
	json_t *items;

	if (row->of)
		items = generate_reference(row->of);
	else if (row->flags & ATTR_LIST_OF_TARGETS)
		items = target();
	else if (row->flags & ATTR_SHORTHAND)
		return json_pack("{s:s, s:o, s:i, s:i}", "type", "array", "items", reference(true),
				 "minItems", 2, "maxItems", 2);
	else if (t == &process_table)
		return json_pack("{s:s, s:{s:o}, s:i, s:i}", "type", "array", "items", "type",
				 scalar_types(), "minItems", 1, "maxItems", PROCESS_WORDS_MAX);
	else
		items = t == &link_table
				? generate_ifname()
				: json_pack("{s:s, s:i}", "type", "string", "minLength", 1);
	return json_pack("{s:s, s:o}", "type", "array", "items", items);
}

static json_t *map(const struct attr_table *t, const struct attr *row)
{
	json_t *names, *values;

	if (row->of) {
		names = row->of == &netns_table	    ? generate_netns_name()
			: row->of == &process_table ? pattern("^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
						    : generate_ifname();
		values = generate_reference(row->of);
	} else if (t == &process_table) {
		names = pattern("^[A-Za-z_][A-Za-z0-9_]*$");
		values = json_pack("{s:o}", "type", scalar_types());
	} else {
		names = pattern(t == &link_table ? "^ipv[46][./][a-z0-9_-]+$" : "^net[./].");
		values = json_pack("{s:[s,s]}", "type", "string", "number");
	}
	return json_pack("{s:[s,s], s:o, s:o}", "type", "object", "null", "propertyNames", names,
			 "additionalProperties", values);
}

static json_t *object(const struct attr *row)
{
	/* An `ip netns` name says no more than that it is one. */
	if (row->of == &external_table)
		return json_pack("{s:[{s:s}, o]}", "anyOf", "type", "boolean",
				 generate_reference(row->of));
	return generate_reference(row->of);
}

json_t *generate_value(const struct attr_table *t, const struct attr *row)
{
	switch (row->type) {
	case ATTR_BOOL:
		if (generate_has_default(row))
			return json_pack("{s:s, s:b}", "type", "boolean", "default",
					 (int)row->initial);
		return json_pack("{s:s}", "type", "boolean");
	case ATTR_UINT:
	case ATTR_NUMBER_NAME:
		return number(row);
	case ATTR_CHOICE:
		return choices(row);
	case ATTR_DURATION:
		return duration(row);
	case ATTR_TEXT:
		return text(t, row);
	case ATTR_IFNAME:
		return generate_ifname();
	case ATTR_NETNS:
		return generate_netns_name();
	case ATTR_REF:
		return reference(false);
	case ATTR_MAC:
		return pattern("^[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}$");
	case ATTR_ADDRESS:
		return pattern("^" ADDRESS "$");
	case ATTR_PREFIX:
		return prefix(row);
	case ATTR_TARGET:
		return target();
	case ATTR_OBJECT:
		return object(row);
	case ATTR_LIST:
		return list(t, row);
	case ATTR_MAP:
		return map(t, row);
	}
	return json_object();
}
