# SPDX-License-Identifier: MIT
"""With too little of something, and with hostile input: a clear error, in time, in bounded memory,
and a machine as before."""
import dataclasses
import os
import pathlib
import re
import resource
import subprocess

import labs
from machine import NSAPPLY, Failed

MIB = 1 << 20
# A file of 64 MiB is read whole, and a million values are kept.
HOSTILE_MEMORY = 256 * MIB


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    check: object
    values: tuple = None  # each is a point, and given to check
    found: str = labs.FOUND


SCENARIOS = {}


def _scenario(function, values=None):
    name = function.__name__.lstrip("_").replace("_", "-")
    SCENARIOS[name] = Scenario(name, function, values)
    return function


def _scenario_of(*values):
    return lambda function: _scenario(function, values)


def count(machine, name):
    del machine
    return len(SCENARIOS[name].values or [None])


def check(machine, name, point):
    scenario = SCENARIOS[name]
    scenario.check(machine, *(scenario.values or [])[point - 1:point])


def _run(machine, *args, limits=(), stdin=subprocess.DEVNULL):
    """Runs nsapply with these limits of resources."""
    def prepare():
        for what, value in limits:
            resource.setrlimit(what, (value, value))

    # A file that may not grow ends the process by SIGXFSZ, unless that is ignored, as it is here.
    return machine.watch([NSAPPLY, *args], stdin=stdin, preexec_fn=prepare, restore_signals=False)


# What a process leaves that ends at once, before it has done anything; the next one removes it.
EMPTY_FOLDER = {"/run/nsapply", "/run/nsapply/.lock"}
LAB_FOLDER = "/run/nsapply/sweep"


def _expect_error(machine, done, statuses, text=None):
    """An error that says something, and nothing else has happened."""
    if done.status not in statuses:
        raise Failed(f"status {done.status} instead of one of {statuses}:\n{done.err[:2000]}")
    if not re.search(r"error: .|error while loading|out of memory", done.err) or text and text not in done.err:
        raise Failed(f"an error that says nothing of {text}:\n{done.err[:2000]}")
    if re.search(r"error: .*Too many open files", done.err) and "`ulimit -Hn`" not in done.err:
        raise Failed(f"an error without a hint:\n{done.err[:2000]}")
    if len(done.err) > 100_000:
        raise Failed(f"an error of {len(done.err)} bytes")
    if "out of memory" in done.err:
        left = {f for f in machine.state()["files"] if f.startswith("/run/nsapply")}
        if left - {LAB_FOLDER} == EMPTY_FOLDER:
            machine.destroy()
    machine.expect_as_found()


# --- limits ---------------------------------------------------------------------------------


def _limited(machine, what, value, lab):
    """Under the limit the lab is applied in full, or not at all; and so is it destroyed."""
    limits = [(what, value)]
    machine.write_lab(lab)
    done = _run(machine, "-q", machine.lab_file, limits=limits)
    status = done.status
    try:
        if done.status == 0:
            machine.expect_in_force(lab)
            machine.destroy()
            machine.expect_as_found()
        else:
            _expect_error(machine, done, (1, 3, 127))
        machine.apply(lab)
        before = machine.whole_state()
        done = _run(machine, "-q", "--destroy", machine.lab_file, limits=limits)
        if done.status != 0:
            if done.status not in (1, 3, 127):
                raise Failed(f"destroy ends with status {done.status}\n{done.err}")
            machine.expect(before, machine.whole_state, "not as before the destroy")
            machine.destroy()
        machine.expect_as_found()
    except Failed as failed:
        raise Failed(f"limit {value}: {failed}") from None
    return status


def _limited_scenario(name, what, values, lab):
    """The first value is too little for anything, and the last one is enough."""
    def check_one(machine, value):
        status = _limited(machine, what, value, lab)
        if value == values[0] and status == 0 or value == values[-1] and status != 0:
            raise Failed(f"the limits are no test: status {status} with {value}")

    SCENARIOS[name] = Scenario(name, check_one, tuple(values))


_limited_scenario("open-files", resource.RLIMIT_NOFILE,
                  [8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 64], labs.SMALL)
