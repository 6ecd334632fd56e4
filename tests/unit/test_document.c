/* SPDX-License-Identifier: MIT */
/* YAML texts to nodes, and what is refused. */
#include "document.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

/* A tree in one line: text 'x', quoted "x", null ~, list [..], mapping {k@line:column=v ..} */
static void render(struct buf *b, const struct node *n, bool marks)
{
	switch (n->kind) {
	case NODE_SCALAR:
		assert_int_equal(strlen(n->text), n->size);
		if (n->null)
			buf_putc(b, '~');
		else
			buf_printf(b, n->quoted ? "\"%s\"" : "'%s'", n->text);
		break;
	case NODE_SEQUENCE:
		buf_putc(b, '[');
		for (uint32_t i = 0; i < n->n; i++) {
			buf_puts(b, i ? " " : "");
			render(b, n->items[i], marks);
		}
		buf_putc(b, ']');
		break;
	case NODE_MAPPING:
		buf_putc(b, '{');
		for (uint32_t i = 0; i < n->n; i++) {
			const struct node *key = n->pairs[i].key;

			buf_printf(b, "%s%s", i ? " " : "", key->text);
			if (marks)
				buf_printf(b, "@%u:%u", key->mark.line, key->mark.column);
			buf_putc(b, '=');
			render(b, n->pairs[i].value, marks);
		}
		buf_putc(b, '}');
		break;
	}
	if (marks && n->kind == NODE_SCALAR)
		buf_printf(b, "@%u:%u", n->mark.line, n->mark.column);
}

static void check_tree(const char *text, bool marks, const char *expected)
{
	cleanup_buf struct buf tree = {0};
	struct document doc;
	struct diags d = {0};
	int r = document_parse(&doc, "t.yaml", text, strlen(text), &d);

	if (r < 0)
		diags_print(&d, stderr, false);
	assert_int_equal(r, 0);
	assert_int_equal(d.errors + d.warnings, 0);
	render(&tree, doc.root, marks);
	assert_string_equal(buf_text(&tree), expected);
	document_free(&doc);
	diags_free(&d);
}

static void good(const char *text, const char *expected)
{
	check_tree(text, false, expected);
}

/* All errors of a text, as "line:column: message; ..." */
static void bad_bytes(const char *text, size_t size, int code, const char *expected)
{
	cleanup_buf struct buf errors = {0};
	struct document doc;
	struct diags d = {0};
	int r = document_parse(&doc, "t.yaml", text, size, &d);

	diags_sort(&d);
	array_each(&d.list, diag)
		buf_printf(&errors, "%s%u:%u: %s", errors.n ? "; " : "", diag->mark.line,
			   diag->mark.column, diag->message);
	assert_string_equal(buf_text(&errors), expected);
	assert_int_equal(r, code);
	document_free(&doc);
	diags_free(&d);
}

static void bad(const char *text, const char *expected)
{
	bad_bytes(text, strlen(text), -EINVAL, expected);
}

static void test_scalars(void **state)
{
	(void)state;
	good("a: x\nb: 'x'\nc: \"x\\u00e9\"\nd: |\n  x\n", "{a='x' b=\"x\" c=\"xé\" d=\"x\n\"}");
	good("[1:30, 0o17, no, 1e3, 0x10, 2001-01-01]",
	     "['1:30' '0o17' 'no' '1e3' '0x10' '2001-01-01']");
	good("[~, null, Null, NULL, nULL, '', 'null', \"~\"]",
	     "[~ ~ ~ ~ 'nULL' \"\" \"null\" \"~\"]");
	good("a:\nb: # c\n", "{a=~ b=~}");
	good("x", "'x'");
	good("~", "~");
	good("[]", "[]");
	good("{}", "{}");
	good("a: one\n  two\n", "{a='one two'}");
	good("[fe80::1, a:b, 10.0.0.1/24]", "['fe80::1' 'a:b' '10.0.0.1/24']");
}

static void test_marks(void **state)
{
	(void)state;
	check_tree("a: 1\nbé:\n  - x: 日本\n    y: [z, 'w']\n", true,
		   "{a@1:1='1'@1:4 bé@2:1=[{x@3:5='日本'@3:8 y@4:5=['z'@4:9 \"w\"@4:12]}]}");
	check_tree("\xEF\xBB\xBF"
		   "a: 1\r\nb: 2\r\n",
		   true, "{a@1:1='1'@1:4 b@2:1='2'@2:4}");
	check_tree("%YAML 1.2\n---\na: 1\n...\n", true, "{a@3:1='1'@3:4}");
	check_tree("a:\nb:\n", true, "{a@1:1=~@1:3 b@2:1=~@2:3}");
}

