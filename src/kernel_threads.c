/* SPDX-License-Identifier: MIT */
/* Several threads do the same to many namespaces, where that is faster than one: what the kernel does
 * for one of them mostly does not wait for what it does for another. */
#include "kernel_internal.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* Fewer are done before a thread has started. */
#define NETNS_PER_THREAD 100
#define THREAD_STACK (256u << 10)

struct work {
	thread_step *step;
	size_t n;
	atomic_size_t next;
	atomic_int error; /* work stops at the first */
};

struct worker {
	pthread_t thread;
	void *arg;
	struct work *work;
};

size_t threads_worth(size_t namespaces)
{
	size_t n = namespaces / NETNS_PER_THREAD;
	cpu_set_t cpus;

	if (n < 2 || sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return 1;
	n = n < (size_t)CPU_COUNT(&cpus) ? n : (size_t)CPU_COUNT(&cpus);
	return n < THREADS_MAX ? n : THREADS_MAX;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int error = 0;

	while (!error && !atomic_load(&w->work->error)) {
		size_t i = atomic_fetch_add(&w->work->next, 1);

		if (i >= w->work->n)
			break;
		error = w->work->step(w->arg, i);
	}
	if (error)
		atomic_store(&w->work->error, error);
	return NULL;
}

/* A thread that cannot be had is no error: the others do its work. */
int threads_run(thread_step *step, size_t n, void *const *args, size_t threads)
{
	struct work all = {.step = step, .n = n};
	struct worker first = {.arg = args[0], .work = &all};
	struct worker others[THREADS_MAX - 1];
	size_t started = 0;
	pthread_attr_t attr;

	if (threads >
	    1) /* a heap for each would cost 64 MiB of addresses, and they allocate little */
		mallopt(M_ARENA_MAX, 1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	while (started + 1 < threads) {
		struct worker *w = &others[started];

		*w = (struct worker){.arg = args[started + 1], .work = &all};
		if (pthread_create(&w->thread, &attr, work, w) != 0)
			break;
		started++;
	}
	pthread_attr_destroy(&attr);
	work(&first);
	for (size_t i = 0; i < started; i++)
		pthread_join(others[i].thread, NULL);
	return atomic_load(&all.error);
}
