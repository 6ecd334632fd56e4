/* SPDX-License-Identifier: MIT */
/* Any bytes as the record of a lab. What loads and is saved again must load again and save the same.
 * The run folder is a new one below $TMPDIR. */
#include "fuzz.h"
#include "rundir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LAB "lab"
#define BOOT_ID "boot"

static char *folder;

static void expect(int r, const struct diags *d)
{
	if (r >= 0)
		return;
	diags_print(d, stderr, false);
	abort();
}

static void remove_folder(void)
{
	cleanup_buf struct buf path = {0};

	buf_printf(&path, "%s/" LAB "/" RECORD_FILE, folder);
	unlink(path.s);
	path.n = 0;
	buf_printf(&path, "%s/" LAB, folder);
	rmdir(path.s);
	path.n = 0;
	buf_printf(&path, "%s/.lock", folder);
	unlink(path.s);
	rmdir(folder);
	free(folder);
}

static struct rundir *open_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	cleanup_buf struct buf path = {0};
	struct diags d = {0};
	struct rundir *dir = NULL;

	buf_printf(&path, "%s/nsapply-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(path.s) || setenv("NSAPPLY_RUNDIR", path.s, 1) < 0)
		abort();
	folder = xstrdup(path.s);
	atexit(remove_folder);
	expect(rundir_open(RUNDIR_MAKE, &(struct waiting){0}, &dir, &d), &d);
	expect(rundir_lock_lab(dir, LAB, true, &d), &d);
	return dir;
}

/* With the end that every record has: few mutations would leave it alone. */
static void put_file(const uint8_t *data, size_t size)
{
	static const char end[] = "\n...\n";
	cleanup_buf struct buf path = {0};

	buf_printf(&path, "%s/" LAB "/" RECORD_FILE, folder);
	cleanup_close int fd =
		open(path.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    write(fd, end, strlen(end)) != (ssize_t)strlen(end))
		abort();
}

static void get_file(struct buf *out)
{
	cleanup_buf struct buf path = {0};
	char part[4096];
	ssize_t n;

	buf_printf(&path, "%s/" LAB "/" RECORD_FILE, folder);
	cleanup_close int fd = open(path.s, O_RDONLY | O_CLOEXEC);
	while ((n = read(fd, part, sizeof(part))) > 0)
		buf_add(out, part, (size_t)n);
	if (n < 0)
		abort();
}

/* Loads what is there, saves it, and gives what was written. False: it did not load. */
static bool load_and_save(struct rundir *dir, struct diags *d, struct buf *ret_text)
{
	struct record *r = NULL;

	if (record_load(dir, LAB, BOOT_ID, &r, d) < 0 || !r)
		return false;
	expect(record_save(dir, r, d), d);
	get_file(ret_text);
	record_free(r);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rundir *dir;
	cleanup_buf struct buf first = {0}, second = {0};
	struct diags d = {0};

	if (!dir)
		dir = open_folder();
	put_file(data, size);
	if (load_and_save(dir, &d, &first)) {
		if (!load_and_save(dir, &d, &second) ||
		    strcmp(buf_text(&first), buf_text(&second)) != 0) {
			diags_print(&d, stderr, false);
			fprintf(stderr, "--- once\n%s--- twice\n%s", buf_text(&first),
				buf_text(&second));
			abort();
		}
	}
	diags_free(&d);
	return 0;
}
