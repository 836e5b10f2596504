"""A release on PyPI that no fact is about is named when a framework comes from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from builder.lock import index
from builder.operations.preparing import Prepared, newer_on_index
from builder.plan.make import make_plans
from tests.unit.plan.support import framework, recipe
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path


def prepared(tmp_path: Path, provider: str = "pypi", **fields: str) -> Prepared:
    asked = recipe(framework=framework(provider, **fields), python="3.12")
    return Prepared(recipe=asked, plans=make_plans(asked), folder=tmp_path)


@pytest.mark.parametrize(
    ("provider", "version", "newest", "said"),
    [
        ("pypi", None, "2.90.0", True),
        ("pypi", None, "2.90.0+cpu", True),
        ("pypi", None, "2.21.0", False),
        ("pypi", None, None, False),
        ("pypi", "<2.30", "2.90.0", False),
        ("conda-forge", None, "2.90.0", False),
    ],
)
def test_it_is_named_with_what_takes_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    provider: str,
    version: str | None,
    newest: str | None,
    said: bool,
) -> None:
    asked: list[str] = []

    def answer(name: str, **_options: object) -> Version | None:
        asked.append(name)
        return Version(newest) if newest is not None else None

    monkeypatch.setattr(index, "newest_release", answer)
    fields = {"version": version} if version is not None else {}
    notes = newer_on_index(workspace(tmp_path), prepared(tmp_path, provider, **fields))
    assert bool(notes) is said
    if said:
        assert "TensorFlow 2.90.0" in notes[0]
        assert 'framework: {version: "2.90"}' in notes[0]
        assert asked[0] in ("tensorflow", "tensorflow-cpu")
    if provider == "conda-forge":
        assert asked == [], "nobody is asked about what is not from there"
