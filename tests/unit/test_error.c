/* SPDX-License-Identifier: MIT */
/* How diagnostics are kept, sorted and shown. */
#include "error.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static struct source source_of(const char *text)
{
	return (struct source){"t.yaml", text, strlen(text)};
}

static char *printed(const struct diags *d, bool color)
{
	char *text = NULL, *copy;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	assert_non_null(out);
	diags_print(d, out, color);
	fclose(out);
	copy = xstrdup(text);
	free(text);
	return copy;
}

static void check(const struct diags *d, const char *expected)
{
	cleanup_free char *text = printed(d, false);

	assert_string_equal(text, expected);
}

/* One error without a hint at a place of a text. */
static void check_at(const char *text, uint32_t line, uint32_t column, const char *expected)
{
	struct source source = source_of(text);
	struct diags d = {0};

	diag_error(&d, -EINVAL, (struct mark){&source, line, column}, "m");
	check(&d, expected);
	diags_free(&d);
}

static void test_look(void **state)
{
	struct source source = source_of("a: 1\nb:\n    adresses: [10.0.0.1/24]\n");
	struct diags d = {0};

	(void)state;
	assert_int_equal(diag_error(&d, -EINVAL, (struct mark){&source, 3, 5}, "unknown key \"%s\"",
				    "adresses"),
			 -EINVAL);
	diag_hint(&d, "did you mean \"%s\"?", "routes");
	diag_hint(&d, "did you mean \"%s\"?", "addresses");
	diag_warning(&d, (struct mark){.source = &source}, "all of it");
	assert_int_equal(diag_error(&d, -EPERM, NO_MARK, "not root"), -EPERM);
	diag_hint(&d, "use sudo");
	assert_int_equal(d.errors, 2);
	assert_int_equal(d.warnings, 1);
	assert_int_equal(d.list.items[2].code, -EPERM);
	check(&d, "t.yaml:3:5: error: unknown key \"adresses\"\n"
		  "    3 |     adresses: [10.0.0.1/24]\n"
		  "      |     ^~~~~~~~\n"
		  "      = hint: did you mean \"addresses\"?\n"
		  "t.yaml: warning: all of it\n"
		  "nsapply: error: not root\n"
		  "      = hint: use sudo\n");
	diags_free(&d);
	assert_int_equal(d.list.n, 0);
	diags_free(&d);
	diags_free(NULL);
	diag_hint(&d, "nothing to hint at");
}

/* What is wrong behind an anchor is wrong for every alias, and told once. */
static void test_once(void **state)
{
	struct source source = source_of("a: 1\nb: 2\n");
	const struct mark a = {&source, 1, 1}, b = {&source, 2, 1};
	struct diags d = {0};

	(void)state;
	diag_error(&d, -EINVAL, a, "bad %d", 1);
	diag_hint(&d, "first");
	diag_error(&d, -EINVAL, b, "bad 1");
	diag_warning(&d, a, "bad 1");
	diag_error(&d, -EINVAL, a, "bad %d", 2);
	assert_int_equal(diag_error(&d, -EPERM, a, "bad 1"), -EPERM);
	diag_hint(&d, "second");
	diag_error(&d, -EINVAL, NO_MARK, "bad 1");
	diag_error(&d, -EINVAL, NO_MARK, "bad 1");
	assert_int_equal(d.errors, 5);
	assert_int_equal(d.warnings, 1);
	assert_int_equal(d.list.n, 6);
	assert_string_equal(d.list.items[0].hint, "first");
	assert_null(d.list.items[3].hint);
	diags_free(&d);
}

/* What another list has gathered is told after what was told before, with its hints. */
static void test_absorb(void **state)
{
	struct source source = source_of("a: 1\n");
	const struct mark a = {&source, 1, 1};
	struct diags d = {0}, other = {0};

	(void)state;
	diag_error(&d, -EINVAL, a, "first");
	diag_warning(&other, a, "not %s", "%s");
	diag_hint(&other, "100 %%");
	diag_error(&other, -EPERM, NO_MARK, "last");
	diags_absorb(&d, &other);
	assert_int_equal(other.list.n, 0);
	assert_int_equal(d.errors, 2);
	assert_int_equal(d.warnings, 1);
	assert_int_equal(d.list.n, 3);
	assert_string_equal(d.list.items[1].message, "not %s");
	assert_string_equal(d.list.items[1].hint, "100 %");
	assert_int_equal(d.list.items[2].code, -EPERM);
	assert_null(d.list.items[2].hint);

	/* All of it was mended in the end. */
	diags_excuse(&d);
	assert_int_equal(d.errors, 0);
	assert_int_equal(d.warnings, 3);
	diags_free(&d);
}

