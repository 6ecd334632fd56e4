# SPDX-License-Identifier: MIT
"""--check: what the file states about reachability, tried with real packets."""
import errno
import json
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import threading
import time
import xml.etree.ElementTree as xml

import jsonschema
import pytest
import yaml

from box import BUILD, NSAPPLY, ROOT, Monitor
from test_hostile import NAMESPACES, quoted
from test_predict import plant
from test_run import Runner, place, runner  # noqa: F401 (fixtures)

SCHEMA = json.loads((ROOT / "schemas/checks.schema.json").read_text())
CROSSOVER = (ROOT / "topologies/crossover.yaml").read_text()

# h - r - s, with routes that lead nowhere in h (10.7 to 10.9) and in r (10.17 to 10.19), and one (10.20)
# that goes round between r and s. Routers tell of every packet, so that many can be asked at once.
ROW = """\
name: row
defaults: {sysctl: {net.ipv4.icmp_ratelimit: 0, net.ipv6.icmp.ratelimit: 0}}
namespaces:
  h:
    interfaces: {e0: {addresses: [10.0.1.1/24, 'fd00:1::1/64']}}
    routes:
      - {to: default, via: 10.0.1.2}
      - {to: default, via: 'fd00:1::2'}
      - {to: 10.7.0.0/16, type: blackhole}
      - {to: 10.8.0.0/16, type: prohibit}
      - {to: 10.9.0.0/16, type: unreachable}
      - {to: 'fd07::/16', type: blackhole}
      - {to: 'fd08::/16', type: prohibit}
      - {to: 'fd09::/16', type: unreachable}
  r:
    forwarding: true
    interfaces:
      e0: {addresses: [10.0.1.2/24, 'fd00:1::2/64']}
      e1: {addresses: [10.0.2.1/24, 'fd00:2::1/64']}
    routes:
      - {to: 10.17.0.0/16, type: blackhole}
      - {to: 10.18.0.0/16, type: prohibit}
      - {to: 10.19.0.0/16, type: unreachable}
      - {to: 10.20.0.0/16, via: 10.0.2.2}
      - {to: 'fd17::/16', type: blackhole}
      - {to: 'fd18::/16', type: prohibit}
      - {to: 'fd19::/16', type: unreachable}
      - {to: 'fd20::/16', via: 'fd00:2::2'}
  s:
    forwarding: true
    interfaces:
      e0: {addresses: [10.0.2.2/24, 'fd00:2::2/64']}
    routes:
      - {to: default, via: 10.0.2.1}
      - {to: default, via: 'fd00:2::1'}
links:
  - [h:e0, r:e0]
  - {endpoints: [r:e1, s:e0], mtu: 1400}
checks:
"""

R4, R6 = "10.0.1.2", "fd00:1::2"
UNREACHABLE, PORT = (3, 1), (3, 3)

