"""Classes for what people write: what msgspec cannot say, and where it is wrong."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from msgspec import Meta

from builder.models import Check, MisfitError, Model, validated


def _upper(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text.upper()


Loud = Annotated[str, Check(_upper)]


class Inner(Model):
    loud: Loud
    least: Annotated[float, Meta(ge=0)] = 0.0

    def check_fields(self) -> None:
        if self.loud == "BOTH" and self.least:
            raise ValueError("one of the two")


class Outer(Model):
    foreign: ClassVar = {"pip": "write `pypi:`"}

    inner: Inner | None = None
    items: tuple[Loud | Inner, ...] = ()
    named: dict[Annotated[str, Meta(pattern="^[a-z]+$")], Inner] = msgspec.field(default_factory=dict)
    kinds: dict[Literal["CPU", "GPU"], int] = msgspec.field(default_factory=dict)
    few: Annotated[tuple[int, ...], Meta(max_length=2)] = ()


def test_values_are_kept_as_their_checks_give_them() -> None:
    made = validated({"items": ["a", {"loud": "b"}], "named": {"x": {"loud": "c"}}, "inner": None}, Outer)
    assert made.items == ("A", Inner(loud="B"))
    assert made.named == {"x": Inner(loud="C")}
    assert msgspec.to_builtins(made) == {"items": ("A", {"loud": "B"}), "named": {"x": {"loud": "C"}}}


@pytest.mark.parametrize(
    ("data", "path", "what", "message"),
    [
        ({"inner": {"loud": ""}}, ("inner", "loud"), "value", "is empty"),
        ({"inner": {"loud": "both", "least": 1}}, ("inner",), "value", "one of the two"),
        ({"inner": {"loud": "a", "least": -1}}, ("inner", "least"), "value", "must be at least 0"),
        ({"inner": {"loud": "a", "least": "1"}}, ("inner", "least"), "type", "must be a number, not '1'"),
        ({"inner": {}}, ("inner", "loud"), "missing", "is missing"),
        ({"inner": []}, ("inner",), "mapping", "must be a mapping of fields, not []"),
        ({"items": ["a", ""]}, ("items", 1), "value", "is empty"),
        ({"items": ["a", {"loud": ""}]}, ("items", 1, "loud"), "value", "is empty"),
        ({"items": ["a", None]}, ("items", 1), "type", "must be text, not nothing"),
        ({"items": "a"}, ("items",), "list", "must be a list, not 'a'"),
        ({"named": {"x": {"loud": "a"}, "Y": {"loud": "a"}}}, ("named", "Y"), "pattern", "not allowed: 'Y'"),
        ({"named": {"x": {"loud": "a"}, "y": {"loud": 1}}}, ("named", "y", "loud"), "type", "must be text, not 1"),
        ({"kinds": {"CPU": 1, "TPU": 1}}, ("kinds", "TPU"), "unknown", "none of 'CPU' or 'GPU'"),
        ({"kinds": {"CPU": True}}, ("kinds", "CPU"), "type", "must be a whole number, not True"),
        ({"few": [1, 2, 3]}, ("few",), "length", "has 3 entries; at most 2 are taken"),
        ({"pip": []}, ("pip",), "value", "write `pypi:`"),
        ({"x": 1}, ("x",), "unknown", "is not known"),
        ({1: 1}, (1,), "unknown", "is not known"),
        ([], (), "mapping", "must be a mapping of fields"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(data: Any, path: tuple[Any, ...], what: str, message: str) -> None:
    with pytest.raises(MisfitError) as caught:
        validated(data, Outer)
    (problem,) = caught.value.problems
    assert (problem.path, problem.what) == (path, what)
    assert message in problem.message


def test_a_name_that_is_not_text_among_fields_that_may_be_unknown() -> None:
    class Open(Model, forbid_unknown_fields=False):
        name: str = ""

    assert validated({"name": "a", "more": 1}, Open) == Open(name="a")
    with pytest.raises(MisfitError, match="`it`: has a field whose name is not text: 1"):
        validated({1: 2}, Open)


def test_dates_are_shown_as_they_are_written() -> None:
    with pytest.raises(MisfitError, match="must be a list, not 2024-01-02"):
        validated({"few": date(2024, 1, 2)}, Outer)


def test_every_problem_is_told_but_not_a_million() -> None:
    with pytest.raises(MisfitError) as caught:
        validated({"items": [1] * 5_000, "x": 1}, Outer)
    assert caught.value.problems[0].what == "unknown"
    assert len(caught.value.problems) == 1_000


def test_classes_are_frozen_and_named() -> None:
    with pytest.raises(AttributeError):
        Inner(loud="a").loud = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Inner("a")  # type: ignore[call-arg]