static void test_color(void **state)
{
	struct source source = source_of("key: x");
	struct diags d = {0};
	cleanup_free char *text = NULL;

	(void)state;
	diag_error(&d, -EINVAL, (struct mark){&source, 1, 6}, "m");
	text = printed(&d, true);
	assert_string_equal(text, "\033[1mt.yaml:1:6:\033[0m \033[1;31merror:\033[0m "
				  "\033[1mm\033[0m\n"
				  "    1 | key: x\n"
				  "      | \033[1;32m     ^\033[0m\n");
	diags_free(&d);
}

static void test_caret(void **state)
{
	(void)state;
	/* words, IPv6 addresses, quotes, brackets */
	check_at("a: fe80::1/64", 1, 4,
		 "t.yaml:1:4: error: m\n    1 | a: fe80::1/64\n      |    ^~~~~~~~~~\n");
	check_at("a: \"x y\" z", 1, 4,
		 "t.yaml:1:4: error: m\n    1 | a: \"x y\" z\n      |    ^~~~~\n");
	check_at("a: [b]", 1, 4, "t.yaml:1:4: error: m\n    1 | a: [b]\n      |    ^\n");
	check_at("a: [bc]", 1, 5, "t.yaml:1:5: error: m\n    1 | a: [bc]\n      |     ^~\n");
	/* behind the end of a line, of the file, and beyond */
	check_at("a:\nb", 1, 3, "t.yaml:1:3: error: m\n    1 | a:\n      |   ^\n");
	check_at("a:\nb", 1, 99, "t.yaml:1:99: error: m\n    1 | a:\n      |   ^\n");
	check_at("a:\n\nb", 2, 1, "t.yaml:2:1: error: m\n    2 |\n      | ^\n");
	check_at("a:\n", 2, 1, "t.yaml:2:1: error: m\n");
	check_at("a:\n", 9, 1, "t.yaml:9:1: error: m\n");
	check_at("", 1, 1, "t.yaml:1:1: error: m\n");
	check_at("\n\n", 1, 1, "t.yaml:1:1: error: m\n    1 |\n      | ^\n");
	/* line ends of all kinds; a byte order mark takes no column */
	check_at("a\r\nb\rc\xC2\x85"
		 "d\xE2\x80\xA9"
		 "e",
		 5, 1, "t.yaml:5:1: error: m\n    5 | e\n      | ^\n");
	check_at("\xEF\xBB\xBF"
		 "ab: c",
		 1, 1, "t.yaml:1:1: error: m\n    1 | ab: c\n      | ^~\n");
}

static void test_columns(void **state)
{
	(void)state;
	/* characters, not bytes; wide ones take two cells, combining ones none */
	check_at("é: xy", 1, 4, "t.yaml:1:4: error: m\n    1 | é: xy\n      |    ^~\n");
	check_at("日本: xy", 1, 5, "t.yaml:1:5: error: m\n    1 | 日本: xy\n      |       ^~\n");
	check_at("x 日本", 1, 3, "t.yaml:1:3: error: m\n    1 | x 日本\n      |   ^~~~\n");
	check_at("e\u0301: x", 1, 5, "t.yaml:1:5: error: m\n    1 | e\u0301: x\n      |    ^\n");
	/* tabs become spaces; the caret stays below */
	check_at("a\t: x", 1, 5,
		 "t.yaml:1:5: error: m\n    1 | a       : x\n      |           ^\n");
	check_at("\tx", 1, 1, "t.yaml:1:1: error: m\n    1 |         x\n      | ^~~~~~~~\n");
	/* control characters and bytes that are no UTF-8 are never passed on */
	check_at("a\033[31m b", 1, 8,
		 "t.yaml:1:8: error: m\n    1 | a\\x1B[31m b\n      |           ^\n");
	check_at("\xFFq \xC2\x9B", 1, 4,
		 "t.yaml:1:4: error: m\n    1 | \\xFFq \\xC2\\x9B\n      |       ^~~~~~~~\n");
}

static void test_untrusted_texts(void **state)
{
	struct source source = {"a\nb\033", "x\0y", 3};
	struct diags d = {0};

	(void)state;
	diag_error(&d, -EINVAL, (struct mark){&source, 1, 3}, "bad \033[2J\xFF");
	diag_hint(&d, "no\nline");
	check(&d, "a\\x0Ab\\x1B:1:3: error: bad \\x1B[2J\\xFF\n"
		  "    1 | x\\x00y\n"
		  "      |      ^\n"
		  "      = hint: no\\x0Aline\n");
	diags_free(&d);
	/* A source without a text: only the place. */
	source = (struct source){"t", NULL, 0};
	diag_error(&d, -EINVAL, (struct mark){&source, 1, 3}, "m");
	check(&d, "t:1:3: error: m\n");
	diags_free(&d);
}

