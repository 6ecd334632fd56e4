/* SPDX-License-Identifier: MIT */
/* main() of a fuzz target without libFuzzer: runs the target over the files, and the
 * files of the folders, that it is given. What libFuzzer takes for options is passed over, so
 * that both are called alike. */
#include "fuzz.h"
#include "util.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static int failed(const char *path)
{
	perror(path);
	return -1;
}

static int run_file(const char *path)
{
	FILE *file = fopen(path, "re");
	cleanup_buf struct buf text = {0};
	char part[4096];
	size_t n;

	if (!file)
		return failed(path);
	while ((n = fread(part, 1, sizeof(part), file)) > 0)
		buf_add(&text, part, n);
	if (fclose(file) != 0)
		return failed(path);
	/* Whatever happens in there, this says to which input. */
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput((const uint8_t *)buf_text(&text), text.n);
	return 0;
}

static int run_folder(const char *path, unsigned *n)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return failed(path);
	while (r == 0 && (entry = readdir(dir))) {
		cleanup_buf struct buf file = {0};

		if (entry->d_name[0] == '.')
			continue;
		buf_printf(&file, "%s/%s", path, entry->d_name);
		r = run_file(file.s);
		++*n;
	}
	closedir(dir);
	return r;
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-' && run_folder(argv[i], &n) < 0)
			return 1;
	}
	/* A test of nothing is none. */
	if (n == 0)
		fputs("no inputs\n", stderr);
	return n == 0;
}
