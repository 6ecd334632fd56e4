/* SPDX-License-Identifier: MIT */
/* Diagnostics: collected by everyone, printed once by a verb.
 *
 * A `struct diags` owns its texts; the sources that marks point to belong to
 * documents and must live until the diagnostics have been printed. Texts and
 * source lines come from files of strangers: nothing of them reaches a
 * terminal but through buf_printable(). */
#include "error.h"

#include <errno.h>
#include <string.h>

/* What is wrong in a part of the file that is used several times (an alias) is wrong once; and what is
 * warned of each time that the machine is read, or a plan made, is told once in a run. */
static bool is_known(const struct diags *d, enum severity severity, struct mark at,
		     const char *message)
{
	array_each(&d->list, i)
		if ((at.line || severity == SEVERITY_WARNING) && i->mark.line == at.line &&
		    i->mark.column == at.column && i->mark.source == at.source &&
		    i->severity == severity && str_equal(i->message, message))
			return true;
	return false;
}

static void diag_add(struct diags *d, enum severity severity, int code, struct mark at,
		     const char *fmt, va_list ap) PRINTF(5, 0);
static void diag_add(struct diags *d, enum severity severity, int code, struct mark at,
		     const char *fmt, va_list ap)
{
	size_t *count = severity == SEVERITY_ERROR ? &d->errors : &d->warnings;
	struct buf message = {0};
	struct diag *diag;

	if (*count >= DIAGS_MAX) {
		++*count;
		d->last_dropped = true;
		return;
	}
	buf_vprintf(&message, fmt, ap);
	d->last_dropped = is_known(d, severity, at, buf_text(&message));
	if (d->last_dropped) {
		buf_free(&message);
		return;
	}
	++*count;
	diag = array_push(&d->list);
	diag->severity = severity;
	diag->code = code;
	diag->mark = at;
	diag->message = message.s;
}

int diag_error(struct diags *d, int code, struct mark at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag_add(d, SEVERITY_ERROR, code, at, fmt, ap);
	va_end(ap);
	/* Whatever it was that could not be opened; who knows more says so instead. */
	if (code == -EMFILE)
		diag_hint(d, FILES_HINT);
	return code;
}

void diag_warning(struct diags *d, struct mark at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag_add(d, SEVERITY_WARNING, 0, at, fmt, ap);
	va_end(ap);
}

void diag_hint(struct diags *d, const char *fmt, ...)
{
	struct buf hint = {0};
	struct diag *last;
	va_list ap;

	if (d->last_dropped || d->list.n == 0)
		return;
	last = &d->list.items[d->list.n - 1];
	va_start(ap, fmt);
	buf_vprintf(&hint, fmt, ap);
	va_end(ap);
	free(last->hint);
	last->hint = hint.s;
}

void diag_hint_full(struct diags *d, int code, const char *folder)
{
	if (code == -ENOSPC)
		diag_hint(d, "make some room there: `df %s` and `df -i %s` show what is used up",
			  folder, folder);
}

void diags_absorb(struct diags *d, struct diags *from)
{
	array_each(&from->list, diag) {
		if (diag->severity == SEVERITY_WARNING)
			diag_warning(d, diag->mark, "%s", diag->message);
		else
			diag_error(d, diag->code, diag->mark, "%s", diag->message);
		if (diag->hint)
			diag_hint(d, "%s", diag->hint);
	}
	diags_free(from);
}

void diags_excuse(struct diags *d)
{
	array_each(&d->list, diag)
		diag->severity = SEVERITY_WARNING;
	d->warnings += d->errors;
	d->errors = 0;
}

void diags_cut(struct diags *d, size_t n)
{
	while (d->list.n > n) {
		struct diag *last = &d->list.items[--d->list.n];

		if (last->severity == SEVERITY_ERROR)
			d->errors--;
		else
			d->warnings--;
		free(last->message);
		free(last->hint);
	}
}

void diags_free(struct diags *d)
{
	if (!d)
		return;
	diags_cut(d, 0);
	array_free(&d->list);
	*d = (struct diags){0};
}

/* By file, then by place; what has no place comes last. */
static bool is_after(const struct diag *a, const struct diag *b)
{
	const struct mark *x = &a->mark, *y = &b->mark;
	int order;

	if (!x->source || !y->source)
		return !x->source && y->source;
	order = strcmp(x->source->name, y->source->name);
	if (order)
		return order > 0;
	return x->line != y->line ? x->line > y->line : x->column > y->column;
}

void diags_sort(struct diags *d)
{
	struct diag *items = d->list.items;

	/* By insertion: qsort() is not stable, and there are at most 2 * DIAGS_MAX. */
	for (size_t i = 1; i < d->list.n; i++) {
		struct diag moved = items[i];
		size_t j = i;

		for (; j > 0 && is_after(&items[j - 1], &moved); j--)
			items[j] = items[j - 1];
		items[j] = moved;
	}
}

/* Where the last lookup ended: without it, fifty errors in one large file
 * would mean reading it fifty times. */
