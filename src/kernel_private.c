/* SPDX-License-Identifier: MIT */
/* Namespaces of this process's own, for a lab that nobody else sees.
 *
 * A user namespace, in which anybody is uid 0, is made only where it takes one: who may do
 * all this anyway (root; uid 0 of a user namespace) stays the same user, so that for the command all
 * works that works outside. Into a new one an ordinary user may write a single line of uid_map, his own
 * uid, and of gid_map only after having given up setgroups(2): user_namespaces(7). That needs no help of
 * newuidmap(1).
 *
 * Traps: what is mounted outside is locked inside and cannot be unmounted, only covered; /proc and /sys can
 * be mounted anew only where they are visible whole (mount_too_revealing() in fs/namespace.c), which they
 * are not in most containers; /proc is that of the pid namespace of whoever mounts it, so only its
 * first process can. */
#include "kernel_private.h"
#include "kernel_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH 0 /* nobody's */
#endif
#define CGROUP_DIR "/sys/fs/cgroup"
#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static int fail(struct diags *d, const char *what)
{
	int code = -errno;

	return diag_error(d, code, NO_MARK, "cannot %s: %s", what, strerror(-code));
}

/* --- the namespaces ------------------------------------------------------------------ */

/* In the user namespace where we are. libcap would be a library for this alone. */
static bool may_make_namespaces(void)
{
	const uint32_t wanted = 1u << CAP_SYS_ADMIN | 1u << CAP_NET_ADMIN;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & wanted) == wanted;
}

static int write_file(const char *path, const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t size = strlen(text);

	return fd >= 0 && write(fd, text, size) == (ssize_t)size ? 0 : -1;
}

static int map_ids(unsigned inner_uid, unsigned outer_uid, unsigned inner_gid, unsigned outer_gid,
		   struct diags *d)
{
	char uids[64], gids[64];

	snprintf(uids, sizeof(uids), "%u %u 1\n", inner_uid, outer_uid);
	snprintf(gids, sizeof(gids), "%u %u 1\n", inner_gid, outer_gid);
	if (write_file("/proc/self/setgroups", "deny") < 0 ||
	    write_file("/proc/self/uid_map", uids) < 0 ||
	    write_file("/proc/self/gid_map", gids) < 0)
		return private_refused("map the user in a user namespace", NULL, -errno, d);
	return 0;
}

static int enter_user(struct caller *caller, struct diags *d)
{
	if (may_make_namespaces())
		return 0;
	if (unshare(CLONE_NEWUSER) < 0)
		return private_refused("make a user namespace", "max_user_namespaces", -errno, d);
	caller->mapped = true;
	return map_ids(0, caller->uid, 0, caller->gid, d);
}

int private_enter(struct caller *ret_caller, struct diags *d)
{
	static const struct {
		int flag;
		const char *what, *limit;
	} kinds[] = {
		{CLONE_NEWNS, "make a mount namespace", "max_mnt_namespaces"},
		{CLONE_NEWNET, "make a network namespace", "max_net_namespaces"},
		{CLONE_NEWPID, "make a pid namespace", "max_pid_namespaces"},
	};
	struct caller caller = {
		.uid = geteuid(), .gid = getegid(), .ipv6_is_plain = kernel_ipv6_is_plain()};
	int r = enter_user(&caller, d);

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r >= 0; i++)
		if (unshare(kinds[i].flag) < 0)
			r = private_refused(kinds[i].what, kinds[i].limit, -errno, d);
	if (r >= 0)
		*ret_caller = caller;
	return r;
}

int private_leave_root(const struct caller *caller, struct diags *d)
{
	if (!caller->mapped)
		return 0;
	if (unshare(CLONE_NEWUSER) < 0)
		return private_refused("make a user namespace", "max_user_namespaces", -errno, d);
	return map_ids(caller->uid, 0, caller->gid, 0, d);
}

static bool are_groups_denied(void)
{
	char text[8];

	return read_start("/proc/self/setgroups", text, sizeof(text)) > 0 &&
	       str_starts(text, "deny");
}

/* Programs that drop privileges give up their groups first, and end where they cannot (tcpdump -Z root):
 * to those that ask for one group or none, which is all that there can be, the kernel says yes and does
 * nothing. Without a filter, or on another architecture, it goes on saying no. */
void private_pretend_groups(void)
{
	static const struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 0, 3),
		/* the low half of an argument, on what is little-endian */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 1, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO), /* 0: done */
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {ARRAY_SIZE(steps), (struct sock_filter *)steps};

	if (are_groups_denied())
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* --- mounts --------------------------------------------------------------------------- */

