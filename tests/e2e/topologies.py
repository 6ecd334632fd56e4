# SPDX-License-Identifier: MIT
"""The files of topologies/ as the tests see them: their comments say what they need and promise."""
import re

import yaml

from box import ROOT

FILES = sorted((ROOT / "topologies").glob("*.yaml"))


class Topology:
    """A file of topologies/, made ready in a box."""

    def __init__(self, box, file):
        text = file.read_text()
        self.pids = {}
        for pid, command in re.findall(r"^# pid: (\d+) is (.+)$", text, re.M):
            child = box.spawn(*command.split())
            # It is there when it has left our namespace.
            box.sh(f"while [ /proc/{child.pid}/ns/net -ef /proc/thread-self/ns/net ]; do :; done")
            text = re.sub(rf"\b{pid}\b", str(child.pid), text)
        for command in re.findall(r"^# needs: (.+)$", text, re.M):
            box.sh(command)
        self.path = box.write(file.name, text)
        self.data = yaml.safe_load(text)
        for name, namespace in self.data["namespaces"].items():
            external = (namespace or {}).get("external")
            if isinstance(external, dict) and "pid" in external:
                self.pids[name] = external["pid"]
        self.pings = re.findall(r"^# ping: (\S+) -> (\S+)$", text, re.M)
        self.namespaces = [self.pids.get(name, name) for name in ["host", *self.data["namespaces"]]]
        self.namespaces = list(dict.fromkeys(self.namespaces))

    def where(self, name):
        """What Box.inside() takes for a namespace of the file."""
        return self.pids.get(name, name)
