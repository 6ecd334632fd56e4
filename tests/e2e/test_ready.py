# SPDX-License-Identifier: MIT
"""Ready means ready: when apply returns, cables have a carrier, ports forward and no address is
tentative. And where that takes too long, or cannot be, it says of what."""
import re
import signal
import subprocess
import time

import pytest

from box import NSAPPLY

STP = """namespaces:
  sw: {interfaces: {br: {kind: bridge, ports: [p], stp: true, forward_delay: 2}}}
  a: {interfaces: {x: {addresses: [10.0.0.1/24]}}}
links: [[sw:p, a:x]]
"""


def unready(box, *namespaces):
    """What is not ready, as iproute2 sees it."""
    found = []
    for name in namespaces or ["host", *box.names()]:
        for link in box.ip(name, "address"):
            where = f"{name}:{link['ifname']}"
            if link["ifname"] == "lo":
                found += [] if "UP" in link["flags"] else [f"{where} is down"]
            elif link["operstate"] != "UP":
                found.append(f"{where} is {link['operstate']}")
            found += [f"{where} {a['local']} is tentative"
                      for a in link["addr_info"] if a.get("tentative")]
        found += [f"{name}:{port} is {state}" for port, state in port_states(box, name).items()
                  if state != "forwarding"]
    return found


def port_states(box, namespace):
    return {link["ifname"]: link["linkinfo"]["info_slave_data"]["state"]
            for link in box.ip(namespace, "link") if "info_slave_data" in link.get("linkinfo", {})}


def bring_indexes_together(box, namespace):
    """The next interface in the namespace gets the index that nsapply starts with in its own: the
    kernel is in no hurry to notice the carrier of a cable whose ends have equal ones."""
    box.inside(namespace, lambda: subprocess.run(
        ["ip", "-batch", "-"], check=True, input="".join(
            f"link add d{i} type veth peer name e{i}\nlink delete d{i}\n"
            for i in range(31)).encode()))


def test_carriers_are_noticed(box):
    """Of cables, and of a bridge by its ports."""
    box.sh("ip netns add ext; ip -n ext link set lo up")
    bring_indexes_together(box, "ext")
    file = box.write("lab.yaml", """
namespaces:
  ext: {external: true, interfaces: {v0: {addresses: [10.0.0.1/24]}}}
  a: {interfaces: {e: {addresses: [10.0.0.2/24]}}}
  sw: {interfaces: {br: {kind: bridge, ports: [p, q], addresses: [10.1.0.2/24, 'fd01::2/64']}}}
  b: {interfaces: {e: {addresses: [10.1.0.1/24, 'fd01::1/64']}}}
links: [[ext:v0, a:e], [ext:v1, sw:p], [b:e, sw:q]]
""")
    box.nsapply(file)
    indexes = [box.link("ext", "v0")["ifindex"], box.link("a", "e")["ifindex"]]
    assert indexes[0] == indexes[1], "this is about nothing"
    assert not [u for u in unready(box, "ext", "a", "sw", "b") if "tentative" not in u]
    assert not unready(box, "a", "sw", "b")


def test_addresses_are_usable(box):
    """The link-local one included, which comes with the carrier, and in the host, where the file's
    addresses are checked for duplicates unless it says otherwise."""
    box.nsapply(box.write("lab.yaml", """
namespaces:
  host: {interfaces: {v: {addresses: ['fd00:1::1/64']}}}
  a:
    interfaces:
      x: {addresses: [{address: 'fd00::1/64', dad: true}]}
      y: {addresses: [{address: 'fd00:1::2/64', dad: true}]}
  b: {interfaces: {x: {addresses: ['fd00::2/64'], sysctl: {ipv6.accept_dad: 1}}}}
links: [[a:x, b:x], [host:v, a:y]]
"""))
    assert not unready(box)


def test_in_many_namespaces(box):
    """More than are listened to at the same time."""
    names = [f"n{i}" for i in range(1, 81)]
    box.nsapply(box.write("lab.yaml", "\n".join([
        "namespaces:", f"  sw: {{interfaces: {{br: {{kind: bridge, ports: [{', '.join(names)}]}}}}}}",
        *(f"  {n}: {{interfaces: {{x: {{addresses: [{{address: 'fd00::{n[1:]}/64', dad: true}}]}}}}}}"
          for n in names), "links:", *(f"  - [sw:{n}, {n}:x]" for n in names)])))
    assert not unready(box)