static void mount_proc(struct diags *d)
{
	if (mount("proc", "/proc", "proc", MOUNT_FLAGS, NULL) == 0)
		return;
	diag_warning(
		d, NO_MARK,
		"cannot mount a new /proc (%s): the old one stays, with the processes of outside",
		strerror(errno));
	if (errno == EPERM)
		diag_hint(d,
			  "parts of it are hidden here, as in a container; docker shows them with "
			  "--security-opt systempaths=unconfined");
}

/* As read-only as the one that it covers, and with its cgroups. */
static void mount_sys(struct diags *d)
{
	cleanup_close int cgroups = open(CGROUP_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned long flags = MOUNT_FLAGS;
	struct statvfs old;
	char from[64];

	if (statvfs("/sys", &old) == 0 && old.f_flag & ST_RDONLY)
		flags |= MS_RDONLY;
	if (mount("sysfs", "/sys", "sysfs", flags, NULL) < 0) {
		diag_warning(d, NO_MARK,
			     "cannot mount a new /sys (%s): the old one stays, with the interfaces "
			     "of outside",
			     strerror(errno));
		return;
	}
	snprintf(from, sizeof(from), "/proc/self/fd/%d", cgroups);
	if (cgroups >= 0) /* missing, they are missed by few */
		mount(from, CGROUP_DIR, NULL, MS_BIND | MS_REC, NULL);
}

/* An entry of the old /run appears in the new one; one that cannot is left out. */
static void keep_entry(int old, const struct dirent *entry)
{
	char from[64 + NAME_MAX + 1], to[8 + NAME_MAX + 1], target[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstatat(old, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", old, entry->d_name);
	snprintf(to, sizeof(to), "/run/%s", entry->d_name);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(old, entry->d_name, target, sizeof(target) - 1);
		if (n < 0)
			return;
		target[n] = '\0';
		if (symlink(target, to) < 0)
			return;
	} else if (S_ISDIR(st.st_mode)) {
		if (mkdir(to, 0755) < 0)
			return;
		if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0)
			rmdir(to);
	} else {
		cleanup_close int file = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (file >= 0 && mount(from, to, NULL, MS_BIND, NULL) < 0)
			unlink(to);
	}
}

static bool is_own(const char *name)
{
	static const char *const own[] = {".", "..", "netns", "nsapply"};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (strcmp(name, own[i]) == 0)
			return true;
	return false;
}

/* A new /run with all of the old one's but namespaces and labs. */
static int mount_run(struct diags *d)
{
	int old = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = old < 0 ? NULL : fdopendir(old);
	struct dirent *entry;

	if (!list || mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0) {
		int r = fail(d, "mount a new /run");

		if (r == -ENOENT)
			diag_hint(d,
				  "an image of a container may come without that folder: make it");
		if (list)
			closedir(list);
		else if (old >= 0)
			close(old);
		return r;
	}
	while ((entry = readdir(list)))
		if (!is_own(entry->d_name))
			keep_entry(old, entry);
	closedir(list);
	return 0;
}

int private_mount(struct diags *d)
{
	char cwd[PATH_MAX];
	bool known = getcwd(cwd, sizeof(cwd));
	int r;

	/* Like `ip netns exec`: what is mounted outside later appears, nothing of ours there. */
	if (mount("", "/", "none", MS_SLAVE | MS_REC, NULL) < 0)
		return private_refused("keep our mounts to ourselves", NULL, -errno, d);
	mount_sys(d);
	r = mount_run(d);
	mount_proc(d);
	/* The same place, should it be below what is covered now; or else the old one. */
	return r < 0 || !known || chdir(cwd) < 0 ? r : 0;
}

/* --- the network ----------------------------------------------------------------------- */

static int set_lo_up(struct diags *d)
{
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return private_refused("set lo up in our network namespace", NULL, -errno, d);
	return 0;
}

int private_network(const struct caller *caller, bool ping, struct kernel **ret_kernel,
		    struct diags *d)
{
	int r = kernel_open(ret_kernel, d);

	if (r < 0)
		return r;
	(*ret_kernel)->ipv6_is_plain = caller->ipv6_is_plain;
	r = kernel_write_defaults(*ret_kernel, d);
	if (r >= 0 && ping) /* of groups, only those that are mapped can be named */
		sysctl_put(*ret_kernel, "ipv4/ping_group_range", "0 0");
	/* After the defaults: lo takes its values from them. */
	return r < 0 ? r : set_lo_up(d);
}