static void test_long_lines(void **state)
{
	cleanup_buf struct buf text = {0};
	struct diags d = {0};
	struct source source;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		buf_puts(&text, "é, ");
	source = source_of(buf_text(&text));
	diag_error(&d, -EINVAL, (struct mark){&source, 1, 9001}, "m");
	diag_error(&d, -EINVAL, (struct mark){&source, 1, 1}, "m");
	diag_error(&d, -EINVAL, (struct mark){&source, 1, 14998}, "m");
	array_each(&d.list, diag) {
		struct diags one = {.list = {diag, 1, 1}, .errors = 1};
		cleanup_free char *shown = printed(&one, false);
		char *line = strchr(shown, '\n') + 1, *below = strchr(line, '\n') + 1;
		const char *caret = strchr(below, '^');
		size_t cells = 0;

		assert_true(below - line < 250);
		assert_non_null(caret);
		/* Above the caret stands an "é". */
		for (const char *s = line; cells < (size_t)(caret - below); s++) {
			cells += ((unsigned char)*s & 0xC0) != 0x80;
			if (cells == (size_t)(caret - below))
				assert_memory_equal(((unsigned char)s[1] & 0xC0) == 0x80 ? s + 2
											 : s + 1,
						    "é", 2);
		}
	}
	diags_free(&d);
}

static void test_limits(void **state)
{
	struct diags d = {0};
	cleanup_free char *text = NULL;

	(void)state;
	for (unsigned i = 0; i < DIAGS_MAX + 12; i++) {
		diag_error(&d, -EINVAL, NO_MARK, "error %u", i);
		diag_hint(&d, "hint %u", i);
	}
	for (unsigned i = 0; i < DIAGS_MAX + 1; i++)
		diag_warning(&d, NO_MARK, "warning %u", i);
	diag_hint(&d, "of a warning that was dropped");
	assert_int_equal(d.list.n, 2 * DIAGS_MAX);
	assert_int_equal(d.errors, DIAGS_MAX + 12);
	assert_int_equal(d.warnings, DIAGS_MAX + 1);
	assert_string_equal(d.list.items[DIAGS_MAX - 1].hint, "hint 49");
	assert_null(d.list.items[2 * DIAGS_MAX - 1].hint);
	text = printed(&d, false);
	assert_non_null(strstr(text, "nsapply: warning: warning 49\n"
				     "... and 12 more errors\n... and 1 more warning\n"));
	diags_free(&d);
}

static void test_sort(void **state)
{
	struct source a = {"a", "", 0}, b = {"b", "", 0};
	struct diags d = {0};
	static const char expected[] = "01234567";

	(void)state;
	diag_error(&d, -EINVAL, NO_MARK, "6");
	diag_error(&d, -EINVAL, (struct mark){&b, 1, 1}, "5");
	diag_error(&d, -EINVAL, (struct mark){&a, 2, 2}, "3");
	diag_error(&d, -EINVAL, (struct mark){&a, 2, 1}, "1");
	diag_error(&d, -EINVAL, NO_MARK, "7");
	diag_warning(&d, (struct mark){&a, 2, 2}, "4");
	diag_error(&d, -EINVAL, (struct mark){&a, 2, 1}, "2");
	diag_error(&d, -EINVAL, (struct mark){&a, 0, 0}, "0");
	diags_sort(&d);
	for (size_t i = 0; i < d.list.n; i++)
		assert_int_equal(d.list.items[i].message[0], expected[i]);
	diags_free(&d);
	diags_sort(&d);
}

static void test_json(void **state)
{
	struct source source = source_of("ab: c");
	struct diags d = {0};
	cleanup_free char *text = NULL;
	json_t *json;

	(void)state;
	diag_error(&d, -EINVAL, (struct mark){&source, 1, 5}, "bad \xFF");
	diag_hint(&d, "h\n");
	diag_warning(&d, NO_MARK, "é");
	json = diags_json(&d);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, "[{\"severity\":\"error\",\"file\":\"t.yaml\",\"line\":1,"
				  "\"column\":5,\"message\":\"bad \\\\xFF\",\"hint\":\"h\\n\"},"
				  "{\"severity\":\"warning\",\"file\":null,\"line\":null,"
				  "\"column\":null,\"message\":\"é\",\"hint\":null}]");
	json_decref(json);
	diags_free(&d);
}

static void test_mark_offset(void **state)
{
	struct source source = source_of("\xEF\xBB\xBFéa\r\nb");

	(void)state;
	assert_int_equal(mark_offset((struct mark){&source, 1, 1}), 3);
	assert_int_equal(mark_offset((struct mark){&source, 1, 2}), 5);
	assert_int_equal(mark_offset((struct mark){&source, 2, 1}), 8);
	assert_int_equal(mark_offset((struct mark){&source, 3, 1}), 9);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look),	    cmocka_unit_test(test_once),
		cmocka_unit_test(test_color),	    cmocka_unit_test(test_caret),
		cmocka_unit_test(test_columns),	    cmocka_unit_test(test_untrusted_texts),
		cmocka_unit_test(test_long_lines),  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_sort),	    cmocka_unit_test(test_json),
		cmocka_unit_test(test_mark_offset), cmocka_unit_test(test_absorb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
