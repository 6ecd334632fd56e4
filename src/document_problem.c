/* SPDX-License-Identifier: MIT */
/* libyaml's complaints in words for people.
 *
 * libyaml says what its grammar expected, often far behind the cause: an
 * unclosed bracket shows at the end of the file. A table maps its texts (of
 * version 0.2.5, parser.c and scanner.c) to ours and chooses the place to point
 * at; a text that is not in the table is passed on as it is. */
#include "document_internal.h"

#include <errno.h>
#include <string.h>

enum place { AT_PROBLEM, AT_CONTEXT };

struct row {
	const char *problem;
	const char *context; /* how libyaml's context begins; NULL: any */
	enum place place;
	bool maybe_tab; /* a tab in the line's indentation explains it */
	const char *message, *hint;
};

static const char quote_it[] = "put the text in quotes";
static const char expected_key[] = "did not find expected key";
static const char expected_item[] = "did not find expected '-' indicator";
static const char expected_node[] = "did not find expected node content";

static const struct row rows[] = {
	{"found character that cannot start any token", NULL, AT_PROBLEM, true,
	 "a value cannot begin with this character", quote_it},
	{"found a tab character", NULL, AT_PROBLEM, true, "a tab stands where only spaces may",
	 "indent with spaces"},
	{"found unexpected end of stream", "while scanning a quoted", AT_CONTEXT, false,
	 "the quote opened here is never closed", NULL},
	{"found unexpected document indicator", "while scanning a quoted", AT_CONTEXT, false,
	 "the quote opened here is not closed before the document ends", NULL},
	{"found unknown escape character", NULL, AT_PROBLEM, false,
	 "unknown escape sequence in double quotes",
	 "write \\\\ for a backslash, or use single quotes"},
	{"did not find expected hexdecimal number", NULL, AT_PROBLEM, false,
	 "hexadecimal digits must follow \\x, \\u and \\U", NULL},
	{"found invalid Unicode character escape code", NULL, AT_PROBLEM, false,
	 "this escape sequence is no Unicode character", NULL},
	{"did not find expected ',' or ']'", NULL, AT_PROBLEM, false,
	 "\",\" or \"]\" expected here", NULL},
	{"did not find expected ',' or '}'", NULL, AT_PROBLEM, false,
	 "\",\" or \"}\" expected here", NULL},
	{"could not find expected ':'", NULL, AT_CONTEXT, true, "\":\" expected after this key",
	 NULL},
	{"found unexpected ':'", NULL, AT_PROBLEM, false, "\":\" is not allowed here", quote_it},
	{"mapping values are not allowed in this context", NULL, AT_PROBLEM, true,
	 "\": \" is not allowed here",
	 "check the indentation; if the colon is part of the text, put it in quotes"},
	{"mapping keys are not allowed in this context", NULL, AT_PROBLEM, true,
	 "a key is not allowed here", "check the indentation"},
	{"block sequence entries are not allowed in this context", NULL, AT_PROBLEM, true,
	 "a list item \"- \" is not allowed here", "begin the list on a line of its own"},
	{expected_key, NULL, AT_PROBLEM, true, "the indentation does not fit the lines above",
	 NULL},
	{expected_item, NULL, AT_PROBLEM, true,
	 "a list item \"- \" expected here, or the indentation does not fit the lines above", NULL},
	{expected_node, NULL, AT_PROBLEM, false, "a value expected here", NULL},
	{"did not find expected <document start>", NULL, AT_PROBLEM, false,
	 "the document has ended: nothing may follow here",
	 "check the indentation and the brackets above"},
	{"did not find expected alphabetic or numeric character", "while scanning an alias",
	 AT_CONTEXT, false, "\"*\" at the start of a value means an alias, but no name follows",
	 quote_it},
	{"did not find expected alphabetic or numeric character", "while scanning an anchor",
	 AT_CONTEXT, false, "\"&\" at the start of a value means an anchor, but no name follows",
	 quote_it},
	{"did not find expected comment or line break", "while scanning a block", AT_PROBLEM, false,
	 "the text of a block begins on the line after \"|\" or \">\"", NULL},
	{"found an indentation indicator equal to 0", NULL, AT_PROBLEM, false,
	 "the indentation of a block must be 1 to 9", NULL},
	{"found undefined tag handle", NULL, AT_PROBLEM, false,
	 "\"!\" at the start of a value means a tag, and this one is unknown", quote_it},
	{"", "while scanning a tag", AT_CONTEXT, false,
	 "\"!\" at the start of a value means a tag, and this one is malformed", quote_it},
	{"", "while parsing a tag", AT_CONTEXT, false,
	 "\"!\" at the start of a value means a tag, and this one is malformed", quote_it},
	{"found incompatible YAML document", NULL, AT_PROBLEM, false,
	 "only YAML 1.1 and 1.2 are supported", NULL},
	{"found duplicate %YAML directive", NULL, AT_PROBLEM, false,
	 "the %YAML directive is given twice", NULL},
	{"found duplicate %TAG directive", NULL, AT_PROBLEM, false,
	 "this %TAG directive is given twice", NULL},
	{"", "while scanning a directive", AT_CONTEXT, false, "a malformed directive", quote_it},
	{"", "while scanning a %", AT_CONTEXT, false, "a malformed directive", quote_it},
};

