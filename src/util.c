/* SPDX-License-Identifier: MIT */
/* Arenas, arrays, text buffers, strings, the time, and the beginnings of files.
 *
 * Nothing here keeps state. Arrays and bufs belong to the caller; memory from
 * an arena to the arena. */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	/* Aligned for pointers and 64-bit numbers. Nothing here holds a long
	 * double, and 16 would cost a million YAML nodes 8 bytes each. */
	_Alignas(8) char data[];
};

#define ARENA_ALIGN 8u
#define ARENA_CHUNK_MIN 4096u
/* So large that it comes from the system (main.c): what is not used of it costs nothing, and it goes
 * back there. */
#define ARENA_CHUNK_MAX (256u * 1024)

static struct arena_chunk *arena_chunk_new(size_t size)
{
	struct arena_chunk *chunk;

	if (size > SIZE_MAX - sizeof(*chunk))
		memory_exhausted();
	chunk = xcalloc(1, sizeof(*chunk) + size);
	chunk->size = size;
	return chunk;
}

static void *arena_alloc_aligned(struct arena *a, size_t size, size_t align)
{
	struct arena_chunk *chunk = a->chunk;
	size_t next = ARENA_CHUNK_MIN;

	if (chunk) {
		size_t start = (chunk->used + align - 1) & ~(align - 1);

		if (start <= chunk->size && size <= chunk->size - start) {
			chunk->used = start + size;
			return chunk->data + start;
		}
		next = chunk->size < ARENA_CHUNK_MAX ? chunk->size * 2 : ARENA_CHUNK_MAX;
	}
	if (chunk && size > next / 4) {
		/* A large one gets its own chunk, behind the one being filled. */
		struct arena_chunk *own = arena_chunk_new(size);

		own->used = size;
		own->next = chunk->next;
		chunk->next = own;
		return own->data;
	}
	chunk = arena_chunk_new(size > next ? size : next);
	chunk->used = size;
	chunk->next = a->chunk;
	a->chunk = chunk;
	return chunk->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return arena_alloc_aligned(a, size, ARENA_ALIGN);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy;

	n = strnlen(s, n);
	copy = arena_alloc_aligned(a, n + 1, 1);
	memcpy(copy, s, n);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	cleanup_buf struct buf text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	return arena_strndup(a, buf_text(&text), text.n);
}

void arena_absorb(struct arena *a, struct arena *from)
{
	struct arena_chunk **end = &a->chunk;

	while (*end)
		end = &(*end)->next;
	*end = from->chunk; /* behind the one that is being filled */
	from->chunk = NULL;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->chunk) {
		struct arena_chunk *chunk = a->chunk;

		a->chunk = chunk->next;
		free(chunk);
	}
}

void *array_grow(void *items, size_t *cap, size_t size)
{
	size_t grown = *cap < 4 ? 4 : *cap + *cap / 2;

	items = xrealloc(items, grown, size);
	*cap = grown;
	return items;
}

typedef int (*compare_fn)(const void *, const void *);

static bool is_sorted(const char *items, size_t n, size_t size, compare_fn compare)
{
	for (size_t i = 1; i < n; i++)
		if (compare(items + (i - 1) * size, items + i * size) > 0)
			return false;
	return true;
}

static void merge_sort(char *in, char *out, size_t n, size_t size, compare_fn compare)
{
	size_t half = n / 2, a = 0, b = half;

	if (n < 2)
		return;
	merge_sort(in, out, half, size, compare);
	merge_sort(in + half * size, out, n - half, size, compare);
	if (compare(in + (half - 1) * size, in + half * size) <= 0)
		return;
	for (size_t i = 0; i < n; i++) {
		bool left = b == n || (a < half && compare(in + a * size, in + b * size) <= 0);

		memcpy(out + i * size, in + (left ? a++ : b++) * size, size);
	}
	memcpy(in, out, n * size);
}

void sort(void *items, size_t n, size_t size, compare_fn compare)
{
	void *spare;

	if (is_sorted(items, n, size, compare))
		return;
	spare = xmalloc(n * size);
	merge_sort(items, spare, n, size, compare);
	free(spare);
}

void buf_reserve(struct buf *b, size_t n)
{
	size_t grown;

	if (n >= SIZE_MAX / 4 - b->n)
		memory_exhausted();
	if (b->n + n < b->cap)
		return;
	grown = b->cap < 32 ? 64 : b->cap * 2;
	if (grown <= b->n + n)
		grown = b->n + n + 1;
	b->s = xrealloc(b->s, grown, 1);
	b->cap = grown;
}

void buf_add(struct buf *b, const char *s, size_t n)
{
	buf_reserve(b, n);
	if (n)
		memcpy(b->s + b->n, s, n);
	b->n += n;
	b->s[b->n] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	buf_reserve(b, 80);
	n = vsnprintf(b->s + b->n, b->cap - b->n, fmt, ap);
	if (n < 0)
		/* Only for a text above INT_MAX bytes: memory is the limit met. */
		memory_exhausted();
	if ((size_t)n >= b->cap - b->n) {
		buf_reserve(b, (size_t)n);
		vsnprintf(b->s + b->n, b->cap - b->n, fmt, again);
	}
	b->n += (size_t)n;
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	free(b->s);
	*b = (struct buf){0};
}

