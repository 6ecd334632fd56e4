/* SPDX-License-Identifier: MIT */
/* What a process is like, in the lines of a plan. A command is shown as a shell would take it; of the
 * environment the names alone, since values may be passwords; of standard input, how much there is. */
#include "plan_text.h"

#include <string.h>

static void put_command(const struct process *p, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	array_each(&p->command, word) {
		if (word != p->command.items)
			buf_putc(&text, ' ');
		buf_shell_word(&text, *word);
	}
	text_printable(out, &text);
}

static void put_names(const struct process *p, struct buf *out)
{
	array_each(&p->env, v)
		buf_printf(out, "%s%s", v == p->env.items ? "" : " ", v->name);
}

/* The rows that are shown as they are. */
static uint64_t plain_rows(uint64_t mask)
{
	return mask & ~attr_bit(&process_table, "command") & ~attr_bit(&process_table, "env") &
	       ~attr_bit(&process_table, "stdin");
}

static size_t input_size(const struct process *p)
{
	return p->input ? strlen(p->input) : 0;
}

void text_process(const struct process *p, bool *open, struct buf *out)
{
	text_item(out, open);
	put_command(p, out);
	if (p->env.n) {
		text_item(out, open);
		buf_puts(out, "env ");
		put_names(p, out);
	}
	if (p->input) {
		text_item(out, open);
		buf_printf(out, "stdin %zu bytes", input_size(p));
	}
	text_rows(&process_table, p, plain_rows(p->given), open, out);
}

static void begin(const char *key, bool *open, struct buf *out)
{
	buf_printf(out, "%s %s ", *open ? "," : ":", key);
	*open = true;
}

void text_process_changes(const struct change *c, bool *open, struct buf *out)
{
	const struct process *have = c->have.process, *want = c->want.process;

	if (c->mask & attr_bit(&process_table, "command")) {
		begin("command", open, out);
		put_command(have, out);
		buf_puts(out, " -> ");
		put_command(want, out);
	}
	if (c->mask & attr_bit(&process_table, "env")) {
		begin("env", open, out);
		put_names(have, out);
		buf_puts(out, have->env.n ? " -> " : "none -> ");
		put_names(want, out);
		buf_puts(out, want->env.n ? "" : "none");
	}
	if (c->mask & attr_bit(&process_table, "stdin")) {
		begin("stdin", open, out);
		buf_printf(out, "%zu bytes -> %zu bytes", input_size(have), input_size(want));
	}
	text_differences(&process_table, plain_rows(c->mask), have, have->given, want, want->given,
			 open, out);
}
