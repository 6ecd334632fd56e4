/* SPDX-License-Identifier: MIT */
/* Reports of checks: text, TAP, JUnit's XML, JSON. Names in a file may hold any
 * character, so each report quotes what it prints: control characters as \xNN,
 * and then what the format itself wants. */
#include "probe_internal.h"

#include "emit.h"

#include <string.h>
#include <sys/socket.h>

#define GREEN "\33[32m"
#define RED "\33[31m"
#define PLAIN "\33[0m"

typedef void words_fn(const struct outcome *o, const struct model *m, struct buf *out);

static void title(const struct outcome *o, const struct model *m, struct buf *out)
{
	(void)m;
	probe_title(o->probe, out);
}

/* What fn says, as it can be shown anywhere. */
static void put_words(words_fn *fn, const struct outcome *o, const struct model *m, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	fn(o, m, &text);
	buf_printable(out, buf_text(&text));
}

/* Of those that the packets only went through, who they are. */
static void put_hop(const struct answer *a, const struct model *m, struct buf *out)
{
	cleanup_buf struct buf text = {0};
	struct answer hop = *a;

	if (answer_is_transit(a))
		hop.kind = ANSWER_REPLY;
	answer_text(&hop, m, &text);
	buf_printable(out, buf_text(&text));
}

static void put_place(const struct outcome *o, struct buf *out)
{
	const struct mark *at = &o->probe->node->mark;

	buf_printable(out, at->source->name);
	buf_printf(out, ":%u:%u", at->line, at->column);
}

/* --- text ---------------------------------------------------------------------------------- */

static void put_failure(const struct outcome *o, const struct model *m, struct buf *out)
{
	cleanup_buf struct buf reason = {0};

	buf_puts(out, "      seen: ");
	put_words(outcome_seen, o, m, out);
	buf_puts(out, "\n");
	for (size_t i = 0; i < o->hops.n; i++) {
		buf_printf(out, "      hop %zu: ", i + 1);
		put_hop(&o->hops.items[i], m, out);
		buf_puts(out, "\n");
	}
	put_words(outcome_reason, o, m, &reason);
	if (reason.n)
		buf_printf(out, "      %s\n", buf_text(&reason));
	buf_puts(out, "      at ");
	put_place(o, out);
	buf_puts(out, "\n");
}

void outcomes_text(const outcomes *list, const struct model *m, bool passed, bool color,
		   struct buf *out)
{
	size_t failed = outcomes_failed(list);

	array_each(list, o) {
		if (o->holds && !passed)
			continue;
		buf_printf(out, "%s%s%s ",
			   !color     ? ""
			   : o->holds ? GREEN
				      : RED,
			   o->holds ? "ok   " : "FAIL ", color ? PLAIN : "");
		put_words(title, o, m, out);
		buf_puts(out, "\n");
		if (!o->holds)
			put_failure(o, m, out);
	}
	buf_printf(out, "%zu check%s: %zu hold%s, %zu fail%s\n", list->n, list->n == 1 ? "" : "s",
		   list->n - failed, list->n - failed == 1 ? "s" : "", failed,
		   failed == 1 ? "s" : "");
}

/* --- TAP ----------------------------------------------------------------------------------- */