static void test_aliases(void **state)
{
	(void)state;
	good("a: &x [1, {b: c}]\nd: *x\n", "{a=['1' {b='c'}] d=['1' {b='c'}]}");
	good("a: &x 1\nb: &x 2\nc: *x\n", "{a='1' b='2' c='2'}");
	good("a: &k key\n*k : v\n", "{a='key' key='v'}");
	good("a: &x [&x b, *x]\nc: *x\n", "{a=['b' 'b'] c='b'}");
	bad("a: *x\nb: *y\n", "1:4: there is no anchor &x before this alias; "
			      "2:4: there is no anchor &y before this alias");
	bad("a: *x\nb: &x 1\n", "1:4: there is no anchor &x before this alias");
	bad("a: &x [1, *x]\n", "1:11: the alias *x stands inside the value that it repeats");
	bad("&x a: 1\nb: &y {c: {d: *y}}\n",
	    "2:15: the alias *y stands inside the value that it repeats");
	bad("a: &x [1]\n*x : 2\n", "2:1: a key must be text, this is a list");
}

static void test_merge(void **state)
{
	(void)state;
	check_tree("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n", true,
		   "{a@1:1={x@1:8='1'@1:11 y@1:14='2'@1:17} "
		   "b@2:1={y@4:3='3'@4:6 x@1:8='1'@1:11}}");
	good("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b, {z: 3, y: 4}]}\n",
	     "{a={x='1'} b={x='2' y='2'} c={x='1' y='2' z='3'}}");
	good("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b}\n",
	     "{a={x='1'} b={y='2' x='1'} c={y='2' x='1'}}");
	good("a: {\"<<\": 1, '<': 2}", "{a={<<='1' <='2'}}");
	good("a: {\"<<\": 1, <<: {x: 2}}", "{a={<<='1' x='2'}}");
	good("a: {<<: {\"<<\": 1}}", "{a={<<='1'}}");
	good("a: {<<: {}}", "{a={}}");
	good("a: {<<: []}", "{a={}}");
	good("a: [<<]", "{a=['<<']}");
	bad("a: {<<: 1}\n", "1:9: << merges a mapping, or a list of mappings; this is text");
	bad("a: {<<: }\n", "1:9: << merges a mapping, or a list of mappings; this is nothing");
	bad("a: {<<: [{}, [{}]]}\n",
	    "1:14: << merges a mapping, or a list of mappings; this is a list");
	bad("a: {<<: {x: 1}, <<: {y: 1}}\n",
	    "1:17: duplicate key \"<<\", first given at line 1, column 5");
	bad("a: &a {<<: *a}\n", "1:12: the alias *a stands inside the value that it repeats");
}

static void test_keys(void **state)
{
	(void)state;
	bad("a: 1\nb: 2\na: 3\n\"b\": 4\na: 5\n",
	    "3:1: duplicate key \"a\", first given at line 1, column 1; "
	    "4:1: duplicate key \"b\", first given at line 2, column 1; "
	    "5:1: duplicate key \"a\", first given at line 1, column 1");
	bad("a:\n  b: {x: 1, x: 2}\n  b: 1\n",
	    "2:13: duplicate key \"x\", first given at line 2, column 7; "
	    "3:3: duplicate key \"b\", first given at line 2, column 3");
	bad("[a]: 1\n{b: c}: 2\nd: *x\n",
	    "1:1: a key must be text, this is a list; 2:1: a key must be text, this is a mapping; "
	    "3:4: there is no anchor &x before this alias");
	good("? a\n: b\n", "{a='b'}");
}

static void test_tags(void **state)
{
	(void)state;
	good("a: !!str ~\nb: !!map {}\nc: !!seq [!!str 1]\n", "{a=\"~\" b={} c=[\"1\"]}");
	bad("a: !!int 1\nb: !x [!!map []]\n",
	    "1:4: tags like !!int are not supported; 2:4: tags like !x are not supported; "
	    "2:8: tags like !!map are not supported");
	bad("a: ! b\n", "1:4: tags like ! are not supported");
	bad("a: !x!y b\n",
	    "1:4: \"!\" at the start of a value means a tag, and this one is unknown");
	bad("a: !<x b\n",
	    "1:4: \"!\" at the start of a value means a tag, and this one is malformed");
}

