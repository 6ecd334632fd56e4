/* SPDX-License-Identifier: MIT */
/* Namespaces: their names and classes first (everything else refers to them),
 * then what stands in them. A namespace's node is NULL for a `host` that the
 * file does not mention. */
#include "load_internal.h"

#include <errno.h>
#include <string.h>

#define IGNORE_MAX 1000 /* entries of each list under `ignore` */

struct netns *load_find_netns(struct loader *l, const char *name)
{
	return index_get(&l->names, NULL, name);
}

static struct netns *add_netns(struct loader *l, const char *name, enum netns_class class)
{
	struct netns *n = model_add_netns(l->m, name, class);

	index_put(&l->names, NULL, n->name, n);
	return n;
}

/* --- external ------------------------------------------------------------------------ */

static int load_external_mapping(struct loader *l, const struct node *v, struct netns *n)
{
	uint64_t given = 0;
	struct load_target t = {&external_table, n, &given, NULL};
	int r = load_mapping(l, v, v->mark, "external", &t, 1);

	if (r < 0)
		return r;
	if ((n->pid != 0) == (n->path != NULL)) {
		diag_error(l->d, -EINVAL, v->mark, "external needs exactly one of pid and path");
		return -EINVAL;
	}
	if (n->path && n->path[0] != '/')
		return diag_error(l->d, -EINVAL, value_mark(v, "path"),
				  "path must be absolute, not '%s'", n->path);
	n->class = n->pid ? NETNS_PID : NETNS_PATH;
	return 0;
}

static int load_external(struct loader *l, const struct node *v, struct netns *n)
{
	if (str_equal(n->name, HOST)) {
		diag_error(l->d, -EINVAL, v->mark, "'host' is built in and takes no 'external'");
		diag_hint(l->d, "it is the namespace that nsapply was started in");
		return -EINVAL;
	}
	if (v->kind == NODE_MAPPING)
		return load_external_mapping(l, v, n);
	if (v->kind == NODE_SCALAR && str_equal(v->text, "false"))
		return 0;
	if (v->kind != NODE_SCALAR || !str_equal(v->text, "true")) {
		diag_error(l->d, -EINVAL, v->mark,
			   "external must be true, {pid: N} or {path: FILE}");
		return -EINVAL;
	}
	n->class = NETNS_NAMED;
	return 0;
}

static void load_namespace(struct loader *l, const struct pair *p)
{
	const char *why = netns_name_error(p->key->text);
	const struct node *external;
	struct netns *n;

	if (why) /* what stands below it is looked at all the same */
		diag_error(l->d, -EINVAL, p->key->mark, "the namespace name '%s' %s", p->key->text,
			   why);
	n = load_find_netns(l, p->key->text);
	if (!n)
		n = add_netns(l, p->key->text,
			      str_equal(p->key->text, HOST) ? NETNS_HOST : NETNS_OWNED);
	n->mark = p->key->mark;
	n->node = p->value;
	if (p->value->kind != NODE_MAPPING)
		return; /* null, or reported with its contents */
	external = node_get(p->value, "external");
	if (external && load_external(l, external, n) < 0) {
		n->class = NETNS_PATH; /* so that nothing is concluded from what is absent */
		unclear_key_put(&l->unclear, external, ANYTHING);
	}
}

int load_namespaces(struct loader *l, const struct node *n)
{
	size_t errors = l->d->errors;
	bool empty;

	if (!l->state)
		add_netns(l, HOST, NETNS_HOST);
	if (!n)
		return 0;
	if (load_expect(l, n, NODE_MAPPING, "namespaces", &empty) < 0)
		return -EINVAL;
	for (uint32_t i = 0; !empty && i < n->n; i++)
		load_namespace(l, &n->pairs[i]);
	return l->d->errors > errors ? -EINVAL : 0;
}

/* --- sysctl -------------------------------------------------------------------------- */