def test_first_packet(box):
    """Goes through, whoever sends it."""
    file = box.write("lab.yaml", """
namespaces:
  host:
    interfaces: {h: {addresses: [10.0.0.9/24, 'fd00::9/64']}}
    routes: [{to: 10.1.0.0/24, via: 10.0.0.1}, {to: 'fd01::/64', via: 'fd00::1'}]
  sw: {interfaces: {br: {kind: bridge, ports: [p, q], addresses: [10.0.0.8/24, 'fd00::8/64']}}}
  r:
    forwarding: true
    interfaces:
      lan: {addresses: [10.0.0.1/24, 'fd00::1/64']}
      wan: {addresses: [10.1.0.1/24, 'fd01::1/64']}
  a:
    interfaces: {e: {addresses: [10.1.0.2/24, 'fd01::2/64']}}
    routes: [{to: default, via: 10.1.0.1}, {to: default, via: 'fd01::1'}]
links: [[sw:p, host:h], [sw:q, r:lan], [r:wan, a:e]]
""")
    for address in ["10.0.0.8", "fd00::8", "10.1.0.2", "fd01::2"]:
        box.nsapply("--run", file, "--", "ping", "-n", "-c1", "-W1", address)
    for address in ["10.0.0.9", "fd00::9"]:
        box.nsapply("--run", file, "--", "ip", "netns", "exec", "a", "ping", "-n", "-c1", "-W1",
                    address)


# --- spanning trees -----------------------------------------------------------------------------


def test_ports_forward(box):
    file = box.write("lab.yaml", STP)
    box.nsapply("--wait", "0", file)
    assert port_states(box, "sw")["p"] in ("listening", "learning")
    assert "nothing to do" in box.nsapply(file).err
    assert not unready(box)


def test_addresses_age_faster_for_a_while(box):
    """While the tree changes. That is no difference; a value that the file names is."""
    file = box.write("lab.yaml", STP)
    box.nsapply(file)
    assert box.link("sw", "br")["linkinfo"]["info_data"]["ageing_time"] == 400
    assert "Nothing to do" in box.nsapply("--plan", file).out
    for value in [600, 4, 500]:
        file.write_text(STP.replace("forward_delay: 2", f"forward_delay: 2, ageing_time: {value}"))
        box.nsapply(file)
        assert "Nothing to do" in box.nsapply("--plan", file).out
        assert box.link("sw", "br")["linkinfo"]["info_data"]["ageing_time"] == 100 * value


def test_ports_of_a_bridge_whose_stp_is_turned_off(box):
    """Those that come with that change find it turned off. Otherwise they would listen for what is
    left of 2 seconds, and learn for 15."""
    other = "  a: {}\n"
    file = box.write("lab.yaml", """namespaces:
  sw: {interfaces: {br: {kind: bridge, stp: true, forward_delay: 2}, an: {}, v: {}}}
""" + other + "links: [[sw:an, a:x], [sw:v, a:y]]\n")
    box.nsapply(file)
    box.write("lab.yaml", """namespaces:
  sw: {interfaces: {br: {kind: bridge, ports: [an, v, w]}}}
""" + other + "links: [[sw:an, a:x], [sw:v, a:y], [sw:w, a:z]]\n")
    box.nsapply("--wait", "12", file)
    assert port_states(box, "sw") == {"an": "forwarding", "v": "forwarding", "w": "forwarding"}


def test_a_second_way_stays_blocked(box):
    """Which is how it is to be."""
    file = box.write("lab.yaml", """
namespaces:
  one: {interfaces: {br: {kind: bridge, ports: [p, q], stp: true, forward_delay: 2, priority: 1}}}
  two: {interfaces: {br: {kind: bridge, ports: [p, q], stp: true, forward_delay: 2}}}
links: [[one:p, two:p], [one:q, two:q]]
""")
    box.nsapply(file)
    assert set(port_states(box, "one").values()) == {"forwarding"}
    assert sorted(port_states(box, "two").values()) == ["blocking", "forwarding"]
    assert box.link("two", "br")["operstate"] == "UP"


NOT_READY = """\
nsapply: error: the lab is not ready after 0.2 seconds
      = hint: let it take longer with --wait SECONDS, or do not wait with --wait 0
lab.yaml:2:21: error: sw:br has no carrier yet
    2 |   sw: {interfaces: {br: {kind: bridge, ports: [p], stp: true, forward_delay: 2}}}
      |                     ^~
lab.yaml:4:10: error: sw:p does not forward yet, as a port
    4 | links: [[sw:p, a:x]]
      |          ^~~~
      = hint: with stp a port listens, and then learns, for forward_delay each: by default 30 seconds in all
"""


