/* SPDX-License-Identifier: MIT */
/* The heap, and what is to happen when it has no more.
 *
 * An error that is passed up needs memory itself, and each caller's way of handling
 * it would never be tested. So the functions here never fail: the program ends instead, which
 * is harmless until the machine is being changed, and even then the record knows
 * everything. But a change that was begun should be undone rather than left, so while
 * there is one some memory is held back. The first allocation that fails gets it, and
 * the executor, which asks memory_is_low() between two steps, turns back with what
 * there is. The heap belongs to the whole process, and so does this state of it. */
#include "util.h"

#include <string.h>

static struct {
	void *reserve;
	bool low;
	int status; /* to exit with when even that was not enough */
} memory = {.status = EXIT_FAILURE};

/* exit(), not abort(): what was printed so far must not get lost. */
void memory_exhausted(void)
{
	static const char text[] = "nsapply: out of memory\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		exit(memory.status);
	exit(memory.status);
}

void memory_hold_back(size_t size, int status)
{
	memory_let_go();
	memory.reserve = xmalloc(size); /* never touched, so it costs addresses only */
	memory.status = status;
}

bool memory_is_low(void)
{
	return memory.low;
}

void memory_let_go(void)
{
	free(memory.reserve);
	memory.reserve = NULL;
	memory.low = false;
	memory.status = EXIT_FAILURE;
}

void memory_spend(void)
{
	free(memory.reserve);
	memory.reserve = NULL;
	memory.low = true;
}

/* Nothing was to be had: is it worth another try? */
static bool use_reserve(void)
{
	if (!memory.reserve)
		memory_exhausted();
	memory_spend();
	return true;
}

void *xmalloc(size_t size)
{
	void *p;

	do
		p = malloc(size ? size : 1);
	while (!p && use_reserve());
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p;

	do
		p = n && size ? calloc(n, size) : calloc(1, 1);
	while (!p && use_reserve());
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	void *q;

	do /* zero bytes would mean free() */
		q = n && size ? reallocarray(p, n, size) : realloc(p, 1);
	while (!q && use_reserve());
	return q;
}

char *xstrdup(const char *s)
{
	size_t size = strlen(s) + 1;

	return memcpy(xmalloc(size), s, size);
}
