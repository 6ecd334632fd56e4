/* SPDX-License-Identifier: MIT */
/* The JSON schema (draft 2020-12) of topology files, one definition for each
 * table. Editors show the descriptions and complete the keys; so every key of
 * every kind stands in the interface's `properties`, and `dependentSchemas` says
 * which kind each belongs to. */
#include "generate.h"

#include <string.h>

/* Tables that are items of lists: an empty one says nothing and is refused. */
static bool is_item(const struct attr_table *t)
{
	return t == &address_table || t == &route_table || t == &nexthop_table ||
	       t == &cable_table || t == &ignore_route_table || t == &external_table ||
	       t == &ready_table;
}

static void def_name(const struct attr_table *t, struct buf *out)
{
	for (const char *s = t->name; *s; s++)
		buf_putc(out, *s == ' ' ? '_' : *s);
}

json_t *generate_reference(const struct attr_table *t)
{
	cleanup_buf struct buf name = {0};

	buf_puts(&name, "#/$defs/");
	def_name(t, &name);
	return json_pack("{s:s}", "$ref", buf_text(&name));
}

static json_t *described(const struct attr_table *t, const struct attr *row)
{
	json_t *s = generate_value(t, row);
	cleanup_buf struct buf text = {0};

	buf_puts(&text, row->help);
	if (row->unit)
		buf_printf(&text, " (%s)", row->unit);
	json_object_set_new(s, "description", json_string(buf_text(&text)));
	return s;
}

static json_t *table_schema(const struct attr_table *t)
{
	json_t *properties = json_object(), *required = json_array(), *s, *shorthand = NULL;

	for (size_t i = 0; i < t->n; i++) {
		const struct attr *row = &t->rows[i];

		json_object_set_new(properties, row->key, described(t, row));
		if (row->flags & ATTR_REQUIRED)
			json_array_append_new(required, json_string(row->key));
		if (row->flags & ATTR_SHORTHAND)
			shorthand = generate_value(t, row);
	}
	s = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties,
		      "additionalProperties", 0);
	if (json_array_size(required))
		json_object_set(s, "required", required);
	else if (is_item(t))
		json_object_set_new(s, "minProperties", json_integer(1));
	else if (t != &file_table)
		json_object_set_new(s, "type", json_pack("[s,s]", "object", "null"));
	if (t == &external_table)
		json_object_set_new(s, "maxProperties", json_integer(1));
	if (t == &ready_table)
		json_object_set_new(
			s, "anyOf",
			json_pack("[{s:[s]}, {s:[s]}]", "required", "tcp", "required", "log"));
	json_decref(required);
	return shorthand ? json_pack("{s:[o,o]}", "anyOf", shorthand, s) : s;
}

/* An address that stands alone needs its length; in a mapping a peer may bring it. */
static json_t *address_schema(void)
{
	static const struct attr alone = {.key = "address", .type = ATTR_PREFIX};
	json_t *s = table_schema(&address_table);

	json_array_set_new(json_object_get(s, "anyOf"), 0, generate_value(&address_table, &alone));
	return s;
}

static json_t *kinds_with(const char *key)
{
	size_t n;
	const struct kind *const *kinds = kind_list(&n);
	json_t *names = json_array();

	for (size_t i = 0; i < n; i++)
		if (attr_find(&kinds[i]->table, key) >= 0)
			json_array_append_new(names, json_string(kinds[i]->name));
	return names;
}

static json_t *masters(void)
{
	size_t n;
	const struct kind *const *kinds = kind_list(&n);
	json_t *names = json_array();

	for (size_t i = 0; i < n; i++)
		if (kinds[i]->is_master)
			json_array_append_new(names, json_string(kinds[i]->name));
	return names;
}

/* The keys of one kind; one that several kinds have takes what any of them takes. */
static void add_kind(const struct kind *kind, json_t *properties, json_t *dependent)
{
	for (size_t i = 0; i < kind->table.n; i++) {
		const struct attr *row = &kind->table.rows[i];
		json_t *value = described(&kind->table, row);
		json_t *other = json_object_get(properties, row->key);

		if (other)
			value = json_pack("{s:[O,o]}", "anyOf", other, value);
		json_object_set_new(properties, row->key, value);
		json_object_set_new(dependent, row->key,
				    json_pack("{s:[s], s:{s:{s:o}}}", "required", "kind",
					      "properties", "kind", "enum", kinds_with(row->key)));
	}
}

static json_t *interface_schema(void)
{
	json_t *s = table_schema(&link_table), *dependent = json_object();
	size_t n;
	const struct kind *const *kinds = kind_list(&n);

	for (size_t i = 0; i < n; i++)
		add_kind(kinds[i], json_object_get(s, "properties"), dependent);
	json_object_set_new(dependent, "ports",
			    json_pack("{s:{s:{s:o}}}", "properties", "kind", "enum", masters()));
	json_object_set_new(s, "dependentSchemas", dependent);
	return s;
}

/* Of an interface's keys those that can hold for many: not what it is, what it is
 * connected to, and what is its own alone. */
static bool can_be_default(const struct attr *row)
{
	return !(row->flags & (ATTR_CREATE_ONLY | ATTR_REFERENCE)) && row->type != ATTR_MAC &&
	       row->type != ATTR_LIST;
}

static json_t *defaults_schema(void)
{
	json_t *s = table_schema(&defaults_table), *properties = json_object(), *interfaces;
	json_t *all = json_object_get(s, "properties");

	for (size_t i = 0; i < link_table.n; i++)
		if (can_be_default(&link_table.rows[i]))
			json_object_set_new(properties, link_table.rows[i].key,
					    described(&link_table, &link_table.rows[i]));
	interfaces = json_pack("{s:[s,s], s:o, s:b, s:O}", "type", "object", "null", "properties",
			       properties, "additionalProperties", 0, "description",
			       json_object_get(json_object_get(all, "interfaces"), "description"));
	json_object_set_new(all, "interfaces", interfaces);
	return s;
}

json_t *generate_schema(void)
{
	static const struct attr_table *const plain[] = {
		&netns_table, &external_table, &ignore_table, &ignore_route_table, &nexthop_table,
		&route_table, &process_table,  &ready_table,  &cable_table,	   &probe_table,
	};
	json_t *schema = json_object(), *defs = json_object();

	json_object_set_new(schema, "$schema",
			    json_string("https://json-schema.org/draft/2020-12/schema"));
	json_object_set_new(schema, "title", json_string("nsapply topology"));
	json_object_set_new(
		schema, "description",
		json_string("Network namespaces, the cables between them, addresses and "
			    "routes; see nsapply.yaml(5)"));
	json_object_update_new(schema, table_schema(&file_table));
	json_object_set_new(defs, "defaults", defaults_schema());
	json_object_set_new(defs, "interface", interface_schema());
	json_object_set_new(defs, "address", address_schema());
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		cleanup_buf struct buf name = {0};

		def_name(plain[i], &name);
		json_object_set_new(defs, buf_text(&name), table_schema(plain[i]));
	}
	json_object_set_new(schema, "$defs", defs);
	return schema;
}
