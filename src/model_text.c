/* SPDX-License-Identifier: MIT */
/* Names that may become paths or device names, sysctl names, and what objects
 * are called in messages. Files are written by others and run as root: a name
 * is looked at here before anything is done with it. */
#include "model.h"

#include <ctype.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define SYSCTL_PATH_MAX 255

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

/* --- sysctls ------------------------------------------------------------------- */

static const char *path_error(const char *path)
{
	const char *part = path;

	if (!str_starts(path, "net/"))
		return "is not below net";
	if (strlen(path) > SYSCTL_PATH_MAX)
		return "is longer than 255 bytes";
	if (strchr(path, '\n')) /* any other byte may stand in an interface's name */
		return "has a line break in it";
	while (part) {
		size_t n = strcspn(part, "/");

		if (!n)
			return "has an empty part";
		if ((n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return "has a . or .. for a part";
		part = part[n] ? part + n + 1 : NULL;
	}
	return NULL;
}

/* As sysctl(8): the first separator says which one separates; with dots, a slash
 * stands for a dot inside a part; with slashes, dots are only dots. */
const char *sysctl_path(struct arena *a, const char *name, const char **ret_why)
{
	const char *why;
	char *path;

	if (strlen(name) > SYSCTL_PATH_MAX) {
		*ret_why = "is longer than 255 bytes";
		return NULL;
	}
	path = arena_strdup(a, name);
	if (path[strcspn(path, "./")] == '.') {
		for (char *s = path; *s; s++) {
			if (*s == '.')
				*s = '/';
			else if (*s == '/')
				*s = '.';
		}
	}
	why = path_error(path);
	if (why) {
		*ret_why = why;
		return NULL;
	}
	return path + strlen("net/");
}

void sysctl_name(const char *path, struct buf *out)
{
	buf_puts(out, "net.");
	for (; *path; path++)
		buf_putc(out, *path == '/' ? '.' : *path == '.' ? '/' : *path);
}

/* One integer in C's notation, as the kernel's proc_get_long() (kernel/sysctl.c) reads it:
 * 0x1 is 1, 010 is 8, -0x1 is -1; no plus sign. Several leading zeros are left alone:
 * that is how bit masks (rps_default_mask) are printed, and those are no octal numbers. */
static bool normalise_token(const char *s, size_t n, struct buf *out)
{
	char token[32], *end;
	const char *digits = token;
	unsigned long long value;

	if (n >= sizeof(token))
		return false;
	memcpy(token, s, n);
	token[n] = '\0';
	if (*digits == '-')
		digits++;
	if (!isdigit((unsigned char)*digits) || !strncmp(digits, "00", 2))
		return false;
	errno = 0;
	value = strtoull(digits, &end, 0);
	if (errno || *end)
		return false;
	buf_printf(out, "%s%llu", digits != token && value ? "-" : "", value);
	return true;
}

const char *sysctl_normalise(struct arena *a, const char *value)
{
	cleanup_buf struct buf out = {0};

	while (true) {
		size_t n = 0;

		while (is_space((unsigned char)*value))
			value++;
		if (!*value)
			break;
		while (value[n] && !is_space((unsigned char)value[n]))
			n++;
		if (out.n)
			buf_putc(&out, ' ');
		if (!normalise_token(value, n, &out))
			buf_add(&out, value, n);
		value += n;
	}
	return arena_strdup(a, buf_text(&out));
}

const char *sysctl_interface(const char *path, size_t *ret_size)
{
	static const char *const parents[] = {"ipv4/conf/", "ipv6/conf/", "ipv4/neigh/",
					      "ipv6/neigh/"};

	for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
		const char *name;
		size_t n;

		if (!str_starts(path, parents[i]))
			continue;
		name = path + strlen(parents[i]);
		n = strcspn(name, "/");
		if (!n || !name[n] || (n == 3 && !strncmp(name, "all", n)) ||
		    (n == 7 && !strncmp(name, "default", n)))
			return NULL;
		*ret_size = n;
		return name;
	}
	return NULL;
}

/* --- what objects are called ---------------------------------------------------- */

void link_id(const struct link *l, struct buf *out)
{
	buf_printf(out, "%s:%s", l->netns->name, l->name);
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