struct cursor {
	const struct source *source;
	uint32_t line, column;
	size_t line_start, offset;
};

/* The bytes of the line break at offset, 0 when there is none. As libyaml
 * counts lines (YAML 1.1, section 4.1.4): also NEL, LS and PS end one. */
static size_t break_length(const struct source *source, size_t offset)
{
	const char *s = source->text + offset;
	size_t n = source->size - offset;

	if (n >= 1 && *s == '\n')
		return 1;
	if (n >= 1 && *s == '\r')
		return n >= 2 && s[1] == '\n' ? 2 : 1;
	if (n >= 2 && memcmp(s, "\xC2\x85", 2) == 0)
		return 2;
	if (n >= 3 && (memcmp(s, "\xE2\x80\xA8", 3) == 0 || memcmp(s, "\xE2\x80\xA9", 3) == 0))
		return 3;
	return 0;
}

/* What is no UTF-8 counts byte by byte. */
static size_t char_length(const struct source *source, size_t offset)
{
	uint32_t code;
	size_t length = utf8_decode(source->text + offset, source->size - offset, &code);

	return length ? length : 1;
}

/* Moves the cursor to the mark, or to the end of its line when that is
 * shorter. false: there is no such line. */
static bool cursor_move(struct cursor *c, struct mark at)
{
	const struct source *s = at.source;
	size_t length;

	if (c->source != s || c->line > at.line || (c->line == at.line && c->column > at.column)) {
		bool bom = s->size >= 3 && memcmp(s->text, "\xEF\xBB\xBF", 3) == 0;

		*c = (struct cursor){.source = s, .line = 1, .column = 1};
		c->line_start = c->offset = bom ? 3 : 0;
	}
	while (c->line < at.line) {
		if (c->offset >= s->size)
			return false;
		length = break_length(s, c->offset);
		if (length) {
			c->line++;
			c->column = 0;
		} else {
			length = char_length(s, c->offset);
		}
		c->offset += length;
		c->column++;
		if (c->column == 1)
			c->line_start = c->offset;
	}
	while (c->column < at.column && c->offset < s->size && !break_length(s, c->offset)) {
		c->offset += char_length(s, c->offset);
		c->column++;
	}
	return c->offset < s->size || c->offset > c->line_start;
}

size_t mark_offset(struct mark at)
{
	struct cursor c = {0};

	return cursor_move(&c, at) ? c.offset : at.source->size;
}

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t code, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* Terminal cells of a printable character. Not wcwidth(): that depends on the
 * locale. The blocks are those of Unicode's EastAsianWidth.txt (W and F) and
 * the combining marks (Mn), as far as they come as whole blocks. */
