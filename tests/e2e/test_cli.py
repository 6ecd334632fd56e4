# SPDX-License-Identifier: MIT
"""The command line: exit statuses, how files and labs are found, what goes where."""
import fcntl
import json
import os
import re
import signal
import subprocess
import time

import pytest

from box import NSAPPLY, ROOT

LAB = "namespaces: {web: {interfaces: {lo: {addresses: [10.0.0.1/32]}}}}\n"


def refused(box, text, *words, status=3):
    before = box.snapshot()
    file = box.write("refused.yaml", text)
    for args in [[file], ["--plan", file], ["--validate", file]]:
        done = box.nsapply(*args, status=status)
        assert done.out == ""
        for word in words:
            assert word in done.err, done
    assert box.snapshot() == before
    return done


# --- files and labs -----------------------------------------------------------------------------


def test_file(box):
    file = box.write("mylab.yaml", LAB)
    box.nsapply("--plan", file, status=2)
    box.nsapply(file)
    box.nsapply("--plan", file)
    assert "mylab" in box.nsapply("--list").out
    box.nsapply("--destroy", "mylab")
    assert "mylab" not in box.nsapply("--list").out


def test_topo_yaml_of_the_folder(box):
    folder = box.tmp / "office"
    folder.mkdir()
    (folder / "topo.yaml").write_text(LAB)
    box.nsapply("--plan", status=2, cwd=folder)
    box.nsapply(cwd=folder)
    assert "office" in box.nsapply("--list").out
    box.nsapply("--destroy", cwd=folder)
    assert box.names() == []


def test_the_one_lab(box):
    box.nsapply(box.write("one.yaml", LAB))
    empty = box.tmp / "empty"
    empty.mkdir()
    box.nsapply("--destroy", cwd=empty)
    assert box.names() == []


def test_several_labs(box):
    box.nsapply(box.write("one.yaml", LAB))
    box.nsapply(box.write("two.yaml", LAB.replace("web", "other")))
    empty = box.tmp / "empty"
    empty.mkdir()
    done = box.nsapply("--destroy", cwd=empty, status=1)
    assert "one" in done.err and "two" in done.err
    assert box.names() == ["other", "web"]


def test_standard_input(box):
    done = box.nsapply("-", input=LAB, status=3)
    assert "name" in done.err
    box.nsapply("-", input="name: piped\n" + LAB)
    box.nsapply("--plan", "-", input="name: piped\n" + LAB)
    box.nsapply("--destroy", "piped")
    assert box.names() == []


def test_same_name_from_another_file(box):
    first, second = box.tmp / "1", box.tmp / "2"
    for folder in [first, second]:
        folder.mkdir()
        (folder / "lab.yaml").write_text(LAB)
    box.nsapply(first / "lab.yaml")
    done = box.nsapply(second / "lab.yaml", status=1)
    assert str(first / "lab.yaml") in done.err and "--adopt" in done.err
    box.nsapply("--adopt", second / "lab.yaml")


def test_path_that_is_no_text(box):
    """Its bytes are known again, though neither a record nor JSON can hold them."""
    text = "name: lab\nnamespaces: {a: {}}\nchecks: []\n"
    for name in ["caf\udce9 %41\t.yaml", "\udcff.yaml", "\u00ff.yaml", "file:\udc80.yaml"]:
        file = box.write(name, text)
        box.nsapply(file)
        assert box.nsapply(file).err == "lab: nothing to do\n"
        box.nsapply("--check", "lab")
        assert len(box.nsapply("--list", "--format", "json").json()["labs"]) == 1
        other = box.write("caf\u00e9 %41\t.yaml", text)
        assert "there is a lab" in box.nsapply(other, status=1).err
        box.nsapply("--destroy", file)


def test_no_such_file(box):
    done = box.nsapply("nowhere.yaml", status=3)
    assert "nowhere.yaml" in done.err and "No such file" in done.err


def test_no_such_lab(box):
    assert "nolab" in box.nsapply("--destroy", "nolab", status=1).err


def test_foreign_things_are_not_taken(box):
    box.sh("ip netns add web")
    before = box.snapshot()
    done = box.nsapply(box.write("lab.yaml", LAB), status=1)
    assert "web" in done.err and "--adopt" in done.err
    box.assert_same(before)
    box.nsapply("--adopt", box.tmp / "lab.yaml")
    box.nsapply("--destroy", "lab")