/* Values go to the kernel as they stand; what it could not mean is told here. */
static int check_sysctl_value(struct loader *l, const char *path, const struct node *v)
{
	cleanup_buf struct buf name = {0};

	sysctl_name(path, &name);
	if (v->kind != NODE_SCALAR)
		return diag_error(l->d, -EINVAL, v->mark, "%s must be a single value, not %s",
				  buf_text(&name), node_describe(v));
	if (v->null) {
		diag_error(l->d, -EINVAL, v->mark, "%s has no value", buf_text(&name));
		diag_hint(l->d, "give it one, or remove the key; an empty list is \"\"");
		return -EINVAL;
	}
	if (strpbrk(v->text, "\n\r"))
		return diag_error(l->d, -EINVAL, v->mark, "the value of %s has a line break in it",
				  buf_text(&name));
	if (str_equal(v->text, "true") || str_equal(v->text, "false")) {
		diag_error(l->d, -EINVAL, v->mark, "%s cannot be %s", buf_text(&name), v->text);
		diag_hint(l->d, "the kernel takes numbers here: %s", v->text[0] == 't' ? "1" : "0");
		return -EINVAL;
	}
	return 0;
}

static int add_missing_sysctl(struct loader *l, struct netns *n, const char *path)
{
	netns_add_sysctl(l->m, n, path, "")->missing = true;
	return 0;
}

static void hint_other_value(struct loader *l, const char *path, uint32_t line)
{
	cleanup_buf struct buf alias = {0};

	if (sysctl_alias(path)) {
		sysctl_name(sysctl_alias(path), &alias);
		buf_puts(&alias, " is another name for it, and ");
	}
	diag_hint(l->d, "%sthe other value is in line %u", buf_text(&alias), line);
}

int load_sysctl(struct loader *l, struct netns *n, const char *path, const struct node *value,
		bool weak)
{
	struct sysctl *s;
	const char *text;

	if (!n)
		return check_sysctl_value(l, path, value);
	s = index_get(&l->names, &n->sysctls, path);
	if (l->state && value->kind == NODE_SCALAR && value->null)
		return add_missing_sysctl(l, n, path);
	if (s && weak)
		return 0;
	if (check_sysctl_value(l, path, value) < 0)
		return -EINVAL;
	text = sysctl_normalise(&l->m->arena, value->text);
	if (s && !str_equal(s->value, text)) {
		cleanup_buf struct buf name = {0};

		sysctl_name(path, &name);
		diag_error(l->d, -EINVAL, value->mark, "%s is to be both '%s' and '%s'",
			   buf_text(&name), s->value, text);
		if (s->node)
			hint_other_value(l, path, s->node->mark.line);
		return -EINVAL;
	}
	if (s)
		return 0;
	s = netns_add_sysctl(l->m, n, path, text);
	s->node = value;
	index_put(&l->names, &n->sysctls, s->path, s);
	return 0;
}

int load_sysctl_map(struct loader *l, const struct node *map, struct netns *n, bool weak)
{
	bool empty;
	int ret = load_expect(l, map, NODE_MAPPING, "sysctl", &empty);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; !empty && i < map->n; i++) {
		const struct node *key = map->pairs[i].key;
		const char *why = NULL, *path = sysctl_path(&l->m->arena, key->text, &why);

		if (!path) {
			ret = diag_error(l->d, -EINVAL, key->mark, "'%s' %s", key->text, why);
			diag_hint(l->d, "names are as for sysctl(8), below net: net.ipv4.tcp_ecn");
		} else if (load_sysctl(l, n, path, map->pairs[i].value, weak) < 0) {
			ret = -EINVAL;
		}
	}
	if (ret < 0)
		unclear_key_put(&l->unclear, map, ANYTHING);
	return ret;
}

static int load_netns_sysctl(struct loader *l, const struct node *map, void *netns)
{
	return load_sysctl_map(l, map, netns, false);
}

/* --- ignore -------------------------------------------------------------------------- */