const char *buf_text(const struct buf *b)
{
	return b->s ? b->s : "";
}

size_t utf8_decode(const char *s, size_t n, uint32_t *ret_code)
{
	/* The smallest code that needs so many bytes: less is "overlong". */
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = n ? (unsigned char)s[0] : 0x80;
	size_t length = first < 0x80   ? 1
			: first < 0xC2 ? 0
			: first < 0xE0 ? 2
			: first < 0xF0 ? 3
				       : 4;
	uint32_t code = length == 1 ? first : first & (0x7Fu >> length);

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if (((unsigned char)s[i] & 0xC0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)s[i] & 0x3F);
	}
	/* A first byte above 0xF4 stands for no code; its bits do not show that. */
	if (first > 0xF4 || code < smallest[length] || code > 0x10FFFF ||
	    (code >= 0xD800 && code <= 0xDFFF))
		return 0;
	*ret_code = code;
	return length;
}

bool str_is_utf8(const char *s, size_t n)
{
	uint32_t code;

	for (size_t i = 0, length; i < n; i += length) {
		length = utf8_decode(s + i, n - i, &code);
		if (!length)
			return false;
	}
	return true;
}

/* Beside C0 and C1: what breaks lines or turns the direction of writing, since
 * with those a terminal shows something else than what the file says. The last two
 * are no characters, and XML cannot hold them. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x200E || code == 0x200F ||
	       (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
}

size_t utf8_printable(const char *s, size_t n)
{
	uint32_t code;
	size_t length = utf8_decode(s, n, &code);

	return length && !is_control(code) ? length : 0;
}

void buf_printable(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	while (n) {
		size_t length = utf8_printable(s, n);
		uint32_t code;

		if (length) {
			buf_add(b, s, length);
		} else {
			/* All bytes of a control character, one of what is no UTF-8. */
			length = utf8_decode(s, n, &code);
			length = length ? length : 1;
			for (size_t i = 0; i < length; i++)
				buf_printf(b, "\\x%02X", (unsigned char)s[i]);
		}
		s += length;
		n -= length;
	}
}

static bool is_shell_safe(const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_@%+=:,./-";

	return *s && strspn(s, safe) == strlen(s);
}

void buf_shell_word(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	if (is_shell_safe(s)) {
		buf_puts(b, s);
		return;
	}
	buf_putc(b, '\'');
	while (n) {
		size_t length = utf8_printable(s, n);

		if (*s == '\'') {
			buf_puts(b, "'\\''");
		} else if (length || *s == '\n' || *s == '\t') {
			/* $( ) would lose a newline at its end; these two are harmless. */
			length = length ? length : 1;
			buf_add(b, s, length);
		} else {
			/* $'..' would be shorter, but dash does not have it. */
			length = 1;
			buf_printf(b, "'\"$(printf '\\%03o')\"'", (unsigned char)*s);
		}
		s += length;
		n -= length;
	}
	buf_putc(b, '\'');
}

static unsigned min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Names are shorter; a longer word is not worth a guess, and no file can make
 * this slow. */
#define DISTANCE_MAX_LENGTH 256

unsigned str_distance(const char *a, const char *b, unsigned limit)
{
	/* row i of the table is rows[i % 3]: swapping neighbours looks two rows back */
	unsigned rows[3][DISTANCE_MAX_LENGTH + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (strcmp(a, b) == 0)
		return 0;
	if ((na > nb ? na - nb : nb - na) > limit || na > DISTANCE_MAX_LENGTH ||
	    nb > DISTANCE_MAX_LENGTH)
		return limit + 1;
	for (unsigned j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], best = i;

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] = min(min(above[j], row[j - 1]) + 1,
				     above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = min(row[j], rows[(i + 1) % 3][j - 2] + 1);
			best = min(best, row[j]);
		}
		if (best > limit)
			return limit + 1;
	}
	return min(rows[na % 3][nb], limit + 1);
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t length = strlen(word);
	unsigned limit = length < 6 ? 1 : length < 9 ? 2 : 3;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(candidates[i]);
		unsigned distance = str_distance(word, candidates[i], limit);

		/* At least one character must be the same, or "x" is near "y". */
		if (distance > limit || (distance && distance >= (length > other ? length : other)))
			continue;
		nearest = candidates[i];
		if (distance == 0)
			break;
		limit = distance - 1;
	}
	return nearest;
}

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

ssize_t read_start(const char *path, char *text, size_t size)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	return n < 0 ? -errno : n;
}

int next_entry(DIR *dir, struct dirent **ret_entry)
{
	errno = 0;
	*ret_entry = readdir(dir);
	return *ret_entry ? 1 : -errno;
}