_limited_scenario("memory", resource.RLIMIT_AS,
                  [n * MIB // 8 for n in (*range(24, 72), 8 * 64)], labs.SMALL)
_limited_scenario("memory-and-a-big-lab", resource.RLIMIT_AS,
                  [n * MIB // 16 for n in (*range(48, 90), 16 * 64)], labs.BIG)
_limited_scenario("open-files-and-processes", resource.RLIMIT_NOFILE,
                  [8, 10, 12, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 28, 32, 64],
                  labs.PROCESSES)
_limited_scenario("memory-and-processes", resource.RLIMIT_AS,
                  [n * MIB // 8 for n in (*range(24, 72), 8 * 64)], labs.PROCESSES)
# A record that does not fit. SIGXFSZ is ignored, so that writing fails instead.
_limited_scenario("file-size", resource.RLIMIT_FSIZE, [1, 100, 1000, 1 << 20], labs.SMALL)


def _fill_run(machine, option, lab, values):
    ends = set()
    for value in values:
        machine.run("mount", "-n", "-o", f"remount,{option}={value}", "/run")
        machine.lab_file.write_text(lab)
        done = _run(machine, "-q", machine.lab_file)
        # Not 0: once there is no limit there never is one again.
        machine.run("mount", "-n", "-o", f"remount,{option}={1 << 24}", "/run")
        ends.add(done.status)
        try:
            if done.status:
                _expect_error(machine, done, (1,), "No space left on device")
            else:
                machine.destroy()
                machine.expect_as_found()
        except Failed as failed:
            raise Failed(f"{option}={value}: {failed}") from None
    if ends != {0, 1}:
        raise Failed(f"the limits are no test: {ends}")


@_scenario
def _run_without_inodes(machine):
    used = int(machine.run("df", "--output=iused", "/run").out.split()[1])
    _fill_run(machine, "nr_inodes", labs.SMALL, range(used, used + 12))


@_scenario
def _run_without_space(machine):
    # The state has the sizes in it; with one page the record does not fit.
    pages = 16
    machine.run("sh", "-c", f"head -c {pages * 4096} /dev/zero >/run/filler")
    machine.run("mount", "-n", "-o", f"remount,size={pages * 4096}", "/run")
    machine.lab_file.write_text(labs.SMALL)
    for _ in range(pages):
        done = _run(machine, "-q", machine.lab_file)
        if done.status == 0:
            break
        if done.status != 1 or "No space left on device" not in done.err:
            raise Failed(f"status {done.status}\n{done.err}")
        size = int(machine.run("stat", "-c", "%s", "/run/filler").out)
        machine.run("truncate", "-s", size - 4096, "/run/filler")
    machine.run("mount", "-n", "-o", "remount,size=1G", "/run")
    machine.run("rm", "/run/filler")
    if done.status == 0:
        machine.destroy()
    machine.expect_as_found()


@_scenario_of(*range(1, 6))
def _namespaces(machine, limit):
    """In a user namespace of its own, so that the limit is nobody else's."""
    script = f"""
set -e
mount -n -t tmpfs tmpfs /run
ip link set lo up
echo {limit} > /proc/sys/user/max_net_namespaces
before=$(ip -j address; ls -A /run)
status=0
{NSAPPLY} -q "$1" || status=$?
if [ $status -eq 0 ]; then {NSAPPLY} --plan "$1" >&2; {NSAPPLY} -q --destroy "$1"; fi
[ ! -d /run/netns ] || umount -n /run/netns
[ ! -d /run/netns ] || rmdir /run/netns
[ "$before" = "$(ip -j address; ls -A /run)" ] || echo "not as before" >&2
exit $status
"""
    file = machine.write("three.yaml", "namespaces: {a: {}, b: {}, c: {}}\nname: three\n")
    done = machine.run("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c",
                       script, "sh", file, status=None)
    if "not as before" in done.err:
        raise Failed(f"limit {limit}: {done.err}")
    if done.status not in (0, 1) or done.status and "max_net_namespaces" not in done.err:
        raise Failed(f"limit {limit}: status {done.status}\n{done.err}")


# --- hostile files ---------------------------------------------------------------------------


def _hostile(machine, name, content, statuses=(3,), limit=HOSTILE_MEMORY):
    """Content: bytes, or a function that writes the file."""
    path = machine.tmp / name
    if callable(content):
        with open(path, "wb") as file:
            content(file)
    else:
        path.write_bytes(content)
    try:
        for verb in [[], ["--validate"], ["--plan"], ["--destroy"]]:
            done = _run(machine, *verb, path, limits=[(resource.RLIMIT_AS, limit)])
            if done.status not in (0, 2) or 1 not in statuses:
                _expect_error(machine, done, statuses)
    finally:
        path.unlink()


@_scenario
def _alias_bomb(machine):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in range(1, 20):
        bomb += f"a{i}: &a{i} [{', '.join(10 * [f'*a{i - 1}'])}]\n"
    _hostile(machine, "bomb.yaml", bomb.encode())
    merges = "a0: &a0 {k: v}\n"
    for i in range(1, 20):
        merges += f"a{i}: &a{i} {{<<: [{', '.join(10 * [f'*a{i - 1}'])}], k{i}: v}}\n"
    _hostile(machine, "merge.yaml", merges.encode())


@_scenario
def _huge_file(machine):
    _hostile(machine, "huge.yaml", lambda file: file.truncate(1 << 30))


@_scenario
def _endless_input(machine):
    machine.lab_file.write_text("")
    with open("/dev/zero", "rb") as zero:
        done = _run(machine, "-", stdin=zero, limits=[(resource.RLIMIT_AS, 128 * MIB)])
    _expect_error(machine, done, (3,))


@_scenario
def _deep(machine):
    for opening in (b"[", b"{a: ", b"- ", b"? "):
        _hostile(machine, "deep.yaml", 100_000 * opening)


@_scenario
def _million_interfaces(machine):
    def write(file):
        file.write(b"name: many\nnamespaces:\n  a:\n    interfaces:\n")
        for i in range(1_000_000):
            file.write(b"      e%d: {kind: bridge}\n" % i)

    _hostile(machine, "many.yaml", write)


@_scenario
def _not_text(machine):
    for content in [b"name: a\x00b\n", b"namespaces: {a\x00: {}}\n", b"\x00" * 4096,
                    b"namespaces: {\xff\xfe\xfd: {}}\n", b"name: \xc3\x28\n",
                    b"namespaces: {\"a\\0b\": {}}\n", b"namespaces: {\xed\xa0\x80: {}}\n",
                    b"\xff\xfen\x00a\x00", os.urandom(4096)]:
        _hostile(machine, "binary.yaml", content)


@_scenario_of("../../etc", "..", "a/../../etc", "/etc/passwd", "../../../run")
def _names_that_are_paths(machine, name):
    q = f"'{name}'"
    for lab in [f"name: {q}\nnamespaces: {{a: {{}}}}\n",
                f"namespaces: {{{q}: {{}}}}\n",
                f"namespaces: {{{q}: {{external: true, forwarding: true}}}}\n",
                f"namespaces: {{a: {{interfaces: {{{q}: {{kind: bridge}}}}}}}}\n",
                f"namespaces: {{a: {{sysctl: {{{q}: 1}}}}}}\n",
                f"namespaces: {{a: {{sysctl: {{'net.{name}': 1}}}}}}\n",
                f"namespaces: {{a: {{sysctl: {{'net/{name}': 1}}}}}}\n",
                f"namespaces: {{a: {{interfaces: {{lo: {{sysctl: {{{q}: 1}}}}}}}}}}\n",
                f"namespaces: {{a: {{interfaces: {{e: {{from: 'host:{name}'}}}}}}}}\n",
                f"namespaces: {{a: {{interfaces: {{e: {{from: '{name}:e'}}}}}}}}\n",
                f"namespaces: {{a: {{}}}}\nlinks: [['{name}:e', 'a:e']]\n",
                f"namespaces: {{a: {{}}}}\nlinks: [['a:{name}', 'a:e']]\n",
                f"namespaces: {{a: {{interfaces: {{e: {{kind: bridge, master: {q}}}}}}}}}\n"]:
        # A sysctl of any name may be there: whether it is shows when it is written.
        _hostile(machine, "path.yaml", lab.encode(), statuses=(1, 3))


@_scenario_of("../../etc", "..", ".", "a/../../etc")
def _labs_that_are_paths(machine, name):
    # With a slash it is a file, which there is not.
    _expect_error(machine, _run(machine, "--destroy", name), (1, 3, 64))


# --- links in places where files are expected ----------------------------------------------------


def _trap(machine, name):
    """A folder, or file, that a link would lead to: returns what must still be in it."""
    target = pathlib.Path(machine.tmp, name)
    target.write_text("precious\n")
    os.chmod(target, 0o600)
    return target


@_scenario
def _links_in_run(machine):
    """Symbolic links are followed nowhere, whatever they point to."""
    folder = machine.tmp / "elsewhere"
    folder.mkdir(mode=0o700, exist_ok=True)
    precious = _trap(machine, "precious")
    lab = labs.SMALL
    run = "umask 077; mkdir /run/nsapply; touch /run/nsapply/.lock; mkdir -p /run/nsapply"
    cases = {
        "a name, to a file": f"ln -s {precious} /run/netns/a",
        "a name, to a namespace": "ln -s /proc/self/ns/net /run/netns/a",
        "a name, to another name": "ln -s other /run/netns/a",
        "a name, to nothing": "ln -s /nowhere /run/netns/a",
        "the run folder": f"ln -s {folder} /run/nsapply",
        "the lab's folder": f"{run}; ln -s {folder} /run/nsapply/sweep",
        "the record": f"{run}/sweep; ln -s {precious} /run/nsapply/sweep/record",
        "the new record": f"{run}/sweep; ln -s {precious} /run/nsapply/sweep/.record.new",
        "the lock": f"mkdir -m 700 /run/nsapply; ln -s {precious} /run/nsapply/.lock",
    }
    for what, script in cases.items():
        machine.sh(script)
        state = machine.state()
        machine.lab_file.write_text(lab)
        try:
            done = _run(machine, "-q", machine.lab_file)
            gone = _run(machine, "-q", "--destroy", machine.lab_file)
            if done.status not in (0, 1) or gone.status not in (0, 1):
                raise Failed(f"status {done.status}, then {gone.status}:\n{done.err}{gone.err}")
            if done.status == 1:
                if "error: " not in done.err:
                    raise Failed("an error that says nothing")
                machine.expect(state, machine.state, "not as before")
            if precious.read_text() != "precious\n" or os.listdir(folder):
                raise Failed("what the link leads to was touched")
            machine.sh("rm -rf /run/nsapply; rm -f /run/netns/a")
            machine.expect_as_found()
        except Failed as failed:
            raise Failed(f"{what}: {failed}") from None
