/* SPDX-License-Identifier: MIT */
/* Processes of a namespace: their rows, and how they are found and copied.
 *
 * A process is known by namespace and name. One that was started is known to the kernel by its pid
 * and by when it began, since pids are used again. */
#include "model.h"

#include <string.h>

#define TABLE(what, text, r)                                                    \
	{                                                                       \
		.name = (what), .help = (text), .rows = (r), .n = ARRAY_SIZE(r) \
	}

static const struct attr ready_rows[] = {
	{
		.key = "tcp",
		.help = "a TCP socket of the process, or of one that it has started, listens on "
			"this port of the namespace",
		.type = ATTR_UINT,
		.min = 1,
		.max = UINT16_MAX,
		FIELD_U32(struct ready, tcp),
	},
	{
		.key = "log",
		.help = "it has written this to its log, which must be an ordinary file, since it "
			"was started",
		.type = ATTR_TEXT,
		.max = READY_TEXT_MAX,
		FIELD_TEXT(struct ready, log),
	},
	{
		.key = "within",
		.help = "how long that may take",
		.type = ATTR_DURATION,
		.min = 1000,
		.max = 3600000000,
		.initial = 30000000,
		FIELD_U32(struct ready, within),
	},
};
const struct attr_table ready_table =
	TABLE("ready",
	      "What apply waits for, after the start of a process. With both tcp and log, "
	      "for both.",
	      ready_rows);

/* None can change while it runs. */
static const struct attr process_rows[] = {
	{
		.key = "command",
		.help = "the program and its arguments; no shell is between. It is to go on "
			"running: a program that leaves a daemon behind, and ends with status 0, "
			"runs for as long as that does",
		.type = ATTR_LIST,
		.flags = ATTR_REQUIRED | ATTR_CREATE_ONLY,
	},
	{
		.key = "stdin",
		.help = "what it reads from its standard input; absent: nothing",
		.type = ATTR_TEXT,
		.flags = ATTR_CREATE_ONLY,
		.max = PROCESS_TEXT_MAX,
		FIELD_TEXT(struct process, input),
	},
	{
		.key = "env",
		.help = "environment variables, besides PATH, HOME, USER and LOGNAME; those of "
			"nsapply itself are not passed on",
		.type = ATTR_MAP,
		.flags = ATTR_CREATE_ONLY,
	},
	{
		.key = "user",
		.help = "the user that it runs as: a name, or UID or UID:GID; absent: that of "
			"nsapply",
		.type = ATTR_TEXT,
		.flags = ATTR_CREATE_ONLY,
		.max = 32,
		FIELD_TEXT(struct process, user),
	},
	{
		.key = "cwd",
		.help = "the folder that it starts in; a relative one begins at that of the file; "
			"absent: /",
		.type = ATTR_TEXT,
		.flags = ATTR_CREATE_ONLY,
		.max = 4095,
		FIELD_TEXT(struct process, cwd),
	},
	{
		.key = "log",
		.help = "the file that its output is added to, relative to the folder of the "
			"topology "
			"file; absent: NAMESPACE:NAME.log in /run/nsapply/LAB, which destroy takes "
			"away",
		.type = ATTR_TEXT,
		.flags = ATTR_CREATE_ONLY,
		.max = 4095,
		FIELD_TEXT(struct process, log),
	},
	{
		.key = "ready",
		.help = "what apply waits for",
		.type = ATTR_OBJECT,
		.of = &ready_table,
	},
};
const struct attr_table process_table =
	TABLE("process",
	      "A mapping of names to processes, which run inside the namespace. A name has "
	      "letters, digits, full stops, underscores and hyphens, begins with a letter or a "
	      "digit, and has at most 32 bytes. A process is started anew when anything but "
	      "ready changes.",
	      process_rows);

const char *process_name_error(const char *name)
{
	if (strlen(name) > PROCESS_NAME_MAX)
		return "is longer than 32 bytes";
	return lab_name_error(name); /* the same characters */
}

