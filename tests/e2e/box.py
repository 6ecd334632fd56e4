# SPDX-License-Identifier: MIT
"""A box: a private mount and network namespace in which a test runs nsapply and ip.

A box is a thread that has left the namespaces of the rest of the process. What runs in it (a
command, or the reading of a file below /proc/sys/net) runs in the box; nothing has to be entered
again, so a box costs a few milliseconds. It ends with its thread: all that was made in it goes
with it, except for processes, which close() kills.
"""
import concurrent.futures
import ctypes
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import socket
import struct
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("NSAPPLY_BUILD", "build")
NSAPPLY = os.environ.get("NSAPPLY", str(BUILD / "nsapply"))

CLONE_FS, CLONE_NEWNS, CLONE_NEWNET = 0x200, 0x20000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18

NOBODY = 65534

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def _setns(fd):
    _check(_libc.setns(fd, CLONE_NEWNET), "setns")


def _mount(source, target, fstype, flags=0, data=None):
    _check(_libc.mount(source, target, fstype, ctypes.c_ulong(flags), data), "mount")


def _set_lo_up():
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def pauses():
    """Between one look and the next at what is awaited: a look takes some processes of ip for each
    namespace, and others wait for the processors."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.6, 0.5)


def has_nobody():
    """Is there such a user here? In a user namespace of an ordinary user there is only one."""
    ids = [list(map(int, line.split())) for line in open("/proc/self/uid_map")]
    return any(first <= NOBODY < first + n for first, _, n in ids)


class Result:
    """How a command ended."""

    def __init__(self, args, status, out, err):
        self.args, self.status, self.out, self.err = args, status, out, err

    def __repr__(self):
        return (f"$ {' '.join(map(str, self.args))}\n[status {self.status}]\n"
                f"--- stdout\n{self.out}\n--- stderr\n{self.err}")

    def json(self):
        return json.loads(self.out)


class Box:
    def __init__(self, tmp):
        self.tmp = pathlib.Path(tmp)
        self._threads = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._children = []
        self.do(self._enter)
        self.do(_set_lo_up)
        self._netns = self.do(lambda: os.open("/proc/thread-self/ns/net", os.O_RDONLY))

    def _enter(self):
        _unshare(CLONE_FS)
        _unshare(CLONE_NEWNS | CLONE_NEWNET)
        _mount(None, b"/", None, MS_REC | MS_PRIVATE)
        _mount(b"tmpfs", b"/run", b"tmpfs", 0, b"mode=755")
        # /sys shows the network of whoever mounted it.
        _mount(b"sysfs", b"/sys", b"sysfs")
        os.chdir(self.tmp)

    def do(self, function, *args):
        """Calls the function inside the box."""
        return self._threads.submit(function, *args).result()

    def close(self):
        for child in self._children:
            child.kill()
            child.wait()
        for lab in self.do(_labs_with_processes):  # of a test that failed
            self.nsapply("--destroy", lab, status=None)
        os.close(self._netns)
        self._threads.shutdown()

    # --- commands -----------------------------------------------------------------------------

    def run(self, *args, status=0, input="", env=None, cwd=None, timeout=60):
        """Runs a command and expects this exit status (None: any)."""
        environment = dict(os.environ, **env) if env else None

        def call():
            return subprocess.run([str(a) for a in args], input=input.encode(),
                                  capture_output=True, env=environment, cwd=cwd, timeout=timeout)

        done = self.do(call)
        result = Result(args, done.returncode, done.stdout.decode("utf-8", "surrogateescape"),
                        done.stderr.decode("utf-8", "surrogateescape"))
        assert status is None or result.status == status, f"expected status {status}:\n{result!r}"
        return result

    def sh(self, script, **kw):
        return self.run("sh", "-euc", script, **kw)

    def nsapply(self, *args, **kw):
        return self.run(NSAPPLY, *args, **kw)

    def spawn(self, *args, **kw):
        """Starts a command that runs until the box is closed (or it is waited for)."""
        child = self.do(lambda: subprocess.Popen([str(a) for a in args], **kw))
        self._children.append(child)
        return child

    def write(self, name, text):
        path = self.tmp / name
        path.write_text(text)
        return path

    # --- looking ------------------------------------------------------------------------------

    def names(self):
        """The named network namespaces."""
        try:
            return sorted(self.do(os.listdir, "/run/netns"))
        except FileNotFoundError:
            return []

    def inside(self, namespace, function, *args):
        """Calls the function inside the box and a named namespace (None, "host": its own)."""

        def call():
            if namespace in (None, "host"):
                return function(*args)
            if isinstance(namespace, int):
                path = f"/proc/{namespace}/ns/net"
            else:
                path = f"/run/netns/{namespace}"
            fd = os.open(path, os.O_RDONLY)
            try:
                _setns(fd)
                return function(*args)
            finally:
                _setns(self._netns)
                os.close(fd)

        return self.do(call)

    def ip(self, namespace, *args):
        """What `ip -j -d ARGS` says in a namespace."""

        def call():
            done = subprocess.run(["ip", "-j", "-d", *args], capture_output=True, check=True)
            return json.loads(done.stdout or b"[]")

        return self.inside(namespace, call)

    def link(self, namespace, name):
        links = self.ip(namespace, "link", "show", "dev", name)
        assert len(links) == 1
        return links[0]

    def sysctl(self, namespace, name):
        path = "/proc/sys/" + name.replace(".", "/")
        return self.inside(namespace, lambda: open(path).read().strip())

    def ping(self, namespace, address, count=1):
        command = ["ping", "-n", "-q", "-c", str(count), "-i", "0.01", "-W", "2", address]
        done = self.inside(namespace, lambda: subprocess.run(command, capture_output=True))
        assert done.returncode == 0, f"{namespace} -> {address}: {done.stdout.decode()}"

    def start_ping(self, namespace, address):
        """Starts a ping every 10 ms; call the result to end it and get (sent, received)."""
        command = ["ping", "-n", "-i", "0.01", "-W", "1", address]
        child = self.inside(namespace, lambda: subprocess.Popen(command, stdout=subprocess.PIPE))
        self._children.append(child)
        while b"bytes from" not in (line := child.stdout.readline()):
            assert line, f"{namespace} -> {address}: no answer"

        def stop():
            child.send_signal(signal.SIGINT)
            out = child.communicate(timeout=10)[0].decode()
            sent, received = re.search(r"(\d+) packets transmitted, (\d+) received", out).groups()
            return int(sent), int(received)

        return stop

    def calm(self):
        """Waits for what the kernel does later: duplicate address detection, and, at most a second
        after the fact, noticing that a bridge or a cable's end has (or lacks) a carrier."""
        start, restless = time.monotonic(), None
        for pause in pauses():
            # To look takes a process of ip for each namespace: all of them only to begin and to end.
            known, names = restless, restless or ["host", *self.names()]
            restless = {name: why for name in names if (why := self.inside(name, _is_restless))}
            waited = time.monotonic() - start
            if not restless or set(restless.values()) == {"maybe"} and waited > 1.2:
                if not known:
                    return
                restless = None
                continue
            assert waited < 5, f"the kernel is still at work: {restless}"
            time.sleep(pause)

    def on_terminal(self, *args, status=0, **kw):
        """What a command writes to a terminal."""
        master, slave = pty.openpty()
        child = self.spawn(*args, stdout=slave, stderr=slave, **kw)
        assert child.wait(60) == status
        os.close(slave)
        text = os.read(master, 65536)
        os.close(master)
        return text

    # --- snapshots ----------------------------------------------------------------------------

    def snapshot(self, sysctls=True, extra=()):
        """Everything there is to see, once the kernel has done what it does later."""
        self.calm()
        return self.glance(sysctls, extra)

    def glance(self, sysctls=True, extra=()):
        """Everything there is to see right now: the host, every named namespace and those of the
        pids in extra, through ip, with all net.* values; what changes by itself is left out."""
        result = {"namespaces": self.names(), "run": self._run_files()}
        for name in ["host", *self.names(), *extra]:
            result[name] = self.inside(name, look, sysctls)
        return result

    def _run_files(self):
        return self.do(lambda: sorted(n for n in os.listdir("/run") if n != "netns"))

    def assert_same(self, before, look=None, timeout=15.0):
        """Waits until what there is to see equals before: the kernel does some things later."""
        look = look or self.glance
        deadline = time.monotonic() + timeout
        for pause in pauses():
            now = look()
            if now == before:
                return
            if time.monotonic() > deadline:
                raise AssertionError("\n".join(["not as before:", *differences(before, now)]))
            time.sleep(pause)