# The check; does it hold; what is seen: the answer, who from, and what else is in it; the hops.
TRIALS = [
    # reached
    ("to: 's:e0'", True, "reply", "10.0.2.2", {}, []),
    ("to: 's:e0', family: inet6", True, "reply", "fd00:2::2", {}, []),
    ("to: 's:e0', via: [10.0.1.2]", True, "reply", "10.0.2.2", {}, [R4, "10.0.2.2"]),
    ("to: 's:e0', family: inet6, via: ['r:e0']", True, "reply", "fd00:2::2", {}, [R6, "fd00:2::2"]),
    ("to: 's:e0', protocol: tcp, port: 80", True, "reply", "10.0.2.2", {}, []),
    ("to: 's:e0', protocol: tcp, port: 80, via: ['r:e0']", True, "reply", "10.0.2.2", {}, [R4, "10.0.2.2"]),
    ("to: 's:e0', protocol: tcp, port: 80, family: inet6", True, "reply", "fd00:2::2", {}, []),
    ("to: 's:e0', protocol: udp, port: 53", True, "reply", "10.0.2.2", {}, []),
    ("to: 's:e0', protocol: udp, port: 53, size: 1372", True, "reply", "10.0.2.2", {}, []),
    ("to: 's:e0', protocol: udp, port: 53, family: inet6", True, "reply", "fd00:2::2", {}, []),
    ("to: 'h:e0', size: 65507", True, "reply", "10.0.1.1", {}, []),
    ("to: 'h:e0', size: 65488, family: inet6", True, "reply", "fd00:1::1", {}, []),
    ("to: 's:e0', size: 0", True, "reply", "10.0.2.2", {}, []),
    # by another way
    ("to: 's:e0', via: []", False, "reply", "10.0.2.2", {}, [R4, "10.0.2.2"]),
    ("to: 's:e0', via: [10.0.2.1]", False, "reply", "10.0.2.2", {}, [R4, "10.0.2.2"]),
    ("to: 's:e0', via: [10.0.1.2, 10.0.2.1]", False, "reply", "10.0.2.2", {}, [R4, "10.0.2.2"]),
    ("to: 's:e0', family: inet6, via: ['fd00::9']", False, "reply", "fd00:2::2", {}, [R6, "fd00:2::2"]),
    # too large: headers are of 28 and 48 bytes
    ("to: 's:e0', size: 1372", True, "reply", "10.0.2.2", {}, []),
    ("to: 's:e0', size: 1373", False, "error", R4, {"mtu": 1400}, []),
    ("to: 's:e0', size: 1473", False, "local", None, {"mtu": 1500}, []),
    ("to: 's:e0', size: 1352, family: inet6", True, "reply", "fd00:2::2", {}, []),
    ("to: 's:e0', size: 1353, family: inet6", False, "error", R6, {"mtu": 1400}, []),
    ("to: 's:e0', size: 1453, family: inet6", False, "local", None, {"mtu": 1500}, []),
    ("to: 's:e0', size: 1373, protocol: udp, port: 53", False, "error", R4, {"mtu": 1400}, []),
    ("to: 's:e0', size: 1473, protocol: udp, port: 53", False, "local", None, {"mtu": 1500}, []),
    ("to: 's:e0', size: 1353, family: inet6, protocol: udp, port: 53", False, "error", R6, {"mtu": 1400}, []),
    ("to: 's:e0', size: 1373, expect: unreachable", True, "error", R4, {"mtu": 1400}, []),
    # nobody listens
    ("to: 's:e0', protocol: tcp, port: 81", False, "refused", "10.0.2.2", {}, []),
    ("to: 's:e0', protocol: tcp, port: 81, family: inet6", False, "refused", "fd00:2::2", {}, []),
    ("to: 'h:e0', protocol: tcp, port: 81", False, "refused", "10.0.1.1", {}, []),
    ("to: 's:e0', protocol: udp, port: 54", False, "error", "10.0.2.2", {"type": 3, "code": 3}, []),
    ("to: 's:e0', protocol: udp, port: 54, family: inet6", False, "error", "fd00:2::2",
     {"type": 1, "code": 4}, []),
    ("to: 's:e0', protocol: tcp, port: 81, expect: unreachable", True, "refused", "10.0.2.2", {}, []),
    ("to: 's:e0', protocol: udp, port: 54, expect: unreachable", True, "error", "10.0.2.2", {}, []),
    # a service that says nothing
    ("to: 's:e0', protocol: udp, port: 55", False, "none", None, {}, [R4, "10.0.2.2"]),
    # routes that lead nowhere, here
    ("to: 10.7.0.1", False, "local", None, {"text": "not sent: the route is a blackhole"}, []),
    ("to: 10.8.0.1", False, "local", None, {"text": "not sent: the route says prohibit, or it is a broadcast address"}, []),
    ("to: 10.9.0.1", False, "local", None, {}, []),
    ("to: 'fd07::1'", False, "local", None, {"text": "not sent: the route is a blackhole"}, []),
    ("to: 'fd08::1'", False, "local", None, {"text": "not sent: the route says prohibit, or it is a broadcast address"}, []),
    ("to: 'fd09::1'", False, "local", None, {}, []),
    ("to: 10.8.0.1, protocol: tcp, port: 80", False, "local", None, {}, []),
    ("to: 10.8.0.1, protocol: udp, port: 80", False, "local", None, {}, []),
    ("to: 10.8.0.1, expect: unreachable", True, "local", None, {}, []),
    # and there
    ("to: 10.18.0.1", False, "error", R4, {"type": 3, "code": 13}, [R4]),
    ("to: 10.19.0.1", False, "error", R4, {"type": 3, "code": 1}, [R4]),
    ("to: 'fd18::1'", False, "error", R6, {"type": 1, "code": 1}, [R6]),
    ("to: 'fd19::1'", False, "error", R6, {"type": 1, "code": 0}, [R6]),
    ("to: 10.19.0.1, protocol: tcp, port: 80", False, "error", R4, {"type": 3, "code": 1}, None),
    ("to: 10.18.0.1, protocol: udp, port: 80", False, "error", R4, {"type": 3, "code": 13}, None),
    ("to: 'fd18::1', protocol: tcp, port: 80", False, "error", R6, {"type": 1, "code": 1}, None),
    ("to: 'fd19::1', protocol: udp, port: 80", False, "error", R6, {"type": 1, "code": 0}, None),
    ("to: 10.17.0.1, expect: unreachable", True, "none", None, {}, []),
    ("to: 10.18.0.1, expect: unreachable", True, "error", R4, {}, []),
    ("to: 'fd19::1', expect: unreachable", True, "error", R6, {}, []),
    ("to: 's:e0', expect: unreachable", False, "reply", "10.0.2.2", {}, []),
    ("to: 's:e0', protocol: tcp, port: 80, expect: unreachable", False, "reply", "10.0.2.2", {}, []),
    ("to: 's:e0', protocol: udp, port: 53, expect: unreachable", False, "reply", "10.0.2.2", {}, []),
    # round in a circle
    ("to: 10.20.0.1, expect: unreachable", True, "error", None, {"type": 11, "code": 0}, []),
    # nobody there
    ("to: 10.0.2.9, expect: unreachable", True, "none", None, {}, []),
]


def check(box, *args, status=None):
    """The outcomes, by the check's line."""
    done = box.nsapply("--check", *args, "--format", "json", status=status)
    found = done.json()
    jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
    assert done.status == (2 if found["summary"]["fail"] else 0), done
    return found["checks"]


