# SPDX-License-Identifier: MIT
"""All or nothing: what happens when something fails half way, or somebody was killed."""
import errno
import os
import re

import pytest

from box import BUILD, NSAPPLY

LAB = """
name: lab
namespaces:
  host:
    interfaces:
      br0: {kind: bridge, ports: [v0], addresses: [10.1.0.1/24],
            sysctl: {ipv6.disable_ipv6: 0}}
      nic: {mtu: 1400}
      sw: {addresses: [10.8.0.1/24]}
    routes: [{to: 10.9.0.0/24, via: 10.1.0.2}]
    sysctl: {net.ipv4.conf.all.log_martians: 1, net.ipv4.neigh.nic.app_solicit: 3}
  a:
    forwarding: true
    interfaces:
      e0: {addresses: [10.1.0.2/24]}
      gift: {from: 'host:gift', addresses: [10.7.0.1/24]}
  b: {}
links:
  - [host:v0, a:e0]
  - [a:e1, b:e0]
  - [host:w0, b:e1]
"""


def machine(box):
    box.sh("""
        ip link add nic type veth peer name wire; ip link set nic up; ip link set wire up
        ip addr add 10.5.0.1/24 dev nic
        ip link add gift type veth peer name giver; ip link set giver up
        ip addr add 10.6.0.1/24 dev gift; ip addr add 2001:db8:6::1/64 dev gift nodad
        ip link set gift mtu 1300 up
        ip link add sw type bridge; ip link set sw up
        ip route add 10.66.0.0/16 via 10.6.0.2
    """)
    return box.snapshot()


def indexes(box):
    return {(n, l["ifname"]): l["ifindex"] for n in ["host", *box.names()]
            for l in box.ip(n, "link", "show")}


def refuse_ipv6(box, on):
    """What is moved to the host from now on cannot have its IPv6 addresses back."""
    box.sh(f"echo {int(on)} > /proc/sys/net/ipv6/conf/default/disable_ipv6")


def test_destroy_that_fails_leaves_the_lab(box):
    """The namespaces are the last to go, so what went before can be undone: nothing in them is lost."""
    before = machine(box)
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    stands, numbers = box.snapshot(), indexes(box)
    record = box.do(lambda: open("/run/nsapply/lab/record").read())
    refuse_ipv6(box, True)
    done = box.nsapply("--destroy", "lab", status=1)
    assert "cannot create address 2001:db8:6::1/64 on host:gift" in done.err
    refuse_ipv6(box, False)
    box.assert_same(stands)
    assert box.do(lambda: open("/run/nsapply/lab/record").read()) == record
    # Namespaces and their cables are the very same.
    after = indexes(box)
    assert {k: v for k, v in after.items() if k[0] != "host" and k[1] != "gift"} == {
        k: v for k, v in numbers.items() if k[0] != "host" and k[1] != "gift"}
    box.nsapply("--plan", file)
    box.nsapply("--destroy", "lab")
    box.assert_same(before)


def test_namespaces_that_go_are_the_last_to_go(box):
    """An apply that removes a namespace and fails elsewhere: the namespace is never touched."""
    file = box.write("lab.yaml", LAB)
    machine(box)
    box.nsapply(file)
    box.calm()
    sleeper = box.spawn("ip", "netns", "exec", "b", "sleep", "60")
    before = box.snapshot()
    text = LAB.replace("  b: {}\n", "").replace("  - [a:e1, b:e0]\n  - [host:w0, b:e1]\n", "")
    text = text.replace("mtu: 1400", "mtu: 1410, sysctl: {ipv6.addr_gen_mode: 9}")
    done = box.nsapply(box.write("lab.yaml", text), status=1)
    assert "net.ipv6.conf.nic.addr_gen_mode" in done.err
    box.assert_same(before)
    assert sleeper.poll() is None
    assert os.readlink(f"/proc/{sleeper.pid}/ns/net") == box.inside(
        "b", lambda: os.readlink("/proc/thread-self/ns/net"))


def leave_stray(box, name):
    """As a process does that is killed between making the file and mounting on it."""
    box.sh(f"umount -n /run/netns/{name}; test -f /run/netns/{name}")


def test_stray_name_of_the_lab(box):
    before = machine(box)
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    leave_stray(box, "b")
    assert "namespace b" in box.nsapply("--plan", file, status=2).out
    box.nsapply(file)
    box.nsapply("--plan", file)
    assert box.ip("b", "link", "show", "dev", "e0")
    leave_stray(box, "b")
    box.nsapply("--destroy", "lab")
    box.assert_same(before)


