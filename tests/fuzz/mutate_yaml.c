/* SPDX-License-Identifier: MIT */
/* How libFuzzer changes an input that is YAML: besides its own bytes and words, whole values and
 * lines, so that most of what comes out is still YAML and gets past the parser. */
#include "make_yaml.h"

#include "fuzz.h"

#include <string.h>

#define WORD_ENDS " ,:[]{}\n'\""

static void splice(struct buf *text, size_t at, size_t remove, const char *insert)
{
	struct buf out = {0};

	buf_add(&out, buf_text(text), at);
	buf_puts(&out, insert);
	buf_puts(&out, buf_text(text) + at + remove);
	buf_free(text);
	*text = out;
}

/* A word of the text: where, and how long (maybe 0). */
static size_t find_word(struct maker *m, const struct buf *text, size_t *ret_size)
{
	const char *s = buf_text(text);
	size_t at = make_number(m, (uint32_t)text->n);

	at += strspn(s + at, WORD_ENDS);
	while (at > 0 && !strchr(WORD_ENDS, s[at - 1]))
		at--;
	*ret_size = strcspn(s + at, WORD_ENDS);
	return at;
}

static size_t find_line(struct maker *m, const struct buf *text, size_t *ret_size)
{
	const char *s = buf_text(text);
	size_t at = make_number(m, (uint32_t)text->n);

	while (at > 0 && s[at - 1] != '\n')
		at--;
	*ret_size = strcspn(s + at, "\n");
	*ret_size += s[at + *ret_size] == '\n';
	return at;
}

static void change_word(struct maker *m, struct buf *text)
{
	cleanup_buf struct buf word = {0};
	size_t size, at;

	if (make_number(m, 2)) { /* one that is there already: things refer to each other */
		at = find_word(m, text, &size);
		buf_add(&word, buf_text(text) + at, size);
	} else {
		m->out = &word;
		make_value(m);
	}
	at = find_word(m, text, &size);
	splice(text, at, size, buf_text(&word));
}

static void change_line(struct maker *m, struct buf *text)
{
	cleanup_buf struct buf line = {0};
	size_t size, at = find_line(m, text, &size);

	switch (make_number(m, 4)) {
	case 0:
		splice(text, at, size, "");
		return;
	case 1:
		buf_add(&line, buf_text(text) + at, size);
		at = find_line(m, text, &size);
		break;
	default:
		m->out = &line;
		make_line(m);
	}
	splice(text, at, 0, buf_text(&line));
}

static void make_anew(struct maker *m, struct buf *text)
{
	bool record = strstr(buf_text(text), "\nmade:");

	buf_free(text);
	m->out = text;
	if (record)
		make_record(m);
	else
		make_topology(m);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct maker m = {.random = UINT64_C(0x9e3779b97f4a7c15) * (seed + UINT64_C(1))};
	struct buf text = {0};

	if (make_number(&m, 3) == 0 || memchr(data, 0, size))
		return LLVMFuzzerMutate(data, size, max_size);
	buf_add(&text, (const char *)data, size);
	if (make_number(&m, 20) == 0)
		make_anew(&m, &text);
	for (uint32_t i = 0, n = make_number(&m, 3); i < n; i++) {
		if (make_number(&m, 2))
			change_word(&m, &text);
		else
			change_line(&m, &text);
	}
	if (text.n > max_size)
		text.n = max_size;
	memcpy(data, buf_text(&text), text.n);
	size = text.n;
	buf_free(&text);
	return size;
}
