# SPDX-License-Identifier: MIT
"""The namespace that an interface was moved away from is not where it was any more: it has another
name, or none. Whose the interface is does not change by that."""
import pytest

EXT = """
ip netns add ext
ip -n ext link add e0 mtu 1450 type veth peer name e1
ip -n ext link set e0 up
touch /run/mounted; mount --bind /run/netns/ext /run/mounted
"""
RENAME = "touch /run/netns/new; mount --bind /run/netns/ext /run/netns/new; ip netns delete ext"
LAB = """
name: lab
namespaces:
  ext: {external: %s, sysctl: {net.ipv4.ip_default_ttl: 33}, interfaces: {e1: {mtu: 1400}}}
  foo: {interfaces: {eth0: {from: 'ext:e0', mtu: 1300}}}
"""
# How the file finds the namespace, and how that comes to an end though the namespace does not.
FOUND = {
    "pid": ("{pid: %d}", None, "ext"),
    "path": ("{path: /run/mounted}", "umount /run/mounted", "ext"),
    "name": ("true", RENAME, "new"),
}


def look(box, name):
    """As the box sees it, whatever the namespace is called."""
    box.calm()
    return box.snapshot()[name]


def apply(box, where):
    """Applies LAB, whose ext is found this way. The process in it, if any."""
    process = None
    if "pid" in where:
        process = box.spawn("ip", "netns", "exec", "ext", "sleep", "1000")
        box.sh(f"until [ /run/netns/ext -ef /proc/{process.pid}/ns/net ]; do sleep 0.01; done")
        where %= process.pid
    file = box.write("lab.yaml", LAB % where)
    box.nsapply(file)
    return file, process


def lose(box, process, script):
    if process:
        process.kill()
        process.wait()
    if script:
        box.sh(script)


@pytest.mark.parametrize("dropped", [False, True], ids=["destroy", "apply"])
@pytest.mark.parametrize("how", FOUND)
def test_found_again_by_its_name(box, how, dropped):
    """A namespace is known by its cookie: where it has a name, everything goes back there."""
    where, script, name = FOUND[how]
    box.sh(EXT)
    before = look(box, "ext")
    file, process = apply(box, where)
    lose(box, process, script)
    if not dropped:
        assert 'external namespace "ext" does not exist' in box.nsapply(file, status=1).err
    else:
        file.write_text("name: lab\nnamespaces: {foo: {}}\n")
        assert "+ link ext:e0 (from foo:eth0, mtu 1450" in box.nsapply("--plan", file, status=2).out
        box.nsapply(file)
        assert look(box, name) == before
        assert box.nsapply(file).err == "lab: nothing to do\n"
    assert "warning" not in box.nsapply("--destroy", "lab").err
    assert look(box, name) == before


def test_another_has_its_name(box):
    """What is given back does not go to whoever has the name by now."""
    box.sh(EXT)
    before = look(box, "ext")
    file, _ = apply(box, "true")
    box.sh(RENAME + "; ip netns add ext")
    other = look(box, "ext")
    assert '"ext" is another namespace now' in box.nsapply(file, status=1).err
    box.nsapply("--destroy", file)
    assert (look(box, "new"), look(box, "ext")) == (before, other)


def test_the_file_has_its_new_name(box):
    """Whatever was found and moved is on record under the old one."""
    box.sh(EXT)
    before = look(box, "ext")
    file, _ = apply(box, "true")
    box.sh(RENAME)
    file.write_text((LAB % "true").replace("ext:", "new:"))
    stands = box.snapshot()
    error = box.nsapply(file, status=1).err
    assert "are the same namespace" in error and "destroy the lab first" in error
    box.assert_same(stands)
    box.nsapply("--destroy", file)
    assert look(box, "new") == before
    box.nsapply(file)


# --- nowhere to be found -------------------------------------------------------------------------------

NIC = "ip link add e0 type veth peer name wire; ip netns add ext; ip link set e0 netns ext; "
REFUSED = ("error: foo:eth0 is ext:e0, which cannot be given back, and is not the lab's to delete: "
           "namespace ext is nowhere to be found")