/* A '#' would begin a directive. */
static void put_tap(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (strchr("#\\", *text))
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

static void put_yaml(const char *key, const char *text, struct buf *out)
{
	buf_printf(out, "  %s: ", key);
	emit_scalar(text, out);
	buf_puts(out, "\n");
}

static void put_yaml_words(const char *key, words_fn *fn, const struct outcome *o,
			   const struct model *m, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	put_words(fn, o, m, &text);
	if (text.n)
		put_yaml(key, buf_text(&text), out);
}

static void put_tap_details(const struct outcome *o, const struct model *m, struct buf *out)
{
	cleanup_buf struct buf at = {0};

	put_place(o, &at);
	buf_puts(out, "  ---\n");
	put_yaml("at", buf_text(&at), out);
	put_yaml_words("seen", outcome_seen, o, m, out);
	put_yaml_words("message", outcome_reason, o, m, out);
	if (o->hops.n)
		buf_puts(out, "  hops:\n");
	array_each(&o->hops, a) {
		cleanup_buf struct buf hop = {0};

		put_hop(a, m, &hop);
		buf_puts(out, "    - ");
		emit_scalar(buf_text(&hop), out);
		buf_puts(out, "\n");
	}
	buf_puts(out, "  ...\n");
}

/* Version 13: the harness of perl 5.36 refuses a later number, and those that know version 14 take it
 * as well. */
void outcomes_tap(const outcomes *list, const struct model *m, struct buf *out)
{
	buf_printf(out, "TAP version 13\n1..%zu\n", list->n);
	array_each(list, o) {
		cleanup_buf struct buf name = {0};

		put_words(title, o, m, &name);
		buf_printf(out, "%s %zu - ", o->holds ? "ok" : "not ok",
			   (size_t)(o - list->items) + 1);
		put_tap(buf_text(&name), out);
		buf_puts(out, "\n");
		if (!o->holds)
			put_tap_details(o, m, out);
	}
}

/* --- JUnit --------------------------------------------------------------------------------- */

static void put_xml(const char *text, struct buf *out)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {
		{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}};

	for (; *text; text++) {
		const char *entity = NULL;

		for (size_t i = 0; i < ARRAY_SIZE(entities); i++)
			if (*text == entities[i].c)
				entity = entities[i].entity;
		if (entity)
			buf_puts(out, entity);
		else
			buf_putc(out, *text);
	}
}

static void put_xml_attribute(const char *key, const char *text, struct buf *out)
{
	buf_printf(out, " %s=\"", key);
	put_xml(text, out);
	buf_puts(out, "\"");
}

static void put_seconds(uint64_t time, struct buf *out)
{
	buf_printf(out, " time=\"%u.%06u\"", (unsigned)(time / 1000000),
		   (unsigned)(time % 1000000));
}

static void put_testcase(const struct outcome *o, const struct model *m, struct buf *out)
{
	cleanup_buf struct buf name = {0}, seen = {0}, details = {0};

	put_words(title, o, m, &name);
	buf_puts(out, "    <testcase");
	put_xml_attribute("classname", m->name, out);
	put_xml_attribute("name", buf_text(&name), out);
	put_seconds(o->time, out);
	if (o->holds) {
		buf_puts(out, "/>\n");
		return;
	}
	put_words(outcome_seen, o, m, &seen);
	put_failure(o, m, &details);
	buf_puts(out, ">\n      <failure");
	put_xml_attribute("message", buf_text(&seen), out);
	put_xml_attribute("type",
			  o->probe->expect == EXPECT_REACHABLE ? "unreachable" : "reachable", out);
	buf_puts(out, ">");
	put_xml(buf_text(&details), out);
	buf_puts(out, "</failure>\n    </testcase>\n");
}

/* They are carried out side by side: the whole takes as long as the longest. */
static uint64_t longest(const outcomes *list)
{
	uint64_t time = 0;

	array_each(list, o)
		time = o->time > time ? o->time : time;
	return time;
}

void outcomes_junit(const outcomes *list, const struct model *m, struct buf *out)
{
	cleanup_buf struct buf counts = {0};

	buf_printf(&counts, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\"", list->n,
		   outcomes_failed(list));
	put_seconds(longest(list), &counts);
	buf_printf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites%s>\n  <testsuite",
		   buf_text(&counts));
	put_xml_attribute("name", m->name, out);
	buf_printf(out, "%s>\n", buf_text(&counts));
	array_each(list, o)
		put_testcase(o, m, out);
	buf_puts(out, "  </testsuite>\n</testsuites>\n");
}