def serve(box, namespace, family):
    """tcp 80 accepts, udp 53 answers, udp 55 is silent; ends with the returned function."""
    def listen():
        tcp = socket.socket(family, socket.SOCK_STREAM)
        echo, silent = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        for sock, port in [(tcp, 80), (echo, 53), (silent, 55)]:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("", port))
        tcp.listen(1000)
        return tcp, echo, silent

    sockets = box.inside(namespace, listen)
    end, ended = os.pipe()

    def answer():
        while end not in select.select([sockets[1], end], [], [])[0]:
            data, whom = sockets[1].recvfrom(65536)
            sockets[1].sendto(data, whom)

    thread = threading.Thread(target=answer)
    thread.start()

    def stop():
        os.write(ended, b"x")
        thread.join()
        for sock in sockets:
            sock.close()
        os.close(end)
        os.close(ended)

    return stop


def row(box, *checks):
    text = ROW + "".join(f"  - {{from: h, {c}}}\n" for c in checks)
    return box.write("row.yaml", text)


# --- what comes back ------------------------------------------------------------------------------


def _wrong(outcomes):
    assert len(outcomes) == len(TRIALS)
    wrong = []
    for (text, holds, kind, who, more, hops), o in zip(TRIALS, outcomes):
        if (o["holds"], o["seen"]["answer"]) != (holds, kind) or (who and o["seen"]["from"] != who):
            wrong.append((text, o))
        elif any(o["seen"].get(key) != value for key, value in more.items()):
            wrong.append((text, o))
        elif not 0 < o["seconds"] < 60 or len(str(o["seconds"])) > 11:
            wrong.append((text, o))
        # Of what fails without an answer only the first few are followed.
        elif hops is not None and o["hops"] and [h["from"] for h in o["hops"]] != hops:
            wrong.append((text, o))
        elif hops and o["holds"] and not o["hops"]:
            wrong.append((text, o))
    return wrong


def test_answers(box):
    """A router tells a machine of five packets that its routes refuse, then of one a second (ip_error()):
    where much else goes on, the last of these checks may see nothing. Then they ask again."""
    file = row(box, *[trial[0] for trial in TRIALS])
    box.nsapply(file)
    stops = [serve(box, "s", family) for family in (socket.AF_INET, socket.AF_INET6)]
    try:
        wrong = _wrong(check(box, file))
        for _ in range(2):
            if wrong and all(o["seen"]["answer"] == "none" for _, o in wrong):
                time.sleep(6)
                wrong = _wrong(check(box, file))
    finally:
        for stop in stops:
            stop()
    assert not wrong


@pytest.mark.parametrize("text, hops, reason", [
    ("to: 10.17.0.1", [None], "not even a first hop answers"),
    ("to: 10.0.2.9", [R4], "10.0.1.2 (r:e0)"),  # which after three seconds says so itself
    ("to: 'fd17::1'", [None], "not even a first hop answers"),
    ("to: 10.20.0.1", [R4, "10.0.2.2", R4, "10.0.2.2"], "in a circle"),
    ("to: 'fd20::1'", [R6, "fd00:2::2"], "in a circle"),
    ("to: 's:e0', protocol: udp, port: 55", [R4, "10.0.2.2"], "the port is silent"),
    ("to: 's:e0', via: [10.0.2.1]", [R4, "10.0.2.2"], "hop 1 is another one than 10.0.2.1 (r:e1)"),
    ("to: 's:e0', via: []", [R4, "10.0.2.2"], "there are more hops between than 0"),
    ("to: 's:e0', via: [10.0.1.2, 10.0.2.1]", [R4, "10.0.2.2"],
     "it is reached after 1 hop already, without 10.0.2.1 (r:e1)"),
    ("to: 's:e0', size: 1373", [], "a packet of 1401 bytes"),
])
def test_where_it_broke(box, text, hops, reason):
    file = row(box, text)
    box.nsapply(file)
    stop = serve(box, "s", socket.AF_INET)
    try:
        outcome, = check(box, file, status=2)
    finally:
        stop()
    seen = [hop["from"] for hop in outcome["hops"]]
    assert seen[:len(hops)] == hops
    assert reason in outcome["reason"]


FAULTS = {
    # what is done; the line of the text that must be there
    "no way back": (["ip -n bar route del default", "ip -n foo neigh flush all"],
                    "after 10.13.37.2 (foo:eth0) nobody answers: 10.9.9.10 (bar:eth0) is there, but drops "
                    "it, or has no way back"),
    "forwarding is off": (["ip netns exec foo sysctl -qw net.ipv4.ip_forward=0", "ip neigh flush all"],
                          "not even a first hop answers: the next hop, 10.13.37.2 (foo:eth0), does not "
                          "forward, or has no way back"),
    "a cable's end is down": (["ip -n bar link set eth0 down"], "hop 1: 10.13.37.2 (foo:eth0)"),
    "no way back from a router that the file does not know": (
        ["ip -n foo address del 10.13.37.2/24 dev eth0", "ip -n foo address add 10.13.37.5/24 dev eth0",
         "ip -n foo route replace default via 10.13.37.1", "ip route replace 10.9.9.8/30 via 10.13.37.5",
         "ip -n bar route del default"],
        "after 10.13.37.5 nobody answers: what comes next is not there, does not forward, or has no way back"),
    "no route": (["ip route del 10.9.9.8/30"], "not sent: there is no route to it"),
    "a router has no route": (["ip -n foo address flush dev eth1", "ip -n foo route del default"],
                              "10.13.37.2 (foo:eth0): it has no route"),
    "prohibited": (["ip -n foo route add prohibit 10.9.9.10"], "10.13.37.2 (foo:eth0): prohibited"),
    "a blackhole": (["ip -n foo route add blackhole 10.9.9.10"],
                    "not even a first hop answers: the next hop, 10.13.37.2 (foo:eth0), does not send it "
                    "on: the route is a blackhole"),
    "unreachable": (["ip -n foo route add unreachable 10.9.9.10"],
                    "10.13.37.2 (foo:eth0): the host is unreachable"),
}


