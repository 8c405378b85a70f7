"""Values for the fields of an action's body: lawful ones from its types, and every other kind."""

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import inspect

# By a field's name: values that mean something on the server under test.
Known = Mapping[str, list[str]]
Values = SearchStrategy[Any]

# What some parser, database or language has stumbled over.
ODD_NUMBERS = [0, -1, 2**31, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400, 0.5, 1e300]
ODD_TEXTS = [
    *("", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "İ", "ﬃ", "e\u0301"),
    *(
        "👩‍👩‍👧‍👦",
        "null",
        "NaN",
        "[object Object]",
        "*",
        "%",
        "_",
        "\\",
        "'",
        '"',
        "{{7*7}}",
        "../",
        "$connect",
    ),
    *("x" * 129, "x" * 5000, "ä" * 4001),
]

anything: Values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(ODD_NUMBERS),
        st.sampled_from(ODD_TEXTS),
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def bodies(body: type[msgspec.Struct], known: Known) -> Values:
    """Return lawful bodies of an action, optional fields there or not."""
    return values(inspect.type_info(body), known)


def values(type_: inspect.Type, known: Known, name: str = "") -> Values:
    """Return values that the type takes; `name` is the field's."""
    match type_:
        case inspect.Metadata(type=inner):
            return values(inner, known, name)
        case inspect.StructType(fields=fields):
            required = {f.encode_name: _field(f, known) for f in fields if f.required}
            optional = {f.encode_name: _field(f, known) for f in fields if not f.required}
            return st.fixed_dictionaries(required, optional=optional)
        case inspect.UnionType(types=types):
            return st.one_of(*(values(each, known, name) for each in types))
        case inspect.ListType(item_type=item, min_length=least):
            items = values(item, known, name)
            return st.lists(items, min_size=least or 0, max_size=max(4, least or 0))
        case inspect.DictType(key_type=key, value_type=value):
            keys = values(key, known, name)
            return st.dictionaries(keys, values(value, known, name), max_size=4)
        case inspect.StrType():
            return _texts(type_, known, name)
        case inspect.IntType():
            return st.integers(_least(type_), _most(type_)) | st.sampled_from(
                [_least(type_), _most(type_), max(_least(type_), 1)]
            )
        case inspect.LiteralType(values=literals):
            return st.sampled_from(list(literals))
    return _PLAIN.get(type(type_), anything)


_PLAIN: dict[type[inspect.Type], Values] = {
    inspect.BoolType: st.booleans(),
    inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
    inspect.NoneType: st.none(),
}


def _field(field: inspect.Field, known: Known) -> Values:
    return values(field.type, known, field.encode_name)


def _texts(type_: inspect.StrType, known: Known, name: str) -> Values:
    least, most = type_.min_length or 0, min(type_.max_length or 60, 60)
    texts: Values = st.text(min_size=least, max_size=most)
    if type_.pattern is not None:
        texts = st.from_regex(type_.pattern, fullmatch=True)
    if name not in known:
        return texts
    # Mostly what is there: each new topic, for one, is held in memory, up to a bound.
    return st.one_of(*[st.sampled_from(known[name])] * 4, texts)


def _least(type_: inspect.IntType) -> int:
    if type_.ge is not None:
        return type_.ge
    return -(2**63) if type_.gt is None else type_.gt + 1


def _most(type_: inspect.IntType) -> int:
    if type_.le is not None:
        return type_.le
    return 2**63 - 1 if type_.lt is None else type_.lt - 1
