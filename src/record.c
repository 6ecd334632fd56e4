/* SPDX-License-Identifier: MIT */
/* What a lab holds and how it found that, on disk: RUNDIR/LAB/record.
 *
 * The record decides what destroy deletes as root, so nothing in it is guessed:
 * a record that cannot be read in full is an error. It is written to a new file
 * that then takes the old one's place, so at any instant there is the old record
 * or the new one, whole. There is no fsync(): /run is a tmpfs, gone with the
 * kernel state that the record is about; what has to survive is the death of
 * this process, and for that the page cache will do.
 *
 * A record that was loaded owns its text: its models point into it. */
#include "rundir.h"

#include "emit.h"
#include "load.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_URL "file://"
#define RECORD_VERSION "3"
/* Without it, what is left of a record that was cut off may look like one that knows of less. */
#define RECORD_END "...\n"

static const char *const keys[] = {"version", "lab",  "file",	"boot",
				   "host",    "made", "before", "processes"};

struct record *record_new(const char *lab, const char *file, const char *boot_id,
			  uint64_t host_cookie)
{
	struct record *r = xcalloc(1, sizeof(*r));

	r->lab = xstrdup(lab);
	r->file = xstrdup(file);
	r->boot_id = xstrdup(boot_id);
	r->host_cookie = host_cookie;
	r->made = model_new();
	r->before = model_new();
	return r;
}

void record_free(struct record *r)
{
	if (!r)
		return;
	free(r->lab);
	free(r->file);
	free(r->boot_id);
	model_free(r->made);
	model_free(r->before);
	document_free(&r->document);
	free(r->text);
	free(r);
}

/* --- writing ----------------------------------------------------------------------- */

static void put_text(const char *key, const char *value, struct buf *out)
{
	buf_printf(out, "%s: ", key);
	emit_scalar(value, out);
	buf_putc(out, '\n');
}

/* YAML holds text, and a path any bytes: one that is no text is written as a URL, which no path begins
 * as, being absolute. */
static void put_path(const char *path, struct buf *out)
{
	cleanup_buf struct buf url = {0};

	if (str_is_utf8(path, strlen(path))) {
		put_text("file", path, out);
		return;
	}
	buf_puts(&url, FILE_URL);
	for (const char *s = path; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == '%')
			buf_printf(&url, "%%%02X", (unsigned char)*s);
		else
			buf_putc(&url, *s);
	put_text("file", buf_text(&url), out);
}

static void put_indented(const char *key, const struct buf *text, struct buf *out)
{
	buf_printf(out, "%s:\n", key);
	for (const char *line = buf_text(text); *line;) {
		size_t n = strcspn(line, "\n");

		buf_puts(out, "  ");
		buf_add(out, line, n);
		buf_putc(out, '\n');
		line += n + (line[n] == '\n');
	}
}

static void put_model(const char *key, const struct model *m, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	if (!m->namespaces.n) {
		buf_printf(out, "%s: {}\n", key);
		return;
	}
	emit_state(m, &text);
	put_indented(key, &text, out);
}

static void put_processes(const struct model *m, struct buf *out)
{
	cleanup_buf struct buf text = {0};

	if (!m->processes.n)
		return;
	emit_started(m, &text);
	put_indented("processes", &text, out);
}

static void put_record(const struct record *r, struct buf *out)
{
	buf_puts(out, "# Written by nsapply, for nsapply: --destroy acts on it. Do not edit.\n");
	buf_puts(out, "version: " RECORD_VERSION "\n");
	put_text("lab", r->lab, out);
	put_path(r->file, out);
	put_text("boot", r->boot_id, out);
	buf_printf(out, "host: \"%" PRIu64 "\"\n", r->host_cookie);
	put_model("made", r->made, out);
	put_model("before", r->before, out);
	put_processes(r->made, out);
	buf_puts(out, RECORD_END);
}