def test_not_ready_in_time(box):
    """Is a failure like any other: nothing is left. Unless it is to be looked at."""
    box.write("lab.yaml", STP)
    before = box.snapshot()
    done = box.nsapply("--quiet", "--wait", "0.2", "lab.yaml", status=1)
    assert sorted(done.err.splitlines()) == sorted(NOT_READY.splitlines())
    box.assert_same(before)
    done = box.nsapply("--wait=.2", "--no-rollback", "--format", "json", "lab.yaml", status=4).json()
    assert [d.get("line") for d in done["diagnostics"] if d["severity"] == "error"].count(4) == 1
    box.nsapply("lab.yaml")
    assert not unready(box)
    done = box.nsapply("--run", "--wait", "0.2", "lab.yaml", "--", "echo", "ran", status=125)
    assert "not ready after 0.2 seconds" in done.err and not done.out
    # less than a millisecond is not the same as not to wait
    box.nsapply("--run", "--wait", "0.0001", "lab.yaml", "--", "echo", "ran", status=125)
    ran = box.nsapply("--run", "--wait", "0", "lab.yaml", "--", "echo", "ran")
    assert (ran.out, ran.err) == ("ran\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_while_waiting(box, number):
    """At once, and nothing is left. When a terminal goes, SIGHUP comes from the shell and from the kernel."""
    file = box.write("lab.yaml", STP.replace("forward_delay: 2", "forward_delay: 30"))
    before = box.snapshot()
    child = box.spawn(NSAPPLY, "--wait", "80000", file, stderr=subprocess.PIPE)
    while "sw" not in box.names() or "a" not in box.names() or not port_states(box, "sw"):
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    child.send_signal(number)
    if number == signal.SIGHUP:
        time.sleep(0.002)
        child.send_signal(number)
    child.communicate(timeout=30)
    assert child.returncode == 128 + number
    box.assert_same(before)


def test_what_is_waited_for_is_shown_on_a_terminal(box):
    file = box.write("lab.yaml", STP)
    text = box.on_terminal(NSAPPLY, file)
    assert re.search(rb"\rlab: waiting: [^\r]+\033\[K\r\033\[Klab: applied[^\r]*\r\n$", text)


# --- what cannot be, or is somebody else's ---------------------------------------------------------


DUPLICATE = """namespaces:
  sw: {interfaces: {br: {kind: bridge, ports: [p, q]}}}
  a:
    interfaces:
      x:
        addresses:
          - 10.0.0.1/24
          - {address: 'fd00::1/64', dad: true}
  b: {interfaces: {x: {addresses: ['fd00::1/64']}}}
links: [[sw:p, a:x], [sw:q, b:x]]
"""


def test_duplicate_address(box):
    """Told as soon as the kernel knows, however long there is to wait."""
    box.write("lab.yaml", DUPLICATE)
    before = box.snapshot()
    done = box.nsapply("--quiet", "--wait", "86400", "lab.yaml", status=1)
    assert done.err == """\
lab.yaml:8:13: error: address fd00::1/64 of a:x is not usable: another interface on its network \
has it (duplicate address detection)
    8 |           - {address: 'fd00::1/64', dad: true}
      |             ^
      = hint: b:x has it, too
"""
    box.assert_same(before)


def test_duplicate_address_of_somebody_else(box):
    """Also where it was there already: an apply that changes nothing says so as well."""
    box.sh("""ip netns add ext; ip -n ext link add lan type bridge; ip -n ext link set lan up
        ip -n ext address add fd00::1/64 dev lan nodad""")
    file = box.write("lab.yaml", """namespaces:
  ext: {external: true, interfaces: {p: {master: lan}, lan: {}}}
  a: {interfaces: {x: {addresses: [{address: 'fd00::1/64', dad: true}]}}}
links: [[ext:p, a:x]]
""")
    done = box.nsapply(file, status=1)
    assert "address fd00::1/64 of a:x is not usable" in done.err and "hint: ext:lan" in done.err
    assert box.names() == ["ext"]
    box.nsapply("--wait", "0", file)
    wait_until(lambda: box.ip("a", "address", "show", "dadfailed", "dev", "x"))
    assert "nothing to do" in box.nsapply("--wait", "0", file).err
    assert "is not usable" in box.nsapply(file, status=1).err
    assert box.names() == ["a", "ext"]


def test_route_that_waits_for_its_gateway_and_its_source(box):
    """In that order: the gateway is known when its own address is checked for duplicates, and the
    source is checked for longer."""
    box.nsapply(box.write("lab.yaml", """namespaces:
  a:
    interfaces:
      x: {addresses: [{address: 'fd00::1/128', peer: 'fd01::2/128', dad: true}]}
      y: {addresses: [{address: 'fd05::1/64', dad: true}], sysctl: {ipv6.dad_transmits: 2}}
    routes: [{to: 'fd09::/64', via: 'fd01::2', dev: x, src: 'fd05::1'}]
  b: {interfaces: {x: {}, y: {}}}
links: [[a:x, b:x], [a:y, b:y]]
"""))
    route, = box.ip("a", "-6", "route", "show", "fd09::/64")
    assert (route["gateway"], route["prefsrc"]) == ("fd01::2", "fd05::1")


def test_route_one_of_whose_next_hops_it_waits_for(box):
    box.nsapply(box.write("lab.yaml", """namespaces:
  a:
    interfaces:
      x: {addresses: [{address: 'fd00::1/128', peer: 'fd01::2/128', dad: true}]}
      y: {addresses: ['fd05::1/64']}
    routes: [{to: 'fd09::/64', nexthops: [{via: 'fd05::2', dev: y}, {via: 'fd01::2', dev: x}]}]
  b: {interfaces: {x: {}, y: {}}}
links: [[a:x, b:x], [a:y, b:y]]
"""))
    route, = box.ip("a", "-6", "route", "show", "fd09::/64")
    assert {hop["gateway"] for hop in route["nexthops"]} == {"fd05::2", "fd01::2"}


def test_duplicate_source_of_a_route(box):
    """Which the kernel refuses for as long as it is tentative."""
    done = box.nsapply(box.write("lab.yaml", DUPLICATE.replace("""dad: true}
""", """dad: true}
    routes: [{to: 'fd01::/64', via: 'fd00::9', src: 'fd00::1'}]
""")), status=1)
    assert "lab.yaml:9:14: error: cannot create route" in done.err
    assert "another interface on the network" in done.err
    assert not box.names()


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_the_lab_cannot_bring_about(box):
    """An existing interface without a carrier, as a port and with addresses, a bridge without a port,
    and a cable that the file sets down at one end."""
    box.sh("ip link add nic type veth peer name wall; ip link set nic up")
    box.nsapply("--wait", "0.5", box.write("lab.yaml", """
namespaces:
  host: {interfaces: {nic: {addresses: ['fd00::1/64']}}}
  sw:
    interfaces:
      alone: {kind: bridge, addresses: [{address: 'fd01::1/64', dad: true}]}
      br: {kind: bridge, ports: [p]}
  a: {interfaces: {x: {state: down}}}
links: [[sw:p, a:x]]
"""))
    box.nsapply("--destroy", "lab")
    box.sh("ip netns add ext")
    box.nsapply("--wait", "0.5", box.write("lab.yaml", """
namespaces:
  sw: {interfaces: {br: {kind: bridge, ports: [nic]}, nic: {from: host:nic}}}
"""))
    assert port_states(box, "sw") == {"nic": "disabled"}


def test_without_a_second_look(box):
    """--no-verify reads nothing after the last step, and so does not know."""
    box.nsapply("--no-verify", box.write("lab.yaml", STP))
    assert port_states(box, "sw")["p"] != "forwarding"


@pytest.mark.parametrize("state", ["", ", state: down"], ids=["up", "down"])
def test_ipv6_mtu_stays(box, state):
    """The kernel resets it when the carrier is there, and when the interface's own MTU changes."""
    cables = ", ".join(f"[a:x{i}, b:y{i}]" for i in range(20))
    ends = ", ".join(f"x{i}: {{mtu: MTU, sysctl: {{ipv6.mtu: 1300}}{state if i % 2 else ''}}}"
                     for i in range(20))
    text = f"namespaces: {{a: {{interfaces: {{{ends}}}}}, b: {{}}}}\nlinks: [{cables}]\n"
    for mtu in 1500, 1400:
        file = box.write("lab.yaml", text.replace("MTU", str(mtu)))
        box.nsapply(file)
        box.nsapply("--plan", file)
        box.calm()
        box.nsapply("--plan", file)
        assert {box.sysctl("a", f"net.ipv6.conf.x{i}.mtu") for i in range(20)} == {"1300"}
