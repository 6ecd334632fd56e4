# SPDX-License-Identifier: MIT
"""A machine for the sweeps: a box (tests/e2e/box.py) in use already, and the judge of what became
of it. The judge looks at everything that a lab may touch and is quick, as it is asked thousands of
times: two processes of ip and one walk over /proc/sys/net for each namespace."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import box as e2e  # noqa: E402
from box import BUILD, NSAPPLY, Box, comparable, differences  # noqa: E402,F401

# Those of `all` and `default` are left out as well: no lab of the sweeps names them, and reading one takes a
# hundred times as long as all others where several machines hold the lock of rtnetlink in turn.
e2e._SYSCTL_SKIP.add("addr_gen_mode")

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
        self._folder = tempfile.mkdtemp(prefix="machine-")
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
        /run, of the mounts, and whatever runs."""
        if namespaces is None:
            namespaces = ["other"] if "other" in self.names() else []
        result = {"files": self.do(_files), "mounts": self.do(_mounts),
                  "processes": _processes(self._folder)}
        for name in ["host", *namespaces]:
            result[name] = self.inside(name, e2e.look, True)
        return result

    def whole_state(self):
        """With the lab's namespaces, and without what differs where things were made anew."""
        state = self.state(self.names())
        state["mounts"] = [m for m in state["mounts"] if "/run/netns/" not in m[1]]
        # What a process has said that is no more can be read until the lab goes.
        state["files"] = [f for f in state["files"] if not f.endswith(".log")]
        # What a command goes on to start comes when it comes: whatever it is goes with its init.
        state["processes"] = [p for p in state["processes"] if p.startswith("nsapply-process")]
        return comparable(state)

    def expect_as_found(self):
        if "/run/netns" not in self.found["files"]:
            # As `ip netns` does, the folder is left behind; but nothing in it.
            self.do(_remove_netns_folder)
        self.expect(self.found, self.state, "the machine is not as it was found")

    def expect_and_destroy(self, judge, what):
        """Judges; and whatever came of it, destroy takes it away, also after status 4."""
        def take_away():
            self.destroy()
            self.expect_as_found()

        problems = []
        for step in (judge, take_away):
            try:
                step()
            except Failed as failed:
                problems.append(str(failed))
        if problems:
            raise Failed(what + "\nand then: ".join(problems))

    def expect(self, before, look, what):
        """Some of what the kernel does comes a moment later."""
        deadline = time.monotonic() + 15
        for pause in e2e.pauses():
            now = look()
            if now == before:
                return
            if time.monotonic() > deadline:
                raise Failed("\n".join([what + ":", *shorten(differences(before, now))]))
            time.sleep(pause)

    # --- running --------------------------------------------------------------------------

    def watch(self, command, **kw):
        """Runs a command in the box. Where it hangs, says what it hangs in."""
        command = [str(c) for c in command]
        process = self.do(lambda: subprocess.Popen(command, stdin=kw.pop("stdin", subprocess.DEVNULL),
                                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                                   **kw))
        try:
            out, err = process.communicate(timeout=RUN_TIMEOUT)
        except subprocess.TimeoutExpired:
            where = where_it_hangs(process.pid)
            process.kill()
            process.communicate()
            raise Failed(f"{' '.join(command)} hangs:\n{where}") from None
        return e2e.Result(command, process.returncode, out.decode("utf-8", "replace"),
                          err.decode("utf-8", "replace"))

    def nsapply(self, *args, status=0):
        done = self.watch([NSAPPLY, *args])
        if status is not None and done.status != status:
            raise Failed(f"nsapply {' '.join(map(str, args))}: status {done.status} instead of "
                         f"{status}:\n{done.err}")
        return done

    def with_here(self, lab):
        """The lab, whose processes say that they are of this machine."""
        return lab.replace("@HERE@", self._folder)

    def write_lab(self, lab):
        self.lab_file.write_text(self.with_here(lab))

    def apply(self, lab, **kw):
        self.write_lab(lab)
        return self.nsapply("-q", self.lab_file, **kw)

    def destroy(self, **kw):
        return self.nsapply("-q", "--destroy", self.lab_file, **kw)

    def command(self, action):
        """What nsapply is called with: to destroy, or to apply a file of that text."""
        if action == "destroy":
            return ["--destroy", self.lab_file]
        self.write_lab(action)
        return [self.lab_file]

    def expect_in_force(self, lab):
        self.write_lab(lab)
        plan = self.nsapply("--plan", self.lab_file, status=None)
        if plan.status:
            raise Failed(f"the plan is not empty (status {plan.status}):\n{plan.out}{plan.err}")

    def expect_done(self, action):
        if action == "destroy":
            self.expect_as_found()
        else:
            self.expect_in_force(action)

    def expect_undone(self, labs, state):
        """As before the command: the last of these labs stands, which was in this state."""
        if labs:
            self.expect(state, self.whole_state, "not as before the command")
            self.expect_in_force(labs[-1])
        else:
            self.expect_as_found()

    def points(self, *args, command, after=None):
        """What each of the points is."""
        done, said = self.at("count", *args, command=command, after=after, verbose=True)
        # What nsapply itself says may stand in the same line.
        told = dict(re.findall(r"^(\d+) (.*)", done.err, re.MULTILINE))
        return [told.get(str(n), "?") for n in range(1, int(said.split()[1]) + 1)]

    def at(self, *args, command, after=None, early=None, verbose=False):
        """Runs nsapply to a point: its result, and what at says of the point."""
        options = ["-v"] if verbose else []
        options += ["-p"] if "processes:" in self.lab_file.read_text() else []
        options += ["-a", after] if after else []
        options += ["-s", str(early)] if early else []
        read, write = os.pipe()
        try:
            done = self.watch([AT, *options, "-r", write, *args, NSAPPLY, *command],
                              pass_fds=[write])
        finally:
            os.close(write)
            with os.fdopen(read) as report:
                point = report.read().strip()
        return done, point


def where_it_hangs(pid):
    """The system call, and the kernel's stack, of a process and of its children."""
    result = []
    for process in [pid, *map(int, _read(f"/proc/{pid}/task/{pid}/children").split())]:
        for name in ("comm", "wchan", "syscall", "stack"):
            result.append(f"{process} {name}: {_read(f'/proc/{process}/{name}').strip()}")
    return "\n".join([*result, "load: " + _read("/proc/loadavg")])


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError as e:
        return str(e)


def _remove_netns_folder():
    while e2e._libc.umount2(b"/run/netns", 0) == 0:
        pass
    if os.path.isdir("/run/netns") and not os.listdir("/run/netns"):
        os.rmdir("/run/netns")


def _processes(here):
    """What the processes are called that have this folder in their environment or command line, as
    all of nsapply and of the labs have."""
    result = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            what = (process / "cmdline").read_bytes()
            if here.encode() in what + (process / "environ").read_bytes():
                result.append(what.decode().replace("\0", " "))
        except OSError:
            pass  # it has ended
    return sorted(result)


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
            # The numbers of peer groups are given out anew, and the limits are the sweeps' own.
            tags = [tag.split(":")[0] for tag in fields[6:dash]]
            options = [o for o in fields[dash + 3].split(",")
                       if o.split("=")[0] not in ("size", "nr_inodes")]
            result.append((fields[3], fields[4], fields[5], tags, fields[dash + 1], options))
    return sorted(result, key=repr)