/* -1 itself is no id: it means none to the kernel. */
static bool take_id(const char **s)
{
	char *end;
	unsigned long long value = strtoull(*s, &end, 10);
	bool legal = **s >= '0' && **s <= '9' && end - *s <= 10 && value < UINT32_MAX;

	*s = end;
	return legal;
}

/* "33" and "33:33". */
static bool is_ids(const char *s)
{
	return take_id(&s) && (!*s || (*s++ == ':' && take_id(&s) && !*s));
}

bool process_user_is_legal(const char *user)
{
	if (*user >= '0' && *user <= '9')
		return is_ids(user);
	return *user && *user != '-' && !strpbrk(user, ": \t\n/");
}

static int compare_ids(const char *netns, const char *name, const struct process *p)
{
	int order = str_compare(netns, p->netns);

	return order ? order : str_compare(name, p->name);
}

int process_compare(const struct process *a, const struct process *b)
{
	return compare_ids(a->netns, a->name, b);
}

struct process *model_find_process(const struct model *m, const struct process *like)
{
	size_t low = 0, high = m ? m->processes.n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct process *p = m->processes.items[middle];
		int order = process_compare(like, p);

		if (order == 0)
			return p;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

struct process *model_add_process(struct model *m, const char *netns, const char *name)
{
	struct process *p = arena_alloc(&m->arena, sizeof(*p));

	p->netns = arena_strdup(&m->arena, netns);
	p->name = arena_strdup(&m->arena, name);
	attr_fill_new(&ready_table, &p->ready);
	array_add(&m->processes, p);
	return p;
}

void process_free(struct process *p)
{
	array_free(&p->command);
	array_free(&p->env);
}

static const char *own(struct model *m, const char *s)
{
	return s ? arena_strdup(&m->arena, s) : NULL;
}

struct process *model_copy_process(struct model *m, const struct process *from)
{
	struct process *p = model_add_process(m, from->netns, from->name);
	const char *netns = p->netns, *name = p->name;

	*p = *from;
	p->netns = netns;
	p->name = name;
	p->input = own(m, from->input);
	p->user = own(m, from->user);
	p->cwd = own(m, from->cwd);
	p->log = own(m, from->log);
	p->ready.log = own(m, from->ready.log);
	memset(&p->command, 0, sizeof(p->command));
	memset(&p->env, 0, sizeof(p->env));
	array_each(&from->command, word)
		array_add(&p->command, own(m, *word));
	array_each(&from->env, v)
		array_add(&p->env, ((struct variable){own(m, v->name), own(m, v->value)}));
	return p;
}

static bool same_command(const struct process *a, const struct process *b)
{
	if (a->command.n != b->command.n)
		return false;
	for (size_t i = 0; i < a->command.n; i++)
		if (!str_equal(a->command.items[i], b->command.items[i]))
			return false;
	return true;
}

static bool same_env(const struct process *a, const struct process *b)
{
	if (a->env.n != b->env.n)
		return false;
	for (size_t i = 0; i < a->env.n; i++)
		if (!str_equal(a->env.items[i].name, b->env.items[i].name) ||
		    !str_equal(a->env.items[i].value, b->env.items[i].value))
			return false;
	return true;
}

uint64_t process_differences(const struct process *want, const struct process *have)
{
	uint64_t mask =
		attr_differences(&process_table, want, want->given, have, have->given, true);

	if (!same_command(want, have))
		mask |= attr_bit(&process_table, "command");
	if (!same_env(want, have))
		mask |= attr_bit(&process_table, "env");
	return mask;
}

struct mark process_key_mark(const struct process *p, const char *key)
{
	const struct node *value = p->node ? node_get(p->node, key) : NULL;

	return value ? value->mark : p->mark;
}

void process_id(const struct process *p, struct buf *out)
{
	buf_printf(out, "%s:%s", p->netns, p->name);
}