static int load_ignore_links(struct loader *l, const struct node *list, void *netns)
{
	struct netns *n = netns;
	int ret = load_expect(l, list, NODE_SEQUENCE, "interfaces", NULL);

	if (ret < 0)
		return ret;
	if (list->n > IGNORE_MAX)
		return diag_error(l->d, -EINVAL, list->mark, "more than %d patterns", IGNORE_MAX);
	for (uint32_t i = 0; i < list->n; i++) {
		const struct node *item = list->items[i];

		if (item->kind == NODE_SCALAR && !item->null && item->size)
			array_add(&n->ignore_links, arena_strdup(&l->m->arena, item->text));
		else
			ret = diag_error(l->d, -EINVAL, item->mark,
					 "a pattern of interface names must be text, not %s",
					 node_describe(item));
	}
	return ret;
}

static int load_ignore_routes(struct loader *l, const struct node *list, void *netns)
{
	struct netns *n = netns;
	int ret = load_expect(l, list, NODE_SEQUENCE, "routes", NULL);

	if (ret < 0)
		return ret;
	if (list->n > IGNORE_MAX)
		return diag_error(l->d, -EINVAL, list->mark, "more than %d patterns", IGNORE_MAX);
	for (uint32_t i = 0; i < list->n; i++) {
		struct ignore_route *route = array_push(&n->ignore_routes);
		struct load_target t = {&ignore_route_table, route, &route->given, NULL};

		if (load_mapping(l, list->items[i], list->items[i]->mark, "an ignored route", &t,
				 1) < 0) {
			ret = -EINVAL;
		} else if (!route->given) {
			ret = diag_error(l->d, -EINVAL, list->items[i]->mark,
					 "an ignored route needs proto, table or dev");
			diag_hint(l->d, "as it stands it would match every route");
		}
	}
	return ret;
}

static int load_ignore(struct loader *l, const struct node *v, void *netns)
{
	static const struct load_part parts[] = {
		{"interfaces", load_ignore_links},
		{"routes", load_ignore_routes},
		{NULL, NULL},
	};
	uint64_t given = 0;
	struct load_target t = {&ignore_table, netns, &given, parts};

	return load_mapping(l, v, v->mark, "ignore", &t, 1);
}

/* --- what stands in a namespace ------------------------------------------------------ */

static int load_cookie(struct loader *l, const struct node *v, void *netns)
{
	struct netns *n = netns;
	char *end;

	errno = 0;
	n->cookie = v->kind == NODE_SCALAR ? strtoull(v->text, &end, 10) : 0;
	if (!n->cookie || errno || *end)
		return diag_error(l->d, -EINVAL, v->mark, "cookie must be a number");
	return 0;
}

static void load_contents(struct loader *l, const struct node *v, struct netns *n)
{
	/* Of these the last is for load_state() only. */
	static const struct load_part parts[] = {
		{"external", load_later},
		{"sysctl", load_netns_sysctl},
		{"interfaces", load_interfaces},
		{"routes", load_routes},
		{"processes", load_processes},
		{"ignore", load_ignore},
		{NULL, NULL},
	};
	static const struct load_part state_parts[] = {
		{"external", load_later},	 {"sysctl", load_netns_sysctl},
		{"interfaces", load_interfaces}, {"routes", load_routes},
		{"processes", load_processes},	 {"ignore", load_ignore},
		{"cookie", load_cookie},	 {NULL, NULL},
	};
	uint64_t given = 0;
	struct load_target t = {&netns_table, n, &given, l->state ? state_parts : parts};

	load_mapping(l, v, n->mark, "a namespace", &t, 1);
	load_hint_level(l, v, n->name, &file_table, "namespaces");
	if (unclear_key(&l->unclear, v, "interfaces")) /* they may name peers */
		unclear_link_put(&l->unclear, NULL, ANYTHING);
	n->forwarding_given = given & attr_bit(&netns_table, "forwarding");
}

int load_namespace_contents(struct loader *l, const struct node *n)
{
	size_t errors = l->d->errors;

	if (!n || n->kind != NODE_MAPPING)
		return 0;
	for (uint32_t i = 0; i < n->n; i++) {
		struct netns *netns = load_find_netns(l, n->pairs[i].key->text);

		if (netns)
			load_contents(l, n->pairs[i].value, netns);
	}
	return l->d->errors > errors ? -EINVAL : 0;
}
