/* SPDX-License-Identifier: MIT */
/* The heap, and what is to happen when it has no more.
 *
 * An error that is passed up needs memory itself, and each caller's way of handling
 * it would never be tested. So the functions here never fail: the program ends instead, which
 * is harmless until the machine is being changed, and even then the record knows
 * everything. But a change that was begun should be undone rather than left, so while
 * there is one some memory is held back. The first allocation that fails gets it, and
 * the executor, which asks memory_is_low() between two steps, turns back with what
 * there is. The heap belongs to the whole process, and so does this state of it; `lock`
 * is for threads that find no more at once. */
#include "util.h"

#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
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

/* Nothing was to be had: is it worth another try? The first one is, even without a
 * reserve: another thread may have given it back just now. */
static bool use_reserve(int *tries)
{
	pthread_mutex_lock(&lock);
	if (!memory.reserve && ++*tries > 1)
		memory_exhausted();
	if (memory.reserve)
		memory_spend();
	pthread_mutex_unlock(&lock);
	return true;
}

void *xmalloc(size_t size)
{
	void *p;
	int tries = 0;

	do
		p = malloc(size ? size : 1);
	while (!p && use_reserve(&tries));
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p;
	int tries = 0;

	do
		p = n && size ? calloc(n, size) : calloc(1, 1);
	while (!p && use_reserve(&tries));
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	void *q;
	int tries = 0;

	do /* zero bytes would mean free() */
		q = n && size ? reallocarray(p, n, size) : realloc(p, 1);
	while (!q && use_reserve(&tries));
	return q;
}

char *xstrdup(const char *s)
{
	size_t size = strlen(s) + 1;

	return memcpy(xmalloc(size), s, size);
}
