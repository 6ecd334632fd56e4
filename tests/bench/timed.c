/* SPDX-License-Identifier: MIT */
/* timed FD COMMAND...: runs a command and writes to FD what it took: seconds of wall clock, of
 * CPU in user space and in the kernel, peak memory in KiB, page faults, when it ended by the
 * monotonic clock, and its exit status. A program of its own because a child's peak memory is at least what its
 * parent had when it was forked: this one is small, an interpreter is not. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t files;
	struct rusage used;
	double start, end;
	int out, status, error;
	pid_t pid;

	if (argc < 3)
		return 64;
	out = atoi(argv[1]);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addclose(&files, out);
	start = now();
	error = posix_spawnp(&pid, argv[2], &files, NULL, argv + 2, environ);
	if (error) {
		fprintf(stderr, "timed: %s: %s\n", argv[2], strerror(error));
		return 127;
	}
	while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR)
		;
	end = now();
	dprintf(out, "%.6f %.6f %.6f %ld %ld %.6f %d\n", end - start, seconds(used.ru_utime),
		seconds(used.ru_stime), used.ru_maxrss, used.ru_minflt, end,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