def test_stray_name_of_somebody_else(box):
    """No namespace, but not ours to replace either: said before anything is touched."""
    box.sh("mkdir -p /run/netns; : > /run/netns/b; chmod 0 /run/netns/b")
    file = box.write("two.yaml", "namespaces: {a: {}, b: {}}\n")
    for args in [["--plan", file], [file], ["--adopt", file]]:
        done = box.nsapply(*args, status=1)
        assert 'file of namespace "b" that is no namespace' in done.err
        assert "two.yaml:1:" in done.err
        assert box.names() == ["b"]
    assert box.do(os.listdir, "/run") == ["netns"]


@pytest.mark.parametrize("plant", ["echo text > b", "mkdir b", "mkfifo b", "ln -s a b", "ln -s gone b",
                                   ": > b; mount -n --bind /proc/self/ns/uts b"])
def test_what_took_the_name_of_the_lab(box, plant):
    """Whatever it is, it is no obstacle to take the lab away; and it stays."""
    before = machine(box)
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    link = box.link("a", "e0")
    leave_stray(box, "b")
    box.sh(f"cd /run/netns; rm -f b; {plant}")
    for args in [["--plan", file], [file], ["--adopt", file]]:
        assert 'file of namespace "b" that is no namespace' in box.nsapply(*args, status=1).err
    assert box.link("a", "e0") == link
    box.nsapply("--destroy", "lab")
    assert box.names() == ["b"]
    box.sh("umount -n /run/netns/b || true; rm -rf /run/netns/b")
    box.assert_same(before)


def test_destroy_looks_again(box):
    """Once the namespaces are gone there is no way back. What is refused then is tried once more."""
    before = box.snapshot()
    file = box.write("lab.yaml", "namespaces: {a: {interfaces: {e: {peer: 'host:v'}}}, b: {}}")
    at = BUILD / "tests" / "at"

    def refuse_from_the_end(n):
        box.nsapply(file)
        count = int(box.run(at, "count", "dump", NSAPPLY, "-q", "--destroy", file).out.split()[1])
        box.nsapply(file)
        return box.run(at, "refuse", "dump", count - n, errno.EPERM, NSAPPLY, "-q", "--destroy", file)

    for n in range(4):  # its four last requests read the host for the last time
        for _ in range(10):  # how often it has asked whether the cable is gone is not always the same
            done = refuse_from_the_end(n)
            box.assert_same(before)
            if done.err:
                break
        assert "warning: cannot read namespace host: Operation not permitted" in done.err
        assert "error" not in done.err


@pytest.mark.parametrize("verb", ["apply", "destroy"])
def test_going_from_namespace_to_namespace_is_refused_once(box, verb):
    """For want of memory, say. The way back to the host is tried again: from elsewhere nothing more
    could be done, not even undone."""
    # Destroy goes nowhere to take away what is the lab's alone.
    box.sh("ip netns add alien; ip netns add other")
    file = box.write("lab.yaml", """
namespaces:
  a: {}
  b: {}
  alien: {external: true, interfaces: {lo: {addresses: [10.0.0.1/32]}}}
  other: {external: true, interfaces: {lo: {addresses: [10.0.0.2/32]}}}
links: [[a:x, b:y]]
""")
    # How much there is to wait for is another number of calls each time.
    command = [NSAPPLY, "-q", *(["--wait", "0"] if verb == "apply" else ["--destroy"]), file]

    def prepare():
        box.nsapply("--destroy" if verb == "apply" else "-q", file)
        return box.snapshot()

    at = BUILD / "tests" / "at"
    box.nsapply(file)  # the first one makes /run/netns
    prepare()
    calls = box.run(at, "-v", "count", "file", *command).err
    points = re.findall(r"^(\d+) setns\(", calls, re.M)
    assert len(points) >= 2
    for n in points:
        before = prepare()
        done = box.run(at, "refuse", "file", n, errno.ENOMEM, *command, status=None)
        assert f"at {n} " in done.out and "setns" in done.out
        assert done.status in (0, 1), done
        if done.status:
            box.assert_same(before)
    box.nsapply("--destroy", file)
    assert box.names() == ["alien", "other"]


def test_process_inside_does_not_hold_destroy_up(box):
    """A process that stays keeps its namespace alive, but not the host's end of the cable."""
    before = machine(box)
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    box.spawn("ip", "netns", "exec", "a", "sleep", "60")
    box.nsapply("--destroy", "lab")
    box.assert_same(before)