@pytest.mark.parametrize("commands, line", FAULTS.values(), ids=FAULTS)
def test_faults(box, commands, line):
    file = box.write("crossover.yaml", CROSSOVER)
    box.nsapply(file)
    box.sh("sysctl -qw net.ipv4.ip_forward=1")
    box.nsapply("--check", file)
    box.sh("\n".join(commands))
    done = box.nsapply("--check", file, status=2)
    first = done.out.split("\nok ")[0]
    assert first.startswith("FAIL  from host to bar:eth0 (10.9.9.10): reachable via 10.13.37.2\n")
    assert line in first, done
    # and the kernel agrees
    assert box.run("ping", "-n", "-q", "-c", "1", "-W", "1", "10.9.9.10", status=None).status != 0


# The classic mistakes (test_predict.py plants them): checks beside the lab's own, and of the first one that
# fails, whatever it is: what was seen, the hops, and what follows. Where the kernel may do either of two
# things, what makes it do the worse one.
LIVE = {
    "both-ends-the-same-address": ([], "", """\
FAIL  from host to bar:eth0 (10.9.9.9): reachable via 10.13.37.2
      seen: answered, but by another way
      hop 1: 10.9.9.9 (bar:eth0, foo:eth1)
      it is reached after 0 hops already, without 10.13.37.2 (foo:eth0)
"""),
    "gateway-is-its-own-address": (["{from: bar, to: host:bridge0}"], "", """\
FAIL  from bar to host:bridge0 (10.13.37.1): reachable
      seen: no answer
      hop 1: no answer
      not even a first hop answers: nobody on the network of bar:eth0 has the address 10.13.37.1 (host:bridge0)
"""),
    "no-route-back": (["{from: host, to: bar:eth0}"], "", """\
FAIL  from host to bar:eth0 (10.9.9.10): reachable
      seen: no answer
      hop 1: 10.13.37.2 (foo:eth0)
      hop 2: no answer
      after 10.13.37.2 (foo:eth0) nobody answers: 10.9.9.10 (bar:eth0) is there, but drops it, or has no way back
"""),
    "no-forwarding": (["{from: bar, to: host:bridge0}"], "", """\
FAIL  from bar to host:bridge0 (10.13.37.1): reachable
      seen: no answer
      hop 1: no answer
      not even a first hop answers: the next hop, 10.9.9.9 (foo:eth1), does not forward, or has no way back
"""),
    # What is outside of foo's network is inside of bar's.
    "wrong-prefix-length": (["{from: bar, to: 10.9.9.33}"], "ip address add 10.9.9.33/32 dev bridge0", """\
FAIL  from bar to 10.9.9.33: reachable
      seen: no answer
      hop 1: no answer
      not even a first hop answers: nobody on the network of bar:eth0 has the address 10.9.9.33
"""),
    "host-prefix-length": (["{from: host, to: bar:eth0}"], "", """\
FAIL  from host to bar:eth0 (10.9.9.10): reachable
      seen: no answer
      hop 1: no answer
      not even a first hop answers: the next hop, 10.13.37.2 (foo:eth0), sends it back
"""),
    "end-of-cable-down": (["{from: bar, to: foo:eth1}"], "", """\
FAIL  from bar to foo:eth1 (10.9.9.9): reachable
      seen: no answer
      hop 1: no answer
      not even a first hop answers: nobody on the network of bar:eth0 has the address 10.9.9.9 (foo:eth1)
"""),
    "mtus-differ": (["{from: foo, to: bar:eth0, size: 8972}"], "", """\
FAIL  from foo to bar:eth0 (10.9.9.10), 8972 bytes: reachable
      seen: no answer
      hop 1: 10.9.9.10 (bar:eth0)
      small packets are answered; so one of this size is too large for something on the way, there or back, """
                    """that does not say so
"""),
    "loop": (["{from: host, to: bar:eth0}"], "sysctl -qw net.ipv4.ip_forward=1", """\
FAIL  from host to bar:eth0 (10.9.9.10): reachable
      seen: no answer
      hop 1: no answer
      not even a first hop answers: the next hop, 10.13.37.2 (foo:eth0), sends it back
"""),
    # Whoever answers first has it: here that is the wrong one.
    "duplicate-on-the-bridge": (
        ["{from: host, to: bar:eth0}"],
        "ip neigh replace 10.13.37.2 dev bridge0 lladdr $(ip netns exec baz cat /sys/class/net/eth0/address)", """\
FAIL  from host to bar:eth0 (10.9.9.10): reachable
      seen: no answer
      hop 1: no answer
      not even a first hop answers: the next hop, 10.13.37.2 (baz:eth0, foo:eth0), does not forward, or has no way back
"""),
    "rp-filter-on-the-shorter-way-back": (["{from: host, to: 'bar:eth0'}"], "", """\
FAIL  from host to bar:eth0 (10.9.9.10): reachable
      seen: no answer
      hop 1: 10.13.37.2 (foo:eth0)
      hop 2: no answer
      after 10.13.37.2 (foo:eth0) nobody answers: 10.9.9.10 (bar:eth0) is there, but drops it, or has no way back
"""),
}


