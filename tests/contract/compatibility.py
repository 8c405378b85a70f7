"""Whether a promise still holds: what may be added, and what may not be taken back.

Requests may become more generous, answers more telling. What was accepted must stay accepted, what
was always told must stay told; an answer's enumeration may grow, since clients ignore what they do
not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
REF = "#/components/schemas/"
LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems")
MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def socket_breaks(old: Schema, new: Schema) -> list[str]:
    """Return what the socket promised and promises no more, each in a sentence."""
    compared = Comparison(old["types"], new["types"])
    found = [*_gone("The address", old["addresses"], new["addresses"])]
    found += _gone("The sub-protocol", old["subprotocols"], new["subprotocols"])
    found += _gone("The limit", old["limits"], new["limits"])
    for kind in ("close_codes", "error_codes"):
        name = f"The {kind.replace('_', ' ').removesuffix('s')}"
        found += _gone(name, old[kind], new[kind])
        for code in old[kind].keys() & new[kind].keys():
            if old[kind][code] != new[kind][code]:
                found.append(f"{name} {code} was {old[kind][code]} and is {new[kind][code]}.")
    found += _gone("The action", old["actions"], new["actions"])
    for name in old["actions"].keys() & new["actions"].keys():
        found += _action_breaks(name, old["actions"][name], new["actions"][name], compared)
    found += compared.answer("Every event", old["envelope"], new["envelope"])
    for kind in ("events", "volatile", "frames"):
        word = {"events": "event", "volatile": "volatile event", "frames": "frame"}[kind]
        found += _gone(f"The {word}", old[kind], new[kind])
        for name in old[kind].keys() & new[kind].keys():
            found += compared.answer(f"{word} {name}", old[kind][name], new[kind][name])
    return sorted(found)


def _action_breaks(name: str, old: Schema, new: Schema, compared: Comparison) -> Iterator[str]:
    if new["scope"] and new["scope"] != old["scope"]:
        yield f"{name} needed the scope {old['scope'] or 'of nobody'} and needs {new['scope']}."
    if new["streams"] != old["streams"] and old["streams"] != "never":
        yield f"{name} streamed {old['streams']} and streams {new['streams']}."
    if new["streams"] == "always" != old["streams"]:
        yield f"{name} answered at once and streams."
    yield from compared.request(f"{name}, request", old["request"], new["request"])
    yield from compared.answer(f"{name}, result", old["result"], new["result"])
    if old["item"]:
        yield from compared.answer(f"{name}, item", old["item"], new["item"])


def rest_breaks(old: Schema, new: Schema) -> list[str]:
    """Return what REST promised and promises no more, each in a sentence."""
    compared = Comparison(old["types"], new["types"])
    found = [*_gone("The operation", old["operations"], new["operations"])]
    for name in old["operations"].keys() & new["operations"].keys():
        was, now = old["operations"][name], new["operations"][name]
        found += compared.request(f"{name}, parameters", was["parameters"], now["parameters"])
        for part, compare in (("requests", compared.request), ("answers", compared.answer)):
            found += _gone(f"{name}: the {part.removesuffix('s')}", was[part], now[part])
            for kind in was[part].keys() & now[part].keys():
                found += compare(f"{name}, {kind}", was[part][kind], now[part][kind])
    return sorted(found)


def _gone(what: str, old: Any, new: Any) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"{what} {name} is gone."


@dataclass(frozen=True)
class Comparison:
    """Compares schemas of two promises; names of types mean nothing."""

    old_types: Schema
    new_types: Schema

    def request(self, place: str, old: Schema, new: Schema) -> list[str]:
        """Return what was accepted at a place and is accepted no more."""
        return self._fits(place, self._choices(old, self.old_types), new, is_request=True)

    def answer(self, place: str, old: Schema, new: Schema) -> list[str]:
        """Return what was promised of an answer and holds no more."""
        return self._fits(place, self._choices(new, self.new_types), old, is_request=False)

    def _fits(
        self, place: str, choices: list[Schema], general: Schema, *, is_request: bool
    ) -> list[str]:
        """Every choice must fit one of the general side's; else it is told why the nearest not."""
        types = self.new_types if is_request else self.old_types
        found: list[str] = []
        for choice in choices:
            tried: list[list[str]] = [
                self._fits_one(place, choice, each, is_request=is_request)
                for each in self._choices(general, types)
                if _kind(each) in ("anything", _kind(choice))
            ]
            if not tried and is_request:
                found.append(f"{place}: could be {_kind(choice)}, and may not be that any more.")
            elif not tried:
                found.append(f"{place}: was never {_kind(choice)}, and may be that now.")
            elif all(tried):
                nearest = min(tried, key=len)
                found += nearest
        return found

    def _fits_one(
        self, place: str, special: Schema, general: Schema, *, is_request: bool
    ) -> list[str]:
        found = [*_value_breaks(place, special, general, is_request=is_request)]
        old, new = (special, general) if is_request else (general, special)
        found += self._object_breaks(place, old, new, is_request=is_request)
        for part, word in (("items", "elements"), ("additionalProperties", "values")):
            if isinstance(old.get(part), dict) and isinstance(new.get(part), dict):
                compare = self.request if is_request else self.answer
                found += compare(f"{place}, {word}", old[part], new[part])
        return found

    def _object_breaks(
        self, place: str, old: Schema, new: Schema, *, is_request: bool
    ) -> Iterator[str]:
        was, now = old.get("properties", {}), new.get("properties", {})
        needed, given = set(old.get("required", ())), set(new.get("required", ()))
        for name in was:
            if name not in now:
                yield f"{place}: the field {name} is gone."
        if is_request:
            for name in sorted(given - needed):
                before = "was optional" if name in was else "was not there"
                yield f"{place}: the field {name} {before}, and must be given now."
        else:
            for name in sorted(needed - given):
                if name in now:
                    yield f"{place}: the field {name} was always there, and may be missing now."
        compare = self.request if is_request else self.answer
        for name in was.keys() & now.keys():
            yield from compare(f"{place}, field {name}", was[name], now[name])

    def _choices(self, schema: Schema, types: Schema) -> list[Schema]:
        """Return the alternatives that a schema leaves, references resolved."""
        if "$ref" in schema:
            return self._choices(types[schema["$ref"].removeprefix(REF)], types)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return [inner for each in schema[word] for inner in self._choices(each, types)]
        if "allOf" in schema:
            return [inner for each in schema["allOf"] for inner in self._choices(each, types)]
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": each} for each in schema["type"]]
        return [schema]