static void test_documents(void **state)
{
	(void)state;
	good("---\na\n", "'a'");
	bad("", "0:0: the file is empty");
	bad("# only this\n\n", "0:0: the file is empty");
	bad("---\n", "0:0: the file is empty");
	bad("\xEF\xBB\xBF", "0:0: the file is empty");
	bad("a: 1\n---\nb: 1\n", "2:1: a second document begins here; a file holds one");
	bad("{&k a: 1, *k : 2}", "1:11: duplicate key \"a\", first given at line 1, column 2");
	bad("a: 1\na: 1\n...\n---\n", "2:1: duplicate key \"a\", first given at line 1, column 1; "
				      "4:1: a second document begins here; a file holds one");
	bad("%YAML 2.0\n---\na\n", "1:1: only YAML 1.1 and 1.2 are supported");
	bad("%YAML 1.1\n%YAML 1.1\n---\na\n", "2:1: the %YAML directive is given twice");
}

static void test_syntax(void **state)
{
	static const char *const cases[][2] = {
		{"a:\n\tb: 1\n", "2:1: a tab is used for indentation"},
		{"a:\n  b: 1\n \tc: 1\n", "3:2: a tab is used for indentation"},
		{"a: \"b\nc: 1\n", "1:4: the quote opened here is never closed"},
		{"a: 'b\n---\n",
		 "1:4: the quote opened here is not closed before the document ends"},
		{"a: [1\nb: 2\n---", "2:2: \",\" or \"]\" expected here"},
		{"a: [1, 2\n # x\n", "1:4: the \"[\" opened here is never closed"},
		{"a: {b: [\n", "1:8: the \"[\" opened here is never closed"},
		{"a: &x {\n", "1:4: the \"{\" opened here is never closed"},
		{"a: {b: 1 c: 2}\n", "1:11: \",\" or \"}\" expected here"},
		{"a: b: c\n", "1:5: \": \" is not allowed here"},
		{"a: - b\n", "1:4: a list item \"- \" is not allowed here"},
		{"a: 1\nb\nc: 1\n", "2:1: \":\" expected after this key"},
		{"a:\n  b: 1\n c: 2\n", "3:2: the indentation does not fit the lines above"},
		{"a: \"b\" c\n", "1:8: nothing may follow the value on this line"},
		{"a: 1\n}\n", "2:1: this \"}\" closes nothing"},
		{"- a\nb: 1\n",
		 "2:1: a list item \"- \" expected here, or the indentation does not fit the lines "
		 "above"},
		{"a: @b\n", "1:4: a value cannot begin with this character"},
		{"a: *.b\n",
		 "1:4: \"*\" at the start of a value means an alias, but no name follows"},
		{"a: & b\n",
		 "1:4: \"&\" at the start of a value means an anchor, but no name follows"},
		{"a: \"\\q\"\n", "1:5: unknown escape sequence in double quotes"},
		{"a: \"\\xzz\"\n", "1:7: hexadecimal digits must follow \\x, \\u and \\U"},
		{"a: \"\\ud800\"\n", "1:7: this escape sequence is no Unicode character"},
		{"a: [,]\n", "1:5: a value expected here"},
		{"[a]\n]\n", "2:1: the document has ended: nothing may follow here"},
		{"a: | b\n", "1:6: the text of a block begins on the line after \"|\" or \">\""},
		{"a: |0\n", "1:5: the indentation of a block must be 1 to 9"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		bad(cases[i][0], cases[i][1]);
}

static void test_characters(void **state)
{
	(void)state;
	bad("a: b\n\xE9: c\n", "2:1: the byte 0xE9 here is not UTF-8");
	bad("é: \xED\xA0\x80\n", "1:4: the byte 0xED here is not UTF-8");
	bad("a: \001\n", "1:4: the character U+0001 is not allowed in YAML");
	bad("a: \x7F\n", "1:4: the character U+007F is not allowed in YAML");
	bad("a: \xC2\x9B\n", "1:4: the character U+009B is not allowed in YAML");
	bad("a: \xEF\xBF\xBE\n", "1:4: the character U+FFFE is not allowed in YAML");
	bad("a\r\n\xEF\xBB\xBF", "2:1: a byte order mark in the middle of the file");
	bad("a: \"\\0\"\nb: \"x\\0y\"\n", "1:4: a text must not contain a NUL character (\"\\0\"); "
					  "2:4: a text must not contain a NUL character (\"\\0\")");
	bad_bytes("ab: \0c", 6, -EINVAL, "1:5: a NUL byte: this is not a text file");
	bad_bytes("\xFF\xFE"
		  "a\0",
		  4, -EINVAL, "0:0: the file is in UTF-16; it must be UTF-8");
	bad_bytes("\xFE\xFF\0a", 4, -EINVAL, "0:0: the file is in UTF-16; it must be UTF-8");
	bad_bytes("a\0:\0", 4, -EINVAL, "0:0: the file is in UTF-16; it must be UTF-8");
	bad_bytes("\0a\0:", 4, -EINVAL, "0:0: the file is in UTF-16; it must be UTF-8");
	bad_bytes("a\0\0\0", 4, -EINVAL, "0:0: the file is in UTF-32; it must be UTF-8");
	bad_bytes("\xFF\xFE\0\0", 4, -EINVAL, "0:0: the file is in UTF-32; it must be UTF-8");
}

static void repeat(struct buf *b, const char *s, unsigned n)
{
	while (n--)
		buf_puts(b, s);
}

/* Text is looked at in blocks: one wrong character in any place of any of them. */
static void test_character_anywhere(void **state)
{
	(void)state;
	for (unsigned before = 0; before < 200; before++) {
		struct buf text = {0}, expected = {0};

		buf_puts(&text, "a: ");
		repeat(&text, before % 2 ? "x" : "\xC3\xA9", before);
		buf_putc(&text, '\1');
		repeat(&text, "y", 200);
		buf_printf(&expected, "1:%u: the character U+0001 is not allowed in YAML",
			   4 + before);
		bad(buf_text(&text), buf_text(&expected));
		buf_free(&text);
		buf_free(&expected);
	}
}

/* Errors of large texts must come fast, whatever they hold. */
static void bad_fast(struct buf *b, int code, const char *expected)
{
	clock_t start = clock();

	bad_bytes(buf_text(b), b->n, code, expected);
	/* Far more than is needed, for sanitizers and valgrind; quadratic takes minutes. */
	assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
	buf_free(b);
}

static void test_depth(void **state)
{
	struct buf b = {0};

	(void)state;
	repeat(&b, "[", 64);
	repeat(&b, "]", 64);
	good(buf_text(&b), buf_text(&b));
	buf_free(&b);
	repeat(&b, "[", 100000);
	bad_fast(&b, -E2BIG, "1:65: nested deeper than 64 levels");
	repeat(&b, "{a: ", 100000);
	bad_fast(&b, -E2BIG, "1:257: nested deeper than 64 levels");
	repeat(&b, "- ", 100000);
	bad_fast(&b, -E2BIG, "1:129: nested deeper than 64 levels");
	buf_puts(&b, "a: &a0 [x]\n");
	for (unsigned i = 1; i < 100; i++)
		buf_printf(&b, "a%u: &a%u [*a%u]\n", i, i, i - 1);
	bad_fast(&b, -E2BIG, "64:12: nested deeper than 64 levels, with aliases expanded");
}

static void test_size(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_puts(&b, "[");
	repeat(&b, "a,", DOCUMENT_MAX_NODES);
	buf_puts(&b, "]");
	bad_fast(&b, -E2BIG, "1:2000000: more than 1000000 values");
	buf_puts(&b, "a: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (unsigned i = 1; i < 12; i++) {
		buf_printf(&b, "a%u: &a%u [", i, i);
		for (unsigned j = 0; j < 10; j++)
			buf_printf(&b, "*a%u,", i - 1);
		buf_puts(&b, "]\n");
	}
	bad_fast(&b, -E2BIG, "6:38: more than 1000000 values, with aliases expanded");
	for (unsigned i = 0; i <= 100; i++)
		buf_printf(&b, "%%TAG !t%u! !x\n", i);
	buf_puts(&b, "---\na\n");
	bad_fast(&b, -EINVAL, "101:1: too many %TAG directives");
}

static void test_many_keys(void **state)
{
	cleanup_buf struct buf b = {0};
	struct document doc;
	struct diags d = {0};

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_printf(&b, "k%u: %u\n", i * 7919 % 100000, i);
	assert_int_equal(document_parse(&doc, "t", b.s, b.n, &d), 0);
	assert_int_equal(doc.root->n, 100000);
	for (uint32_t i = 0; i < doc.root->n; i += 1000)
		assert_int_equal(atoi(doc.root->pairs[i].value->text), i);
	document_free(&doc);
	repeat(&b, "k5: x\n", 1000);
	assert_int_equal(document_parse(&doc, "t", b.s, b.n, &d), -EINVAL);
	assert_int_equal(d.errors, 1000);
	assert_int_equal(d.list.n, DIAGS_MAX);
	document_free(&doc);
	diags_free(&d);
}

static void test_access(void **state)
{
	static const char text[] = "a: 1\nb: [x]\nc:\nd: {}\n";
	struct document doc;
	struct diags d = {0};

	(void)state;
	assert_int_equal(document_parse(&doc, "t", text, strlen(text), &d), 0);
	assert_string_equal(node_get(doc.root, "a")->text, "1");
	assert_null(node_get(doc.root, "x"));
	assert_null(node_get(node_get(doc.root, "b"), "x"));
	assert_int_equal(node_key_mark(doc.root, "d").line, 4);
	assert_int_equal(node_key_mark(doc.root, "x").line, 1);
	assert_ptr_equal(node_key_mark(doc.root, "x").source, &doc.source);
	assert_string_equal(node_describe(node_get(doc.root, "a")), "text");
	assert_string_equal(node_describe(node_get(doc.root, "b")), "a list");
	assert_string_equal(node_describe(node_get(doc.root, "c")), "nothing");
	assert_string_equal(node_describe(node_get(doc.root, "d")), "a mapping");
	document_free(&doc);
	document_free(&doc);
	document_free(NULL);
}

static void load(const char *path, int code, const char *expected)
{
	struct document doc;
	struct diags d = {0};

	assert_int_equal(document_load(&doc, path, &d), code);
	if (code < 0)
		assert_string_equal(d.list.items[0].message, expected);
	else
		assert_string_equal(doc.root->text, expected);
	assert_string_equal(doc.source.name, path);
	document_free(&doc);
	diags_free(&d);
}

static void test_load(void **state)
{
	char dir[] = "/tmp/test_document.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	load(dir, -EISDIR, "this is a directory, not a file");
	snprintf(path, sizeof(path), "%s/f", dir);
	load(path, -ENOENT, "cannot open the file: No such file or directory");
	assert_int_equal(mkfifo(path, 0600), 0);
	load(path, -EINVAL, "the file is empty");
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text\n", 5), 5);
	load(path, 0, "text");
	assert_int_equal(ftruncate(fd, (off_t)DOCUMENT_MAX_BYTES + 1), 0);
	load(path, -E2BIG, "the file is larger than 64 MiB");
	close(fd);
	unlink(path);
	rmdir(dir);
	load("/dev/zero", -E2BIG, "the file is larger than 64 MiB");
	load("/dev/null", -EINVAL, "the file is empty");
}

static void test_load_stdin(void **state)
{
	struct document doc;
	struct diags d = {0};
	int fds[2], saved = dup(STDIN_FILENO);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "a: [\n", 5), 5);
	close(fds[1]);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	assert_int_equal(document_load(&doc, "-", &d), -EINVAL);
	assert_string_equal(d.list.items[0].mark.source->name, "<stdin>");
	document_free(&doc);
	diags_free(&d);
	if (saved >= 0) {
		dup2(saved, STDIN_FILENO);
		close(saved);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),	   cmocka_unit_test(test_marks),
		cmocka_unit_test(test_aliases),	   cmocka_unit_test(test_merge),
		cmocka_unit_test(test_keys),	   cmocka_unit_test(test_tags),
		cmocka_unit_test(test_documents),  cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_characters), cmocka_unit_test(test_character_anywhere),
		cmocka_unit_test(test_depth),	   cmocka_unit_test(test_size),
		cmocka_unit_test(test_many_keys),  cmocka_unit_test(test_access),
		cmocka_unit_test(test_load),	   cmocka_unit_test(test_load_stdin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