LOST = "warning: ext:e0 is not given back: namespace ext is nowhere to be found\n"
HOMELESS = """
name: lab
namespaces:
  ext: {external: true, sysctl: {net.ipv4.ip_default_ttl: 33}}
  foo: {%sinterfaces: {eth0: {from: 'ext:e0'}}}
"""


@pytest.fixture(params=["gone", "another"])
def homeless(request, box):
    """ext is gone, or another one by now. Its interface is not."""
    box.sh(NIC)
    file = box.write("lab.yaml", HOMELESS % "")
    box.nsapply(file)
    box.sh("ip netns delete ext; " + ("ip netns add ext" if request.param == "another" else ""))
    return box, file


def links(box, namespace):
    return [link["ifname"] for link in box.ip(namespace, "link")]


def test_not_deleted_with_its_namespace(homeless):
    box, file = homeless
    stands = box.snapshot()
    for argument in file, "lab":
        error = box.nsapply("--destroy", argument, status=1).err
        assert REFUSED in error and "`ip -n foo link set eth0 netns NAME`" in error and "--adopt" in error
    box.nsapply(file, status=1)
    box.assert_same(stands)
    done = box.nsapply("--destroy", "--adopt", "lab")
    assert done.err.count("warning: ") == 1 and LOST in done.err
    assert "foo" not in box.names()
    box.sh("while ip link show wire; do sleep 0.02; done")


@pytest.mark.parametrize("more", ["", "ignore: {interfaces: [eth*]}", "interfaces: {eth0: {kind: bridge}}",
                                  "interfaces: {eth0: {peer: 'foo:eth1'}}"])
def test_not_deleted_as_what_the_file_does_not_name(homeless, more):
    box, file = homeless
    stands = box.snapshot()
    file.write_text("name: lab\nnamespaces: {foo: {%s}}\n" % more)
    for arguments in ["--plan", file], [file]:
        failed = box.nsapply(*arguments, status=1)
        assert "lab.yaml:2:" in failed.err and REFUSED in failed.err and failed.out == ""
    box.assert_same(stands)
    done = box.nsapply("--adopt", file)
    assert done.err.count("warning: ") == 1 and LOST in done.err
    assert "Nothing to do" in box.nsapply("--plan", file).out
    assert ("wire" in links(box, None)) == more.startswith("ignore")


def test_moved_out_by_hand(homeless):
    box, file = homeless
    box.sh("ip netns add safe; ip -n foo link set eth0 netns safe")
    done = box.nsapply("--destroy", file)
    assert done.err.count("warning: ") == 1 and LOST in done.err
    assert "eth0" in links(box, "safe")


def test_lost_and_found(box):
    """A process is still in it: with a name, everything goes back there."""
    box.sh(NIC)
    before = look(box, "ext")
    file = box.write("lab.yaml", HOMELESS % "")
    box.nsapply(file)
    process = box.spawn("ip", "netns", "exec", "ext", "sleep", "1000").pid
    box.sh(f"until [ /run/netns/ext -ef /proc/{process}/ns/net ]; do sleep 0.01; done; ip netns delete ext")
    assert "`ip netns attach NAME PID`" in box.nsapply("--destroy", file, status=1).err
    box.sh(f"ip netns attach again {process}")
    assert "warning" not in box.nsapply("--destroy", file).err
    assert look(box, "again") == before


def test_stays_where_it_is(box):
    """In a namespace that is not the lab's it is not lost."""
    box.sh(NIC + "ip netns add safe")
    text = HOMELESS.replace("foo: {%s", "foo: {external: {path: /run/netns/safe}, ")
    file = box.write("lab.yaml", text)
    box.nsapply(file)
    box.sh("ip netns delete ext")
    done = box.nsapply("--destroy", file)
    assert done.err.count("warning: ") == 1 and LOST in done.err
    assert "hint: it stays where it is, as foo:eth0" in done.err
    assert "eth0" in links(box, "safe")


def test_both_are_gone(box):
    box.sh(NIC)
    file = box.write("lab.yaml", HOMELESS % "")
    box.nsapply(file)
    box.sh("ip netns delete ext; ip netns delete foo; while ip link show wire; do sleep 0.02; done")
    done = box.nsapply("--destroy", file)
    assert done.err.count("warning: ") == 1 and LOST in done.err
