"""A plan stays at the framework and Python of the lock there is, as long as they fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from builder.compat.load import load_facts
from builder.plan.make import make_plans
from builder.plan.staying import Held, Kept
from builder.plan.terms import Source
from builder.platforms import Subdir
from tests.unit.plan.support import METAL, channel, framework, recipe

if TYPE_CHECKING:
    from builder.compat.facts import Facts
    from builder.plan.model import Plan

BOTH = (Subdir.OSX_ARM64, Subdir.LINUX_64)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


def held(python: str = "3.11.9", **pip: str) -> Kept:
    """A lock that has these on both platforms, from PyPI; a plug-in on the Mac alone."""
    packages = {name.replace("_", "-"): Held("pip", Version(version)) for name, version in pip.items()}
    packages["python"] = Held("conda", Version(python))
    on_linux = {name: one for name, one in packages.items() if not name.endswith("-metal")}
    return {Subdir.OSX_ARM64: packages, Subdir.LINUX_64: on_linux}


def chosen(facts: Facts, kept: Kept | None, **changes: Any) -> Plan:
    return make_plans(recipe(**changes), facts=facts, kept=kept)[Subdir.OSX_ARM64]


def versions(plan: Plan) -> tuple[str, str, str | None]:
    combination = plan.combination
    assert combination is not None
    assert combination.main is not None
    plugin = combination.plugin
    return combination.python, str(combination.main.newest), None if plugin is None else str(plugin.newest)


def test_framework_plug_in_and_python_of_the_lock_are_kept(facts: Facts) -> None:
    new = versions(chosen(facts, None, framework=METAL))
    kept = held(tensorflow="2.17.1", tensorflow_metal="1.1.0")
    plan = chosen(facts, kept, framework=METAL)
    assert new == ("3.12", "2.19.1", "1.2.0")
    assert versions(plan) == ("3.11", "2.17.1", "1.1.0")
    assert plan.instead == "TensorFlow 2.19.1"
    spec = plan.spec("pip", "tensorflow")
    assert spec is not None
    assert spec.spec == "==2.17.*"
    assert "the release that the lock has, which still fits" in spec.reason


def test_what_is_the_newest_anyway_is_told_nothing_about(facts: Facts) -> None:
    kept = held(python="3.12.3", tensorflow="2.19.1", tensorflow_metal="1.2.0")
    assert chosen(facts, kept, framework=METAL).instead is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"python": "3.12"}, ("3.12", "2.17.1", None)),  # the framework stays though its Python cannot
        ({"framework": framework("pypi", version=">=2.18")}, ("3.11", "2.21.0", None)),  # and the other way round
        ({"framework": framework("pypi", version=">=2.18"), "python": "3.12"}, ("3.12", "2.21.0", None)),
    ],
)
def test_what_the_recipe_no_longer_allows_moves_alone(
    facts: Facts, changes: dict[str, Any], expected: tuple[str, str, str | None]
) -> None:
    changes = {"framework": framework("pypi"), **changes}
    assert versions(chosen(facts, held(tensorflow="2.17.1"), **changes)) == expected


def test_what_is_known_not_to_work_by_now_is_left(facts: Facts) -> None:
    """tensorflow-metal 1.1.0 does not load with TensorFlow 2.18."""
    kept = held(tensorflow="2.18.1", tensorflow_metal="1.1.0")
    assert versions(chosen(facts, kept, framework=METAL)) == ("3.11", "2.19.1", "1.2.0")


def test_a_lock_of_another_provider_is_no_reason(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.12",), "2.17.1": ("3.11", "3.12")})
    kept = held(tensorflow="2.17.1")
    plan = make_plans(recipe(framework=framework()), facts=facts, kept=kept, catalogue=there)[Subdir.OSX_ARM64]
    assert versions(plan)[1] == "2.19.1"
    conda = {subdir: {**there_, "tensorflow": Held("conda", Version("2.17.1"))} for subdir, there_ in kept.items()}
    plan = make_plans(recipe(framework=framework()), facts=facts, kept=conda, catalogue=there)[Subdir.OSX_ARM64]
    assert versions(plan)[:2] == ("3.11", "2.17.1")


def test_a_lock_without_the_plug_in_that_is_asked_for_by_now_is_no_reason(facts: Facts) -> None:
    plan = chosen(facts, held(tensorflow="2.17.1"), framework=METAL)
    assert versions(plan)[1:] == ("2.19.1", "1.2.0")


def test_platforms_that_differ_keep_nothing_of_the_framework(facts: Facts) -> None:
    kept = {Subdir.OSX_ARM64: held(tensorflow="2.17.1")[Subdir.OSX_ARM64], Subdir.LINUX_64: held(tensorflow="2.18.1")[
        Subdir.LINUX_64
    ]}  # fmt: skip
    assert versions(chosen(facts, kept, framework=framework("pypi")))[1] == "2.21.0"


def test_without_a_framework_the_python_stays(facts: Facts) -> None:
    plans = make_plans(recipe(), facts=facts, kept=held())
    assert {spec.spec for plan in plans.values() if (spec := plan.spec("conda", "python"))} == {"3.11.*"}


def test_a_machines_own_interpreter_is_taken_whatever_the_lock_has(facts: Facts) -> None:
    asked = recipe(framework=framework())
    plans = make_plans(asked, source=Source.PYPI, facts=facts, python="3.12", kept=held(tensorflow="2.17.1"))
    assert {versions(plan)[:2] for plan in plans.values()} == {("3.12", "2.17.1")}


def test_new_facts_move_nothing(facts: Facts) -> None:
    """The lock was made before anything was known of the newest release."""
    old = replace(
        facts,
        releases=tuple(
            one for one in facts.releases if one.package != "tensorflow" or Version(one.version) < Version("2.20")
        ),
    )
    before = chosen(old, None, framework=framework("pypi"), python="3.11")
    kept = held(tensorflow=versions(before)[1])
    after = chosen(facts, kept, framework=framework("pypi"), python="3.11")
    assert before.specs[1].spec == after.specs[1].spec == "==2.19.*"
