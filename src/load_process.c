/* SPDX-License-Identifier: MIT */
/* Processes: those of a file, and those that a record says were started. */
#include "load_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static int check_size(struct loader *l, const struct node *n, const char *what, size_t size)
{
	return size <= PROCESS_TEXT_MAX
		       ? 0
		       : diag_error(l->d, -E2BIG, n->mark, "the %s is longer than %u bytes", what,
				    PROCESS_TEXT_MAX);
}

static int load_command(struct loader *l, const struct node *list, void *process)
{
	struct process *p = process;
	size_t size = 0;
	int ret = load_expect(l, list, NODE_SEQUENCE, "command", NULL);

	if (ret < 0 && list->kind == NODE_SCALAR)
		diag_hint(l->d,
			  "a list of words, as in [nc, -l, -p, \"8080\"]; a shell is a command "
			  "as well: [sh, -c, \"...\"]");
	if (ret < 0)
		return ret;
	if (!list->n || list->n > PROCESS_WORDS_MAX)
		return diag_error(l->d, -EINVAL, list->mark, "a command has 1 to %d words, not %u",
				  PROCESS_WORDS_MAX, list->n);
	for (uint32_t i = 0; i < list->n; i++) {
		const struct node *word = list->items[i];

		if (word->kind != NODE_SCALAR || word->null || (!i && !word->size)) {
			ret = diag_error(l->d, -EINVAL, word->mark,
					 "a word of a command must be text, not %s",
					 word->kind == NODE_SCALAR ? "nothing"
								   : node_describe(word));
			continue;
		}
		size += word->size + 1;
		array_add(&p->command, arena_strdup(&l->m->arena, word->text));
	}
	return ret < 0 ? ret : check_size(l, list, "command", size);
}

static bool is_variable(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

	return n && !name[n] && !(*name >= '0' && *name <= '9');
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct variable *)a)->name, ((const struct variable *)b)->name);
}

static int load_env(struct loader *l, const struct node *map, void *process)
{
	struct process *p = process;
	size_t size = 0;
	bool empty;
	int ret = load_expect(l, map, NODE_MAPPING, "env", &empty);

	if (ret < 0 || empty)
		return ret;
	if (map->n > PROCESS_WORDS_MAX)
		return diag_error(l->d, -E2BIG, map->mark, "more than %d variables",
				  PROCESS_WORDS_MAX);
	for (uint32_t i = 0; i < map->n; i++) {
		const struct pair *v = &map->pairs[i];

		if (!is_variable(v->key->text)) {
			ret = diag_error(l->d, -EINVAL, v->key->mark,
					 "'%s' is no name of a variable", v->key->text);
			diag_hint(l->d, "letters, digits and '_', not beginning with a digit");
		} else if (v->value->kind != NODE_SCALAR || v->value->null) {
			ret = diag_error(l->d, -EINVAL, v->value->mark, "%s must be text, not %s",
					 v->key->text, node_describe(v->value));
			diag_hint(l->d, "an empty text is \"\"");
		} else {
			size += v->key->size + v->value->size + 2;
			array_add(&p->env,
				  ((struct variable){arena_strdup(&l->m->arena, v->key->text),
						     arena_strdup(&l->m->arena, v->value->text)}));
		}
	}
	array_sort(&p->env, by_name);
	return ret < 0 ? ret : check_size(l, map, "environment", size);
}

static int load_ready(struct loader *l, const struct node *v, void *process)
{
	struct process *p = process;
	struct load_target t = {&ready_table, &p->ready, &p->ready.given, NULL};
	int r = load_mapping(l, v, v->mark, "ready", &t, 1);

	if (r >= 0 && p->ready.log && !*p->ready.log)
		return diag_error(l->d, -EINVAL, value_mark(v, "log"), "log has no text in it");
	if (r < 0 || p->ready.tcp || p->ready.log)
		return r;
	diag_error(l->d, -EINVAL, v->mark, "ready needs the key 'tcp' or 'log'");
	diag_hint(l->d, "as in {tcp: 8080} or {log: \"listening\"}");
	return -EINVAL;
}

static const struct load_part parts[] = {
	{"command", load_command},
	{"env", load_env},
	{"ready", load_ready},
	{NULL, NULL},
};

/* Where a relative path begins: the folder of the file, or the current one for standard input and for
 * a pipe: /dev/fd/63 can be read, and leads to no folder. */
static const char *base_folder(struct loader *l)
{
	const char *path = l->doc->source.name;
	bool piped = strcmp(path, "<stdin>") == 0;
	char *real = piped ? NULL : realpath(path, NULL), *slash, *folder;

	if (!real && (piped || access(path, R_OK) == 0)) {
		piped = true;
		real = realpath(".", NULL);
	}
	if (!real)
		return NULL;
	slash = piped ? NULL : strrchr(real, '/');
	if (slash)
		*slash = '\0';
	folder = arena_strdup(&l->m->arena, real);
	free(real);
	return folder;
}