@pytest.mark.parametrize("ours", [False, True])
def test_two_names_of_one_namespace_are_not_taken(box, ours):
    file = box.write("lab.yaml", "namespaces:\n  a: {interfaces: {br: {kind: bridge}}}\n")
    if ours:
        box.nsapply(file)
    else:
        box.sh("ip netns add a")
    box.sh("touch /run/netns/b; mount -n --bind /run/netns/a /run/netns/b")
    before = box.snapshot()
    with file.open("a") as f:
        f.write("  b: {}\n")
    assert ("lab.yaml:3:3: error: a and b are the same namespace"
            in box.nsapply("--color=never", "--adopt", file, status=1).err)
    assert "exists already" in box.nsapply(file, status=1).err
    box.assert_same(before)


def test_destroy_without_a_record(box):
    """What stands all the same is told, and so is how to go on."""
    file = box.write("lab.yaml", """
name: lab
namespaces: {a: {}, b: {interfaces: {e0: {no: such key}}}, c: {}, d: {external: true}}
links: [[a:e0, b:e0]]
""")
    assert box.nsapply("--destroy", file).err == "lab: nothing to destroy\n"
    box.sh("ip netns add d")
    good = box.write("good.yaml", file.read_text().replace("no: such key", ""))
    box.nsapply(good)
    box.sh("rm -r /run/nsapply; ip netns delete c")
    box.nsapply(box.write("other.yaml", "namespaces: {c: {}}\n"))
    done = box.nsapply("--destroy", file)
    warning = "warning: namespaces a, b exist, but no record says that lab lab made them: left alone"
    assert warning in done.err and "nothing to destroy" in done.err
    assert box.names() == ["a", "b", "c", "d"]
    told = box.nsapply("--destroy", "--format", "json", file).json()
    assert told["result"] == "unchanged" and len(told["diagnostics"]) == 1
    box.nsapply("--destroy", "other")
    # Both ways to go on lead there.
    box.sh("ip netns delete b")
    assert "warning: namespace a exists," in box.nsapply("--destroy", file).err
    box.nsapply("--adopt", good)
    assert "warning" not in box.nsapply("--destroy", file).err
    assert box.names() == ["d"]
    assert "warning" not in box.nsapply("--destroy", file).err


def test_destroy_by_a_file_that_is_wrong(box):
    done = box.nsapply("--destroy", box.write("bad.yaml", "name: -no\n"), status=3)
    assert "bad.yaml:1:7: error:" in done.err and "--destroy LAB" in done.err
    for text in "- name: lab\n", "5\n", "null\n":
        bad = box.write("bad.yaml", text)
        done = box.nsapply("--destroy", bad, status=3)
        assert box.nsapply(bad, status=3).err.splitlines()[0] in done.err
        assert "--destroy LAB" in done.err
    done = box.nsapply("--destroy", ".hidden", status=64)
    assert 'the lab\'s name ".hidden"' in done.err


def test_no_file_anywhere(box):
    for args in [[], ["--plan"]]:
        assert "there is no ./topo.yaml" in box.nsapply(*args, status=64).err


# --- statuses and streams -----------------------------------------------------------------------


def test_help_and_version(box):
    done = box.nsapply("--help")
    for word in ["--plan", "--destroy", "--validate", "--exec", "--run", "--list", "--adopt",
                 "--format"]:
        assert word in done.out
    assert done.err == ""
    assert box.nsapply("--version").out.startswith("nsapply ")


@pytest.mark.parametrize("args", [
    ["--nonsense"], ["--plan", "--destroy"], ["--format"], ["--format", "xml", "--plan", "a.yaml"],
    ["a.yaml", "b.yaml"], ["--lock-timeout", "soon", "a.yaml"],
    *(["--wait", text, "a.yaml"] for text in ["", "soon", "-1", ".", "1.2.3", "1e3", "inf", "0x1", "86401"]),
    ["--color", "blue", "a.yaml"],
    ["--plan=a.yaml"], ["--validate"], ["--exec"], ["--exec", "web"], ["--exec", "web", "--"],
    ["--list", "x"], ["--run"], ["--run", "a.yaml"], ["--run", "a.yaml", "--"], ["--keep-user", "a.yaml"],
    ["--run", "--format", "json", "a.yaml", "--", "true"]],
    ids=" ".join)