PORTS = """
name: lab
namespaces:
  host:
    interfaces:
      br: {{kind: bridge, ports: [{ports}]}}
      other: {{sysctl: {{ipv6.addr_gen_mode: {mode}}}}}
  a: {{interfaces: {{{a}}}}}
links: [[host:v0, a:e0], {{endpoints: [host:v1, a:e1], mtu: 1400}}]
"""


def test_bridges_go_on_following_their_ports(box):
    """A bridge's MTU and MAC follow its ports until set once: the way back must not set them."""
    box.sh("""
        ip link add sw type bridge; ip link add nic type veth peer name wire
        ip link add other type veth peer name wire2
        ip link set nic master sw mtu 1300; ip link set sw up
    """)
    file = box.write("lab.yaml", PORTS.format(ports="v0, v1", a="", mode=0))
    box.nsapply(file)
    before = box.snapshot()
    assert (box.link("host", "sw")["mtu"], box.link("host", "br")["mtu"]) == (1300, 1400)
    file.write_text(PORTS.format(ports="v0", a="nic: {from: 'host:nic'}", mode=9))
    assert "rolling back" in box.nsapply(file, status=1).err
    box.assert_same(before)
    box.sh("ip link set nic mtu 1350; ip link set v1 mtu 1380; ip link set nic address 02:00:00:00:00:01")
    assert (box.link("host", "sw")["mtu"], box.link("host", "br")["mtu"]) == (1350, 1380)
    assert box.link("host", "sw")["address"] == "02:00:00:00:00:01"


def test_what_cannot_be_put_back_is_told(box):
    """A route whose gateway was reachable once stays, but cannot be made again. The move drops it,
    and the way back is refused: it says what is left, and destroy goes on from there."""
    machine(box)
    box.sh("""
        ip address add 10.6.1.1/24 dev gift
        ip address del 10.6.0.1/24 dev gift
    """)
    before = box.snapshot()
    file = box.write("lab.yaml", """
name: lab
namespaces:
  host: {routes: [{to: 10.98.0.0/16, via: 10.99.0.1}]}
  a: {interfaces: {gift: {from: 'host:gift'}}}
""")
    done = box.nsapply("--color=never", file, status=4)
    assert "lab.yaml:4:19: error: cannot create route 10.98.0.0/16" in done.err
    assert "error: cannot create route 10.66.0.0/16 via 10.6.0.2 dev gift in host" in done.err
    assert "error: not put back: route 10.66.0.0/16" in done.err
    assert "error: the machine could not be put back as it was" in done.err
    assert "`nsapply --destroy lab` tries again" in done.err
    box.sh("ip address add 10.6.0.1/24 dev gift")
    box.nsapply("--destroy", "lab")
    box.sh("ip address del 10.6.0.1/24 dev gift")
    box.assert_same(before)


