/* SPDX-License-Identifier: MIT */
/* Names that may become paths or device names, and what objects are called in
 * messages. Files are written by others and run as root: a name is looked at here
 * before anything is done with it. */
#include "model.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* --- names --------------------------------------------------------------------- */

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool has_control(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return true;
		/* U+0080 to U+009F in UTF-8; terminals obey those too */
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			return true;
	}
	return false;
}

static bool has_space(const char *s)
{
	for (; *s; s++)
		if (is_space((unsigned char)*s))
			return true;
	return false;
}

static bool is_dots(const char *s)
{
	return !strcmp(s, ".") || !strcmp(s, "..");
}

/* The kernel's dev_valid_name() (net/core/dev.c), what conf/ reserves, and ours. */
const char *ifname_error(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) > IFNAME_MAX)
		return "is longer than 15 bytes";
	if (is_dots(name))
		return "is not a name";
	if (strchr(name, '/'))
		return "has a / in it";
	if (strpbrk(name, ":%"))
		return "has a : or % in it";
	if (has_space(name))
		return "has white space in it";
	/* Its isspace() is that of Latin-1: no-break space, a byte of many UTF-8 letters. */
	if (strchr(name, 0xa0))
		return "has the byte 0xa0 in it, which the kernel takes for white space";
	if (name[0] == '-')
		return "begins with -";
	if (!strcmp(name, "all") || !strcmp(name, "default"))
		return "is reserved for net.ipv4.conf.all and default";
	return NULL;
}

const char *netns_name_error(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) > NETNS_NAME_MAX)
		return "is longer than 200 bytes";
	if (is_dots(name))
		return "is not a name";
	if (strpbrk(name, "/:"))
		return "has a / or : in it";
	if (has_space(name))
		return "has white space in it";
	if (has_control(name))
		return "has a control character in it";
	if (name[0] == '-')
		return "begins with -";
	return NULL;
}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const char *lab_name_error(const char *name)
{
	if (!*name)
		return "is empty";
	if (strlen(name) > LAB_NAME_MAX)
		return "is longer than 64 bytes";
	if (!is_alnum(name[0]))
		return "does not begin with a letter or a digit";
	for (; *name; name++)
		if (!is_alnum(*name) && !strchr("._-", *name))
			return "has a character other than letters, digits, '.', '_' and '-' in it";
	return NULL;
}

/* --- what objects are called ---------------------------------------------------- */

void link_id(const struct link *l, struct buf *out)
{
	buf_printf(out, "%s:%s", l->netns->name, l->name);
}

bool netns_hint_link(const struct netns *n, const char *name, const char *but, struct diags *d)
{
	const char **names, *near;
	size_t count = 0;

	if (d->last_dropped) /* and so would be the hint, which takes a look at all of them */
		return false;
	names = xcalloc(n->links.n + 1, sizeof(*names));
	array_each(&n->links, l)
		if (!str_equal((*l)->name, but))
			names[count++] = (*l)->name;
	near = str_nearest(name, names, count);
	free(names);
	if (near)
		diag_hint(d, "did you mean '%s'?", near);
	return near;
}

/* "default" where the gateway tells the family as people expect it, else 0.0.0.0/0 or ::/0. */
static void format_destination(const struct route *r, struct buf *out)
{
	char text[IP_TEXT_MAX];
	bool v6 = r->to.family == AF_INET6;
	bool plain = v6 ? r->via.family == AF_INET6 : r->via.family != AF_INET6;

	if (!r->to.len && plain)
		buf_puts(out, "default");
	else
		buf_puts(out, ip_format(&r->to, r->to.len != ip_bits(&r->to), text));
}

void route_id(const struct route *r, struct buf *out)
{
	char text[IP_TEXT_MAX];
	const char *table = names_name(NAMES_TABLE, r->table);

	format_destination(r, out);
	if (r->via.family)
		buf_printf(out, " via %s", ip_format(&r->via, false, text));
	else if (r->dev)
		buf_printf(out, " dev %s", r->dev);
	if (r->table != RT_TABLE_MAIN && table)
		buf_printf(out, " table %s", table);
	else if (r->table != RT_TABLE_MAIN)
		buf_printf(out, " table %u", r->table);
	if (r->metric)
		buf_printf(out, " metric %u", r->metric);
}

const char *route_type_name(uint32_t type)
{
	const struct attr *row = &route_table.rows[attr_find(&route_table, "type")];

	for (const struct choice *choice = row->choices; choice->name; choice++)
		if (choice->value == type)
			return choice->name;
	return "other";
}