static const struct row *find_row(const struct yaml_problem *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_starts(p->text, rows[i].problem) &&
		    (!rows[i].context || (p->context && str_starts(p->context, rows[i].context))))
			return &rows[i];
	return NULL;
}

/* The first tab in the indentation of the mark's line, up to the mark. */
static bool find_tab(struct mark at, struct mark *ret_tab)
{
	struct mark m = {at.source, at.line, 1};
	const char *text = at.source->text;

	for (size_t i = mark_offset(m); i < at.source->size; i++, m.column++) {
		if (text[i] == '\t' && m.column <= at.column) {
			*ret_tab = m;
			return true;
		}
		if (text[i] != ' ')
			break;
	}
	return false;
}

/* Whether nothing follows, space and comments being skipped already: something was left open. */
static bool is_at_end(struct mark at)
{
	return mark_offset(at) >= at.source->size;
}

/* "::1", say. */
static bool begins_with_colon(struct mark at)
{
	return !is_at_end(at) && at.source->text[mark_offset(at)] == ':';
}

/* Brackets: the opening one when it stays open to the end, else where the text goes on. */
static void add_bracket(const struct yaml_problem *p, const struct row *row, struct diags *d)
{
	char open = strchr(row->problem, ']') ? '[' : '{';

	if (is_at_end(p->at)) {
		diag_error(d, -EINVAL, p->context_at, "the \"%c\" opened here is never closed",
			   open);
		return;
	}
	diag_error(d, -EINVAL, p->at, "%s", row->message);
	diag_hint(d, "the \"%c\" was opened at line %u, column %u", open, p->context_at.line,
		  p->context_at.column);
}

/* The opening bracket that p->open points to (or its anchor), '\0' when it is none. */
static char open_bracket(const struct yaml_problem *p)
{
	const struct source *s = p->at.source;
	size_t i = p->open.line ? mark_offset(p->open) : s->size;

	while (i < s->size && (s->text[i] == '&' || s->text[i] == '!')) {
		while (i < s->size && !strchr(" \t\r\n", s->text[i]))
			i++;
		while (i < s->size && strchr(" \t\r\n", s->text[i]))
			i++;
	}
	return i < s->size && strchr("[{", s->text[i]) ? s->text[i] : '\0';
}

/* Where nothing that stands here can belong to the block: too far left or
 * right, or behind a value that is complete. */
static void add_misfit(const struct yaml_problem *p, const struct row *row, struct diags *d)
{
	struct mark start = {p->at.source, p->at.line, 1};
	size_t i = mark_offset(start), at = mark_offset(p->at);
	const char *text = p->at.source->text;

	while (i < at && text[i] == ' ')
		i++;
	if (at < p->at.source->size && strchr("]}", text[at]) && text[at])
		diag_error(d, -EINVAL, p->at, "this \"%c\" closes nothing", text[at]);
	else if (i < at)
		diag_error(d, -EINVAL, p->at, "nothing may follow the value on this line");
	else
		diag_error(d, -EINVAL, p->at, "%s", row->message);
	if (p->quote.line && p->at.line == p->quote_last_line)
		diag_hint(d, "a quoted text began at line %u, column %u: is its end quote missing?",
			  p->quote.line, p->quote.column);
	else if (i < at)
		diag_hint(d, "if this is part of the value, put the whole value in quotes");
	else
		diag_hint(d, "the enclosing %s began at line %u, column %u",
			  row->problem == expected_key ? "mapping" : "list", p->context_at.line,
			  p->context_at.column);
}

void document_problem(const struct yaml_problem *p, struct diags *d)
{
	const struct row *row = find_row(p);
	struct mark tab;

	if (!row) {
		diag_error(d, -EINVAL, p->at, "this is not YAML: %s%s%s", p->text,
			   p->context ? " " : "", p->context ? p->context : "");
	} else if (row->maybe_tab && find_tab(p->at, &tab)) {
		diag_error(d, -EINVAL, tab, "a tab is used for indentation");
		diag_hint(d, "indent with spaces");
	} else if (row->problem == expected_node && open_bracket(p) && is_at_end(p->at)) {
		diag_error(d, -EINVAL, p->open, "the \"%c\" opened here is never closed",
			   open_bracket(p));
	} else if (row->problem == expected_node && begins_with_colon(p->at)) {
		diag_error(d, -EINVAL, p->at, "a value cannot begin with \":\" between brackets");
		diag_hint(d, quote_it);
	} else if (str_starts(row->problem, "did not find expected ','")) {
		add_bracket(p, row, d);
	} else if (row->problem == expected_key || row->problem == expected_item) {
		add_misfit(p, row, d);
	} else {
		diag_error(d, -EINVAL, row->place == AT_CONTEXT ? p->context_at : p->at, "%s",
			   row->message);
		if (row->hint)
			diag_hint(d, "%s", row->hint);
	}
}
