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