@pytest.mark.parametrize("name, value, made", [
    ("net.ipv4.ip_local_reserved_ports", "7,8,9", "7-9"),
    ("net.ipv6.conf.br.stable_secret", "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
    ("net.ipv4.ping_group_range", "5 1", "1 0"),
])
def test_what_does_not_stay_is_told(box, name, value, made):
    """The kernel writes this in a way of its own, which is never the file's."""
    before = machine(box)
    file = box.write("lab.yaml", """
name: lab
namespaces:
  a: {sysctl: {NAME: 'VALUE'}, interfaces: {br: {kind: bridge}}}
""".replace("NAME", name).replace("VALUE", value))
    done = box.nsapply("--color=never", file, status=1)
    assert re.search(rf"lab.yaml:4:\d+: error: does not stay as asked: sysctl {name} in a: "
                     f"of '{value}' the kernel makes '{made}'", done.err), done.err
    assert "keeps changing it back" not in done.err
    box.assert_same(before)
    file.write_text(file.read_text().replace(value, made))
    box.nsapply(file)
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_sysctl_that_was_never_set(box):
    """Nothing sets it back to that, so only what the lab makes is given one."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {interfaces: {e: {kind: bridge}}}}\n")
    box.nsapply(file)
    file.write_text("""
name: lab
namespaces:
  a:
    interfaces: {e: {kind: bridge}}
    sysctl: {net.ipv6.conf.e.stable_secret: '2001:0db8:0000:0000:0000:0000:0000:0001'}
""")
    done = box.nsapply(file, status=1)
    assert "lab.yaml:6:" in done.err and "hint: it was never set" in done.err
    box.nsapply("--destroy", file)
    box.nsapply(file)


@pytest.mark.parametrize("name, value, error", [
    ("net.ipv4", "1", "cannot read sysctl net.ipv4 in namespace a: Is a directory"),
    ("net.ipv4.conf", "1", "cannot read sysctl net.ipv4.conf in namespace a: Is a directory"),
    ("net.ipv4.route.flush", "1",
     "cannot read sysctl net.ipv4.route.flush in namespace a: Permission denied"),
    ("net.ipv6.conf.all.stable_secret", "2001:db8::1",
     "cannot set sysctl net.ipv6.conf.all.stable_secret"),
    ("net.ipv6.conf.e.stable_secret", "no address",
     "cannot set sysctl net.ipv6.conf.e.stable_secret"),
])
def test_sysctl_that_cannot_be_read(box, name, value, error):
    """Of a namespace that is to be made it is known before that; and where not, it is not in the way back's
    way. (What was never set is an I/O error to read.)"""
    before = box.snapshot()
    lab = """
name: lab
namespaces:
  host: {interfaces: {h: {}}, forwarding: true}
  a: {sysctl: {SYSCTL}, interfaces: {e: {}}}
links: [[host:h, a:e]]
"""
    file = box.write("lab.yaml", lab.replace("SYSCTL", f"{name}: '{value}'"))
    done = box.nsapply("--color=never", file, status=1)
    assert "lab.yaml:5:" in done.err and f"error: {error}" in done.err, done.err
    assert ("rolling back" in done.err) == ("cannot set" in error)
    box.assert_same(before)
    file.write_text(lab.replace("SYSCTL", ""))
    box.nsapply(file)
    stands = box.snapshot()
    file.write_text(lab.replace("SYSCTL", f"{name}: '{value}'"))
    assert name in box.nsapply(file, status=1).err
    box.assert_same(stands)
    box.nsapply("--destroy", file)
    box.assert_same(before)


def test_no_room_for_the_record(box):
    """What it takes to take a lab away is written first."""
    before = box.snapshot()
    file = box.write("lab.yaml", "namespaces: {a: {}}\n")
    box.nsapply(file)
    stands = box.snapshot()
    box.sh("mount -n -o remount,size=64k /run; dd if=/dev/zero of=/run/full bs=1k 2>/dev/null || true")
    file.write_text("namespaces: {a: {}, b: {}}\n")
    for args in [[file], ["--destroy", "lab"]]:
        done = box.nsapply(*args, status=1)
        assert "cannot write /run/nsapply/lab/record: No space left on device" in done.err
        assert "make some room there: `df /run/nsapply`" in done.err
    box.sh("rm /run/full")
    box.assert_same(stands)
    box.nsapply("--destroy", "lab")
    box.assert_same(before)


def test_empty_sysctl(box):
    """A list can be empty; a number cannot, which only the kernel knows."""
    box.sh("echo 8080 > /proc/sys/net/ipv4/ip_local_reserved_ports")
    before = box.snapshot()
    file = box.write("lab.yaml", """
name: lab
namespaces:
  host: {sysctl: {net.ipv4.ip_local_reserved_ports: ''}}
  a: {sysctl: {net.ipv4.ip_local_reserved_ports: ""}}
""")
    assert ('sysctl net.ipv4.ip_local_reserved_ports in host: 8080 -> ""'
            in box.nsapply("--plan", file, status=2).out)
    box.nsapply(file)
    for namespace in ["host", "a"]:
        assert box.sysctl(namespace, "net.ipv4.ip_local_reserved_ports") == ""
    box.nsapply("--plan", file)
    stands = box.snapshot()
    file.write_text(file.read_text().replace("a: {sysctl: {", "a: {sysctl: {net.ipv4.tcp_ecn: '', "))
    done = box.nsapply("--color=never", file, status=1)
    assert 'lab.yaml:5:34: error: cannot set sysctl net.ipv4.tcp_ecn of namespace "a" to "": ' in done.err
    assert "give it a value, or remove the key: only a list can be empty" in done.err
    box.assert_same(stands)
    box.nsapply("--destroy", file)
    box.assert_same(before)


@pytest.mark.parametrize("prevent, allow, error", [
    ("mount -n -o remount,bind,ro /run/netns", "mount -n -o remount,bind,rw /run/netns",
     "cannot remove /run/netns/a: Read-only file system"),
    ("mount -n --make-rprivate /run/netns; "
     "for i in $(seq 20); do mount -n --bind /run/netns/b /run/netns/b; done", "true",
     "cannot remove /run/netns/b: Device or resource busy"),
], ids=["the first", "the last"])
def test_name_that_cannot_be_taken_away(box, prevent, allow, error):
    """Its mount had gone already, and with it the namespace."""
    before = machine(box)
    file = box.write("lab.yaml", LAB)
    box.nsapply(file)
    stands, numbers = box.snapshot(), indexes(box)
    box.sh(prevent)
    assert error in box.nsapply("--destroy", file, status=1).err
    box.sh(allow)
    box.assert_same(stands)
    own = {key: index for key, index in numbers.items() if key[0] != "host" and key[1] != "gift"}
    assert own.items() <= indexes(box).items()
    box.nsapply("--plan", file)
    box.nsapply("--destroy", file)
    box.assert_same(before)


@pytest.mark.parametrize("points, call, error, text", [
    ("file", r"getsockopt\(", errno.EMFILE, "Too many open files"),
    ("file", r"getdents64\(", errno.EMFILE, "Too many open files"),
    ("file", r"fstatfs\(", errno.EMFILE, "Too many open files"),
    ("file", r"openat\(.*/gift/rp_filter", errno.EMFILE, "Too many open files"),
    ("answer", r"recv\w+\(", errno.EAGAIN, "did not answer|timed out"),
    ("answer", r"recv\w+\(", errno.ENOBUFS, "was lost|No buffer space"),
], ids=["numbers of namespaces", "lists", "what is a namespace", "sysctls", "late answers",
        "lost answers"])
def test_what_cannot_be_read_is_not_taken_for_absent(box, points, call, error, text):
    """A few of the times that it is asked. What is lost of a list is asked again."""
    box.sh("ip link add gift type veth peer name giver; ip netns add other; "
           "echo 2 > /proc/sys/net/ipv4/conf/gift/rp_filter")
    before = box.snapshot()
    file = box.write("lab.yaml", """
namespaces:
  other: {external: true, interfaces: {lo: {addresses: [10.8.0.1/24]}}}
  a: {interfaces: {gift: {from: 'host:gift', addresses: [10.7.0.1/24], sysctl: {ipv4.rp_filter: 1}}}}
""")
    at = BUILD / "tests" / "at"
    seen = box.run(at, "-v", "count", points, NSAPPLY, "-q", file).err
    numbers = re.findall(rf"^(\d+) {call}", seen, re.MULTILINE)
    box.nsapply("--destroy", file)
    box.assert_same(before)
    statuses = set()
    for number in numbers[::1 + len(numbers) // 9]:
        done = box.run(at, "refuse", points, number, error, NSAPPLY, "-q", file, status=None)
        statuses.add(done.status)
        if done.status == 0:
            box.nsapply("--plan", file)
            box.nsapply("--destroy", file)
        else:
            assert done.status == 1 and re.search(text, done.err), done.err
        box.assert_same(before)
    assert 1 in statuses


def test_other_labs_are_not_overlooked(box):
    """What cannot be looked at may well be there: its claims hold, its files stay, it is listed."""
    other = box.write("q.yaml", """
name: q
namespaces:
  host: {sysctl: {net.ipv4.tcp_ecn: 1}}
  a: {processes: {s: {command: [sh, -c, 'echo log; exec sleep 1000'], ready: {log: log}}}}
""")
    file = box.write("zz.yaml", "{name: zz, namespaces: {host: {sysctl: {net.ipv4.tcp_ecn: 0}}}}")
    box.nsapply(other)
    at = BUILD / "tests" / "at"
    box.sh("mkdir -m 700 /run/nsapply/left")  # what an interrupted run has left is tidied up
    for command, expected in [(["-q", file], 1), (["--list"], None)]:
        seen = box.run(at, "-v", "count", "file", NSAPPLY, *command, status=expected).err
        points = re.findall(r"^(\d+) \w+\((?:q|record|q/record)\)", seen, re.MULTILINE)
        assert points
        for point in points:
            box.sh("mkdir -m 700 -p /run/nsapply/left")
            done = box.run(at, "refuse", "file", point, errno.ENFILE, NSAPPLY, *command, status=None)
            assert done.status == 1 or "q " in done.out, done
            assert "restore it" not in done.err
            assert box.sh("cat /run/nsapply/q/a:s.log /proc/sys/net/ipv4/tcp_ecn").out == "log\n1\n"
    box.sh("ulimit -n 8; ! " + f"{NSAPPLY} --list")
    box.nsapply("--plan", other)
    box.nsapply("--destroy", other)


AWAY = """
name: lab
namespaces:
  a:
    %s
    processes: {p: {command: ['%s'], ready: {log: never}}}
"""


def lay_cable(box, there):
    """From the lab's own namespace to one that it does not know. Returns how to name that to `ip`."""
    ip, netns = ("ip", "$$") if there == "host" else (f"ip -n {there}", there)
    box.sh(f"""
        {ip} link add sw type bridge
        {ip} link add nic type veth peer name wire; {ip} addr add 10.1.0.2/24 dev nic
        {ip} link set nic up; {ip} link set wire up
        ip -n a link add x address 02:00:00:00:00:01 type veth peer name y address 02:00:00:00:00:02 \
            netns {netns}
        ip -n a addr add 10.0.0.1/24 dev x; ip -n a link set x up mtu 1400
        ip -n a route add 10.6.0.0/16 via 10.0.0.2
        {ip} link set y up mtu 1300; {ip} link set y master sw; {ip} link set sw up
        {ip} addr add 10.0.0.2/24 dev y; {ip} addr add 2001:db8::2/64 dev y nodad
        {ip} route add 10.5.0.0/16 via 10.0.0.1
        {ip} route add 10.7.0.0/16 dev nic src 10.0.0.2
    """)
    return ip


@pytest.mark.parametrize("there", ["ext", "zzz", "host"])
@pytest.mark.parametrize("how", ["pruned", "replaced"])
def test_cable_to_where_the_lab_has_nothing(box, there, how):
    """It goes, with its other end; so that is to come back as well, and nothing else there is touched."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    # A number is not forgotten with the cable; and a name may be what the lab calls another one.
    box.sh("ip netns add ext; ip netns add zzz; ip netns add host; ip netns add other;"
           "ip -n a link add x type veth peer name x netns other; ip -n a link delete x")
    ip = lay_cable(box, there)
    before = box.snapshot()
    links = "interfaces: {x: {kind: veth, peer: 'a:z'}}" if how == "replaced" else "{}"
    links = links.removeprefix("{}") or "forwarding: false"
    file.write_text(AWAY % (links, "false"))
    assert f"{there}:y" in box.nsapply("--plan", file, status=2).out
    assert "rolling back" in box.nsapply(file, status=1).err
    box.assert_same(before)
    box.sh(f"{ip} link set nic down")  # the record says nothing of what is there
    file.write_text(file.read_text().replace("processes", "#"))
    box.nsapply(file)
    box.nsapply("--plan", file)
    box.sh(f"! {ip} link show y 2>/dev/null; {ip} link show nic >/dev/null")
    assert "/run/netns" not in box.do(lambda: open("/run/nsapply/lab/record").read())
    box.nsapply("--destroy", file)


def test_cable_to_a_namespace_that_has_the_name_of_another(box):
    """What is called `host` here is not the host, nor is it that what the file calls so."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    box.sh("ip netns add host; ip netns add ext; ip netns add two")
    lay_cable(box, "host")
    box.sh("ip -n a link add v type veth peer name v netns two")
    before = box.snapshot()
    file.write_text(AWAY % ("forwarding: false", "false")
                    + "  two: {external: {path: /run/netns/ext}}\n"
                    + "  host: {interfaces: {lo: {addresses: [10.9.9.9/32]}}}\n")
    done = box.nsapply(file, status=1)
    assert "rolling back" in done.err
    box.assert_same(before)


def test_cable_of_another_lab(box):
    """It knows its end in a namespace of ours by the index; and that it has again."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    other = box.write("other.yaml", """
name: other
namespaces:
  a: {external: true, interfaces: {x: {addresses: [10.0.0.1/24]}}}
  ext: {interfaces: {y: {addresses: [10.0.0.2/24]}}, routes: [{to: default, via: 10.0.0.1}]}
links: [[a:x, ext:y]]
""")
    box.nsapply(file)
    box.nsapply(other)
    before = box.snapshot()
    file.write_text(AWAY % ("forwarding: false", "false"))
    done = box.nsapply(file, status=1)
    assert "rolling back" in done.err and 'a:x is deleted, with what lab "other" has there' in done.err
    box.assert_same(before)
    box.nsapply("--plan", other)
    box.nsapply("--destroy", other)
    assert box.names() == ["a"]


def test_cable_to_a_namespace_without_a_name(box):
    """Nobody could put its other end back: said before anything is touched, with the ways out."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    box.sh("ip netns add ext")
    lay_cable(box, "ext")
    sleeper = box.spawn("ip", "netns", "exec", "ext", "sleep", "60")
    box.calm()
    box.sh("while ! grep -q sleep /proc/%d/comm; do sleep .01; done; ip netns delete ext" % sleeper.pid)
    before = box.snapshot(extra=[sleeper.pid])
    look = lambda: box.glance(extra=[sleeper.pid])  # noqa: E731
    file.write_text(AWAY % ("forwarding: false", "false"))
    for args in [["--plan"], []]:
        done = box.nsapply("--color=never", *args, file, status=1)
        assert ("lab.yaml:4:3: error: a:x cannot be taken away: the other end of its cable is in a namespace "
                "that has no name, and could not be put back") in done.err
        assert "`ip -n a link delete x`" in done.err and "rolling back" not in done.err
        assert look() == before
    file.write_text(AWAY % ("ignore: {interfaces: [x]}", "false"))
    assert "rolling back" in box.nsapply(file, status=1).err
    box.assert_same(before, look)
    file.write_text(AWAY % ("forwarding: false", "false"))
    box.sh(f"ip netns attach ext {sleeper.pid}")
    before = box.snapshot()
    assert "rolling back" in box.nsapply(file, status=1).err
    box.assert_same(before)
    box.sh("ip netns delete ext")
    box.nsapply("--no-rollback", file, status=4)
    box.sh("! ip -n a link show x 2>/dev/null")


def test_cable_to_a_namespace_that_is_about_to_end(box):
    """Once that is deleted its cables go by themselves, a moment later."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    for _ in range(10):
        box.sh("ip netns add ext; ip -n a link add x type veth peer name y netns ext;"
               f"ip -n a link show >/dev/null; ip netns delete ext; {NSAPPLY} -q {file}")
    box.nsapply("--plan", file)


def test_cable_to_a_namespace_that_is_about_to_end_and_a_failure(box):
    """Nothing is to be put back then."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    file.write_text(AWAY % ("forwarding: false", "false"))
    for _ in range(6):
        box.sh("ip netns add ext; ip -n a link add x type veth peer name y netns ext; ip -n a link set x up;"
               f"ip -n a link show >/dev/null; ip netns delete ext; {NSAPPLY} -q {file} 2>&1", status=1)


def lose_name(box, netns):
    """A process that lives on in it keeps it."""
    sleeper = box.spawn("ip", "netns", "exec", netns, "sleep", "60")
    box.sh(f"while ! grep -q sleep /proc/{sleeper.pid}/comm; do sleep .01; done; ip netns delete {netns}")
    return sleeper


@pytest.mark.parametrize("how", ["lost", "moved", "external"])
def test_own_cable_to_a_namespace_that_lost_its_name(box, how):
    """The lab gets a new one all the same, or takes its end away."""
    box.sh("ip netns add c")
    text = "namespaces: {a: {}, b: %s}\nlinks: [[a:x, b:y], [a:v, host:v]]\n"
    file = box.write("lab.yaml", text % "{}")
    if how == "external":
        box.sh("ip netns add b")
        file.write_text(text % "{external: true}")
    box.nsapply(file)
    if how == "moved":
        box.sh("ip -n b link set y netns c")
    lose_name(box, "c" if how == "moved" else "b")
    if how == "external":
        file.write_text("namespaces: {a: {}}\nlinks: [[a:v, host:v]]\n")
    box.nsapply(file)
    box.nsapply("--plan", file)
    if how == "external":
        box.sh("! ip -n a link show x 2>/dev/null")
    else:
        assert box.link("b", "y")["operstate"] == "UP"


@pytest.mark.parametrize("named", ["", "  ext: {external: true}\n"])
def test_other_end_is_somebody_elses_meanwhile(box, named):
    """That cannot be put back then, and is said; what has the name now is not ours to delete."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    box.sh("ip netns add ext; ip -n a link add x type veth peer name y netns ext")
    file.write_text("name: lab\nnamespaces:\n  a: {processes: {p: {command: [sh, -c, 'ip -n ext link add y "
                    "type bridge && ip -n ext link set y alias theirs; exit 1'], ready: {log: never}}}}\n"
                    + named)
    assert "rolling back" in box.nsapply(file, status=4).err
    assert "theirs" in box.sh("ip -n ext link show y").out


@pytest.mark.parametrize("route, why", [
    ("10.5.0.0/16 via 10.0.0.1 tos 4", "has a TOS"),
    ("multicast 239.1.0.0/16 dev y", "is of type multicast"),
])
def test_cable_with_a_route_that_cannot_be_set_again(box, route, why):
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    box.sh("ip netns add ext")
    lay_cable(box, "ext")
    box.sh(f"ip -n ext route add {route}")
    before = box.snapshot()
    done = box.nsapply("--color=never", file, status=1)
    assert f"lab.yaml:2:14: error: this would cost ext:y the route" in done.err and why in done.err
    assert "delete it first" in done.err
    box.assert_same(before)
    box.sh(f"ip -n ext route delete {route}")
    box.nsapply(file)


def test_what_is_ignored_and_comes_meanwhile(box):
    """Somebody else's: the way back leaves it, and takes away the lab's own of such a name."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\n")
    box.nsapply(file)
    file.write_text("""
name: lab
namespaces:
  a:
    ignore: {interfaces: ["tap-*"], routes: [{proto: 77}]}
    interfaces: {tap-own: {kind: bridge, addresses: [10.1.0.1/24]}}
    routes: [{to: 10.3.0.0/16, via: 10.1.0.2, proto: 77}]
    processes:
      p:
        command:
          - sh
          - -c
          - ip link add tap-x type bridge; ip link add x type bridge; ip route add 10.2.0.0/16 dev lo proto 77; exit 1
        ready: {log: never}
""")
    assert "rolling back" in box.nsapply(file, status=1).err
    assert {link["ifname"] for link in box.ip("a", "link")} == {"lo", "tap-x"}
    assert box.sh("ip -n a route").out.split()[0] == "10.2.0.0/16"
    assert len(box.sh("ip -n a route").out.splitlines()) == 1


