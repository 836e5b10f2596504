"""Strict, frozen classes for what people write, and every problem of data that does not fit them, with its place.

msgspec converts and checks types. What a type cannot say stands in the annotation as a `Check`, or in a class's own
`check_fields`. Only where something does not fit is the data gone through again, field by field, to say what and where.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import islice
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

import msgspec

Key = tuple[str | int, ...]
ModelT = TypeVar("ModelT", bound="Model")
Kind = Any
"""A type as an annotation writes it."""
_Checker = Callable[[Any], Any]


class _Strict(msgspec.StructMeta):
    """Says for every class below `Model` what msgspec does not hand down to it."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **config: Any) -> Any:
        return super().__new__(cls, name, bases, namespace, **{"frozen": True, "kw_only": True} | config)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Model(msgspec.Struct, metaclass=_Strict, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Unknown keys, coerced types and later changes are refused; what has its default is not written."""

    #: Fields of other tools that people write here → what to do about it.
    foreign: ClassVar[Mapping[str, str]] = {}

    def check_fields(self) -> None:
        """Raise ValueError where fields contradict each other. Called by `validated`, not by the constructor."""

    def replaced(self, **changes: Any) -> Self:
        """The same with other values in some fields, which are not checked again."""
        return msgspec.structs.replace(self, **changes)


@dataclass(frozen=True)
class Check:
    """In an annotation: `function` gives the value as it is to be kept, or raises ValueError."""

    function: Callable[[Any], Any]


def matching(pattern: str, *, hint: str | None = None) -> msgspec.Meta:
    """In an annotation: the whole text must match; `hint` is what to write where it does not.

    `$` alone would let a line end follow, and JSON Schema knows no other mark of the end.
    """
    return msgspec.Meta(pattern=rf"^{pattern}(?!\n)$", extra={"hint": hint} if hint is not None else None)


class Problem(NamedTuple):
    """One thing that does not fit."""

    what: Literal["unknown", "missing", "choice", "list", "mapping", "type", "pattern", "length", "value"]
    path: Key
    value: Any
    kind: Kind
    """The type that was expected there; for an unknown or missing field the class that it is (not) a field of."""
    message: str
    """In words, for a reader who sees the path before it."""
    hint: str | None = None
    """What to write, as the annotation says it (`matching`)."""

    def about(self, place: str, written: str | None = None) -> str:
        """The message about what is at `place`; `written` is the text there, where the value is not what it shows."""
        if self.what == "choice":
            return f"`{place}`: {_shown(self.value) if written is None else repr(written)} {self.message}"
        return f"`{place}`{':' if self.what == 'value' else ''} {self.message}"


class MisfitError(ValueError):
    """Data that does not fit its model."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.about(dotted(problem.path) or "it") for problem in problems))
        self.problems = problems


def validated(data: object, model: type[ModelT]) -> ModelT:
    """`data` (mappings, lists and scalars) as `model`. Raises MisfitError."""
    try:
        made = msgspec.convert(data, model)
        return made if (checker := _checker(model)) is None else checker(made)
    except ValueError as error:
        # msgspec's own error is one as well. It stops at the first problem, whose place it does not always know.
        problems = tuple(islice(_problems(data, model, ()), _MOST))
        raise MisfitError(problems or (_value_problem(data, model, (), error),)) from None


def dotted(path: Key) -> str:
    """`("groups", "dev", "pypi", 0)` as `groups.dev.pypi[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def fields(model: type[Model]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a class by name."""
    return {field.name: field for field in msgspec.structs.fields(model)}


def inner_fields(field: msgspec.structs.FieldInfo) -> frozenset[str]:
    """The names of the fields of the class that stands in a field; none where no class does."""
    kind = get_args(field.type)[0] if _origin(field.type) is Annotated else field.type
    return frozenset(kind.__struct_fields__) if _is_model(kind) else frozenset()


# What msgspec has converted is gone through for checks. Types without one cost nothing.


@cache
def _checker(kind: Kind) -> _Checker | None:
    """What checks a converted value of `kind` and all in it, and gives it as it is to be kept."""
    origin, arguments = _origin(kind), get_args(kind)
    if origin is Annotated:
        inner = _checker(arguments[0])
        checks = [mark.function for mark in arguments[1:] if isinstance(mark, Check)]
        return _in_turn(([inner] if inner is not None else []) + checks)
    if _is_model(kind):
        return _model_checker(kind)
    if origin is tuple:
        return _items_checker(arguments[0])
    if origin is dict:
        return _values_checker(*arguments)
    if origin in (Union, types.UnionType):
        return _union_checker(arguments)
    return None


def _in_turn(checks: list[_Checker]) -> _Checker | None:
    if len(checks) < 2:
        return checks[0] if checks else None

    def every(value: Any) -> Any:
        for check in checks:
            value = check(value)
        return value

    return every


def _model_checker(model: type[Model]) -> _Checker | None:
    checkers = [
        (field.name, checker)
        for field in msgspec.structs.fields(model)
        if (checker := _checker(field.type)) is not None
    ]
    whole = model.check_fields is not Model.check_fields
    if not checkers and not whole:
        return None

    def every(made: Model) -> Model:
        for name, checker in checkers:
            value = getattr(made, name)
            checked = checker(value)
            if checked is not value:
                # Nobody else has seen it yet.
                msgspec.structs.force_setattr(made, name, checked)
        made.check_fields()
        return made

    return every


def _items_checker(kind: Kind) -> _Checker | None:
    checker = _checker(kind)
    return None if checker is None else lambda items: tuple(map(checker, items))


def _values_checker(key_kind: Kind, kind: Kind) -> _Checker | None:
    key_checker, checker = _checker(key_kind) or _unchanged, _checker(kind) or _unchanged
    if key_checker is checker is _unchanged:
        return None
    return lambda items: {key_checker(key): checker(value) for key, value in items.items()}


def _unchanged(value: Any) -> Any:
    return value


def _union_checker(kinds: tuple[Kind, ...]) -> _Checker | None:
    model = next((kind for kind in kinds if _is_model(kind)), None)
    for_model = (_checker(model) if model is not None else None) or _unchanged
    others = [checker for kind in kinds if kind is not model and (checker := _checker(kind)) is not None]
    for_others = others[0] if others else _unchanged
    if for_model is for_others is _unchanged:
        return None

    def one(value: Any) -> Any:
        if value is None:
            return None
        return for_model(value) if isinstance(value, Model) else for_others(value)

    return one


def _origin(kind: Kind) -> Any:
    """`get_origin`, without what its stub says of special cases."""
    return get_origin(kind)


def _is_model(kind: Kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


# What follows runs only for data that does not fit.

#: So many problems are looked for.
_MOST: Final = 1_000
#: Characters of a value that are shown.
_LONGEST: Final = 100
_WORDS: Final[Mapping[object, str]] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _problems(data: Any, kind: Kind, path: Key) -> Iterator[Problem]:
    base = get_args(kind)[0] if _origin(kind) is Annotated else kind
    if _origin(base) in (Union, types.UnionType):
        kinds = [member for member in get_args(base) if member is not types.NoneType]
        if data is None and len(kinds) < len(get_args(base)):
            return
        model = next((member for member in kinds if _is_model(member)), None)
        others = [member for member in kinds if member is not model]
        chosen = model if model is not None and (isinstance(data, dict) or not others) else others[0]
        yield from _problems(data, Annotated[chosen, *kind.__metadata__] if base is not kind else chosen, path)
        return
    inside: Iterator[Problem] = iter(())
    if _is_model(base):
        if not isinstance(data, dict):
            yield Problem("mapping", path, data, base, f"must be a mapping of fields, not {_shown(data)}")
            return
        inside = _field_problems(data, base, path)
    elif _origin(base) in (tuple, list):
        if not isinstance(data, list | tuple):
            yield Problem("list", path, data, base, f"must be a list, not {_shown(data)}")
            return
        item = get_args(base)[0]
        inside = (problem for index, value in enumerate(data) for problem in _problems(value, item, (*path, index)))
    elif _origin(base) is dict:
        if not isinstance(data, dict):
            yield Problem("mapping", path, data, base, f"must be a mapping, not {_shown(data)}")
            return
        inside = _entry_problems(data, base, path)
    first = next(inside, None)
    if first is None:
        yield from _own_problem(data, kind, base, path)
    else:
        yield first
        yield from inside


def _field_problems(data: dict[Any, Any], model: type[Model], path: Key) -> Iterator[Problem]:
    known = fields(model)
    for key, value in data.items():
        if key not in known and model.__struct_config__.forbid_unknown_fields:
            foreign = model.foreign.get(key)
            what: Literal["unknown", "value"] = "unknown" if foreign is None else "value"
            yield Problem(what, (*path, key), value, model, foreign or "is not known")
        elif not isinstance(key, str):
            yield Problem("value", path, data, model, f"has a field whose name is not text: {_shown(key)}")
    for name, field in known.items():
        if name in data:
            yield from _problems(data[name], field.type, (*path, name))
        elif field.required:
            yield Problem("missing", (*path, name), None, model, "is missing")


def _entry_problems(data: dict[Any, Any], kind: Kind, path: Key) -> Iterator[Problem]:
    key_kind, value_kind = get_args(kind)
    for key, value in data.items():
        wrong = next(_problems(key, key_kind, (*path, key)), None)
        if wrong is not None:
            # A name that is none of those that may stand there is an unknown field.
            yield wrong._replace(what="unknown") if wrong.what == "choice" else wrong
        else:
            yield from _problems(value, value_kind, (*path, key))


def _own_problem(data: Any, kind: Kind, base: Kind, path: Key) -> Iterator[Problem]:
    """What is wrong with a value that has nothing wrong in it."""
    try:
        made = msgspec.convert(data, kind)
        if (checker := _checker(kind)) is not None:
            checker(made)
    except msgspec.ValidationError as error:
        yield _type_problem(data, kind, base, path, error)
    except ValueError as error:
        yield _value_problem(data, kind, path, error)


def _value_problem(data: Any, kind: Kind, path: Key, error: Exception) -> Problem:
    return Problem("value", path, data, kind, str(error))


def _type_problem(data: Any, kind: Kind, base: Kind, path: Key, error: msgspec.ValidationError) -> Problem:
    if _origin(base) is Literal:
        *first, last = map(repr, get_args(base))
        return Problem("choice", path, data, base, f"is none of {', '.join(first) + ' or ' if first else ''}{last}")
    said = str(error)
    marks = [mark for mark in getattr(kind, "__metadata__", ()) if isinstance(mark, msgspec.Meta)]
    if "of length" in said:
        most = next((mark.max_length for mark in marks if mark.max_length is not None), None)
        if most is None or len(data) <= most:
            return Problem("length", path, data, base, "must not be empty")
        return Problem("length", path, data, base, f"has {len(data):,} entries; at most {most:,} are taken")
    if "matching regex" in said:
        hint = next((mark.extra["hint"] for mark in marks if mark.extra is not None and "hint" in mark.extra), None)
        return Problem("pattern", path, data, base, f"has a value that is not allowed: {_shown(data)}", hint)
    if type(data) is base or (base is float and type(data) is int):
        least = next((mark.ge for mark in marks if mark.ge is not None), None)
        return Problem("value", path, data, base, "is out of range" if least is None else f"must be at least {least}")
    return Problem("type", path, data, base, f"must be {_WORDS.get(base, 'of another kind')}, not {_shown(data)}")