static unsigned char_width(uint32_t code)
{
	static const struct range none[] = {
		{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},	{0x064B, 0x065F},
		{0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D},	{0x20D0, 0x20FF},
		{0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xE0100, 0xE01EF},
	};
	static const struct range wide[] = {
		{0x1100, 0x115F},   {0x2E80, 0x303E},	{0x3041, 0x4DBF},   {0x4E00, 0xA4CF},
		{0xA960, 0xA97F},   {0xAC00, 0xD7A3},	{0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
		{0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},	{0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF},
		{0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
	};

	if (code < 0x300)
		return 1;
	if (in_ranges(code, none, ARRAY_SIZE(none)))
		return 0;
	return in_ranges(code, wide, ARRAY_SIZE(wide)) ? 2 : 1;
}

/* Adds the character at s as a terminal may see it, a tab as spaces up to the
 * next multiple of 8. Returns the cells it takes. */
static unsigned show_char(struct buf *b, const char *s, size_t length, unsigned at)
{
	char copy[5] = {0};
	size_t before = b->n;
	uint32_t code = 0;

	if (*s == '\t') {
		unsigned width = 8 - at % 8;

		buf_printf(b, "%*s", (int)width, "");
		return width;
	}
	if (*s == '\0') {
		buf_puts(b, "\\x00");
		return 4;
	}
	memcpy(copy, s, length);
	buf_printable(b, copy);
	if (!utf8_printable(s, length) || !utf8_decode(s, length, &code))
		return (unsigned)(b->n - before);
	return char_width(code);
}

/* Where the word at `from` ends: what is underlined. */
static size_t word_end(const struct source *source, size_t from)
{
	size_t i = from;
	char quote = '\0';

	if (i < source->size && (source->text[i] == '"' || source->text[i] == '\''))
		quote = source->text[i];
	for (; i < source->size && !break_length(source, i); i++) {
		char c = source->text[i];

		if (quote && i > from && c == quote)
			return i + 1;
		if (quote)
			continue;
		if (strchr(" \t,[]{}", c))
			break;
		/* A colon ends a key, but belongs to an IPv6 address. */
		if (c == ':' &&
		    (i + 1 >= source->size || strchr(" \t\r\n,]}", source->text[i + 1])))
			break;
	}
	return i;
}

/* The window of a long line that is shown, around the caret. */
#define WINDOW_BEFORE_CHARS 72 /* a caret further right cuts the line's start ... */
#define WINDOW_KEPT_CHARS 40   /* ... down to this many characters */
#define WINDOW_CELLS 110

/* Writes the part of the line around the cursor, and what stands below it. */
static void show_line(const struct cursor *c, struct buf *line, struct buf *below)
{
	const struct source *s = c->source;
	size_t i = c->line_start, end = word_end(s, c->offset);
	unsigned cells = 0, width;
	bool started = false;

	if (c->column > WINDOW_BEFORE_CHARS) {
		i = c->offset;
		for (unsigned n = 0; n < WINDOW_KEPT_CHARS && i > c->line_start; n++)
			do
				i--;
			while (i > c->line_start && ((unsigned char)s->text[i] & 0xC0) == 0x80);
		buf_puts(line, "...");
		cells = 3;
	}
	buf_printf(below, "%*s", (int)cells, "");
	for (; i < s->size && !break_length(s, i); i += char_length(s, i)) {
		if (cells >= WINDOW_CELLS) {
			buf_puts(line, "...");
			break;
		}
		width = show_char(line, s->text + i, char_length(s, i), cells);
		cells += width;
		if (started && i >= end)
			continue;
		for (unsigned n = 0; n < width; n++) {
			buf_putc(below, i < c->offset ? ' ' : started ? '~' : '^');
			started |= i >= c->offset;
		}
	}
	if (!started)
		buf_putc(below, '^');
}

struct palette {
	const char *place, *severity[2], *caret, *end;
};

static void print_source(struct cursor *c, const struct diag *diag, const struct palette *p,
			 FILE *out)
{
	cleanup_buf struct buf line = {0}, below = {0};

	if (!diag->mark.source->text || !cursor_move(c, diag->mark))
		return;
	show_line(c, &line, &below);
	fprintf(out, "%5u |%s%s\n", diag->mark.line, line.n ? " " : "", buf_text(&line));
	fprintf(out, "      | %s%s%s\n", p->caret, buf_text(&below), p->end);
}

static void print_diag(struct cursor *c, const struct diag *diag, const struct palette *p,
		       FILE *out)
{
	static const char *const names[] = {
		[SEVERITY_ERROR] = "error",
		[SEVERITY_WARNING] = "warning",
	};
	cleanup_buf struct buf place = {0}, message = {0};
	const struct mark *at = &diag->mark;

	buf_printable(&place, at->source ? at->source->name : "nsapply");
	if (at->source && at->line)
		buf_printf(&place, ":%u:%u", at->line, at->column);
	buf_printable(&message, diag->message);
	fprintf(out, "%s%s:%s %s%s:%s %s%s%s\n", p->place, buf_text(&place), p->end,
		p->severity[diag->severity], names[diag->severity], p->end, p->place,
		buf_text(&message), p->end);
	if (at->source && at->line)
		print_source(c, diag, p, out);
	if (diag->hint) {
		cleanup_buf struct buf hint = {0};

		buf_printable(&hint, diag->hint);
		fprintf(out, "      = hint: %s\n", buf_text(&hint));
	}
}

static void print_rest(size_t all, const char *what, FILE *out)
{
	size_t rest = all > DIAGS_MAX ? all - DIAGS_MAX : 0;

	if (rest)
		fprintf(out, "... and %zu more %s%s\n", rest, what, rest == 1 ? "" : "s");
}

void diags_print(const struct diags *d, FILE *out, bool color)
{
	static const struct palette plain = {"", {"", ""}, "", ""};
	static const struct palette colored = {
		"\033[1m", {"\033[1;31m", "\033[1;35m"}, "\033[1;32m", "\033[0m"};
	struct cursor c = {0};

	array_each(&d->list, diag)
		print_diag(&c, diag, color ? &colored : &plain, out);
	print_rest(d->errors, "error", out);
	print_rest(d->warnings, "warning", out);
}

json_t *json_text(const char *s)
{
	cleanup_buf struct buf printable = {0};

	if (!s)
		return json_null();
	if (str_is_utf8(s, strlen(s)))
		return json_string(s);
	buf_printable(&printable, s);
	return json_string(buf_text(&printable));
}

json_t *diags_json(const struct diags *d)
{
	json_t *list = json_array();

	array_each(&d->list, diag) {
		const struct mark *at = &diag->mark;
		bool placed = at->source && at->line;
		json_t *o = json_object();

		json_object_set_new(
			o, "severity",
			json_string(diag->severity == SEVERITY_ERROR ? "error" : "warning"));
		json_object_set_new(o, "file", json_text(at->source ? at->source->name : NULL));
		json_object_set_new(o, "line", placed ? json_integer(at->line) : json_null());
		json_object_set_new(o, "column", placed ? json_integer(at->column) : json_null());
		json_object_set_new(o, "message", json_text(diag->message));
		json_object_set_new(o, "hint", json_text(diag->hint));
		json_array_append_new(list, o);
	}
	return list;
}