def as_if_new(text):
    """Whether ARP knew somebody before the check hangs on what came before it, and when."""
    text = text.replace(" drops it, has no way back, or is gone by now", " is there, but drops it, or has no way back")
    return text.replace(", has no way back, or is gone by now", ", or has no way back")


@pytest.mark.parametrize("name", LIVE)
def test_classic_mistakes(box, name):
    """The report shows the break at its place; and without the mistake the same checks hold."""
    checks, commands, report = LIVE[name]
    checks = "".join(f"  - {check}\n" for check in checks)

    def look(text):
        if checks:
            text = text.split("\nchecks:")[0] + f"\nchecks:\n{checks}"
        box.nsapply("-q", box.write("crossover.yaml", text))
        # $(...) is for the shell of the box; what is about a mistake fails without it
        done = box.run("sh", "-c", commands, status=None)
        assert done.status == 0 or "baz" in commands, done
        return box.nsapply("--check", "crossover", status=None)

    done = look(plant(name))
    said = as_if_new(re.sub(r"^      at .*\n", "", done.out, flags=re.M))
    assert done.status == 2 and said.startswith(report), done
    box.nsapply("-q", "--destroy", "crossover")
    assert look(CROSSOVER).status == 0


def test_an_mtu_that_nobody_tells_of(box):
    """The far end of a cable takes less than the near one sends: what is larger is lost in silence."""
    file = box.write("mtu.yaml", CROSSOVER)
    box.nsapply(file)
    box.sh("ip -n bar link set eth0 mtu 1500")
    done = box.nsapply("--check", file, status=2)
    assert re.search(r"FAIL  from foo to bar:eth0 \(10.9.9.10\), 8972 bytes: reachable\n"
                     r" *seen: no answer\n *hop 1: 10.9.9.10 \(bar:eth0\)\n *small packets are answered",
                     done.out), done
    assert "4 hold, 1 fails" in done.out


def test_hops_in_another_order(box):
    """Two routers in a row, stated the wrong way round."""
    text = (ROOT / "topologies/chain.yaml").read_text().split("checks:")[0]
    file = box.write("chain.yaml", text + "checks: [{from: r1, to: 'r4:left', via: ['r3:left', 'r2:left']}]\n")
    box.nsapply(file)
    done = box.nsapply("--check", file, status=2)
    assert "hop 1: 10.0.12.2 (r2:left)\n" in done.out and "hop 2: 10.0.23.3 (r3:left)\n" in done.out
    assert "hop 1 is another one than 10.0.23.3 (r3:left)" in done.out


# Silent b, which has the address that is asked for on its far side.
FAR_SIDE = """
namespaces:
  a:
    interfaces: {e: {addresses: [10.0.0.1/24]}}
    routes: [{to: 10.9.9.0/24, via: 10.0.0.2}]
  b:
    interfaces: {e: {addresses: [10.0.0.2/24]}, f: {addresses: [10.9.9.1/24]}}
    sysctl: {net.ipv4.icmp_echo_ignore_all: 1}
  c: {interfaces: {e: {addresses: [10.9.9.2/24]}}}
links: [[a:e, b:e], [b:f, c:e]]
checks:
"""


def test_the_next_hop_is_the_last(box):
    """It has the address, though the route says another one of its: as long as it has."""
    file = box.write("lab.yaml", FAR_SIDE + "  - {from: a, to: 10.9.9.1, within: 100ms}\n"
                     "  - {from: a, to: 10.9.9.2, within: 100ms}\n")
    box.nsapply(file)
    last, further = check(box, file, status=2)
    assert last["reason"] == ("not even a first hop answers: 10.0.0.2 (b:e) is there, but drops it, "
                              "or has no way back")
    assert further["reason"].endswith("the next hop, 10.0.0.2 (b:e), does not forward, or has no way back")
    time.sleep(1)
    last, further = check(box, file, status=2) # ARP knew it before
    assert last["reason"].endswith("10.0.0.2 (b:e) drops it, has no way back, or is gone by now")
    assert further["reason"].endswith("10.0.0.2 (b:e), does not forward, has no way back, or is gone by now")
    box.sh("ip -n b address del 10.9.9.1/24 dev f")
    last, further = check(box, file, status=2)
    assert last["reason"].endswith("does not send it on: there is no route to it")


def test_a_next_hop_that_cannot_be_asked(box):
    """That is nothing that its routes say."""
    file = box.write("lab.yaml", FAR_SIDE + "  - {from: a, to: 10.9.9.2, within: 100ms}\n")
    box.nsapply(file)
    at = BUILD / "tests" / "at"
    seen = box.run(at, "-v", "count", "dump", NSAPPLY, "--check", file, status=2).err
    get_route = re.findall(r"^(\d+) netlink message of type 26,", seen, re.MULTILINE)
    assert len(get_route) == 2  # of a, and of b
    time.sleep(1) # so that ARP knew it before
    done = box.run(at, "refuse", "dump", get_route[1], errno.ENOMEM, NSAPPLY, "--check", file, status=2)
    assert f"at {get_route[1]} " in done.out
    assert "the next hop, 10.0.0.2 (b:e), does not forward, has no way back, or is gone by now" in done.out


