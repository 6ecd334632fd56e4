/* SPDX-License-Identifier: MIT */
/* The parts of nsapply.yaml(5) that follow from the tables, in mdoc. Text is
 * escaped: a line never begins with a control character of roff. */
#include "generate.h"

#include <ctype.h>
#include <string.h>

#define LINE_MAX_WIDTH 78

static const struct {
	const char *title;
	const struct attr_table *table;
	bool changes; /* do its rows say how they change? */
} sections[] = {
	{"The file", &file_table, false},    {"Defaults", &defaults_table, false},
	{"Namespaces", &netns_table, false}, {"External namespaces", &external_table, false},
	{"Ignore", &ignore_table, false},    {"Ignored routes", &ignore_route_table, false},
	{"Interfaces", &link_table, true},   {"Addresses", &address_table, true},
	{"Routes", &route_table, true},	     {"Nexthops", &nexthop_table, false},
	{"Processes", &process_table, true}, {"Ready", &ready_table, false},
	{"Cables", &cable_table, false},     {"Checks", &probe_table, false},
};

static void put_word(struct buf *out, const char *s, size_t n)
{
	for (; n; s++, n--) {
		if (*s == '\\')
			buf_puts(out, "\\e");
		else
			buf_putc(out, *s);
	}
}

/* Lines of at most LINE_MAX_WIDTH, a new one for each sentence, as roff wants it. */
static void put_text(struct buf *out, const char *s)
{
	size_t column = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (column && column + 1 + n > LINE_MAX_WIDTH) {
			buf_putc(out, '\n');
			column = 0;
		}
		if (column) {
			buf_putc(out, ' ');
			column++;
		} else if (*s == '.' || *s == '\'') {
			buf_puts(out, "\\&");
		}
		put_word(out, s, n);
		column += n;
		if (n && s[n - 1] == '.' && s[n]) {
			buf_putc(out, '\n');
			column = 0;
		}
		s += n;
		s += strspn(s, " ");
	}
}

/* A sentence of a line: a capital first, a full stop last. */
static void put_sentence(struct buf *out, const char *s)
{
	cleanup_buf struct buf text = {0};

	buf_puts(&text, s);
	if (!text.n)
		return;
	text.s[0] = (char)toupper((unsigned char)text.s[0]);
	if (!strchr(".:", text.s[text.n - 1]))
		buf_putc(&text, '.');
	put_text(out, text.s);
	buf_putc(out, '\n');
}

static void put_choices(const struct attr *row, struct buf *out)
{
	buf_puts(out, row->choices[0].name && row->choices[1].name && row->choices[2].name
			      ? "One of "
			      : "Either ");
	for (const struct choice *c = row->choices; c->name; c++)
		buf_printf(out, "%s%s",
			   c == row->choices ? ""
			   : c[1].name	     ? ", "
					     : " or ",
			   c->name);
}

static const char *prefix_text(const struct attr *row)
{
	if (row->flags & ATTR_DEFAULT_OK)
		return "default, ADDRESS/LEN or an address";
	return row->flags & ATTR_LEN_OPTIONAL ? "ADDRESS/LEN or an address" : "ADDRESS/LEN";
}

/* A row without a field and without a length is an interface's kind. */
static void put_text_type(const struct attr *row, struct buf *out)
{
	size_t n;
	const struct kind *const *kinds = kind_list(&n);

	if (row->offset != UINT16_MAX) {
		buf_puts(out, "Text");
		if (row->max)
			buf_printf(out, ", at most %u bytes", row->max);
		return;
	}
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", !i ? "One of " : i + 1 < n ? ", " : " or ", kinds[i]->name);
}

/* Where what is inside is told. */
static void put_of(const struct attr *row, struct buf *out)
{
	for (size_t i = 0; row->of && i < ARRAY_SIZE(sections); i++)
		if (sections[i].table == row->of)
			buf_printf(out, "; see %s", sections[i].title);
}

/* A value of a row that is stored as a number. */
static void format_number(const struct attr *row, uint32_t value, struct buf *out)
{
	struct attr at_zero = *row;

	at_zero.offset = 0;
	attr_format(&at_zero, &value, out);
}

