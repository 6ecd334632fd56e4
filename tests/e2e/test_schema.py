# SPDX-License-Identifier: MIT
"""schemas/topology.schema.json accepts what the parser accepts, and refuses what a schema can see.

In a file a scalar's type comes from its key: 1500 and "1500" are the same MTU. A schema sees types,
so before it is asked, each scalar gets the type that the schema wants in its place, where its text
allows that.
"""
import json
import re

import jsonschema
import pytest
import yaml

from box import ROOT
from randomlab import RandomLab
from topologies import FILES

SCHEMA = json.loads((ROOT / "schemas/topology.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


class Text(yaml.SafeLoader):
    """A loader whose scalars are the text as written; a null is None."""


def _scalar(loader, node):
    if node.style is None and node.value in ("", "~", "null", "Null", "NULL"):
        return None
    return node.value


for tag in ["null", "bool", "int", "float", "timestamp", "str", "binary"]:
    Text.add_constructor("tag:yaml.org,2002:" + tag, _scalar)


def load(text):
    return yaml.load(text, Text)


def _resolve(schema):
    while "$ref" in schema:
        target = SCHEMA
        for part in schema["$ref"].lstrip("#/").split("/"):
            target = target[part]
        schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
    return schema


def _ways(schema):
    """All schemas that may hold in a place."""
    schema = _resolve(schema) if isinstance(schema, dict) else {}
    yield schema
    for word in ["anyOf", "oneOf", "allOf"]:
        for part in schema.get(word, []):
            yield from _ways(part)
    for word in ["if", "then", "else"]:
        if word in schema:
            yield from _ways(schema[word])


def _typed(value, schemas):
    """The value with its scalars typed as one of the schemas wants them."""
    schemas = [way for schema in schemas for way in _ways(schema)]
    if isinstance(value, dict):
        result = {}
        for key, item in value.items():
            inner = []
            for schema in schemas:
                if key in schema.get("properties", {}):
                    inner.append(schema["properties"][key])
                elif isinstance(schema.get("additionalProperties"), dict):
                    inner.append(schema["additionalProperties"])
                inner += [s for p, s in schema.get("patternProperties", {}).items()
                          if re.search(p, str(key))]
            result[key] = _typed(item, inner)
        return result
    if isinstance(value, list):
        inner = [s["items"] for s in schemas if isinstance(s.get("items"), dict)]
        inner += [p for s in schemas for p in s.get("prefixItems", [])]
        return [_typed(item, inner) for item in value]
    if value is None:
        # "A null stands for an empty mapping where a mapping is expected."
        types = {t for s in schemas for t in _types(s)}
        return None if "null" in types or "object" not in types else {}
    types = {t for s in schemas for t in _types(s)}
    constants = [c for s in schemas for c in [*s.get("enum", []), *([s["const"]] if "const" in s else [])]]
    if value in ("true", "false") and ("boolean" in types or (value == "true") in
                                       [c for c in constants if isinstance(c, bool)]):
        return value == "true"
    if "integer" in types and re.fullmatch(r"\d+|0x[0-9a-fA-F]+", value):
        return int(value, 0) if not value.startswith("0") or "x" in value else int(value)
    return value


def _types(schema):
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def accepts(text):
    return VALIDATOR.is_valid(_typed(load(text), [SCHEMA]))


def why(text):
    return [f"{list(e.absolute_path)}: {e.message}"
            for e in VALIDATOR.iter_errors(_typed(load(text), [SCHEMA]))]


def test_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_everything_is_described():
    """An editor explains every key."""

    def walk(schema, path):
        for key, inner in schema.get("properties", {}).items():
            assert "description" in _resolve(inner), f"{path}/{key}"
            walk(inner, f"{path}/{key}")
        for word in ["$defs"]:
            for key, inner in schema.get(word, {}).items():
                walk(inner, f"{path}/{key}")

    walk(SCHEMA, "")


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_accepts_topologies(file):
    assert why(file.read_text()) == []


def test_accepts_random_labs():
    for seed in range(300):
        text = RandomLab(seed).text()
        assert why(text) == [], f"seed {seed}\n{text}"


GOOD = {
    "empty namespace": "namespaces: {a: }",
    "quoted numbers": "namespaces: {a: {interfaces: {b: {kind: bridge, mtu: '1500', priority: \"5\"}}}}",
    "all of an address": """namespaces: {a: {interfaces: {lo: {addresses: [
        {address: 10.0.0.1, peer: 10.0.0.2/32, scope: link, label: 'lo:1'},
        {address: 'fd00::1/64', dad: true}]}}}}""",
    "all of a route": """namespaces: {a: {interfaces: {b: {kind: bridge, addresses: [10.0.0.1/24]}},
        routes: [{to: default, via: 10.0.0.2, dev: b, src: 10.0.0.1, metric: 5, table: 7,
        type: unicast, scope: global, onlink: true, mtu: 1400, advmss: 1300, proto: static},
        {to: 10.1.0.0/16, nexthops: [{via: 10.0.0.2, dev: b, weight: 5}, {via: 10.0.0.3}]},
        {to: default, type: blackhole, family: inet6}]}}""",
    "external": "namespaces: {a: {external: true}, b: {external: {pid: 5}}, c: {external: {path: /x}}}",
    "ignore": "namespaces: {a: {ignore: {interfaces: ['tap*'], routes: [{proto: bgp, table: 5}]}}}",
    "sysctl": """namespaces: {a: {sysctl: {net.ipv4.ip_default_ttl: 60, net/ipv4/tcp_ecn: '1'},
        interfaces: {b: {kind: bridge, sysctl: {ipv4.rp_filter: 2}}}}}""",
    "defaults": "{defaults: {interfaces: {mtu: 1400}, sysctl: {net.ipv4.tcp_ecn: 1}}, namespaces: {a: {}}}",
    "inline peer": "namespaces: {a: {interfaces: {x: {peer: 'b:y'}}}, b: {}}",
    "forwarding": "namespaces: {a: {forwarding: ipv4}, b: {forwarding: false}}",
    "checks": """{namespaces: {a: {}, b: {interfaces: {c: {kind: bridge, addresses: ['fd00::1/64']}}}},
        checks: [{from: b, to: 'b:c', via: [], family: inet6, protocol: udp, port: '53', size: 0,
        expect: reachable, within: 1500ms}, {from: host, to: 10.0.0.1, via: ['10.0.0.2']}]}""",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_accepts_good(box, text):
    box.nsapply("--validate", box.write("good.yaml", text))
    assert why(text) == []


WRONG = {
    "unknown key": "nmaespaces: {}",
    "unknown key of a namespace": "namespaces: {a: {forwrding: true}}",
    "unknown key of an interface": "namespaces: {a: {interfaces: {b: {kind: bridge, mtuu: 5}}}}",
    "unknown key of a route": "namespaces: {a: {routes: [{to: default, gateway: 10.0.0.1}]}}",
    "list for a mapping": "namespaces: [a, b]",
    "mapping for a list": "namespaces: {a: {routes: {to: default}}}",
    "text for a number": "namespaces: {a: {interfaces: {b: {kind: bridge, mtu: big}}}}",
    "number too small": "namespaces: {a: {interfaces: {b: {kind: bridge, mtu: 5}}}}",
    "number too big": "namespaces: {a: {interfaces: {b: {kind: bridge, priority: 70000}}}}",
    "no boolean": "namespaces: {a: {interfaces: {b: {kind: bridge, stp: yes}}}}",
    "no such choice": "namespaces: {a: {interfaces: {b: {kind: bridge, state: sideways}}}}",
    "no such route type": "namespaces: {a: {routes: [{to: 10.0.0.0/8, type: black}]}}",
    "no such forwarding": "namespaces: {a: {forwarding: ipv5}}",
    "route without to": "namespaces: {a: {routes: [{via: 10.0.0.1}]}}",
    "cable with one end": "{namespaces: {a: {}}, links: [[a:x]]}",
    "cable with three ends": "{namespaces: {a: {}}, links: [[a:x, a:y, a:z]]}",
    "cable without ends": "{namespaces: {a: {}}, links: [{mtu: 1500}]}",
    "external nothing": "namespaces: {a: {external: {}}}",
    "no MAC": "namespaces: {a: {interfaces: {b: {kind: bridge, mac: 'zz:00'}}}}",
    "check without to": "{namespaces: {a: {}}, checks: [{from: a}]}",
    "check without a unit": "{namespaces: {a: {}}, checks: [{from: a, to: 10.0.0.1, within: 5}]}",
    "no such protocol": "{namespaces: {a: {}}, checks: [{from: a, to: 10.0.0.1, protocol: sctp}]}",
    "no lab name": "{name: '../x', namespaces: {a: {}}}",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_refuses_wrong(box, text):
    box.nsapply("--validate", box.write("wrong.yaml", text), status=3)
    assert not accepts(text)


def test_accepts_what_the_parser_accepts(box):
    """Of the wrong files in tests/errors, those that end in mere warnings are good ones."""
    for file in sorted((ROOT / "tests/errors").glob("*.yaml")):
        done = box.nsapply("--validate", file, status=None)
        if done.status != 0:
            continue
        assert why(file.read_text()) == [], file