def test_routers_that_tell_of_few(box):
    """With the kernel's own limit a router tells of six packets at once, and then of one a second: hops
    that are stated are waited for."""
    text = ROW.replace("defaults: {sysctl: {net.ipv4.icmp_ratelimit: 0, net.ipv6.icmp.ratelimit: 0}}\n", "")
    text += "  - {from: h, to: 's:e0', via: ['r:e0']}\n" * 9
    file = box.write("row.yaml", text)
    box.nsapply(file)
    assert "9 hold, 0 fail" in box.nsapply("--check", file).out


def test_routers_that_refuse_tell_of_fewer(box):
    """Of two packets, where a route refuses them or there is none: that the router is silent then does
    not say that it does not forward."""
    file = box.write("lab.yaml", """
namespaces:
  a:
    interfaces: {e: {addresses: [10.0.0.1/24]}}
    routes: [{to: default, via: 10.0.0.2}]
  b:
    forwarding: true
    interfaces: {e: {addresses: [10.0.0.2/24]}, f: {addresses: [10.9.9.1/24]}}
  c: {interfaces: {e: {addresses: [10.9.9.2/24]}, lo: {addresses: [10.8.0.1/32]}}}
links: [[a:e, b:e], [b:f, c:e]]
checks:
  - {from: a, to: 10.8.0.1}
  - {from: a, to: 10.9.9.2}
""")
    box.nsapply(file)
    refused, silent = check(box, file, status=2)
    assert refused["seen"]["from"] == "10.0.0.2"
    assert "routers tell of a few packets at once" in silent["reason"]


def test_a_packet_filter(box):
    """What is dropped here, and what is refused there by whatever means, is no answer."""
    if not shutil.which("nft"):
        pytest.skip("no nft here")
    file = row(box, "to: 's:e0'")
    box.nsapply(file)
    box.sh("ip netns exec h nft 'add table ip t; add chain ip t o { type filter hook output priority 0; }; "
           "add rule ip t o icmp type echo-request drop'")
    done = box.nsapply("--check", file, status=2)
    assert "not sent: a packet filter drops it" in done.out


# --- within ---------------------------------------------------------------------------------------


