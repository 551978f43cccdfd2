"""Protocols that are one rule under several names: their numbers are written once."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bench.protocol import PROTOCOLS, Protocol


def distinct(protocols: Iterable[Protocol]) -> list[Protocol]:
    """The protocols in their order, of each rule the one with the shortest name."""
    protocols = list(protocols)
    shortest: dict[Protocol, str] = {}
    for protocol in protocols:
        rule = _rule(protocol)
        shortest[rule] = min(shortest.get(rule, protocol.name), protocol.name, key=len)
    return [protocol for protocol in protocols if shortest[_rule(protocol)] == protocol.name]


def sentences(protocols: Mapping[str, Protocol]) -> list[str]:
    """Which other names the numbers under these protocols have, one sentence for each: the twins that are
    not among them.
    """
    said = []
    for protocol in protocols.values():
        for twin in PROTOCOLS.values():
            if twin.name not in protocols and _rule(twin) == _rule(protocol):
                said.append(f"Protocol {twin.name} is {protocol.name} under another name: the same numbers.")
    return said


def _rule(protocol: Protocol) -> Protocol:
    return replace(protocol, name="")
