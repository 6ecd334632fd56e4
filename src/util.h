/* SPDX-License-Identifier: MIT */
/* Memory, arrays, text buffers, beginnings of files and cleanup attributes, used everywhere. */
#pragma once

#include <dirent.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* Of a hexadecimal digit. */
static inline unsigned hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* memory.c. Memory that cannot be had ends the program, so none of these returns NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
/* Says so and ends the program: for what others allocate. */
_Noreturn void memory_exhausted(void);
/* Keeps `size` bytes for when there is no more: from then on memory_is_low(), and whoever
 * changes the machine is to undo it. With no memory even for that, the exit status is `status`. */
void memory_hold_back(size_t size, int status);
void memory_spend(void); /* the way back begins: it may be used now */
bool memory_is_low(void);
void memory_let_go(void);

/* An arena: everything allocated from it is freed at once. Memory comes zeroed. */
struct arena {
	struct arena_chunk *chunk;
};
void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
/* What is in `from` belongs to a from now on. */
void arena_absorb(struct arena *a, struct arena *from);
void arena_free(struct arena *a);

/* Milliseconds since some time in the past; nobody sets this clock. */
int64_t now_ms(void);
/* The first bytes of a file, as a string. How many, or a negative errno, and "". */
ssize_t read_start(const char *path, char *text, size_t size);
/* readdir(3) with its errors: 1 and the entry, 0 at the end, or a negative errno. */
int next_entry(DIR *dir, struct dirent **ret_entry);

/* A growing array of any type: struct { T *items; size_t n, cap; }. */
#define ARRAY(type)            \
	struct {               \
		type *items;   \
		size_t n, cap; \
	}
void *array_grow(void *items, size_t *cap, size_t size);
/* Inline, for most often there is room, and the size is known where it is called. */
static inline void *array_reserve(void *items, size_t n, size_t *cap, size_t size)
{
	if (n >= *cap)
		items = array_grow(items, cap, size);
	memset((char *)items + n * size, 0, size);
	return items;
}
/* Appends a zeroed item and returns a pointer to it, good until the next push. */
#define array_push(a)                                                                      \
	((a)->items = array_reserve((a)->items, (a)->n, &(a)->cap, sizeof((a)->items[0])), \
	 &(a)->items[(a)->n++])
#define array_add(a, item) (*array_push(a) = (item))
#define array_free(a) (free((a)->items), (a)->items = NULL, (a)->n = (a)->cap = 0)
/* Unlike qsort() it is stable, and cheap where all is in order already, as it mostly is. */
void sort(void *items, size_t n, size_t size, int (*compare)(const void *, const void *));
#define array_sort(a, compare) sort((a)->items, (a)->n, sizeof((a)->items[0]), compare)
/* for (each item pointer) over an array of pointers or structs. "p &&": NULL + 0 is
 * undefined in C, and an array that never held anything has no items. */
#define array_each(a, p) for (__auto_type p = (a)->items; p && p < (a)->items + (a)->n; p++)

/* A growing text, always NUL-terminated once something was added. */
struct buf {
	char *s;
	size_t n, cap;
};
/* Makes room for n more bytes and the final NUL. */
void buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const char *s, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);
void buf_free(struct buf *b);
/* The text, "" when nothing was added. */
const char *buf_text(const struct buf *b);

/* What a terminal or a log may safely be shown: control characters and bytes
 * that are not UTF-8 appear as \xNN; anything else as it is. */
void buf_printable(struct buf *b, const char *s);
/* A word that a POSIX shell reads back as s, quoted only where that is needed. */
void buf_shell_word(struct buf *b, const char *s);

/* NULL equals only NULL. Most of what is compared differs in the first letter. */
static inline bool str_equal(const char *a, const char *b)
{
	return a && b ? *a == *b && strcmp(a, b) == 0 : a == b;
}
/* NULL sorts first. */
static inline int str_compare(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : !!a - !!b;
}
static inline bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}
/* Edit distance (insert, delete, substitute, swap neighbours); limit + 1 when it is more than
 * `limit`, or when a word is too long to be a typing error. */
unsigned str_distance(const char *a, const char *b, unsigned limit);
/* The nearest of n candidates for "did you mean", or NULL when none is near. */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);
bool str_is_utf8(const char *s, size_t n);
/* The bytes of the character at s (n bytes are there), 0 when it is not UTF-8. */
size_t utf8_decode(const char *s, size_t n, uint32_t *ret_code);
/* The same, but 0 also for what buf_printable() would show as \xNN. */
size_t utf8_printable(const char *s, size_t n);

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}
static inline void cleanup_close_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_free __attribute__((cleanup(cleanup_free_)))
#define cleanup_close __attribute__((cleanup(cleanup_close_)))
#define cleanup_buf __attribute__((cleanup(buf_free)))