def test_wrong_usage(box, args):
    done = box.nsapply(*args, status=64)
    assert done.out == "" and done.err


@pytest.mark.parametrize("args, message", [
    (["--nonsense"], "--nonsense: no such option"), (["-x"], "-x: no such option"),
    (["--plan", "--destroy"], "--plan: only one mode at a time"), (["--adopt=no", "a.yaml"], "--adopt=no: takes no =VALUE"),
    (["--wait", "soon", "a.yaml"], "soon: --wait wants seconds, 0 to 86400, also 0.5"),
    (["a.yaml", "b.yaml"], "b.yaml: one argument too many"), (["--export"], "--export: not supported yet"),
    (["--plna"], "--plna: no such option; did you mean --plan?"),
    (["--dry-run", "a.yaml"], "--dry-run: no such option; did you mean --plan?"),
    (["destroy", "a.yaml"], "destroy: did you mean --destroy?"),
], ids=str)
def test_wrong_usage_as_json(box, args, message):
    """As all errors are, wherever the format is asked for."""
    for args in [["--format", "json", *args], [*args, "--format=json"]]:
        done = box.nsapply(*args, status=64)
        assert done.err == "" and done.json()["errors"] == 1
        assert [d["message"] for d in done.json()["diagnostics"]] == [message]
    done = box.nsapply("--format", "json", "--wait", status=64)
    assert done.json()["diagnostics"][0]["message"] == "--wait: wants a value"


@pytest.mark.parametrize("args, status", [
    (["--help"], 1), (["--version"], 1), (["--list"], 1), (["--plan", "lab.yaml"], 1),
    (["--validate", "bad.yaml", "--format", "json"], 3)], ids=str)
def test_output_that_cannot_be_written(box, args, status):
    """A report that is lost is a failure, whatever it would have said."""
    box.write("bad.yaml", "namespaces: []\n")
    box.nsapply(box.write("lab.yaml", LAB))
    done = box.run("sh", "-c", 'exec "$@" >/dev/full', "sh", NSAPPLY, *args, status=status)
    assert "cannot write to standard output" in done.err


def test_report_that_cannot_be_written(box):
    """What was done stays done: that is not what status 1 promises."""
    before = box.snapshot()
    box.write("lab.yaml", LAB)
    for args in [["lab.yaml"], ["--destroy", "lab.yaml"]]:
        done = box.run("sh", "-c", 'exec "$@" >/dev/full', "sh", NSAPPLY, "--format", "json", *args, status=4)
        assert "all is done, but cannot be reported" in done.err
        box.nsapply("--plan", "lab.yaml", status=2 if "--destroy" in args else 0)
    box.assert_same(before)


@pytest.mark.parametrize("args", [["--export"], ["--graph"], ["--watch"]],
                         ids=" ".join)
def test_commands_that_are_not_there_yet(box, args):
    done = box.nsapply(*args, status=64)
    assert args[0].strip("-") in done.err and "not supported yet" in done.err and done.out == ""


@pytest.mark.parametrize("key, value", [
    ("rules", "[{priority: 5, table: 7}]"), ("neighbors", "[{to: 10.0.0.2}]"),
    ("nftables", "flush ruleset")])
def test_keys_that_are_not_there_yet(box, key, value):
    refused(box, f"namespaces:\n  a:\n    {key}: {value}\n", "refused.yaml:3:5: error:", key,
            "not supported yet")


@pytest.mark.parametrize("kind", ["vlan", "bond", "wireguard", "vrf"])
def test_kinds_that_are_not_there_yet(box, kind):
    refused(box, f"namespaces: {{a: {{interfaces: {{x: {{kind: {kind}}}}}}}}}\n", kind,
            "not supported yet")


def test_all_errors_in_one_run(box):
    done = refused(box, """namespaces:
  a:
    forwrding: true
    interfaces:
      x: {mtu: wide, peer: nowhere:y}
    routes:
      - {to: 10.0.0.0/33}
""", "refused.yaml:3:5: error:", "forwarding", "refused.yaml:5:16: error:",
                   "refused.yaml:7:14: error:")
    assert "^" in done.err


def test_diagnostics_as_json(box):
    file = box.write("bad.yaml", "namespaces: {a: {mtu: 5}}\n")
    done = box.nsapply("--validate", "--format", "json", file, status=3)
    diagnostics = json.loads(done.out or done.err)
    assert '"line": 1' in json.dumps(diagnostics)