def assert_same_state(a, b, timeout=15.0):
    """Waits until two boxes are in the same state."""
    deadline = time.monotonic() + timeout
    for pause in pauses():
        one, two = comparable(a.glance()), comparable(b.glance())
        if one == two:
            return
        if time.monotonic() > deadline:
            raise AssertionError("\n".join(["two states:", *differences(one, two)]))
        time.sleep(pause)


def _ip(commands, *options):
    """The answers to several commands of one ip."""
    done = subprocess.run(["ip", "-j", "-d", *options, "-batch", "-"], capture_output=True,
                          input="\n".join(commands).encode(), check=True)
    decoder, text, answers = json.JSONDecoder(), done.stdout.decode("utf-8", "surrogateescape"), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        answers.append(value)
        text = text[end:]
    return answers


# What is only to be waited for is asked for in netlink itself: a process of ip takes longer than many of
# the kernel's answers. (linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/fib_rules.h)
_GETLINK, _GETADDR, _GETRULE, _DUMP = 18, 22, 34, 0x301


def _dump(what, family=socket.AF_UNSPEC):
    """The messages, without their headers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as route:
        route.send(struct.pack("=IHHIIB15x", 32, what, _DUMP, 1, 0, family))
        while True:
            data = route.recv(1 << 18)
            while data:
                size, kind = struct.unpack_from("=IH", data)
                if kind < 16:  # the end, or an error
                    _check(-struct.unpack_from("=i", data, 16)[0], "dump")
                    return
                yield data[16:size]
                data = data[size + 3 & ~3:]


def _attributes(data):
    result = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        result[kind & 0x3fff] = data[4:size]
        data = data[size + 3 & ~3:]
    return result


def _is_restless():
    """What the kernel has still to do in this namespace, or None."""
    IFA_FLAGS, IFA_F_TENTATIVE = 8, 0x40
    IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_INFO_KIND, IF_OPER_UNKNOWN, IF_OPER_UP = 16, 18, 1, 0, 6
    IFF_UP, IFF_LOWER_UP = 1, 0x10000
    result = None
    for address in _dump(_GETADDR):
        flags = _attributes(address[8:]).get(IFA_FLAGS)
        if flags and struct.unpack("=I", flags)[0] & IFA_F_TENTATIVE:
            return "address"
    for link in _dump(_GETLINK):
        flags, attributes = struct.unpack_from("=8xI", link)[0], _attributes(link[16:])
        kind = _attributes(attributes.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND)
        state = attributes[IFLA_OPERSTATE][0]
        if kind not in (b"bridge\0", b"veth\0") or not flags & IFF_UP:
            continue
        if state == IF_OPER_UNKNOWN:
            result = "maybe"  # of some it stays unknown
        elif bool(flags & IFF_LOWER_UP) != (state == IF_OPER_UP):
            # Only when it has noticed the carrier does it make the link-local address.
            return "carrier"
    return result


def _has_initial_ipv6_rules():
    """Those of priority 0 and 32766, that look into the tables local and main, and no others?"""
    FRA_PRIORITY, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_PROTOCOL, FR_ACT_TO_TBL = 6, 14, 15, 21, 1
    seen = []
    for rule in _dump(_GETRULE, socket.AF_INET6):
        attributes = _attributes(rule[12:])
        selects = rule[1:4] != bytes(3) or rule[7] != FR_ACT_TO_TBL or rule[8:12] != bytes(4) or (
            attributes.keys() - {FRA_PRIORITY, FRA_SUPPRESS_PREFIXLEN, FRA_TABLE, FRA_PROTOCOL})
        numbers = [int.from_bytes(attributes.get(a, b""), "little") for a in (FRA_PRIORITY, FRA_TABLE)]
        seen.append((rule[0], bool(selects), *numbers))
    return seen == [(socket.AF_INET6, False, 0, 255), (socket.AF_INET6, False, 32766, 254)]


def _labs_with_processes():
    return [record.parent.name for record in pathlib.Path("/run/nsapply").glob("*/record")
            if b"\nprocesses:" in record.read_bytes()]


def look(sysctls):
    link, address, route, rules, neighbour = _ip(
        ["link show", "address show", "route show table all", "rule show",
         "neigh show nud permanent"])
    if not _has_initial_ipv6_rules():
        rules += _ip(["rule show"], "-6")[0]
    result = {
        "link": {l["ifname"]: _tidy(l) for l in link},
        "address": {l["ifname"]: sorted((_tidy(a) for a in l["addr_info"]), key=repr)
                    for l in address if l.get("addr_info")},
        "route": sorted((_tidy(r) for r in route), key=repr),
        "rule": sorted(rules, key=repr),
        "neighbour": sorted(neighbour, key=repr),
    }
    if sysctls:
        result["sysctl"] = dict(_sysctls("/proc/sys/net"))
    return result


# Timers of bridges count down; the rest follows from traffic.
_VOLATILE = {"hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "hold_timer",
             "state",  # of a port, while the spanning tree settles
             "expires", "message_age_timer", "forward_delay_timer", "topology_change", "age", "used",
             "stats", "stats64"}
_FOREVER = 2**32 - 1


def _tidy(value):
    """Without counters, timers and lifetimes."""
    if isinstance(value, list):
        return [_tidy(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {k: _tidy(v) for k, v in value.items()
            if k not in _VOLATILE and not (k.endswith("_life_time") and v != _FOREVER)}


# Readable, but not state: counters, and what is random at each reading.
_SYSCTL_SKIP = {"nf_conntrack_count", "dentry-state", "stable_secret"}
_SYSCTL_SKIP |= {"nf_hooks_lwtunnel"}  # the whole machine's


def _is_state(folder, name):
    # ip tells that of an interface; and to read it the kernel turns in circles for as long as others
    # hold the lock of rtnetlink (addrconf_sysctl_addr_gen_mode() in net/ipv6/addrconf.c).
    told = name == "addr_gen_mode" and not folder.endswith(("/all", "/default"))
    return not told and name not in _SYSCTL_SKIP


def _sysctls(folder):
    """Every readable value below a folder of /proc/sys."""
    try:
        with os.scandir(folder) as entries:
            entries = list(entries)
    except FileNotFoundError:
        return  # of an interface that has just gone
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _sysctls(entry.path)
        elif _is_state(folder, entry.name):
            try:
                fd = os.open(entry.path, os.O_RDONLY)
            except OSError:
                continue
            try:
                yield entry.path[len("/proc/sys/"):], os.read(fd, 4096)
            except OSError:
                pass
            finally:
                os.close(fd)


def differences(before, after, path=""):
    """What differs between two snapshots, one line each."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}, key=str):
            if before.get(key) != after.get(key):
                yield from differences(before.get(key), after.get(key), f"{path}/{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for item in before:
            if item not in after:
                yield f"{path}: gone:  {item}"
        for item in after:
            if item not in before:
                yield f"{path}: new:   {item}"
        if sorted(map(repr, before)) == sorted(map(repr, after)):
            yield f"{path}: another order"
    else:
        yield f"{path}: {before!r} -> {after!r}"


def indexes(snapshot):
    """The interface index of each interface of the named namespaces."""
    return {(namespace, name): link["ifindex"] for namespace in snapshot["namespaces"]
            for name, link in snapshot[namespace]["link"].items()}


# --- one state of two machines ------------------------------------------------------------------

_RANDOM_MAC = re.compile(r"(?!02:00:00:00:)[0-9a-f][26ae](:[0-9a-f]{2}){5}")
# An address that the kernel made from a MAC, when the link came up. So it is there a second later
# than the rest, or is that of a MAC from before; with it come a few routes. So do those of table
# local that follow from any IPv6 address.
_EUI64 = re.compile(r"fe80::([0-9a-f]{1,4}:)?([0-9a-f]{0,2}ff:fe[0-9a-f]{2}):[0-9a-f]{1,4}")


def _is_automatic(entry):
    if not isinstance(entry, dict):
        return entry in _CARRIER
    address = entry.get("local") or entry.get("dst")
    if not isinstance(address, str):
        return False
    return (_EUI64.fullmatch(address) is not None
            or entry.get("table") == "local" and ":" in address
            or entry.get("protocol") == "kernel" and address in ("ff00::/8", "fe80::/64", "fe80::"))


_BY_MACHINE = {"ifindex", "link_index", "link_netnsid", "link-netnsid",
               # The spanning tree follows from the MACs, and takes its time.
               "root_id", "bridge_id", "root_port", "root_path_cost", "designated_root",
               "designated_bridge", "designated_port", "designated_cost",
               # Follows from the rest, up to a second later.
               "operstate", "tentative",
               # What a bridge's ports could do, until the last one is gone.
               "gso_max_size", "gso_max_segs", "tso_max_size", "tso_max_segs", "gro_max_size"}
_CARRIER = ("LOWER_UP", "NO-CARRIER", "M-DOWN", "linkdown")
_NO_MAC = "00:00:00:00:00:00"


def comparable(snapshot):
    """Without what differs between two machines in the same state: interface indexes, and what the
    kernel chose at random (the tests' own MACs begin with 02:00:00:00)."""
    if isinstance(snapshot, dict):
        if snapshot.get("address") == _NO_MAC and snapshot.get("ifname") != "lo":
            # A bridge whose last port has gone.
            snapshot = dict(snapshot, address="random")
        is_port = "hairpin" in snapshot
        # Values of sysctls, by the thousand, are bytes.
        result = {k: v if isinstance(v, bytes) else comparable(v) for k, v in snapshot.items()
                  if k not in _BY_MACHINE and not (is_port and k in ("state", "no", "id"))}
        return {k: v for k, v in result.items() if v != []}
    if isinstance(snapshot, list):
        return sorted((comparable(v) for v in snapshot if not _is_automatic(v)), key=repr)
    if isinstance(snapshot, str):
        return _RANDOM_MAC.sub("random", snapshot)
    return snapshot


# --- watching -----------------------------------------------------------------------------------

class Monitor:
    """`ip monitor` in the host and in other namespaces of a box."""

    OBJECTS = ["link", "address", "route", "rule"]

    def __init__(self, box, namespaces):
        self._box, self._files = box, {}
        for name in namespaces:
            self._files[name] = box.tmp / f"monitor.{name}"
            with open(self._files[name], "wb") as file:
                box._children.append(box.inside(name, lambda f=file: subprocess.Popen(
                    ["ip", "monitor", *self.OBJECTS], stdout=f)))
        self._plant()

    def _sizes(self):
        return {name: os.path.getsize(file) for name, file in self._files.items()}

    def _plant(self):
        """Silence means something only where a change shows: an address on lo comes and goes."""
        before, deadline = self._sizes(), time.monotonic() + 5
        while quiet := [name for name, size in self._sizes().items() if size == before[name]]:
            assert time.monotonic() < deadline, f"ip monitor shows nothing in {quiet}"
            for name in quiet:
                for verb in ["add", "del"]:
                    self._box.inside(name, lambda v=verb: subprocess.run(
                        ["ip", "address", v, "127.9.9.9/32", "dev", "lo"], check=True))
            time.sleep(0.02)
        self._settle()

    def _settle(self, seconds=0.2):
        """Waits until nothing more has come for a while."""
        sizes, since = self._sizes(), time.monotonic()
        while time.monotonic() - since < seconds:
            time.sleep(0.02)
            if sizes != (sizes := self._sizes()):
                since = time.monotonic()
        return sizes

    def silent(self, action):
        """Runs the action; nothing may show up meanwhile, and a planted change must."""
        # The kernel tells of a carrier up to a second after the fact.
        before = self._settle(1.2)
        action()
        self._settle()
        for name, file in self._files.items():
            shown = file.read_bytes()[before[name]:].decode()
            assert not shown, f"ip monitor in {name} shows:\n{shown}"
        self._plant()