def _value_breaks(
    place: str, special: Schema, general: Schema, *, is_request: bool
) -> Iterator[str]:
    """Tell where a value of one schema is none of the other's, apart from what is inside it."""
    values, allowed = _values(special), _values(general)
    if is_request:
        if allowed is not None and values is None:
            yield f"{place}: could be anything, and must be one of {_listed(allowed)}."
        elif allowed is not None and values is not None and values - allowed:
            yield f"{place}: could be {_listed(values - allowed)}, and may not be that any more."
        yield from _limit_breaks(place, special, general)
        if special.get("default") != general.get("default") and "default" in special:
            was, now = special["default"], general.get("default")
            yield f"{place}: the default was {json.dumps(was)} and is {json.dumps(now)}."
    elif allowed is not None and values is None:
        yield f"{place}: was one of {_listed(allowed)}, and may be anything now."
    if "pattern" in general and general["pattern"] != special.get("pattern"):
        old, new = (special, general) if is_request else (general, special)
        yield f"{place}: the pattern was {old.get('pattern')} and is {new.get('pattern')}."


def _limit_breaks(place: str, old: Schema, new: Schema) -> Iterator[str]:
    for name in (*LEAST, *MOST):
        if name not in new:
            continue
        was, now = old.get(name), new[name]
        if was is None or (now > was if name in LEAST else now < was):
            told = "not limited" if was is None else was
            yield f"{place}: {name} was {told} and is {now}."


def _values(schema: Schema) -> set[str] | None:
    """Return the JSON of the values that are listed, or None where any will do."""
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(each) for each in schema["enum"]} if "enum" in schema else None


def _listed(values: set[str]) -> str:
    return ", ".join(sorted(values))


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    names = {"str": "string", "int": "integer", "bool": "boolean", "NoneType": "null"}
    return names.get(type(values[0]).__name__, "anything") if values else "anything"