/* long: one case a type */
static void put_type(const struct attr *row, struct buf *out)
{
	switch (row->type) {
	case ATTR_BOOL:
		buf_puts(out, "A boolean, true or false");
		break;
	case ATTR_UINT:
		buf_printf(out, "A number from %u to %u", row->min, row->max);
		break;
	case ATTR_CHOICE:
		put_choices(row, out);
		break;
	case ATTR_DURATION:
		buf_puts(out, "A whole number with its unit (min, s, ms or us), from ");
		format_number(row, row->min, out);
		buf_puts(out, " to ");
		format_number(row, row->max, out);
		break;
	case ATTR_NUMBER_NAME:
		buf_printf(out, "A number from %u to %u or a name of %s", row->min, row->max,
			   names_file(row->names));
		break;
	case ATTR_TEXT:
		put_text_type(row, out);
		break;
	case ATTR_IFNAME:
		buf_puts(out, "An interface name");
		break;
	case ATTR_NETNS:
		buf_puts(out, "A namespace's name");
		break;
	case ATTR_REF:
		buf_puts(out, "An interface of a namespace");
		break;
	case ATTR_MAC:
		buf_puts(out, "Six octets, such as 02:00:00:00:00:01");
		break;
	case ATTR_ADDRESS:
		buf_puts(out, "An address");
		break;
	case ATTR_PREFIX:
		buf_puts(out, prefix_text(row));
		break;
	case ATTR_TARGET:
		buf_puts(out, "An address, or NAMESPACE:IFNAME");
		break;
	case ATTR_OBJECT:
		buf_puts(out,
			 row->of == &external_table ? "The word true, or a mapping" : "A mapping");
		put_of(row, out);
		break;
	case ATTR_LIST:
		buf_puts(out, row->flags & ATTR_LIST_OF_NAMES	  ? "A list of names"
			      : row->flags & ATTR_LIST_OF_TARGETS ? "A list of addresses, each "
								    "written as that of 'to'"
								  : "A list");
		put_of(row, out);
		break;
	case ATTR_MAP:
		buf_puts(out, "A mapping");
		put_of(row, out);
		break;
	}
}

static void put_default(const struct attr *row, struct buf *out)
{
	cleanup_buf struct buf text = {0};
	uint32_t value = row->initial;

	if (row->type > ATTR_NUMBER_NAME || !generate_has_default(row))
		return;
	if (row->type == ATTR_CHOICE) {
		bool known = false;

		for (const struct choice *c = row->choices; c->name; c++)
			known |= c->value == value;
		if (!known)
			return;
	}
	format_number(row, value, &text);
	buf_printf(out, "; default %s", buf_text(&text));
}

static void put_row(const struct attr *row, bool replaces, struct buf *out)
{
	cleanup_buf struct buf type = {0};

	buf_printf(out, ".It Ic %s\n", row->key);
	put_sentence(out, row->help);
	put_type(row, &type);
	if (row->unit)
		buf_printf(&type, ", in %s", row->unit);
	put_default(row, &type);
	if (row->ip)
		buf_printf(&type, "; iproute2's %s", row->ip);
	put_sentence(out, buf_text(&type));
	if (row->flags & ATTR_REQUIRED)
		buf_puts(out, "Required.\n");
	if (!replaces || row->flags & (ATTR_IDENTITY | ATTR_READ_ONLY))
		return;
	if (row->flags & ATTR_CREATE_ONLY)
		buf_puts(out, "A change replaces it.\n");
	else
		buf_puts(out, "Changes in place.\n");
}

static void put_table(const char *title, const struct attr_table *t, const char *help,
		      bool replaces, struct buf *out)
{
	buf_printf(out, ".Ss %s\n", title);
	put_sentence(out, help);
	if (t->n)
		buf_puts(out, ".Bl -tag -width indent\n");
	for (size_t i = 0; i < t->n; i++)
		put_row(&t->rows[i], replaces, out);
	if (t->n)
		buf_puts(out, ".El\n");
}

static void put_kind(const struct kind *kind, struct buf *out)
{
	cleanup_buf struct buf title = {0};

	buf_printf(&title, "Interfaces of kind %s", kind->name);
	put_table(buf_text(&title), &kind->table, kind->help, true, out);
}

void generate_reference_section(struct buf *out)
{
	size_t n;
	const struct kind *const *kinds = kind_list(&n);

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		put_table(sections[i].title, sections[i].table, sections[i].table->help,
			  sections[i].changes, out);
		for (size_t j = 0; sections[i].table == &link_table && j < n; j++)
			put_kind(kinds[j], out);
	}
}

/* A line for each value. */
void generate_defaults_section(struct buf *out)
{
	buf_puts(out, ".Bl -column \"net.ipv4.conf.default.igmpv2_unsolicited_report_interval\" "
		      "\"4294967295\"\n.It Sy sysctl Ta Sy value\n");
	for (size_t i = 0; i < netns_defaults_n; i++) {
		const struct sysctl_default *d = &netns_defaults[i];

		buf_puts(out, ".It ");
		sysctl_name(d->path, out);
		buf_printf(out, " Ta %s%s\n", d->value,
			   d->ours ? " (the lab's, not the kernel's)" : "");
	}
	buf_puts(out, ".El\n");
}
