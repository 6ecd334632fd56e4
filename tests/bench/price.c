/* SPDX-License-Identifier: MIT */
/* price: what this machine charges for the two things that processes take most of: prints the
 * microseconds of a page of memory that is touched for the first time, and of a system call that does
 * nothing. Each is the least of several rounds. Virtual machines differ in them by more than ten
 * times, and so do the ratios of programs that take more or less of them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGES 4096
#define CALLS 100000
#define ROUNDS 5

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	double start;
	char *memory;

	start = now();
	memory = mmap(NULL, PAGES * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		exit(1);
	for (size_t i = 0; i < PAGES; i++)
		((volatile char *)memory)[i * size] = 1;
	munmap(memory, PAGES * size);
	return (now() - start) / PAGES;
}

static double call(void)
{
	double start = now();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return (now() - start) / CALLS;
}

static double least(double (*of)(void))
{
	double ret = of();

	for (int i = 1; i < ROUNDS; i++) {
		double took = of();

		if (took < ret)
			ret = took;
	}
	return ret;
}

int main(void)
{
	printf("%.2f %.2f\n", least(page), least(call));
	return 0;
}
