/* SPDX-License-Identifier: MIT */
/* A plan as JSON, for programs. schemas/plan.schema.json describes it.
 *
 * Values have the type that their key has in the file: booleans, numbers, texts.
 * JSON holds no bytes that are not UTF-8, while a name of the kernel's may: those
 * are written as a terminal would be shown them. */
#include "plan.h"

#include <string.h>

static json_t *json_buf(const struct buf *b)
{
	return json_text(buf_text(b));
}

static json_t *row_json(const struct attr *row, const void *object, bool given)
{
	cleanup_buf struct buf text = {0};
	uint32_t number;
	char *end;

	if (row->flags & ATTR_SECRET)
		return json_string("(secret)");
	if (!given && row->flags & ATTR_AUTOMATIC && attr_is_initial(row, object))
		return json_null();
	switch (row->type) {
	case ATTR_BOOL:
	case ATTR_UINT:
		memcpy(&number, (const char *)object + row->offset, sizeof(number));
		return row->type == ATTR_BOOL ? json_boolean(number) : json_integer(number);
	case ATTR_NUMBER_NAME:
		attr_format(row, object, &text);
		number = (uint32_t)strtoul(buf_text(&text), &end, 10);
		return text.n && !*end ? json_integer(number) : json_buf(&text);
	case ATTR_CHOICE:
	case ATTR_DURATION:
	case ATTR_TEXT:
	case ATTR_IFNAME:
	case ATTR_NETNS:
	case ATTR_REF:
	case ATTR_MAC:
	case ATTR_ADDRESS:
	case ATTR_PREFIX:
	case ATTR_TARGET:
		attr_format(row, object, &text);
		return text.n ? json_buf(&text) : json_null();
	case ATTR_OBJECT:
	case ATTR_LIST:
	case ATTR_MAP:
		break;
	}
	return json_null();
}

static void add_rows(json_t *to, const struct attr_table *t, const void *object, uint64_t mask,
		     uint64_t given)
{
	for (size_t i = 0; i < t->n; i++)
		if (mask & UINT64_C(1) << i && attr_is_scalar(&t->rows[i]))
			json_object_set_new(to, t->rows[i].key,
					    row_json(&t->rows[i], object, given >> i & 1));
}

static json_t *nexthops_json(const struct route *r)
{
	json_t *list = json_array();

	array_each(&r->nexthops, h) {
		json_t *item = json_object();

		add_rows(item, &nexthop_table, h, h->given, h->given);
		json_array_append_new(list, item);
	}
	return list;
}

/* --- one side of a change -------------------------------------------------------- */

/* Does this side show all that was given, and not only what differs? A replacement with
 * no row that differs is one for another reason. */
static bool is_whole(const struct change *c)
{
	return c->action == ACTION_CREATE || c->action == ACTION_DELETE ||
	       (c->action == ACTION_REPLACE && !c->mask && !c->kind_mask);
}

static void add_link_rows(json_t *to, const struct link *l, uint64_t mask, uint64_t kind_mask,
			  bool kind)
{
	const char *name = l->kind ? l->kind->name : l->kind_name;

	if (kind && name && *name)
		json_object_set_new(to, "kind", json_text(name));
	add_rows(to, &link_table, l, mask & ~LINK_BIT("kind"), l->given);
	if (l->kind && l->data)
		add_rows(to, &l->kind->table, l->data, kind_mask, l->kind_given);
}

static json_t *link_json(const struct change *c, const struct link *l, const struct model *m)
{
	bool whole = is_whole(c);
	const struct link *other = c->cable ? link_peer(m, l) : NULL;
	json_t *to = json_object();

	add_link_rows(to, l, whole ? l->given : c->mask, whole ? l->kind_given : c->kind_mask,
		      whole || change_has_new_kind(c));
	if (whole && other) {
		uint64_t described = LINK_BIT("peer") | LINK_BIT("kind");
		json_t *end = json_object();

		/* a pair is one change, so it says what its second end is like, too */
		add_link_rows(end, other, other->given & ~described, 0, false);
		json_object_set_new(to, "peer_interface", end);
	}
	return to;
}