/* --- JSON ---------------------------------------------------------------------------------- */

static const char *const answer_names[] = {
	[ANSWER_NONE] = "none",	  [ANSWER_REPLY] = "reply", [ANSWER_REFUSED] = "refused",
	[ANSWER_ERROR] = "error", [ANSWER_LOCAL] = "local",
};

static json_t *ip_json(const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return ip->family ? json_string(ip_format(ip, false, text)) : json_null();
}

static json_t *answer_json(const struct answer *a, const struct model *m)
{
	cleanup_buf struct buf text = {0};
	json_t *json;

	put_hop(a, m, &text);
	json = json_pack("{s:s, s:o, s:s}", "answer", answer_names[a->kind], "from",
			 ip_json(&a->from), "text", buf_text(&text));
	if (a->kind == ANSWER_ERROR)
		json_object_update_new(json,
				       json_pack("{s:i, s:i}", "type", a->type, "code", a->code));
	if (a->mtu)
		json_object_set_new(json, "mtu", json_integer(a->mtu));
	return json;
}

/* What the file says of it, filled in; `via` only where it does. */
static json_t *probe_json(const struct probe *p)
{
	json_t *json = json_object(), *via = json_array();

	for (size_t i = 0; i < probe_table.n; i++) {
		const struct attr *row = &probe_table.rows[i];
		cleanup_buf struct buf text = {0};
		bool given = p->given >> i & 1;

		if (!attr_is_scalar(row) || (!given && attr_is_initial(row, p) && !row->initial &&
					     row->type != ATTR_CHOICE))
			continue;
		attr_format(row, p, &text);
		if (row->type == ATTR_UINT)
			json_object_set_new(json, row->key,
					    json_integer(strtol(buf_text(&text), NULL, 10)));
		else
			json_object_set_new(json, row->key, json_string(buf_text(&text)));
	}
	json_object_set_new(json, "family",
			    json_string(p->address.family == AF_INET ? "inet" : "inet6"));
	json_object_set_new(json, "address", ip_json(&p->address));
	array_each(&p->via, hop)
		json_array_append_new(via, ip_json(&hop->address));
	if (p->given & PROBE_BIT("via"))
		json_object_set(json, "via", via);
	json_decref(via);
	return json;
}

static json_t *outcome_json(const struct outcome *o, const struct model *m)
{
	const struct mark *at = &o->probe->node->mark;
	cleanup_buf struct buf name = {0}, reason = {0}, file = {0};
	json_t *json = probe_json(o->probe), *hops = json_array();

	put_words(title, o, m, &name);
	put_words(outcome_reason, o, m, &reason);
	buf_printable(&file, at->source->name);
	array_each(&o->hops, a)
		json_array_append_new(hops, answer_json(a, m));
	json_object_set_new(json, "title", json_string(buf_text(&name)));
	json_object_set_new(json, "holds", json_boolean(o->holds));
	json_object_set_new(json, "seen", answer_json(&o->seen, m));
	json_object_set_new(json, "hops", hops);
	json_object_set_new(json, "reason",
			    reason.n ? json_string(buf_text(&reason)) : json_null());
	json_object_set_new(json, "seconds", json_real((double)o->time / 1e6));
	json_object_set_new(json, "file", json_string(buf_text(&file)));
	json_object_set_new(json, "line", json_integer(at->line));
	json_object_set_new(json, "column", json_integer(at->column));
	return json;
}

json_t *outcomes_json(const outcomes *list, const struct model *m)
{
	json_t *checks = json_array();
	size_t failed = outcomes_failed(list);

	array_each(list, o)
		json_array_append_new(checks, outcome_json(o, m));
	return json_pack("{s:i, s:s, s:o, s:{s:I, s:I}}", "version", 1, "lab", m->name, "checks",
			 checks, "summary", "hold", (json_int_t)(list->n - failed), "fail",
			 (json_int_t)failed);
}
