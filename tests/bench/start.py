# SPDX-License-Identifier: MIT
"""How long until a command runs in a network of its own: `nsapply --run`, and unshare with a shell
script that makes the same network, all as a user without any privilege and in turn.

The script has one ip for each thing, as people write it; the other one has the fewest processes
there can be, one `ip -batch` for each namespace. Neither gives the new namespaces the same start on
every host, a /proc and a pid namespace of their own, or waits until the network is ready."""
import collections
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import time

from measure import ROOT

NOBODY = 65534
FILE = "crossover.yaml"
SCRIPT = """
mount -t tmpfs tmpfs /run
mkdir /run/netns
ip link set lo up
ip netns add foo
ip netns add bar
ip netns exec foo sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip link add bridge0 type bridge
ip link add veth0_left type veth peer name eth0 netns foo
ip -n foo link add eth1 mtu 9000 type veth peer name eth0 netns bar mtu 9000
ip link set veth0_left master bridge0
ip address add 10.13.37.1/24 dev bridge0
ip -n foo address add 10.13.37.2/24 dev eth0
ip -n foo address add 10.9.9.9/30 dev eth1
ip -n bar address add 10.9.9.10/30 dev eth0
ip link set veth0_left up
ip link set bridge0 up
ip -n foo link set lo up
ip -n foo link set eth0 up
ip -n foo link set eth1 up
ip -n bar link set lo up
ip -n bar link set eth0 up
ip route add 10.9.9.8/30 via 10.13.37.2
ip -n foo route add default via 10.13.37.1
ip -n bar route add default via 10.9.9.9
"""
# Shows the addresses and routes of all three.
LOOK = "ip -j address; ip -j route; for n in foo bar; do ip -n $n -j address; ip -n $n -j route; done"


def _batched():
    """The same with one ip for each namespace, in the order of the first of its lines."""
    before, after, batches = [], [], {}
    for line in SCRIPT.strip().split("\n"):
        if line.startswith("ip netns exec "):
            after.append(line)
        elif line.startswith("ip "):
            name, what = re.fullmatch(r"(ip -n \w+|ip) (.*)", line).groups()
            batches.setdefault(name, []).append(what)
        else:
            before.append(line)
    return "\n".join([*before, *("\n".join([f"{name} -batch - <<.", *batch, "."])
                                for name, batch in batches.items()), *after])


def _drop():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _run(folder, command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=folder, text=True,
                          preexec_fn=_drop).stdout


def _network(text):
    """What of a look must be the same in all."""
    decoder, seen = json.JSONDecoder(), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        text = text[end:]
        parts = [(entry.get("ifname"), entry.get("dst"), entry.get("gateway"), entry.get("dev"),
                  entry.get("mtu"), [a["local"] for a in entry.get("addr_info", [])
                                     if a["scope"] != "link"]) for entry in value]
        seen.append(sorted(parts, key=repr))
    return seen


def measure_start(build, rounds):
    """Seconds, of each round, by who. To be called before anything is entered: outside of the
    initial namespace nsapply has more to do, and people start it there."""
    seconds = collections.defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="nsapply-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for file in (build / "nsapply", build / "tests" / "bench" / "floor",
                     ROOT / "topologies" / FILE):
            shutil.copy(file, folder)
        unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-euc"]

        def commands(*command):
            line = shlex.join(command)
            yield "nsapply", ["./nsapply", "--run", FILE, "--", *command]
            yield "script", [*unshare, f"{SCRIPT}\nexec {line}"]
            yield "ip -batch", [*unshare, f"{_batched()}\nexec {line}"]

        seen = {who: _network(_run(folder, command))
                for who, command in commands("sh", "-c", LOOK)}
        for who, network in seen.items():
            if network != seen["nsapply"]:
                raise RuntimeError(f"{who} makes another network than nsapply:\n{network}\n"
                                   f"{seen['nsapply']}")
        for _ in range(rounds):
            for who, command in commands("./floor", "now"):
                start = time.monotonic()
                seconds[who].append(float(_run(folder, command)) - start)
                time.sleep(0.2)  # the kernel takes the last one down
    return seconds