static json_t *address_json(const struct change *c, const struct address *a)
{
	bool whole = is_whole(c);
	json_t *to = json_object();

	add_rows(to, &address_table, a, whole ? a->given : c->mask, a->given);
	return to;
}

static json_t *route_json(const struct change *c, const struct route *r)
{
	bool whole = is_whole(c);
	uint64_t mask = whole ? r->given : c->mask;
	json_t *to = json_object();

	add_rows(to, &route_table, r, mask, r->given);
	if (mask & attr_bit(&route_table, "nexthops") || (whole && r->nexthops.n))
		json_object_set_new(to, "nexthops", nexthops_json(r));
	return to;
}

static json_t *process_json(const struct change *c, const struct process *p)
{
	uint64_t mask = is_whole(c) ? p->given : c->mask;
	json_t *to = json_object(), *words = json_array(), *env = json_object();

	array_each(&p->command, word)
		json_array_append_new(words, json_text(*word));
	array_each(&p->env, v) /* they may be passwords */
		json_object_set_new(env, v->name, json_string("(secret)"));
	if (mask & attr_bit(&process_table, "command"))
		json_object_set(to, "command", words);
	if (mask & attr_bit(&process_table, "env"))
		json_object_set(to, "env", env);
	add_rows(to, &process_table, p, mask, p->given);
	json_decref(words);
	json_decref(env);
	return to;
}

static json_t *side_json(const struct change *c, union object_ptr o, const struct model *m)
{
	json_t *to;

	if (!o.any)
		return json_null();
	switch (c->object) {
	case OBJECT_NAMESPACE:
		break;
	case OBJECT_LINK:
		return link_json(c, o.link, m);
	case OBJECT_ADDRESS:
		return address_json(c, o.address);
	case OBJECT_ROUTE:
		return route_json(c, o.route);
	case OBJECT_SYSCTL:
		to = json_object();
		json_object_set_new(to, "value",
				    o.sysctl->missing ? json_null() : json_text(o.sysctl->value));
		return to;
	case OBJECT_PROCESS:
		return process_json(c, o.process);
	}
	return json_object();
}

static json_t *change_json(const struct plan *p, const struct change *c)
{
	static const char *const actions[] = {
		[ACTION_CREATE] = "create",
		[ACTION_CHANGE] = "change",
		[ACTION_REPLACE] = "replace",
		[ACTION_DELETE] = "delete",
	};
	cleanup_buf struct buf id = {0};
	json_t *o = json_object();

	change_id(c, &id);
	json_object_set_new(o, "action", json_string(actions[c->action]));
	json_object_set_new(o, "object", json_string(object_name(c->object)));
	json_object_set_new(o, "id", json_buf(&id));
	json_object_set_new(o, "namespace", json_text(change_netns(c)));
	json_object_set_new(o, "before", side_json(c, c->have, p->live));
	json_object_set_new(o, "after", side_json(c, c->want, p->goal));
	json_object_set_new(o, "reason", json_text(c->reason));
	return o;
}

json_t *plan_json(const struct plan *p, const char *lab)
{
	json_t *root = json_object(), *changes = json_array(), *summary = json_object();

	array_each(&p->changes, c)
		json_array_append_new(changes, change_json(p, c));
	json_object_set_new(summary, "create", json_integer((json_int_t)p->count[ACTION_CREATE]));
	json_object_set_new(summary, "change", json_integer((json_int_t)p->count[ACTION_CHANGE]));
	json_object_set_new(summary, "replace", json_integer((json_int_t)p->count[ACTION_REPLACE]));
	json_object_set_new(summary, "delete", json_integer((json_int_t)p->count[ACTION_DELETE]));
	json_object_set_new(root, "version", json_integer(1));
	json_object_set_new(root, "lab", json_text(lab));
	json_object_set_new(root, "changes", changes);
	json_object_set_new(root, "summary", summary);
	return root;
}
