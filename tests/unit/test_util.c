/* SPDX-License-Identifier: MIT */
/* Memory, buffers and strings. */
#include "util.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

/* The test of running out of memory asks for more than there is; under the
 * address sanitizer that must fail like malloc(), not end in a report. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void test_arena(void **state)
{
	struct arena a = {0};
	char *texts[2000];
	uint64_t *numbers;
	char *large;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		texts[i] = arena_printf(&a, "text %u", i);
		numbers = arena_alloc(&a, 3 * sizeof(*numbers));
		assert_int_equal((uintptr_t)numbers % 8, 0);
		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(numbers[j], 0);
		memset(numbers, 0xFF, 3 * sizeof(*numbers));
	}
	large = arena_alloc(&a, 5 << 20);
	for (size_t i = 0; i < 5 << 20; i += 4096)
		assert_int_equal(large[i], 0);
	memset(large, 1, 5 << 20);
	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
		char expected[16];

		snprintf(expected, sizeof(expected), "text %u", i);
		assert_string_equal(texts[i], expected);
	}
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&a, "ab", 3), "ab");
	assert_non_null(arena_alloc(&a, 0));
	arena_free(&a);
	assert_null(a.chunk);
	arena_free(&a);
	arena_free(NULL);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void test_arena_absorb(void **state)
{
	struct arena a = {0}, b = {0}, empty = {0};
	const char *mine = arena_strdup(&a, "mine"), *theirs = arena_strdup(&b, "theirs");

	(void)state;
	arena_absorb(&a, &b);
	arena_absorb(&a, &empty);
	arena_absorb(&empty, &a); /* into one that holds nothing yet */
	arena_free(&a);
	arena_free(&b);
	assert_string_equal(mine, "mine");
	assert_string_equal(theirs, "theirs");
	assert_string_equal(arena_strdup(&empty, "more"), "more");
	arena_free(&empty);
}

static void test_array(void **state)
{
	ARRAY(int) a = {0};
	int sum = 0;

	(void)state;
	array_sort(&a, compare_ints);
	array_each(&a, p)
		sum += *p;
	assert_int_equal(sum, 0);
	for (int i = 1000; i > 0; i--)
		array_add(&a, i);
	assert_int_equal(*array_push(&a), 0);
	array_sort(&a, compare_ints);
	for (int i = 0; i <= 1000; i++)
		assert_int_equal(a.items[i], i);
	array_each(&a, p)
		sum += *p;
	assert_int_equal(sum, 500500);
	/* A place that was used before is zeroed again. */
	a.n = 5;
	assert_int_equal(*array_push(&a), 0);
	array_free(&a);
	assert_null(a.items);
	assert_int_equal(a.n, 0);
}

static void test_buf(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_string_equal(buf_text(&b), "");
	buf_add(&b, NULL, 0);
	assert_string_equal(b.s, "");
	buf_puts(&b, "ab");
	buf_putc(&b, 'c');
	buf_printf(&b, "%d%500s%s", 1, "x", "y");
	assert_int_equal(b.n, 505);
	assert_int_equal(strlen(b.s), 505);
	assert_memory_equal(b.s, "abc1  ", 6);
	assert_string_equal(b.s + 503, "xy");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_string_equal(b.s + b.n - 4, "999,");
	buf_free(&b);
	assert_null(b.s);
	buf_free(&b);
	buf_free(NULL);
}

static void check_printable(const char *s, const char *expected)
{
	cleanup_buf struct buf b = {0};

	buf_printable(&b, s);
	assert_string_equal(buf_text(&b), expected);
}

static void test_printable(void **state)
{
	(void)state;
	check_printable("", "");
	check_printable("a b\\x", "a b\\x");
	check_printable("é日本😀", "é日本😀");
	check_printable("\033[31m\n\t\x7F", "\\x1B[31m\\x0A\\x09\\x7F");
	check_printable("\xC2\x9B"
			"m",
			"\\xC2\\x9Bm");
	check_printable("a\xE2\x80\xAE"
			"b\xE2\x80\xA8",
			"a\\xE2\\x80\\xAEb\\xE2\\x80\\xA8");
	check_printable("\xEF\xBB\xBF", "\\xEF\\xBB\\xBF");
	check_printable("\xEF\xBF\xBD\xEF\xBF\xBE\xEF\xBF\xBF",
			"\xEF\xBF\xBD\\xEF\\xBF\\xBE\\xEF\\xBF\\xBF");
	check_printable("\xFF\xC3", "\\xFF\\xC3");
	check_printable("\xE6\x97x", "\\xE6\\x97x");
}

static void test_utf8(void **state)
{
	static const struct {
		const char *s;
		bool good;
	} cases[] = {
		{"", true},
		{"a", true},
		{"\xC2\x80", true},
		{"\xDF\xBF", true},
		{"\xE0\xA0\x80", true},
		{"\xED\x9F\xBF", true},
		{"\xEE\x80\x80", true},
		{"\xF0\x90\x80\x80", true},
		{"\xF4\x8F\xBF\xBF", true},
		{"\x80", false},
		{"\xBF", false},
		{"\xC0\x80", false},
		{"\xC1\xBF", false},
		{"\xC2", false},
		{"\xC2x", false},
		{"\xE0\x9F\xBF", false},
		{"\xE0\xA0", false},
		{"\xED\xA0\x80", false},
		{"\xED\xBF\xBF", false},
		{"\xF0\x8F\xBF\xBF", false},
		{"\xF4\x90\x80\x80", false},
		{"\xF5\x80\x80\x80", false},
		{"\xF8\x80\x80\x80", false},
		{"\xFE\x80\x80\x80", false},
		{"\xFF\x80\x80\x80", false},
	};
	uint32_t code = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(str_is_utf8(cases[i].s, strlen(cases[i].s)), cases[i].good);
	assert_true(str_is_utf8("a\0b", 3));
	assert_int_equal(utf8_decode("", 0, &code), 0);
	assert_int_equal(utf8_decode("\xE6\x97\xA5", 2, &code), 0);
	assert_int_equal(code, 7);
	assert_int_equal(utf8_decode("\xF0\x9F\x98\x80", 4, &code), 4);
	assert_int_equal(code, 0x1F600);
}

