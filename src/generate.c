/* SPDX-License-Identifier: MIT */
/* nsapply-generate: what follows from the tables, printed. A program of its own,
 * used when nsapply is built and tested, never installed.
 *
 *	nsapply-generate schema
 *	nsapply-generate manual man/nsapply.yaml.5.in
 *
 * The manual is the given text, with the lines @REFERENCE@ and @DEFAULTS@
 * replaced. */
#include "generate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int print_schema(void)
{
	json_t *schema = generate_schema();
	int r = json_dumpf(schema, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	json_decref(schema);
	puts("");
	return r;
}

static int print_manual(const char *path)
{
	FILE *in = fopen(path, "re");
	cleanup_free char *line = NULL;
	size_t size = 0;

	if (!in)
		return -errno;
	while (getline(&line, &size, in) >= 0) {
		cleanup_buf struct buf part = {0};

		if (!strcmp(line, "@REFERENCE@\n"))
			generate_reference_section(&part);
		else if (!strcmp(line, "@DEFAULTS@\n"))
			generate_defaults_section(&part);
		else
			buf_puts(&part, line);
		fputs(buf_text(&part), stdout);
	}
	fclose(in);
	return 0;
}

int main(int argc, char **argv)
{
	int r = -EINVAL;

	if (argc == 2 && !strcmp(argv[1], "schema"))
		r = print_schema();
	else if (argc == 3 && !strcmp(argv[1], "manual"))
		r = print_manual(argv[2]);
	if (r == 0 && fflush(stdout) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "usage: nsapply-generate schema | manual FILE: %s\n", strerror(-r));
	return EXIT_FAILURE;
}