def started(box, file):
    """Starts a check of what does not hold yet; call the result for (status, output)."""
    child = box.spawn(NSAPPLY, "--check", file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end():
        out = child.communicate(timeout=60)[0]
        return child.returncode, out

    return child, end


def wait_for_packets(box, namespace, link):
    """Until something is sent out of a link."""
    before = box.ip(namespace, "-s", "link", "show", "dev", link)[0]["stats64"]["tx"]["packets"]
    while box.ip(namespace, "-s", "link", "show", "dev", link)[0]["stats64"]["tx"]["packets"] == before:
        pass


@pytest.mark.parametrize("text, before, after", [
    ("to: 's:e0', within: 50s", "ip -n s link set e0 down", "ip -n s link set e0 up; "
     "ip -n s route add default via 10.0.2.1"),
    ("to: 10.19.0.1, within: 50s", "true", "ip -n r route del unreachable 10.19.0.0/16; "
     "ip -n r route add 10.19.0.0/16 via 10.0.2.2; ip -n s address add 10.19.0.1/32 dev lo"),
    ("to: 's:e0', protocol: tcp, port: 22, within: 50s", "true",
     "ip netns exec r ip route add 10.0.2.2 dev e1; ip -n r address add 10.0.2.99/32 dev lo"),
    ("to: 's:e0', protocol: tcp, port: 22, within: 50s", "ip -n r link set e1 down", "ip -n r link set e1 up"),
    ("to: 's:e0', via: [10.0.1.99], within: 50s", "true", "ip -n r address add 10.0.1.99/24 dev e0; "
     "ip -n r route change 10.0.1.0/24 dev e0 src 10.0.1.99"),
    ("to: 's:e0', expect: unreachable, within: 50s", "true", "ip -n s link set e0 down"),
], ids=["a link comes up", "a route comes", "a service starts", "a service can be reached", "another way",
        "a link goes down"])
def test_within(box, text, before, after):
    file = row(box, text)
    box.nsapply(file)
    box.sh(before)
    child, end = started(box, file)
    wait_for_packets(box, "h", "e0")
    assert child.poll() is None
    box.sh(after)
    sockets = []
    if "tcp" in text:
        def listen():
            sockets.append(socket.create_server(("", 22)))
        box.inside("s", listen)
    status, out = end()
    for sock in sockets:
        sock.close()
    assert status == 0 and "1 hold" in out, out


# --- what is not a matter of packets --------------------------------------------------------------


def test_changes_nothing(box):
    file = box.write("crossover.yaml", CROSSOVER)
    box.nsapply(file)
    box.nsapply("--check", file)  # the neighbours know each other
    box.calm()
    before = box.snapshot()
    Monitor(box, ["host", "foo", "bar"]).silent(lambda: box.nsapply("--check", "crossover"))
    box.assert_same(before)


def test_which_lab(box):
    file = box.write("crossover.yaml", CROSSOVER)
    done = box.nsapply("--check", file, status=1)
    assert 'lab "crossover" is not applied' in done.err and f"nsapply {file}" in done.err and not done.out
    assert "there is no lab" in box.nsapply("--check", status=1).err
    assert 'lab "crossover" is not applied' in box.nsapply("--check", "crossover", status=1).err
    box.nsapply(file)
    for args in [[file], ["crossover"], []]:
        assert "5 hold, 0 fail" in box.nsapply("--check", *args).out
    box.write("topo.yaml", CROSSOVER)
    assert "made from" in box.nsapply("--check", status=1).err
    (box.tmp / "topo.yaml").unlink()
    box.nsapply(box.write("other.yaml", "namespaces: {z: {}}"))
    assert "several labs" in box.nsapply("--check", status=1).err
    done = box.nsapply("--check", "other")
    assert done.out == "0 checks: 0 hold, 0 fail\n"


def test_the_file_of_a_lab(box):
    file = box.write("crossover.yaml", CROSSOVER)
    box.nsapply(file)
    file.write_text(CROSSOVER.replace("name: crossover", "name: else"))
    done = box.nsapply("--check", "crossover", status=1)
    assert f'lab "crossover" was applied from {file}, which now describes lab "else"' in done.err
    file.write_text("namespaces: []\n")
    assert f"{file}:1:13: error:" in box.nsapply("--check", "crossover", status=3).err
    file.unlink()
    done = box.nsapply("--check", "crossover", status=1)
    assert "cannot be read" in done.err and str(file) in done.err and "No such file" in done.err
    assert box.nsapply("--check", file, status=3).out == ""
    box.nsapply("-", input="name: in\nnamespaces: {q: {}}\n")
    assert "standard input" in box.nsapply("--check", "in", status=1).err


def test_another_namespace_of_the_name(box):
    file = box.write("crossover.yaml", CROSSOVER)
    box.nsapply(file)
    box.sh("ip netns del foo")
    done = box.nsapply("--check", file, status=1)
    assert "there is no namespace 'foo' on this machine" in done.err and "crossover.yaml:44:5" in done.err
    box.sh("ip netns add foo")
    done = box.nsapply("--check", file, status=1)
    assert "namespace 'foo' was not made by lab \"crossover\"" in done.err and done.out == ""


def test_wrong_usage(box):
    file = box.write("crossover.yaml", CROSSOVER)
    for mode in [["--check"], ["--destroy"], ["--validate"], []]: # which is to apply
        done = box.nsapply(*mode, "--format", "ip", file, status=64)
        assert done.err.startswith("nsapply: --format: ip is for --plan\n")
    for mode in [["--plan"], [], ["--list"]]:
        assert "for --check" in box.nsapply(*mode, "--format", "tap", status=64).err
    assert "only with --run" in box.nsapply("--checked", file, status=64).err
    assert "lab's name" in box.nsapply("--check", "../x y\n"[3:], status=64).err
    box.nsapply("--check", file, file, status=64)


def test_without_privilege(box, place):  # noqa: F811
    user = Runner(box, place, "user")
    box.nsapply(place / "lab.yaml")
    done = user("--check", "lab.yaml", status=1)
    assert "error: " in done.err and done.out == ""
    box.nsapply("--destroy", "lab")


def test_no_files_left(box):
    """As many at once as there are files for."""
    checks = ["to: 's:e0'", "to: 's:e0', protocol: tcp, port: 80, family: inet6",
              "to: 's:e0', protocol: tcp, port: 81, expect: unreachable",
              "to: 's:e0', protocol: udp, port: 53"] * 250
    file = row(box, *checks)
    box.nsapply(file)
    stops = [serve(box, "s", family) for family in (socket.AF_INET, socket.AF_INET6)]
    try:
        for limit in ["20", "64", "1024"]:
            done = box.run("sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", NSAPPLY, "--check", file)
            assert "1000 checks: 1000 hold, 0 fail\n" in done.out
        done = box.run("sh", "-c", 'ulimit -n 9; exec "$@"', "sh", NSAPPLY, "--check", file, status=1)
        assert "Too many open files" in done.err
    finally:
        for stop in stops:
            stop()


# --- reports --------------------------------------------------------------------------------------

TITLES = ["from h to s:e0 (10.0.2.2): reachable", "from h to s:e0 (10.0.2.2): reachable via 10.0.2.1",
          "from h to 10.8.0.1: reachable", "from h to 10.8.0.1: unreachable"]


@pytest.fixture
def mixed(box):
    file = row(box, "to: 's:e0'", "to: 's:e0', via: [10.0.2.1]", "to: 10.8.0.1, within: 1ms",
               "to: 10.8.0.1, expect: unreachable")
    box.nsapply(file)
    return file


def prove(box, text, status):
    return box.run("prove", "-v", "-e", "cat", box.write("out.tap", text), status=status)


def validate_junit(box, text):
    box.run("xmllint", "--noout", "--schema", ROOT / "tests/e2e/junit.xsd", box.write("out.xml", text))
    suites = xml.fromstring(text)
    suite, = suites
    assert suites.get("tests") == suite.get("tests") == str(len(suite))
    assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    return suite


def test_text(box, mixed):
    done = box.nsapply("--check", mixed, status=2)
    lines = done.out.splitlines()
    assert [l for l in lines if not l.startswith(" ")] == [
        "ok    " + TITLES[0], "FAIL  " + TITLES[1], "FAIL  " + TITLES[2], "ok    " + TITLES[3],
        "4 checks: 2 hold, 2 fail"]
    assert f"      at {mixed}:41:5" in lines and done.err == ""
    quiet = box.nsapply("--check", "-q", mixed, status=2).out
    assert "ok " not in quiet and "FAIL  " + TITLES[1] in quiet
    colored = box.nsapply("--check", "--color", "always", mixed, status=2).out
    assert "\x1b[32mok" in colored and "\x1b[31mFAIL" in colored


def test_tap(box, mixed):
    done = box.nsapply("--check", "--format", "tap", mixed, status=2)
    lines = done.out.splitlines()
    assert lines[:2] == ["TAP version 13", "1..4"]
    assert [l for l in lines if re.match("ok|not ok", l)] == [
        f"{'ok' if i in (0, 3) else 'not ok'} {i + 1} - {title}" for i, title in enumerate(TITLES)]
    details = yaml.safe_load(re.search(r"  ---\n(.*?)  \.\.\.\n", done.out, re.S)[1])
    assert details == {"at": f"{mixed}:41:5", "seen": "answered, but by another way",
                       "message": "hop 1 is another one than 10.0.2.1 (r:e1)",
                       "hops": ["10.0.1.2 (r:e0)", "10.0.2.2 (s:e0)"]}
    harness = prove(box, done.out, 1)
    assert "Failed tests:  2-3" in harness.out and "Parse errors" not in harness.out


def test_junit(box, mixed):
    done = box.nsapply("--check", "--format", "junit", mixed, status=2)
    suite = validate_junit(box, done.out)
    assert suite.get("name") == "row"
    assert [case.get("name") for case in suite] == TITLES
    failure = suite[1].find("failure")
    assert failure.get("message") == "answered, but by another way" and "hop 2: 10.0.2.2 (s:e0)" in failure.text


def test_nothing_can_be_said(box):
    """What could not be carried out is an error in every format."""
    for form in ["text", "tap", "junit"]:
        done = box.nsapply("--check", "--format", form, box.write("x.yaml", CROSSOVER), status=1)
        assert "not applied" in done.err and done.out == ""
    found = box.nsapply("--check", "--format", "json", "x.yaml", status=1).json()
    assert found["errors"] == 1 and "not applied" in found["diagnostics"][0]["message"]


NASTY = [*NAMESPACES, "]]>", "&lt;", "#SKIP", "a#b\\c", "\u202eabc", "\ufffe", "x\uffff", "<!--", "%23"]


def test_hostile_names(box):
    """Names and file names come out of each format as they went in, and mean nothing there."""
    text = ["name: hostile\nnamespaces:\n"]
    for i, name in enumerate(NASTY):
        text.append(f"  {quoted(name)}: {{interfaces: {{'x<\"&': {{addresses: [10.0.{i}.1/24]}}}}}}\n")
    text.append("  hub: {}\nlinks:\n")
    text += [f"  - [{quoted(name + ':x<' + chr(34) + '&')}, 'hub:e{i}']\n" for i, name in enumerate(NASTY)]
    text.append("checks:\n")
    for i, name in enumerate(NASTY):
        to = quoted(name + ':x<"&')
        text.append(f"  - {{from: {quoted(name)}, to: {to}, expect: {'un' if i % 2 else ''}reachable, within: 50ms}}\n")
    file = box.write("a\x1b[31m<&'\".yaml", "".join(text))
    box.nsapply(file)
    outputs = {form: box.nsapply("--check", "--format", form, file, status=2).out
               for form in ["text", "tap", "junit", "json"]}
    for out in outputs.values():
        assert not any((ord(c) < 32 and c != "\n") or c == "\x7f" for c in out), ascii(out)
    assert all("\u202e" not in out for form, out in outputs.items() if form != "json")
    found = json.loads(outputs["json"])
    jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
    assert [c["from"] for c in found["checks"]] == NASTY
    suite = validate_junit(box, outputs["junit"])
    for name, case, line in zip(NASTY, suite, re.findall(r"^(?:not )?ok \d+ - .*", outputs["tap"], re.M)):
        if "\\xE" in case.get("name"):
            continue  # of what turns text round, or is no character, only the bytes are shown
        assert case.get("name").startswith(f"from {name} to {name}:x<\"& (10.0.")
        assert re.sub(r"\\(.)", r"\1", line).split(" - ", 1)[1] == case.get("name")
    assert len(suite) == len(NASTY)
    assert len(re.findall(r"^ok ", outputs["tap"], re.M)) == (len(NASTY) + 1) // 2
    assert "Parse errors" not in prove(box, outputs["tap"], 1).out


# --- --run --checked ------------------------------------------------------------------------------


def test_checked(runner):  # noqa: F811
    done = runner("--run", "--checked", "topologies/crossover.yaml", "--", "sh", "-c", "echo hello; exit 7",
                  status=7)
    assert done.out == "hello\n" and done.err == ""
    done = runner("--run", "--checked", "-v", "topologies/crossover.yaml", "--", "true")
    assert "5 checks: 5 hold, 0 fail" in done.err and done.out == ""


def test_checked_and_found_wrong(runner):  # noqa: F811
    text = CROSSOVER.replace("via: [10.13.37.2]}", "via: [10.13.37.3]}")
    done = runner("--run", "--checked", "-", "--", "echo", "hello", status=125, input=text)
    assert done.out == "" and "hop 1 is another one than 10.13.37.3" in done.err
    assert "the command is not run" in done.err


def test_check_inside(runner):  # noqa: F811
    """The lab of --run is a lab like any other to those inside."""
    script = "\"$0\" --check crossover; \"$0\" --check --format tap \"$NSAPPLY_FILE\""
    nsapply = pathlib.Path(runner.place) / "nsapply"
    done = runner("--run", "topologies/crossover.yaml", "--", "sh", "-euc", script, nsapply)
    assert "5 checks: 5 hold, 0 fail" in done.out and "ok 5 - " in done.out