def test_validate_several(box):
    good, bad = box.write("good.yaml", LAB), box.write("bad.yaml", "namespaces: []\n")
    box.nsapply("--validate", good)
    assert "bad.yaml:1:13" in box.nsapply("--validate", good, bad, good, status=3).err


def test_validate_tells_of_good_files(box):
    box.write("good.yaml", LAB)
    box.write("odd\x1b[1m.yaml", "name: odd\n" + LAB.replace("10.0.0.1/32", "10.0.0.0/24"))
    done = box.nsapply("-v", "--validate", "--color=never", "good.yaml", "odd\x1b[1m.yaml")
    first, *others = done.err.splitlines()
    assert first == "good.yaml: fine"
    assert "odd\\x1B[1m.yaml: fine, with warnings" in others
    assert "\x1b" not in done.err
    assert box.nsapply("--validate", "good.yaml").err == ""


def test_validate_needs_no_privilege(box):
    file = box.write("lab.yaml", LAB)
    os.chmod(file, 0o644)
    for folder in [file.parent, *file.parent.parents][:-1]:
        os.chmod(folder, os.stat(folder).st_mode | 0o055)
    as_nobody(box, "--validate", file)


def as_nobody(box, *args, **kw):
    return box.run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                   "--bounding-set", "-all", NSAPPLY, *args, **kw)


def test_without_privilege(box):
    """What it takes is said, and nothing is left behind."""
    file = box.write("lab.yaml", LAB)
    for folder in [file, *file.parents][:-1]:
        os.chmod(folder, os.stat(folder).st_mode | 0o055)
    own = box.tmp / "own"
    own.mkdir()
    os.chown(own, 65534, 65534)
    done = as_nobody(box, file, status=1)
    assert "cannot make /run/nsapply: Permission denied" in done.err
    done = as_nobody(box, file, status=1, env={"NSAPPLY_RUNDIR": str(own / "run")})
    assert "cannot make namespace web: Operation not permitted" in done.err
    assert "root" in done.err
    assert list(own.iterdir()) == []
    box.nsapply(file)
    done = as_nobody(box, "--exec", "web", "--", "true", status=125)
    assert "namespace" in done.err and ("this takes root" in done.err or "denied" in done.err)


def test_too_many_namespaces(box):
    """The kernel's limit, in a user namespace that has a limit of its own."""
    file = box.write("lab.yaml", "namespaces: {a: {}, b: {}}\n")
    done = box.run("unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-euc", """
        mount -t tmpfs -o mode=755 tmpfs /run
        echo 1 >/proc/sys/user/max_net_namespaces
        exec "$@" """, "sh", NSAPPLY, file, status=1)
    assert "cannot make namespace" in done.err and "No space left on device" in done.err
    assert "user.max_net_namespaces" in done.err


def test_way_back_to_our_own(box):
    """In a user namespace that our network namespace is not of, we could not come back from a new one."""
    file = box.write("lab.yaml", "namespaces: {a: {}}\n")
    done = box.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-euc", """
        mount -t tmpfs -o mode=755 tmpfs /run
        status=0
        "$@" || status=$?
        test -z "$(find /run -type f)"
        exit $status""", "sh", NSAPPLY, file, status=1)
    assert "cannot make namespace a: Operation not permitted" in done.err
    assert "unshare --user --map-root-user --mount --net" in done.err


def test_quiet(box):
    file = box.write("lab.yaml", LAB)
    done = box.nsapply("-q", file)
    assert (done.out, done.err) == ("", "")
    done = box.nsapply("-q", "--destroy", file)
    assert (done.out, done.err) == ("", "")


def test_color(box):
    file = box.write("lab.yaml", LAB)
    assert "\033" not in box.nsapply("--plan", file, status=2).out
    assert "\033" in box.nsapply("--plan", "--color", "always", file, status=2).out
    assert "\033" not in box.nsapply("--plan", "--color", "never", file, status=2).out
    assert "\033" in box.nsapply("--plan", "--color=always", file, status=2,
                                 env={"NO_COLOR": "1"}).out


@pytest.mark.parametrize("env, colored", [({}, True), ({"NO_COLOR": "1"}, False)], ids=str)
def test_color_of_a_terminal(box, env, colored):
    file = box.write("lab.yaml", LAB)
    base = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    text = box.on_terminal(NSAPPLY, "--plan", file, status=2,
                           env={**base, "TERM": "xterm", **env})
    assert (b"\033[" in text) == colored


def test_progress_on_a_terminal(box):
    """Shown once it takes a moment, as duplicate address detection does, and gone at the end."""
    file = box.write("slow.yaml", """
