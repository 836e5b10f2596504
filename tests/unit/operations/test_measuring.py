"""A pair that no fact is about, measured from its wheels and kept where plans find it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import yaml

from builder.compat.load import load_facts
from builder.compat.model import Relation
from builder.compat.own import MEASURED, keep
from builder.errors import FactsError, UsageError
from builder.models import validated
from builder.operations import measuring
from builder.operations.measuring import MeasureRequest, measure
from builder.operations.preparing import OLD_FACTS, Prepared
from builder.plan.make import make_plans
from tests.unit.plan.support import channel, framework, recipe
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path


def relation(version: str = "2.40.0", verdict: str = "fails") -> Relation:
    return validated(
        {
            "id": f"own-tensorflow-{version}",
            "left": {"package": "tensorflow", "versions": f"=={version}", "origin": "pypi"},
            "right": {"package": "tensorflow-metal", "versions": "==1.2.0", "origin": "pypi"},
            "verdict": verdict,
            "cause": "measured here",
            "source": "here",
            "established": "measured",
            "measured_on": "this machine",
            "date": "2026-12-01",
        },
        Relation,
    )


def test_what_was_measured_is_a_fact_from_then_on(tmp_path: Path) -> None:
    keep(relation(), tmp_path)
    keep(relation("2.41.0"), tmp_path)
    file = keep(relation(verdict="links"), tmp_path)
    assert [entry["verdict"] for entry in yaml.safe_load(file.read_text())["relations"]] == ["fails", "links"]
    facts, own = load_facts(), load_facts(also=(tmp_path,))
    assert len(own.relations) == len(facts.relations) + 2
    assert own.newest_date == facts.newest_date, "a measurement here does not make envbuild's facts younger"


def test_a_broken_file_of_own_facts_is_named(tmp_path: Path) -> None:
    (tmp_path / MEASURED).write_text("- nothing\n")
    with pytest.raises(FactsError, match="your own facts cannot be read"):
        keep(relation(), tmp_path)


@pytest.mark.parametrize("packages", [(), ("tensorflow==2.19.1",), ("tensorflow", "keras"), ("a==1", "b==2", "c==3")])
def test_two_exact_versions_are_what_it_takes(tmp_path: Path, packages: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        measure(workspace(tmp_path), MeasureRequest(packages=packages))
    assert "==" in (caught.value.hint or "")


def test_packages_without_binaries_are_unrelated_and_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(_workspace: object, _versions: object, _python: object, target: Path) -> str:
        for name in ("one", "two"):
            (target / name).mkdir(parents=True)
            (target / name / "__init__.py").write_text("")
            info = target / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
        return "3.12"

    monkeypatch.setattr(measuring, "_unpack", unpack)
    here = workspace(tmp_path)
    result = measure(here, MeasureRequest(packages=("one==1.0", "two==1.0")))
    assert (result.verdict, result.bound, result.file) == ("unrelated", 0, None)
    assert not here.facts_folder.exists()


@pytest.mark.parametrize(("days", "said"), [(OLD_FACTS, False), (OLD_FACTS + 1, True)])
def test_old_facts_are_called_old_where_the_channel_has_more(tmp_path: Path, days: int, said: bool) -> None:
    from dataclasses import replace

    here = workspace(tmp_path)
    newest = date.fromisoformat(here.facts.newest_date) + timedelta(days=days)
    here = replace(here, clock=lambda: datetime(newest.year, newest.month, newest.day, tzinfo=UTC))
    asked = recipe(framework=framework())
    newer = channel(tensorflow={"2.19.1": ("3.12",), "2.30.0": ("3.12",)})
    known = channel(tensorflow={"2.19.1": ("3.12",)})
    for there, expected in ((newer, said), (known, False)):
        prepared = Prepared(recipe=asked, plans=make_plans(asked, catalogue=there), folder=tmp_path)
        assert bool(prepared.age_of_facts(here)) is expected
