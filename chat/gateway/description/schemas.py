"""JSON schemas of the wire's types, of the draft that AsyncAPI takes (draft-07)."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from chat.gateway.description.comments import field_comments

Schema = dict[str, Any]
REF = "#/components/schemas/"


class Schemas:
    """The schemas of some types, and of every struct that they are made of.

    A type is anything that msgspec describes, or a union of several structs, which it does not.
    """

    def __init__(self, types: Iterable[Any]) -> None:
        plain = list({_key(each): each for type_ in types for each in alternatives(type_)}.values())
        schemas, components = msgspec.json.schema_components(plain, ref_template=f"{REF}{{name}}")
        structs = {_found_name(struct, components): struct for struct in _structs(plain)}
        for name, struct in structs.items():
            _describe(components[name], struct)
        self._names = _short_names(structs)
        self._schemas = {
            _key(type_): self._lawful(schema) for type_, schema in zip(plain, schemas, strict=True)
        }
        # Every struct by its name.
        self.components: dict[str, Schema] = {
            self._names[name]: self._lawful(schema) for name, schema in components.items()
        }

    def of(self, type_: Any) -> Schema:
        """Return a type's schema; structs are references into `components`."""
        found = [self._schemas[_key(each)] for each in alternatives(type_)]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def resolved(self, schema: Schema) -> Schema:
        """Return what a reference stands for."""
        while "$ref" in schema:
            schema = self.components[schema["$ref"].removeprefix(REF)]
        return schema

    def used_by(self, document: Any) -> dict[str, Schema]:
        """Return the structs that a document refers to, and those that they refer to, in order."""
        found: set[str] = set()
        waiting = [document]
        while waiting:
            each = waiting.pop()
            if isinstance(each, list):
                waiting += each
            elif isinstance(each, dict):
                waiting += each.values()
                name = str(each.get("$ref", "")).removeprefix(REF)
                if name in self.components and name not in found:
                    found.add(name)
                    waiting.append(self.components[name])
        return {name: schema for name, schema in self.components.items() if name in found}

    def _lawful(self, schema: Any) -> Any:
        """Return a schema as draft-07 has it, with short names in its references."""
        if isinstance(schema, list):
            return [self._lawful(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        found = {
            key: value if key in ("default", "examples", "enum") else self._lawful(value)
            for key, value in schema.items()
            if key != "discriminator"  # OpenAPI's; the constants of the tag field say it all
        }
        if "prefixItems" in found:
            found["additionalItems"] = found.pop("items", False)
            found["items"] = found.pop("prefixItems")
        if "$ref" in found:
            name = self._names[found.pop("$ref").removeprefix(REF)]
            # Beside a reference nothing counts.
            found = {**found, "allOf": [{"$ref": REF + name}]} if found else {"$ref": REF + name}
        return found


def alternatives(type_: Any) -> tuple[Any, ...]:
    """Return the members of a union of structs; of anything else, itself."""
    if get_origin(type_) in (Union, UnionType):
        members = get_args(type_)
        if sum(_is_struct(each) for each in members) > 1:
            return members
    return (type_,)


def _is_struct(type_: Any) -> bool:
    return inspect.isclass(type_) and issubclass(type_, msgspec.Struct)


def _key(type_: Any) -> Any:
    """Return what tells types apart; `list[int]` is made anew at each mention."""
    return type_ if inspect.isclass(type_) else repr(type_)


def _structs(types: Iterable[Any]) -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()
    for info in msgspec.inspect.multi_type_info(types):
        for each in _within(info, found):
            found.add(each)
    return found


def _within(info: Any, known: set[type[msgspec.Struct]]) -> Iterator[type[msgspec.Struct]]:
    """Walk a type's description down to the structs in it."""
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls in known:
            return
        yield info.cls
    if isinstance(info, msgspec.Struct):
        for name in info.__struct_fields__:
            yield from _within(getattr(info, name), known)
    elif isinstance(info, tuple | list):
        for each in info:
            yield from _within(each, known)


def _found_name(struct: type[msgspec.Struct], components: dict[str, Schema]) -> str:
    """Return the name that msgspec gave a struct: the full one where two are called the same."""
    full = f"{struct.__module__}.{struct.__qualname__}"
    return full if full in components else struct.__name__


def _short_names(structs: dict[str, type[msgspec.Struct]]) -> dict[str, str]:
    """Return the names that people see, by those that msgspec gave."""
    named: dict[str, str] = {}
    for name, struct in structs.items():
        module = struct.__module__.rpartition(".")[2].title().replace("_", "")
        named[name] = name if "." not in name else f"{struct.__name__}Of{module}"
    return named


def _describe(schema: Schema, struct: type[msgspec.Struct]) -> None:
    """Add the comments above the fields: they say more than what a type says wherever it is."""
    comments = field_comments(struct)
    for field in msgspec.structs.fields(struct):
        if field.name in comments:
            schema["properties"][field.encode_name]["description"] = comments[field.name]
