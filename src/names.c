/* SPDX-License-Identifier: MIT */
/* Names for the numbers of routing tables, protocols and scopes: the built-in
 * ones, then those of iproute2's files, which administrators extend.
 *
 * The files are read anew at each look-up that the built-in names do not
 * answer: there is no state to go stale, and such names are few. They may be
 * symbolic links (some distributions link all of /etc), so links are followed;
 * only regular files of a sane size are read. */
#include "attr.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (256u << 10)
#define FOLDER_MAX_FILES 256

static const struct choice table_names[] = {
	{"unspec", 0}, {"default", 253}, {"main", 254}, {"local", 255}, {NULL, 0},
};
static const struct choice proto_names[] = {
	{"unspec", 0},	  {"redirect", 1}, {"kernel", 2}, {"boot", 3},	 {"static", 4},
	{"gated", 8},	  {"ra", 9},	   {"mrt", 10},	  {"zebra", 11}, {"bird", 12},
	{"dnrouted", 13}, {"xorp", 14},	   {"ntk", 15},	  {"dhcp", 16},	 {"keepalived", 18},
	{"babel", 42},	  {"openr", 99},   {"bgp", 186},  {"isis", 187}, {"ospf", 188},
	{"rip", 189},	  {"eigrp", 192},  {NULL, 0},
};
static const struct choice scope_names[] = {
	{"global", 0}, {"universe", 0},	 {"site", 200}, {"link", 253},
	{"host", 254}, {"nowhere", 255}, {NULL, 0},
};

static const struct choice *built_in(enum names names)
{
	static const struct choice none[] = {{NULL, 0}};

	switch (names) {
	case NAMES_TABLE:
		return table_names;
	case NAMES_PROTO:
		return proto_names;
	case NAMES_SCOPE:
		return scope_names;
	case NAMES_NONE:
		break;
	}
	return none;
}

const char *names_file(enum names names)
{
	switch (names) {
	case NAMES_TABLE:
		return "rt_tables";
	case NAMES_PROTO:
		return "rt_protos";
	case NAMES_SCOPE:
		return "rt_scopes";
	case NAMES_NONE:
		break;
	}
	return "";
}

/* The text of a regular file, or NULL. */
static char *read_file(int folder, const char *name)
{
	cleanup_close int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t size, n = 0;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES)
		return NULL;
	size = (size_t)st.st_size;
	text = xmalloc(size + 1);
	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	text[n] = '\0';
	return text;
}

/* "NUMBER NAME", the number decimal or 0x...; anything else is no entry. */
static bool match_line(char *line, const char *name, uint32_t *ret_number)
{
	char *save = NULL, *number, *end;
	unsigned long value;
	const char *word;

	line[strcspn(line, "#")] = '\0';
	number = strtok_r(line, " \t\r", &save);
	word = number ? strtok_r(NULL, " \t\r", &save) : NULL;
	if (!word || strcmp(word, name) != 0 || number[0] < '0' || number[0] > '9')
		return false;
	errno = 0;
	value = strtoul(number, &end, str_starts(number, "0x") ? 16 : 10);
	if (errno || *end || value > UINT32_MAX)
		return false;
	*ret_number = (uint32_t)value;
	return true;
}

static bool lookup_file(int folder, const char *file, const char *name, uint32_t *ret_number)
{
	cleanup_free char *text = read_file(folder, file);
	char *save = NULL;

	if (!text)
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (match_line(line, name, ret_number))
			return true;
	return false;
}

static int is_conf(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 && !strcmp(entry->d_name + n - 5, ".conf");
}

/* FOLDER/rt_tables.d/NAME.conf, in the order of their names. */
static bool lookup_folder(int parent, const char *folder, const char *name, uint32_t *ret_number)
{
	cleanup_close int fd = openat(parent, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **entries = NULL;
	bool found = false;
	int n;

	n = fd < 0 ? -1 : scandirat(fd, ".", &entries, is_conf, alphasort);
	for (int i = 0; i < n; i++) {
		if (!found && i < FOLDER_MAX_FILES)
			found = lookup_file(fd, entries[i]->d_name, name, ret_number);
		free(entries[i]);
	}
	free(entries);
	return found;
}

bool names_lookup(enum names names, const char *text, uint32_t *ret_number)
{
	static const char *const folders[] = {"/etc/iproute2", "/usr/share/iproute2",
					      "/usr/lib/iproute2"};
	const char *file = names_file(names);
	char folder[16];

	if (!*file || !text || !*text)
		return false;
	for (const struct choice *c = built_in(names); c->name; c++) {
		if (!strcmp(c->name, text)) {
			*ret_number = c->value;
			return true;
		}
	}
	snprintf(folder, sizeof(folder), "%s.d", file);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		cleanup_close int fd = open(folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (lookup_file(fd, file, text, ret_number) ||
		    lookup_folder(fd, folder, text, ret_number))
			return true;
	}
	return false;
}

const char *names_name(enum names names, uint32_t number)
{
	for (const struct choice *c = built_in(names); c->name; c++)
		if (c->value == number)
			return c->name;
	return NULL;
}