namespaces:
  host:
    interfaces: {v0: {addresses: ['2001:db8::1/64']}}
    routes:
      - {to: '2001:db8:8::/48', dev: v0, src: '2001:db8::1'}
      - {to: '2001:db8:9::/48', via: '2001:db8::2'}
  a: {interfaces: {v1: {addresses: ['2001:db8::2/64']}}}
links: [[host:v0, a:v1]]
""")
    text = box.on_terminal(NSAPPLY, file)
    assert re.search(rb"\rslow: step \d+ of \d+\033\[K", text)
    assert text[text.rindex(b"step"):].endswith(b"deleted\r\n")
    assert b"\r\033[Kslow: applied" in text


def test_plan_formats(box):
    file = box.write("lab.yaml", LAB)
    text = box.nsapply("--plan", file, status=2).out
    assert "+ namespace web\n" in text
    assert text.endswith("to create, 0 to change, 0 to replace, 0 to delete.\n")
    plan = box.nsapply("--plan", "--format=json", file, status=2).json()
    assert plan["version"] == 1 and plan["lab"] == "lab"
    assert plan["summary"] == {"create": len(plan["changes"]), "change": 0, "replace": 0,
                               "delete": 0}
    for change in plan["changes"]:
        assert set(change) == {"action", "object", "id", "namespace", "before", "after", "reason"}
    assert box.nsapply("--plan", "--format", "ip", file, status=2).out.startswith("#!/bin/sh")


FAILS = """namespaces:
  new: {interfaces: {x: {addresses: [10.0.0.1/24]}}}
  ext:
    external: true
    interfaces: {y: {}}
    routes:
      - {to: 10.5.0.0/16, via: 10.99.0.1}
links: [[new:x, ext:y]]
"""


def test_failed_apply_leaves_nothing(box):
    """The kernel's refusal is told with its own words and the line of the file."""
    box.sh("ip netns add ext")
    before = box.snapshot()
    file = box.write("fails.yaml", FAILS)
    done = box.nsapply(file, status=1)
    assert "fails.yaml:7:" in done.err and "10.5.0.0/16" in done.err
    box.assert_same(before)


def test_failed_apply_that_nobody_reads_of(box):
    """Neither then nor when all is well does what is said and not heard end the run."""
    box.sh("ip netns add ext")
    before = box.snapshot()
    file = box.write("lab.yaml", LAB)
    for args, status in [([box.write("fails.yaml", FAILS)], 1), ([file], 0), (["--destroy", file], 0)]:
        child = box.spawn(NSAPPLY, *args, stderr=subprocess.PIPE)
        child.stderr.close()
        assert child.wait(30) == status
        if args == [file]:
            box.nsapply("--plan", file)
        else:
            box.assert_same(before)


def test_files_that_may_not_grow(box):
    """What is too large for `ulimit -f` is a failure like any other, and not the end."""
    file = box.write("lab.yaml", LAB)
    before = box.snapshot()
    limited = f'ulimit -f 0; exec {NSAPPLY} "$@"'
    done = box.run("sh", "-c", limited, "sh", file, status=1)
    assert "record: File too large" in done.err
    box.assert_same(before)
    box.nsapply(file)
    box.run("sh", "-c", limited, "sh", "--destroy", file, status=1)
    box.nsapply("--plan", file)


def test_no_rollback(box):
    box.sh("ip netns add ext")
    file = box.write("fails.yaml", """namespaces:
  new: {}
  ext: {external: true, routes: [{to: 10.5.0.0/16, via: 10.99.0.1}]}
""")
    box.nsapply("--no-rollback", file, status=4)
    assert box.names() == ["ext", "new"]
    box.nsapply("--destroy", file)
    assert box.names() == ["ext"]


def test_no_verify(box):
    assert "unverified" in box.nsapply("--no-verify", box.write("lab.yaml", LAB)).err


