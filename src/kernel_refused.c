/* SPDX-License-Identifier: MIT */
/* Why an ordinary user may not have namespaces of his own here, and what mends that.
 *
 * The kernel says EPERM or ENOSPC and no more. So the places are looked at where people, distributions
 * and containers forbid it. The order is that of likelihood: several may be true. AppArmor's restriction (Ubuntu
 * since 23.10) lets the user namespace be made, and then refuses what takes a capability in it. */
#include "config.h"
#include "kernel_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define APPARMOR "kernel.apparmor_restrict_unprivileged_userns"
#define CLONE "kernel.unprivileged_userns_clone" /* Debian's, and kernels with that patch */

static bool sysctl_is(const char *name, char value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	for (char *p = path + sizeof("/proc/sys/") - 1; *p; p++)
		if (*p == '.')
			*p = '/';
	read_start(path, text, sizeof(text));
	return text[0] == value && (!text[1] || text[1] == '\n');
}

static bool is_filtered(void)
{
	char text[4096];

	read_start("/proc/self/status", text, sizeof(text));
	return strstr(text, "\nSeccomp:\t2") != NULL;
}

/* Nobody forbids it. */
static bool is_lack(int code)
{
	return code == -EMFILE || code == -ENFILE || code == -ENOMEM || code == -EAGAIN;
}

int private_refused(const char *what, const char *limit, int code, struct diags *d)
{
	cleanup_buf struct buf text = {0};

	buf_printf(&text, "cannot %s: %s", what, strerror(-code));
	if (code == -ENOSPC && limit) {
		diag_error(d, code, NO_MARK, "%s: the limit user.%s is reached", buf_text(&text),
			   limit);
		diag_hint(d, "as root: sysctl -w user.%s=10000; or run nsapply as root", limit);
	} else if (code == -EINVAL) {
		diag_error(d, code, NO_MARK, "%s: this kernel is built without them",
			   buf_text(&text));
		diag_hint(d, "without user namespaces this takes root");
	} else if (is_lack(code)) {
		diag_error(d, code, NO_MARK, "%s", buf_text(&text));
	} else if (sysctl_is(CLONE, '0')) {
		diag_error(d, code, NO_MARK, "%s: " CLONE " is 0", buf_text(&text));
		diag_hint(d, "as root: sysctl -w " CLONE "=1; or run nsapply as root");
	} else if (sysctl_is(APPARMOR, '1')) {
		diag_error(d, code, NO_MARK, "%s: AppArmor forbids it (" APPARMOR " is 1)",
			   buf_text(&text));
		diag_hint(d, "as root: apparmor_parser -r " NSAPPLY_APPARMOR
			     ", a profile that allows it to nsapply; or sysctl -w " APPARMOR "=0");
	} else if (is_filtered()) {
		diag_error(d, code, NO_MARK,
			   "%s: a seccomp filter forbids it, as containers have one",
			   buf_text(&text));
		diag_hint(d, "docker run --security-opt seccomp=unconfined --security-opt "
			     "systempaths=unconfined, or --privileged");
	} else {
		diag_error(d, code, NO_MARK, "%s", buf_text(&text));
		diag_hint(d, "a security module or a chroot may forbid it; run nsapply as root");
	}
	return code;
}