static void check_shell(const char *s, const char *expected)
{
	cleanup_buf struct buf b = {0}, command = {0};
	char back[128];
	size_t n;
	FILE *shell;

	buf_shell_word(&b, s);
	assert_string_equal(buf_text(&b), expected);
	buf_printf(&command, "printf %%s %s", buf_text(&b));
	shell = popen(buf_text(&command), "re");
	assert_non_null(shell);
	n = fread(back, 1, sizeof(back) - 1, shell);
	back[n] = '\0';
	assert_int_equal(pclose(shell), 0);
	assert_string_equal(back, s);
}

static void test_shell_word(void **state)
{
	(void)state;
	check_shell("eth0", "eth0");
	check_shell("10.0.0.1/24,a=b:c@d%e_f+g-h", "10.0.0.1/24,a=b:c@d%e_f+g-h");
	check_shell("", "''");
	check_shell("a b", "'a b'");
	check_shell("~", "'~'");
	check_shell("$(id)`;&|<>*?[]#!\"\\", "'$(id)`;&|<>*?[]#!\"\\'");
	check_shell("it's", "'it'\\''s'");
	check_shell("é\n\t", "'é\n\t'");
	check_shell("a\033[1m\xFF", "'a'\"$(printf '\\033')\"'[1m'\"$(printf '\\377')\"''");
}

static void test_compare(void **state)
{
	(void)state;
	assert_true(str_equal(NULL, NULL));
	assert_true(str_equal("a", "a"));
	assert_false(str_equal("a", NULL));
	assert_false(str_equal(NULL, "a"));
	assert_false(str_equal("a", "b"));
	assert_int_equal(str_compare(NULL, NULL), 0);
	assert_true(str_compare(NULL, "") < 0);
	assert_true(str_compare("", NULL) > 0);
	assert_true(str_compare("a", "b") < 0);
	assert_true(str_starts("abc", "ab"));
	assert_true(str_starts("abc", ""));
	assert_false(str_starts("a", "ab"));
}

static void test_distance(void **state)
{
	char long_a[400], long_b[400];

	(void)state;
	assert_int_equal(str_distance("", "", 3), 0);
	assert_int_equal(str_distance("abc", "", 3), 3);
	assert_int_equal(str_distance("abc", "", 2), 3);
	assert_int_equal(str_distance("adresses", "addresses", 3), 1);
	assert_int_equal(str_distance("addreses", "addresses", 3), 1);
	assert_int_equal(str_distance("brigde", "bridge", 3), 1);
	assert_int_equal(str_distance("kitten", "sitting", 3), 3);
	assert_int_equal(str_distance("kitten", "sitting", 2), 3);
	assert_int_equal(str_distance("abcdef", "uvwxyz", 2), 3);
	assert_int_equal(str_distance("ca", "abc", 3), 3);
	assert_int_equal(str_distance("a", "b", 0), 1);
	memset(long_a, 'a', sizeof(long_a));
	memset(long_b, 'a', sizeof(long_b));
	long_a[399] = long_b[399] = '\0';
	assert_int_equal(str_distance(long_a, long_b, 3), 0);
	long_b[5] = 'b';
	assert_int_equal(str_distance(long_a, long_b, 3), 4);
	long_a[256] = long_b[256] = '\0';
	assert_int_equal(str_distance(long_a, long_b, 3), 1);
}

static void test_nearest(void **state)
{
	static const char *const keys[] = {"addresses", "routes", "mtu", "up", "mta", "rules"};

	(void)state;
	assert_string_equal(str_nearest("adresses", keys, ARRAY_SIZE(keys)), "addresses");
	assert_string_equal(str_nearest("route", keys, ARRAY_SIZE(keys)), "routes");
	assert_string_equal(str_nearest("mtv", keys, ARRAY_SIZE(keys)), "mtu");
	assert_string_equal(str_nearest("mta", keys, ARRAY_SIZE(keys)), "mta");
	assert_string_equal(str_nearest("pu", keys, ARRAY_SIZE(keys)), "up");
	assert_null(str_nearest("x", keys, ARRAY_SIZE(keys)));
	assert_null(str_nearest("", keys, ARRAY_SIZE(keys)));
	assert_null(str_nearest("bridges", keys, ARRAY_SIZE(keys)));
	assert_null(str_nearest("mtu", NULL, 0));
}

static void test_out_of_memory(void **state)
{
	char text[4096] = "";
	int fds[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fflush(NULL); /* or the child prints it once more */
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		xrealloc(NULL, SIZE_MAX / 16, 3);
		_exit(7);
	}
	close(fds[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	while ((got = read(fds[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	/* A sanitizer may have added a warning of its own. */
	assert_non_null(strstr(text, "nsapply: out of memory\n"));
	close(fds[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena),	     cmocka_unit_test(test_array),
		cmocka_unit_test(test_buf),	     cmocka_unit_test(test_printable),
		cmocka_unit_test(test_utf8),	     cmocka_unit_test(test_shell_word),
		cmocka_unit_test(test_compare),	     cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest),	     cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_arena_absorb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