def test_lock(box):
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    with open(box.do(lambda: os.open("/run/nsapply/.lock", os.O_RDWR)), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = box.nsapply("--lock-timeout", "0", file, status=1)
    assert "lock" in done.err
    box.nsapply("--lock-timeout", "0", file)


def test_interrupted_while_waiting_for_the_lock(box):
    """Signals wait for the steps to end, but not while there are none."""
    file = box.write("lab.yaml", "namespaces: {a: {}}")
    box.nsapply(file)
    lock = box.do(os.open, "/run/nsapply/.lock", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # A virtual machine may stand still for longer than nsapply waits by itself.
    child = box.spawn(NSAPPLY, "--lock-timeout", "3600", "--destroy", file, stderr=subprocess.PIPE)
    while not blocks(child.pid, signal.SIGTERM):
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGTERM)
    err = child.communicate(timeout=30)[1].decode()
    assert child.returncode == 128 + signal.SIGTERM, err
    assert "interrupted while waiting for the lock" in err
    os.close(lock)
    box.nsapply("--plan", file)


def blocks(pid, number):
    with open(f"/proc/{pid}/status") as status:
        mask = next(line for line in status if line.startswith("SigBlk:")).split()[1]
    return int(mask, 16) >> (number - 1) & 1


# --- --list and --exec --------------------------------------------------------------------------


def test_list(box):
    assert box.nsapply("--list").out == ""
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    done = box.nsapply("--list")
    assert "lab" in done.out and str(file) in done.out


def test_list_goes_on(box):
    """One that cannot be read hides no other."""
    for name in "abc":
        box.nsapply(box.write(f"{name}.yaml", f"name: {name}\nnamespaces: {{of-{name}: {{}}}}\n"))
    box.sh("cp -p /run/nsapply/b/record kept; echo : > /run/nsapply/b/record")
    done = box.nsapply("--list", status=1)
    assert [line.split()[0] for line in done.out.splitlines()] == ["a", "c"]
    assert "cannot read the record of lab b" in done.err
    box.sh("cp kept /run/nsapply/b/record")
    assert len(box.nsapply("--list").out.splitlines()) == 3


def test_list_as_json(box):
    nothing = {"version": 1, "labs": [], "diagnostics": []}
    assert box.nsapply("--list", "--format", "json").json() == nothing
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    assert box.nsapply("--list", "--format", "json").json() == {
        **nothing, "labs": [{"name": "lab", "file": str(file), "namespaces": 1}]}
    box.sh("echo nonsense >/run/nsapply/lab/record")
    found = box.nsapply("--list", "--format", "json", status=1).json()
    assert found["errors"] == 1 and "lab" in found["diagnostics"][0]["message"]


def test_exec(box):
    box.nsapply(box.write("lab.yaml", LAB))
    done = box.nsapply("--exec", "web", "--", "ip", "-o", "-4", "address", "show", "dev", "lo")
    assert "10.0.0.1/32" in done.out
    for status in [0, 1, 3, 42]:
        box.nsapply("--exec", "web", "--", "sh", "-c", f"exit {status}", status=status)
    assert box.nsapply("--exec", "web", "--", "sh", "-c", "kill -9 $$", status=None).status in \
        (137, -9)
    box.nsapply("--exec", "web", "--", "/nonexistent/command", status=127)
    box.nsapply("--exec", "web", "--", "/etc/passwd", status=126)
    box.nsapply("--exec", "nowhere", "--", "true", status=125)
    assert box.nsapply("--exec", "web", "--", "cat", input="through").out == "through"


def test_exec_is_as_ip_netns_exec(box):
    box.nsapply(box.write("lab.yaml", LAB))

    def etc():
        os.makedirs("/run/etc-netns/web")
        with open("/run/etc-netns/web/hosts", "w") as file:
            file.write("10.0.0.1 inside\n")

    box.do(etc)
    # /etc belongs to the machine: the box gets a copy of its own to write in.
    box.sh("""mkdir -p /run/etc /run/work; mount -t tmpfs tmpfs /run/work
        mkdir /run/work/up /run/work/work
        mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/work/up,workdir=/run/work/work /etc
        : >>/etc/hosts # not in a minimal installation
        mkdir /etc/netns; cp -r /run/etc-netns/web /etc/netns/web""")
    script = "cat /etc/hosts; ls /sys/class/net"
    ours = box.nsapply("--exec", "web", "--", "sh", "-c", script).out
    theirs = box.run("ip", "netns", "exec", "web", "sh", "-c", script).out
    assert ours == theirs
    assert ours.splitlines()[0] == "10.0.0.1 inside"


def test_exec_where_it_cannot(box):
    box.nsapply(box.write("lab.yaml", LAB))
    done = box.nsapply("--exec", "../web", "--", "true", status=125)
    assert 'namespace name "../web"' in done.err
    box.sh(": >/run/netns/empty; ln -s loop /run/netns/loop")
    done = box.nsapply("--exec", "empty", "--", "true", status=125)
    assert "/run/netns/empty is no network namespace" in done.err
    done = box.nsapply("--exec", "loop", "--", "true", status=125)
    assert "cannot open namespace loop: Too many levels of symbolic links" in done.err
    assert box.nsapply("--exec", "host", "--", "echo", "here").out == "here\n"


def test_exec_says_what_it_cannot_bind(box):
    """What is not in /etc cannot be replaced there. The rest goes on."""
    box.nsapply(box.write("lab.yaml", LAB))
    box.sh("""mkdir /run/work; mount -t tmpfs tmpfs /run/work
        mkdir /run/work/up /run/work/work
        mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/work/up,workdir=/run/work/work /etc
        : >>/etc/hosts # not in a minimal installation
        mkdir -p /etc/netns/web; echo inside >/etc/netns/web/hosts; : >/etc/netns/web/not-in-etc""")
    done = box.nsapply("--exec", "web", "--", "cat", "/etc/hosts")
    assert done.out == "inside\n"
    assert ("warning: cannot bind /etc/netns/web/not-in-etc over /etc/not-in-etc: "
            "No such file or directory") in done.err


def test_exec_keeps_sys_read_only(box):
    """A container's /sys is; that of the namespace must not be more than it."""
    box.nsapply(box.write("lab.yaml", LAB))
    script = "while read -r _ on _ flags _; do [ $on != /sys ] || echo ${flags%%,*}; done </proc/mounts"
    assert box.nsapply("--exec", "web", "--", "sh", "-c", script).out.split()[-1] == "rw"
    box.sh("mount -o remount,ro /sys")
    assert box.nsapply("--exec", "web", "--", "sh", "-c", script).out.split()[-1] == "ro"


def test_open_files(box):
    """Each namespace takes two, or one to be taken away (Linux 6.18): the soft limit, which shells set
    low, is raised to the hard one."""
    file = box.write("many.yaml", f"namespaces: {{{', '.join(f'n{i}: {{}}' for i in range(40))}}}\n")
    before = box.snapshot()
    done = box.run("sh", "-c", 'ulimit -n 64; exec "$@"', "sh", NSAPPLY, file, status=1)
    assert "Too many open files" in done.err and "raise `ulimit -Hn`" in done.err
    box.assert_same(before)
    box.run("sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh", NSAPPLY, file)
    assert len(box.names()) == 40
    for files, *args in [(64, "--plan", file), (64, file), (40, "--destroy", "many")]:
        done = box.run("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", NSAPPLY, *args, status=1)
        assert done.err.count("error: ") == done.err.count("Too many open files") == 1
        assert "raise `ulimit -Hn`; of namespaces there are 4" in done.err
    assert len(box.names()) == 40


def shown(text, begin, end):
    """The topologies of a document, without what they are indented by there."""
    for block in re.findall(f"^{begin}\n(.*?)^{end}$", text, re.DOTALL | re.MULTILINE):
        if re.search("^namespaces:$", block, re.MULTILINE):
            yield block.replace("\\en", "\\n")


def test_what_the_documents_show_is_valid(box):
    readme = list(shown((ROOT / "README.md").read_text(), "```yaml", "```"))
    manual = (ROOT / "man/nsapply.yaml.5").read_text()
    whole = list(shown(manual, r"\.Bd -literal -offset indent", r"\.Ed"))
    # Of one section only: of the manual's first topology.
    checks = re.search(r"^\.Sh CHECKS.*?^(checks:\n.*?)^\.Ed$", manual, re.DOTALL | re.MULTILINE)[1]
    assert len(readme) == 2 and len(whole) == 2
    for text in [*readme, *whole, whole[0] + checks]:
        done = box.nsapply("--validate", box.write("shown.yaml", text))
        assert done.err == ""


def test_readme_commands_are_there():
    readme = (ROOT / "README.md").read_text()
    for command in ["./tools/demo", "./tools/test"]:
        assert f"\n    {command}\n" in readme or f"\n{command}\n" in readme
        assert os.access(ROOT / command, os.X_OK)
