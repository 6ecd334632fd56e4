/* SPDX-License-Identifier: MIT */
/* Sysctls as commands, and the shell functions that the script's commands use:
 * the one that makes a namespace is about sysctls for the most part. */
#include "plan_ip.h"

#include <string.h>

#define LINE_MAX_COLUMNS 90

/* sysctl(8) takes names apart at dots and slashes, and matches them as patterns. */
static bool is_plain(const char *path)
{
	return path[strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				 "0123456789_-./")] == '\0';
}

void script_sysctl(const struct step *step, struct buf *out)
{
	const struct sysctl *s = step->sysctl;
	cleanup_buf struct buf text = {0};

	/* what only the record knows may be about an interface that is no more */
	if (!s->node)
		buf_puts(out, UNLESS_GONE);
	script_inside(step->netns, out);
	if (is_plain(s->path)) {
		sysctl_name(s->path, &text);
		buf_printf(&text, "=%s", s->value);
		buf_puts(out, "sysctl -qw");
		script_word(out, buf_text(&text));
	} else {
		buf_printf(&text, "/proc/sys/net/%s", s->path);
		buf_puts(out, "sh -c 'printf \"%s\\n\" \"$1\" >\"$2\"' sh");
		script_word(out, s->value);
		script_word(out, buf_text(&text));
	}
	buf_putc(out, '\n');
}

/* The part of a path that is the same for a whole folder. */
static size_t folder_size(const char *path)
{
	const char *last = strrchr(path, '/');

	return last ? (size_t)(last - path) + 1 : 0;
}

/* Starts a command for the values of another folder; returns where its line begins. */
static size_t put_folder(const char *path, size_t size, struct buf *out)
{
	size_t line = out->n + 1;

	buf_puts(out, "\n\tsettings \"$1\" net.");
	for (size_t i = 0; i < size; i++)
		buf_putc(out, path[i] == '/' ? '.' : path[i]);
	return line;
}

void script_fresh(struct buf *out)
{
	const char *folder = "";
	size_t size = 0, line = 0;

	buf_puts(out, "\n# A new namespace inherits settings of this host: give it the same start\n"
		      "# everywhere. Those that this kernel lacks are left out.\n"
		      "settings() {\n"
		      "\tnamespace=$1 folder=$2\n"
		      "\tshift 2\n"
		      "\tfor setting; do\n"
		      "\t\tset -- \"$@\" \"$folder$setting\"\n"
		      "\t\tshift\n"
		      "\tdone\n"
		      "\tip netns exec \"$namespace\" sysctl -eqw \"$@\"\n"
		      "}\n"
		      "fresh() {\n"
		      "\tip netns add \"$1\"");
	for (size_t i = 0; i < netns_defaults_n; i++) {
		const char *path = netns_defaults[i].path;
		size_t n = folder_size(path);

		if (n != size || strncmp(path, folder, n) != 0) {
			line = put_folder(path, n, out);
			folder = path;
			size = n;
		}
		if (out->n - line + strlen(path + n) > LINE_MAX_COLUMNS) {
			buf_puts(out, " \\\n\t\t");
			line = out->n;
		} else {
			buf_putc(out, ' ');
		}
		buf_printf(out, "%s=%s", path + n, netns_defaults[i].value);
	}
	buf_puts(out, "\n}\n");
}

/* The kernel takes some things along with others: a link's routes, a cable's other end. */
void script_unless_gone(struct buf *out)
{
	buf_puts(out, "\n# Runs a command, and does not mind if what it is about is gone already.\n"
		      "unless_gone() {\n"
		      "\terror=$(\"$@\" 2>&1) && return\n"
		      "\tcase $error in\n"
		      "\t*'No such '* | *'Cannot find device'* | *'Cannot assign requested "
		      "address'*) ;;\n"
		      "\t*) printf '%s\\n' \"$error\" >&2; exit 1 ;;\n"
		      "\tesac\n"
		      "}\n");
}

void script_when_up(struct buf *out)
{
	buf_puts(out,
		 "\n# IPv6 takes the MTU of an interface for its own once more when that comes "
		 "up: waits\n"
		 "# until it has, which it does not as long as its other end is down.\n"
		 "when_up() {\n"
		 "\tfor seconds in 0 1 1 1; do\n"
		 "\t\tsleep $seconds\n"
		 "\t\tcase $(\"$@\" 2>&1) in\n"
		 "\t\t*' state UP '* | *' state UNKNOWN '*) return ;;\n"
		 "\t\tesac\n"
		 "\tdone\n"
		 "}\n");
}
