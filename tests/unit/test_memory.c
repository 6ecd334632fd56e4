/* SPDX-License-Identifier: MIT */
/* What happens when there is no more memory, in children whose address space is limited. */
#include "util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define STATUS 42

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* A sanitizer's allocator takes terabytes of addresses for itself; valgrind's takes some in advance
 * that no limit counts. */
static bool another_allocator(void)
{
#ifdef SANITIZED
	return true;
#else
	return getenv("NSAPPLY_VALGRIND") != NULL; /* by meson.build */
#endif
}

/* Calls fn in a child with no more than `spare` bytes left, and returns how that ended. */
static int in_child(size_t spare, void (*fn)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0) {
		char line[64] = {0};
		FILE *statm = fopen("/proc/self/statm", "re");
		size_t used = statm && fgets(line, sizeof(line), statm)
				      ? strtoul(line, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE)
				      : 0;
		struct rlimit limit = {used + spare, used + spare};

		if (!used || setrlimit(RLIMIT_AS, &limit) < 0)
			_exit(99);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void take_too_much(void)
{
	xmalloc(64 * MIB);
}

static void hold_back_and_need_it(void)
{
	memory_hold_back(8 * MIB, STATUS);
	if (memory_is_low())
		_exit(1);
	xcalloc(1, 6 * MIB); /* of the 4 MiB that are left */
	if (!memory_is_low())
		_exit(2);
	memory_let_go();
	if (memory_is_low())
		_exit(3);
}

static void need_more_than_is_held_back(void)
{
	memory_hold_back(8 * MIB, STATUS);
	xrealloc(NULL, 64, MIB);
}

static void spend_early(void)
{
	memory_hold_back(8 * MIB, STATUS);
	memory_spend();
	if (!memory_is_low() || !malloc(10 * MIB)) /* also for those who do not ask us */
		_exit(1);
	xmalloc(64 * MIB);
}

static void test_exhausted(void **state)
{
	(void)state;
	assert_int_equal(in_child(12 * MIB, take_too_much), EXIT_FAILURE);
}

static void test_reserve(void **state)
{
	(void)state;
	assert_int_equal(in_child(12 * MIB, hold_back_and_need_it), 0);
	assert_int_equal(in_child(12 * MIB, need_more_than_is_held_back), STATUS);
	assert_int_equal(in_child(12 * MIB, spend_early), STATUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exhausted),
		cmocka_unit_test(test_reserve),
	};

	if (another_allocator()) {
		/* TAP's way of skipping: by it an exit status of 77 is an error. */
		puts("1..0 # SKIP the allocator is another than that which the limits are for");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
