/* SPDX-License-Identifier: MIT */
/* Reading a file for document.c, and refusing what is not text.
 *
 * libyaml checks characters too, but names only a byte's offset. After the
 * check here it cannot meet any that it refuses. */
#include "document_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static struct mark whole(const struct document *doc)
{
	return (struct mark){.source = &doc->source};
}

static int too_large(const struct document *doc, struct diags *d)
{
	return diag_error(d, -E2BIG, whole(doc), "the file is larger than %u MiB",
			  DOCUMENT_MAX_BYTES >> 20);
}

/* Reads until the end, or one byte more than is allowed: what fstat() says
 * does not hold for a pipe, a device or a file that grows. */
static int read_all(struct document *doc, int fd, size_t expected, struct diags *d)
{
	cleanup_free char *text = xmalloc(expected + 1);
	size_t n = 0, cap = expected + 1;

	for (;;) {
		ssize_t got;

		if (n == cap) {
			cap = cap < 65536 ? 65536 : cap * 2;
			if (cap > DOCUMENT_MAX_BYTES + 1u)
				cap = DOCUMENT_MAX_BYTES + 1u;
			text = xrealloc(text, cap, 1);
		}
		got = read(fd, text + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return diag_error(d, -errno, whole(doc), "cannot read the file: %s",
					  strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > DOCUMENT_MAX_BYTES)
			return too_large(doc, d);
	}
	text[n] = '\0'; /* there was room for more */
	doc->text = text;
	text = NULL;
	doc->source.text = doc->text;
	doc->source.size = n;
	return 0;
}

static int read_fd(struct document *doc, int fd, struct diags *d)
{
	size_t expected = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return diag_error(d, -errno, whole(doc), "cannot read the file: %s",
				  strerror(errno));
	if (S_ISDIR(st.st_mode))
		return diag_error(d, -EISDIR, whole(doc), "this is a directory, not a file");
	if (S_ISREG(st.st_mode) && st.st_size > (off_t)DOCUMENT_MAX_BYTES)
		return too_large(doc, d);
	if (S_ISREG(st.st_mode) && st.st_size > 0)
		expected = (size_t)st.st_size;
	return read_all(doc, fd, expected, d);
}

int document_read(struct document *doc, const char *path, struct diags *d)
{
	cleanup_close int fd = -1;
	int flags;

	if (strcmp(path, "-") == 0)
		return read_fd(doc, STDIN_FILENO, d);
	/* O_NONBLOCK: opening a FIFO that nobody writes to must not hang; it reads
	 * as empty then. With a writer (a shell's <(command)) reading may wait. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return diag_error(d, -errno, whole(doc), "cannot open the file: %s",
				  strerror(errno));
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return diag_error(d, -errno, whole(doc), "cannot read the file: %s",
				  strerror(errno));
	return read_fd(doc, fd, d);
}

size_t document_bom_length(const struct source *source)
{
	return source->size >= 3 && memcmp(source->text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}

/* The name of another Unicode encoding the text is in, or NULL. Without a byte
 * order mark, ASCII in UTF-16 and UTF-32 shows by the zeros. */
static const char *other_encoding(const struct source *source)
{
	static const struct {
		const char *name, *start;
		size_t n;
	} marks[] = {
		{"UTF-32", "\xFF\xFE\0\0", 4},
		{"UTF-32", "\0\0\xFE\xFF", 4},
		{"UTF-16", "\xFF\xFE", 2},
		{"UTF-16", "\xFE\xFF", 2},
	};
	const char *s = source->text;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (source->size >= marks[i].n && memcmp(s, marks[i].start, marks[i].n) == 0)
			return marks[i].name;
	if (source->size < 4)
		return NULL;
	if ((s[0] && !s[1] && !s[2] && !s[3]) || (!s[0] && !s[1] && !s[2] && s[3]))
		return "UTF-32";
	if ((s[0] && !s[1] && s[2] && !s[3]) || (!s[0] && s[1] && !s[2] && s[3]))
		return "UTF-16";
	return NULL;
}

/* The mark of a byte. Lines end here as in error.c and libyaml. */
static struct mark mark_of(const struct source *source, size_t offset)
{
	struct mark at = {source, 1, 1};
	const char *s = source->text;
	uint32_t code;

	for (size_t i = document_bom_length(source), length; i < offset; i += length) {
		length = utf8_decode(s + i, source->size - i, &code);
		if (code == '\n' || code == 0x85 || code == 0x2028 || code == 0x2029 ||
		    (code == '\r' && s[i + 1] != '\n')) {
			at.line++;
			at.column = 1;
		} else if (code != '\r') {
			at.column++;
		}
	}
	return at;
}

/* YAML 1.2, production 1 (c-printable). A byte order mark is allowed only at the start. */
static bool is_yaml_char(uint32_t code)
{
	return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code <= 0x7E) ||
	       code == 0x85 || (code >= 0xA0 && code <= 0xD7FF) ||
	       (code >= 0xE000 && code <= 0xFFFD && code != 0xFEFF) || code >= 0x10000;
}

static int bad_char(const struct source *source, size_t offset, uint32_t code, struct diags *d)
{
	struct mark at = mark_of(source, offset);

	if (code == 0) {
		diag_error(d, -EINVAL, at, "a NUL byte: this is not a text file");
	} else if (code == 0xFEFF) {
		diag_error(d, -EINVAL, at, "a byte order mark in the middle of the file");
		diag_hint(d, "it is invisible in most editors; delete it and type the line anew");
	} else {
		diag_error(d, -EINVAL, at, "the character U+%04X is not allowed in YAML", code);
		if (code < 0xA0)
			diag_hint(d, "delete it, or write \"\\x%02x\" in double quotes", code);
	}
	return -EINVAL;
}

/* libyaml compares every %TAG directive with all before it (0.2.5, parser.c,
 * yaml_parser_append_tag_directive), so that many would take hours. Tags are
 * refused anyway, hence a few are enough for any honest file. */
#define MAX_TAG_DIRECTIVES 100

static int check_tag_directives(const struct source *source, struct diags *d)
{
	const char *s = source->text, *end = s + source->size, *line_ends = "\n\r\x85\xA8\xA9";
	unsigned n = 0;

	/* line_ends: the last bytes of all line breaks, those of NEL, LS and PS, too */
	for (; (s = memmem(s, (size_t)(end - s), "%TAG", 4)); s += 4)
		if ((s == source->text || strchr(line_ends, s[-1])) && ++n > MAX_TAG_DIRECTIVES)
			return diag_error(d, -EINVAL, mark_of(source, (size_t)(s - source->text)),
					  "too many %%TAG directives");
	return 0;
}

static bool is_usual(char c)
{
	return (c >= 0x20 && c <= 0x7e) | (c == '\n');
}

/* How much of the text is harmless: nearly all of any file, so it is looked at a block at a time,
 * without branches: compilers make vectors of that. */
static size_t usual_length(const char *s, size_t n)
{
	enum { BLOCK = 64 };
	size_t length = 0;

	while (n - length >= BLOCK) {
		unsigned char unusual = 0;

		for (size_t i = 0; i < BLOCK; i++)
			unusual |= !is_usual(s[length + i]);
		if (unusual)
			break;
		length += BLOCK;
	}
	while (length < n && is_usual(s[length]))
		length++;
	return length;
}

int document_check_text(const struct source *source, struct diags *d)
{
	const char *encoding = other_encoding(source);
	struct mark file = {.source = source};
	uint32_t code;

	if (encoding) {
		diag_error(d, -EINVAL, file, "the file is in %s; it must be UTF-8", encoding);
		diag_hint(d, "convert it: iconv -f %s -t UTF-8", encoding);
		return -EINVAL;
	}
	for (size_t i = document_bom_length(source), length; i < source->size; i += length) {
		length = usual_length(source->text + i, source->size - i);
		if (length)
			continue;
		length = utf8_decode(source->text + i, source->size - i, &code);
		if (!length)
			return diag_error(d, -EINVAL, mark_of(source, i),
					  "the byte 0x%02X here is not UTF-8",
					  (unsigned char)source->text[i]);
		if (!is_yaml_char(code))
			return bad_char(source, i, code, d);
	}
	return check_tag_directives(source, d);
}