static int write_all(int fd, const char *s, size_t n)
{
	while (n) {
		ssize_t done = write(fd, s, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		s += done;
		n -= (size_t)done;
	}
	return 0;
}

static int replace_file(int folder, const struct buf *text)
{
	int fd, r;

	/* left by a process that was killed; the lock says that nobody is writing it now */
	if (unlinkat(folder, RECORD_NEW_FILE, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(folder, RECORD_NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, buf_text(text), text->n);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(folder, RECORD_NEW_FILE, folder, RECORD_FILE) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(folder, RECORD_NEW_FILE, 0);
	return r;
}

int record_save(struct rundir *dir, const struct record *r, struct diags *d)
{
	cleanup_buf struct buf text = {0};
	cleanup_close int folder = -1;
	int code;

	put_record(r, &text);
	/* one that could not be read again is worse than none */
	if (text.n > DOCUMENT_MAX_BYTES)
		return diag_error(d, -E2BIG, NO_MARK,
				  "the record of lab %s would be larger than %u MiB", r->lab,
				  DOCUMENT_MAX_BYTES >> 20);
	code = rundir_open_lab(dir, r->lab, &folder, d);
	if (code < 0 && code != -ENOENT)
		return code;
	if (code == 0)
		code = replace_file(folder, &text);
	/* It says what to take away, those who wrote all this included. */
	if (code == -ENOSPC && rundir_empty_logs(folder)) {
		diag_warning(d, NO_MARK,
			     "there was no room left in %s: the logs of lab %s are emptied",
			     dir->path, r->lab);
		code = replace_file(folder, &text);
	}
	if (code >= 0)
		return 0;
	diag_error(d, code, NO_MARK, "cannot write %s/%s/" RECORD_FILE ": %s", dir->path, r->lab,
		   strerror(-code));
	diag_hint_full(d, code, dir->path);
	return code;
}

int record_remove(struct rundir *dir, const char *lab, struct diags *d)
{
	cleanup_close int folder = -1;
	int r = rundir_open_lab(dir, lab, &folder, d);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (unlinkat(folder, RECORD_FILE, 0) < 0 && errno != ENOENT) {
		r = -errno;
		return diag_error(d, r, NO_MARK, "cannot remove %s/%s/" RECORD_FILE ": %s",
				  dir->path, lab, strerror(-r));
	}
	rundir_clean_lab(dir->fd, lab);
	return 0;
}

/* --- reading ----------------------------------------------------------------------- */

/* Reads the whole file. The text is the caller's to free. */
static int read_file(int folder, char **ret_text, size_t *ret_size)
{
	cleanup_close int fd =
		openat(folder, RECORD_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	cleanup_free char *text = NULL;
	struct stat st;
	size_t size = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return -EPERM;
	if (st.st_size > DOCUMENT_MAX_BYTES)
		return -EFBIG;
	text = xmalloc((size_t)st.st_size + 1);
	while (size < (size_t)st.st_size) {
		ssize_t n = read(fd, text + size, (size_t)st.st_size - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
	}
	text[size] = '\0';
	*ret_size = size;
	*ret_text = text;
	text = NULL;
	return 0;
}

/* The text of a key, or an error. */
static const char *get_text(const struct node *root, const char *key, struct diags *d)
{
	const struct node *n = node_get(root, key);

	if (n && n->kind == NODE_SCALAR && !n->null)
		return n->text;
	diag_error(d, -EINVAL, node_key_mark(root, key), "\"%s\" is %s", key,
		   n ? node_describe(n) : "missing");
	return NULL;
}

static char *read_path(const char *text)
{
	cleanup_buf struct buf path = {0};

	if (!str_starts(text, FILE_URL))
		return xstrdup(text);
	for (const char *s = text + strlen(FILE_URL); *s; s++)
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			buf_putc(&path, (char)(hex_value(s[1]) << 4 | hex_value(s[2])));
			s += 2;
		} else {
			buf_putc(&path, *s);
		}
	return xstrdup(buf_text(&path));
}

static int get_cookie(const struct node *root, uint64_t *ret_cookie, struct diags *d)
{
	const char *text = get_text(root, "host", d);
	unsigned long long value;
	char *end;

	if (!text)
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9')
		return diag_error(d, -EINVAL, node_key_mark(root, "host"), "\"host\" is no number");
	*ret_cookie = value;
	return 0;
}

static int get_model(const struct node *root, const char *key, struct model **ret_model,
		     struct diags *d)
{
	const struct node *n = node_get(root, key);

	if (!n || n->kind != NODE_MAPPING)
		return diag_error(d, -EINVAL, node_key_mark(root, key), "\"%s\" is %s", key,
				  n ? node_describe(n) : "missing");
	return load_state(n, ret_model, d);
}

static int check_keys(const struct node *root, struct diags *d)
{
	for (uint32_t i = 0; i < root->n; i++) {
		bool known = false;

		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			known |= str_equal(keys[k], root->pairs[i].key->text);
		if (!known)
			return diag_error(d, -EINVAL, root->pairs[i].key->mark, "unknown key");
	}
	return 0;
}

static bool ends_whole(const char *text, size_t size)
{
	static const char end[] = "\n" RECORD_END;
	const size_t n = strlen(end);

	return size > n && memcmp(text + size - n, end, n) == 0;
}

/* Fills in r from its text. 1: a record, 0: one of another boot, or an error in d. */
static int parse(struct record *r, size_t size, const char *path, const char *lab,
		 const char *boot_id, struct diags *d)
{
	const char *version, *name, *file, *boot;
	const struct node *root;
	int code = document_parse(&r->document, path, r->text, size, d);

	if (code < 0)
		return code;
	root = r->document.root;
	if (root->kind != NODE_MAPPING)
		return diag_error(d, -EINVAL, root->mark, "it is %s", node_describe(root));
	version = get_text(root, "version", d);
	if (!version)
		return -EINVAL;
	if (!str_equal(version, RECORD_VERSION))
		return diag_error(d, -EPROTO, node_key_mark(root, "version"),
				  "version %s is not one this nsapply knows", version);
	boot = get_text(root, "boot", d);
	if (!boot)
		return -EINVAL;
	if (!str_equal(boot, boot_id) && node_get(root, "host")) /* it goes on: boot is whole */
		return 0;
	if (!ends_whole(r->text, size))
		return diag_error(d, -EINVAL, NO_MARK, "its end is missing");
	code = check_keys(root, d);
	name = get_text(root, "lab", d);
	file = get_text(root, "file", d);
	if (code < 0 || !name || !file || get_cookie(root, &r->host_cookie, d) < 0)
		return -EINVAL;
	if (!str_equal(name, lab))
		return diag_error(d, -EINVAL, node_key_mark(root, "lab"),
				  "it is the record of another lab, %s", name);
	r->lab = xstrdup(name);
	r->file = read_path(file);
	r->boot_id = xstrdup(boot);
	code = get_model(root, "made", &r->made, d);
	if (code == 0)
		code = get_model(root, "before", &r->before, d);
	if (code == 0 && node_get(root, "processes"))
		code = load_started(node_get(root, "processes"), r->made, d);
	if (code < 0)
		return code;
	load_keep_marks(r->made);
	load_keep_marks(r->before);
	document_forget_nodes(&r->document);
	return 1;
}

/* The marks of `found` point into a text that is about to go, so it is said in words. */
static int damaged(const char *path, const char *lab, const struct diags *found, int code,
		   struct diags *d)
{
	cleanup_buf struct buf why = {0};

	if (found->list.n) {
		const struct diag *first = &found->list.items[0];

		if (first->mark.line)
			buf_printf(&why, "line %u: ", first->mark.line);
		buf_printable(&why, first->message);
	} else {
		buf_puts(&why, strerror(-code));
	}
	diag_error(d, code, NO_MARK, "cannot read the record of lab %s, %s: %s", lab, path,
		   buf_text(&why));
	if (code == -EPROTO)
		diag_hint(d, "use the nsapply that applied the lab to destroy it");
	else if (code != -EMFILE && code != -ENFILE && code != -ENOMEM)
		diag_hint(
			d,
			"it says what to take away and put back, which nothing else does: restore "
			"it; or take the lab away by hand (ip netns delete, ...) and then remove "
			"%s",
			path);
	return code;
}

int record_load(struct rundir *dir, const char *lab, const char *boot_id,
		struct record **ret_record, struct diags *d)
{
	cleanup_close int folder = -1;
	cleanup_buf struct buf path = {0};
	struct diags found = {0};
	struct record *r;
	size_t size = 0;
	int code = rundir_open_lab(dir, lab, &folder, d);

	if (code < 0 && code != -ENOENT)
		return code;
	*ret_record = NULL;
	if (code == -ENOENT)
		return 0;
	buf_printf(&path, "%s/%s/" RECORD_FILE, dir->path, lab);
	r = xcalloc(1, sizeof(*r));
	code = read_file(folder, &r->text, &size);
	if (code == -ENOENT) {
		record_free(r);
		return 0;
	}
	if (code == 0)
		code = parse(r, size, buf_text(&path), lab, boot_id, &found);
	if (code < 0)
		damaged(buf_text(&path), lab, &found, code, d);
	diags_free(&found);
	if (code > 0)
		*ret_record = r;
	else
		record_free(r);
	return code < 0 ? code : 0;
}

int record_as_loaded(const struct record *r, struct record **ret_old, struct diags *d)
{
	struct diags found = {0};
	struct record *old;
	int code;

	if (!r->text) {
		*ret_old = NULL;
		return 0;
	}
	old = xcalloc(1, sizeof(*old));
	old->text = xstrdup(r->text);
	code = parse(old, strlen(old->text), RECORD_FILE, r->lab, r->boot_id, &found);
	if (code < 0)
		damaged(RECORD_FILE, r->lab, &found, code, d);
	diags_free(&found);
	if (code > 0)
		*ret_old = old;
	else
		record_free(old);
	return code > 0 ? 0 : -EINVAL;
}