def test_own_interface_that_is_renamed_to_what_is_ignored(box):
    """It is the lab's all the same: the one that was there has its name again, the one that came goes."""
    file = box.write("lab.yaml", "name: lab\nnamespaces: {a: {}}\nlinks: [[a:old, a:end]]\n")
    box.nsapply(file)
    box.calm()
    before = box.snapshot()
    file.write_text("""
name: lab
namespaces:
  a:
    ignore: {interfaces: ["tap-*"]}
    interfaces: {new: {kind: bridge}}
    processes:
      p:
        command: [sh, -c, ip link set old down; ip link set old name tap-0; ip link set new down; ip link set new name tap-1]
        ready: {log: never}
links: [[a:old, a:end]]
""")
    assert "rolling back" in box.nsapply(file, status=1).err
    box.assert_same(before)


@pytest.mark.parametrize("apply", ["others", "replaces"])
def test_several_routes_to_one_destination(box, apply):
    """Somebody appended them in a namespace of the lab's, by hand or from a routing protocol: a failed apply
    leaves them, or puts them back."""
    text = "name: lab\nnamespaces: {a: {interfaces: {d: {kind: bridge, addresses: [10.1.0.1/24]}%s}}}\n"
    file = box.write("lab.yaml", text % "")
    box.nsapply(file)
    box.sh("""ip -n a link add s type bridge; ip -n a link set s up
        ip -n a route add 10.6.0.0/16 via 10.1.0.3 proto bgp; ip -n a route append 10.6.0.0/16 via 10.1.0.4 proto bgp
        ip -n a route add 10.7.0.0/16 via 10.1.0.3; ip -n a route append 10.7.0.0/16 via 10.1.0.4
        ip -n a route append 10.7.0.0/16 via 10.1.0.5
        ip -n a route add fd07::/64 dev d metric 5; ip -n a route append fd07::/64 dev s metric 5""")
    before = box.ip("a", "route"), box.ip("a", "-6", "route")
    own = ", routes: [{to: 10.7.0.0/16, via: 10.1.0.9}]" if apply == "replaces" else ""
    file.write_text(text % ("}%s, ignore: {interfaces: [s]}, processes: {p: {command: [sh, -c, 'exit 1'], "
                            "ready: {log: never}}" % own))
    assert "rolling back" in box.nsapply(file, status=1).err
    assert sorted(map(str, box.ip("a", "route"))) == sorted(map(str, before[0]))
    assert sorted(map(str, box.ip("a", "-6", "route"))) == sorted(map(str, before[1]))
