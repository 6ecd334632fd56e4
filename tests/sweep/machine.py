# SPDX-License-Identifier: MIT
"""A machine for the sweeps: a box (tests/e2e/box.py) in use already, and the judge of what became
of it. The judge looks at everything that a lab may touch and is quick, as it is asked thousands of
times: two processes of ip and one walk over /proc/sys/net for each namespace."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import box as e2e  # noqa: E402
from box import BUILD, NSAPPLY, Box, comparable, differences  # noqa: E402,F401

AT = os.environ.get("NSAPPLY_AT", str(BUILD / "tests" / "at"))
# No judgement: a process that takes this long is taken for one that hangs.
RUN_TIMEOUT = 240


class Failed(Exception):
    """A promise was not kept."""


def shorten(lines, most=12):
    lines = [line if len(line) < 300 else line[:300] + "..." for line in lines]
    return lines if len(lines) <= most else [*lines[:most], f"... and {len(lines) - most} more"]


class Machine(Box):
    def __init__(self, found):
        self._folder = tempfile.mkdtemp(prefix="nsapply-sweep-")
        super().__init__(self._folder)
        self.sh(found)
        self.calm()
        self.found = self.state()
        self.lab_file = self.tmp / "lab.yaml"

    def close(self):
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)

    # --- the judge ------------------------------------------------------------------------

    def state(self, namespaces=None):
        """All of the host, of the named namespaces (default: those that are nobody's lab), of
        /run and of the mounts."""
        if namespaces is None:
            namespaces = ["other"] if "other" in self.names() else []
        result = {"files": self.do(_files), "mounts": self.do(_mounts)}
        for name in ["host", *namespaces]:
            result[name] = self.inside(name, e2e.look, True)
        return result

    def whole_state(self):
        """With the lab's namespaces, and without what differs where things were made anew."""
        state = self.state(self.names())
        state["mounts"] = [m for m in state["mounts"] if "/run/netns/" not in m[1]]
        return comparable(state)

    def expect_as_found(self):
        if "/run/netns" not in self.found["files"]:
            # As `ip netns` does, the folder is left behind; but nothing in it.
            self.do(_remove_netns_folder)
        self.expect(self.found, self.state, "the machine is not as it was found")

    def expect(self, before, look, what):
        """Some of what the kernel does comes a moment later."""
        deadline = time.monotonic() + 3
        while (now := look()) != before:
            if time.monotonic() > deadline:
                raise Failed("\n".join([what + ":", *shorten(differences(before, now))]))
            time.sleep(0.02)

    # --- running --------------------------------------------------------------------------

    def nsapply(self, *args, status=0, prefix=(), **kw):
        try:
            done = self.run(*prefix, NSAPPLY, *args, status=None, timeout=RUN_TIMEOUT, **kw)
        except subprocess.TimeoutExpired:
            raise Failed(f"nsapply {' '.join(map(str, args))} hangs") from None
        if status is not None and done.status != status:
            raise Failed(f"nsapply {' '.join(map(str, args))}: status {done.status} instead of "
                         f"{status}:\n{done.err}")
        return done

    def apply(self, lab, **kw):
        self.lab_file.write_text(lab)
        return self.nsapply("-q", self.lab_file, **kw)

    def destroy(self, **kw):
        return self.nsapply("-q", "--destroy", self.lab_file, **kw)

    def expect_in_force(self, lab):
        self.lab_file.write_text(lab)
        plan = self.nsapply("--plan", self.lab_file, status=None)
        if plan.status:
            raise Failed(f"the plan is not empty (status {plan.status}):\n{plan.out}{plan.err}")

    def at(self, *args, command, after=None):
        """Runs nsapply to a point: its result, and what at says of the point."""
        options = ["-a", after] if after else []
        read, write = os.pipe()

        def call():
            return subprocess.run([AT, *options, "-r", str(write), *map(str, args), NSAPPLY,
                                   *map(str, command)], capture_output=True, pass_fds=[write],
                                  timeout=RUN_TIMEOUT)

        try:
            done = self.do(call)
        except subprocess.TimeoutExpired:
            raise Failed(f"at {' '.join(map(str, args))} hangs") from None
        finally:
            os.close(write)
            with os.fdopen(read) as report:
                point = report.read().strip()
        return e2e.Result(command, done.returncode, done.stdout.decode("utf-8", "replace"),
                          done.stderr.decode("utf-8", "replace")), point


def _remove_netns_folder():
    while e2e._libc.umount2(b"/run/netns", 0) == 0:
        pass
    if os.path.isdir("/run/netns") and not os.listdir("/run/netns"):
        os.rmdir("/run/netns")


def _files():
    """All that there is below /run."""
    found = []
    for folder, folders, files in os.walk("/run"):
        found += [os.path.join(folder, name) for name in folders + files]
    return sorted(found)


def _mounts():
    """Every mount: where, what of which filesystem, and how it propagates."""
    result = []
    with open("/proc/thread-self/mountinfo") as file:
        for line in file:
            fields = line.split()
            dash = fields.index("-")
            # the numbers of peer groups are given out anew
            tags = [tag.split(":")[0] for tag in fields[6:dash]]
            result.append((fields[3], fields[4], fields[5], tags, fields[dash + 1:]))
    return sorted(result, key=repr)