static int settle_path(struct loader *l, const struct process *p, const char *key,
		       const char **path)
{
	const char *folder;

	if (!*path || **path == '/')
		return 0;
	/* A record has them whole. */
	folder = **path && l->doc ? base_folder(l) : NULL;
	if (folder)
		*path = arena_printf(&l->m->arena, "%s/%s", folder, *path);
	if (!folder || strlen(*path) >= PATH_MAX)
		return diag_error(l->d, -EINVAL, value_mark(p->node, key), "%s is no path: '%s'",
				  key, *path);
	return 0;
}

static int check_process(struct loader *l, struct process *p)
{
	int r = settle_path(l, p, "cwd", &p->cwd), log = settle_path(l, p, "log", &p->log);

	if (p->user && !process_user_is_legal(p->user)) {
		r = diag_error(l->d, -EINVAL, value_mark(p->node, "user"), "'%s' is no user",
			       p->user);
		diag_hint(l->d, "a name, or UID or UID:GID in digits");
	}
	return r < 0 ? r : log;
}

static int load_process(struct loader *l, const struct pair *pair, const char *netns)
{
	const char *why = process_name_error(pair->key->text);
	struct process *p = model_add_process(l->m, netns, pair->key->text);
	struct load_target t = {&process_table, p, &p->given, parts};
	int r;

	p->mark = pair->key->mark;
	p->node = pair->value;
	if (why)
		diag_error(l->d, -EINVAL, p->mark, "the process name '%s' %s", pair->key->text,
			   why);
	r = load_mapping(l, pair->value, p->mark, "a process", &t, 1);
	if (r >= 0)
		r = check_process(l, p);
	return why ? -EINVAL : r;
}

int load_processes(struct loader *l, const struct node *map, void *netns)
{
	const struct netns *n = netns;
	bool empty;
	int ret = load_expect(l, map, NODE_MAPPING, "processes", &empty);

	if (ret < 0 || empty)
		return ret;
	if (l->m->processes.n + map->n > PROCESSES_MAX)
		return diag_error(l->d, -E2BIG, map->mark, "more than %d processes in one file",
				  PROCESSES_MAX);
	for (uint32_t i = 0; i < map->n; i++)
		if (load_process(l, &map->pairs[i], n->name) < 0)
			ret = -EINVAL;
	return ret;
}

/* --- records ---------------------------------------------------------------------------- */

struct started {
	const char *netns, *name, *when, *space;
	uint32_t pid, ends;
};

static const struct attr started_rows[] = {
	{.key = "namespace",
	 .type = ATTR_TEXT,
	 .flags = ATTR_REQUIRED,
	 FIELD_TEXT(struct started, netns)},
	{.key = "name",
	 .type = ATTR_TEXT,
	 .flags = ATTR_REQUIRED,
	 FIELD_TEXT(struct started, name)},
	{.key = "pid",
	 .type = ATTR_UINT,
	 .flags = ATTR_REQUIRED,
	 .min = 1,
	 .max = INT32_MAX,
	 FIELD_U32(struct started, pid)},
	{.key = "started",
	 .type = ATTR_TEXT,
	 .flags = ATTR_REQUIRED,
	 FIELD_TEXT(struct started, when)},
	{.key = "space",
	 .type = ATTR_TEXT,
	 .flags = ATTR_REQUIRED,
	 FIELD_TEXT(struct started, space)},
	{.key = "ends", .type = ATTR_BOOL, FIELD_U32(struct started, ends)},
};
static const struct attr_table started_table = {
	.name = "started", .rows = started_rows, .n = ARRAY_SIZE(started_rows)};

static int load_number(struct loader *l, const struct node *n, const char *key, const char *text,
		       uint64_t *ret_number)
{
	char *end = NULL;

	errno = 0;
	*ret_number = text ? strtoull(text, &end, 10) : 0;
	if (!text || errno || *end || *text < '0' || *text > '9')
		return diag_error(l->d, -EINVAL, value_mark(n, key), "%s must be a number", key);
	return 0;
}

static int load_one_started(struct loader *l, const struct node *n)
{
	struct process *p = model_add_process(l->m, "", "");
	struct started s = {0};
	uint64_t given = 0;
	struct load_target t[] = {{&started_table, &s, &given, NULL},
				  {&process_table, p, &p->given, parts}};
	int r = load_mapping(l, n, n->mark, "a process", t, ARRAY_SIZE(t));

	if (r >= 0)
		r = load_number(l, n, "started", s.when, &p->started);
	if (r >= 0)
		r = load_number(l, n, "space", s.space, &p->space);
	if (r < 0)
		return r;
	if (!s.netns || !s.name || netns_name_error(s.netns) || process_name_error(s.name))
		return diag_error(l->d, -EINVAL, n->mark, "it has no legal name");
	p->netns = s.netns;
	p->name = s.name;
	p->pid = s.pid;
	p->ends = s.ends;
	return 0;
}

int load_started(const struct node *list, struct model *m, struct diags *d)
{
	struct loader l = {.m = m, .d = d, .state = true};
	int ret = load_expect(&l, list, NODE_SEQUENCE, "processes", NULL);

	for (uint32_t i = 0; ret >= 0 && i < list->n; i++)
		ret = load_one_started(&l, list->items[i]);
	index_free(&l.names);
	index_free(&l.unclear);
	model_sort(m);
	return ret;
}
