"""Refusals: exit code 3, the fact and its cause, and a combination that works instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builder.compat.load import load_facts
from builder.errors import UnsatisfiableError
from builder.plan.make import make_plans
from builder.plan.terms import Source
from builder.platforms import Subdir
from tests.unit.plan.support import METAL, built, channel, channel_with, framework, recipe

if TYPE_CHECKING:
    from builder.compat.facts import Facts


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


CASES: list[tuple[str, dict[str, Any], Source, str, str]] = [
    (
        "plug-in and TensorFlow that do not load",
        {"framework": METAL | {"version": "2.18", "plugin": "1.1.0"}},
        Source.CONDA_FORGE,
        "__ZN3tsl8internal10LogMessageC1EPKcii",
        "use tensorflow-metal 1.2.0; or use TensorFlow 2.17",
    ),
    (
        "TensorFlow newer than any plug-in",
        {"framework": METAL | {"version": "2.20"}},
        Source.CONDA_FORGE,
        "@rpath/_pywrap_tensorflow_internal.so",
        "use TensorFlow 2.19",
    ),
    (
        "a macOS floor below what the wheels are tagged for",
        {"framework": METAL, "macos": "11.0"},
        Source.CONDA_FORGE,
        "needs macOS 12.0",
        'raise `macos:` to "12.0"',
    ),
    (
        "plug-in without a wheel for the Python",
        {"framework": METAL, "python": "3.13"},
        Source.CONDA_FORGE,
        "not for 3.13",
        'set `python: "3.12"`',
    ),
    (
        "Keras 3 beside TensorFlow 2.15",
        {"framework": framework(version="2.15", keras=">=3"), "python": "3.11"},
        Source.PYPI,
        "keras >=2.15.0,<2.16",
        "use TensorFlow 2.21; or give up `>=3` (framework.keras) for Keras 2.15",
    ),
    (
        "NumPy 2 beside TensorFlow 2.17",
        {"framework": framework(version="2.17"), "dependencies": ["numpy >=2"]},
        Source.PYPI,
        "compiled against NumPy 1",
        "use TensorFlow 2.21; or give up `>=2` (dependencies[0]) for NumPy 1.26",
    ),
    (
        "protobuf too old for TensorFlow 2.20",
        {"framework": framework(version="2.20"), "dependencies": ["protobuf <5"]},
        Source.PYPI,
        "protobuf >=5.28.0",
        "use TensorFlow 2.19",
    ),
    (
        "macOS older than every wheel",
        {"framework": framework(), "macos": "11.0"},
        Source.PYPI,
        "needs macOS 12.0 and the floor is macOS 11.0",
        "",
    ),
    (
        "jaxlib newer than jax-metal can load",
        {"framework": {"name": "jax", "provider": "metal", "version": ">=0.6"}},
        Source.CONDA_FORGE,
        "jaxlib newer than 0.5.0",
        "from PyPI, without the GPU); or give up `>=0.6` (framework.version) for JAX 0.4.3",
    ),
    (
        "a Python that is too new, though the framework's range is met on an older one",
        {"framework": METAL | {"version": ">=2.17"}, "python": "3.14"},
        Source.CONDA_FORGE,
        "not for 3.14",
        'set `python: "3.12"`',
    ),
]


@pytest.mark.parametrize(("changes", "source", "cause", "instead"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_an_impossible_recipe_is_refused_with_the_fact_and_what_works(
    facts: Facts, changes: dict[str, Any], source: Source, cause: str, instead: str
) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(**changes), source=source, facts=facts)
    error = caught.value
    assert error.exit_code == 3
    assert cause in error.message
    assert instead in (error.hint or ""), error.hint
    assert "Source: " in error.message


def test_the_interpreter_of_this_machine_is_refused_by_the_recipes_range(facts: Facts) -> None:
    with pytest.raises(
        UnsatisfiableError, match=r"this interpreter is Python 3\.10 and the recipe allows >=3\.11,<3\.13"
    ):
        make_plans(recipe(framework=framework()), source=Source.PYPI, facts=facts, python="3.10")


def test_the_interpreter_of_this_machine_is_refused_by_a_fact(facts: Facts) -> None:
    asked = recipe(framework=METAL, python=">=3.11")
    with pytest.raises(UnsatisfiableError, match=r"tensorflow-metal 1\.2\.0 has .* not for 3\.13"):
        make_plans(asked, source=Source.PYPI, facts=facts, python="3.13")


def test_the_platform_that_cannot_match_is_named(facts: Facts) -> None:
    there = channel_with(
        {
            "tensorflow/osx-arm64": built("2.19.1", "3.12", build="cpu_py{py}h0_0"),
            "tensorflow/linux-64": built("2.19.1", "3.11", "3.12", build="cpu_py{py}h0_0"),
        }
    )
    asked = recipe(framework=framework(version="2.19"), python="3.11")
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(asked, facts=facts, catalogue=there)
    assert "TensorFlow 2.19.1 has conda-forge builds for Python 3.12 on osx-arm64, not for 3.11" in caught.value.message
    assert "; or leave out osx-arm64" in (caught.value.hint or "")
    assert "parity" not in (caught.value.hint or ""), "which leaves the Mac without a build as well"


def test_versions_may_differ_where_each_platform_has_one_of_its_own(facts: Facts) -> None:
    there = channel_with(
        {
            "tensorflow/osx-arm64": built("2.19.1", "3.12", build="cpu_py{py}h0_0"),
            "tensorflow/linux-64": built("2.19.1", "3.11", build="cpu_py{py}h0_0"),
        }
    )
    asked = recipe(framework=framework(version="2.19"), python=">=3.11,<3.13")
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(asked, facts=facts, catalogue=there)
    assert "write `parity: none`, or leave out" in (caught.value.hint or "")


def test_a_python_the_channel_has_no_build_for_is_refused_with_the_way_out(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.11", "3.12")})
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(framework=framework(), python="3.13"), facts=facts, catalogue=there)
    assert "not for 3.13" in caught.value.message
    assert 'set `python: "3.12"`' in (caught.value.hint or "")
    assert "provider: pypi" in (caught.value.hint or "")


def test_what_was_not_seen_of_a_channel_is_not_refused(facts: Facts) -> None:
    """Without its metadata nobody knows whether conda-forge has built for a Python meanwhile."""
    plans = make_plans(recipe(framework=framework(), python="3.13"), facts=facts)
    for plan in plans.values():
        assert plan.spec("conda", "tensorflow") is not None
        assert any(text.startswith("unproven") and "3.13" in text for text in plan.warnings), plan.warnings


def test_a_remedy_within_what_was_asked_for_comes_before_an_older_release(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.12",), "2.15.0": ("3.11",)})
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(framework=framework(version=">=2.17"), python="3.11"), facts=facts, catalogue=there)
    assert (caught.value.hint or "").split("; or ") == [
        'set `python: "3.12"`',
        "write `provider: pypi` (TensorFlow 2.21.0 from PyPI)",
        "give up `>=2.17` (framework.version) for TensorFlow 2.15",
    ]


def test_another_python_is_offered_where_the_recipe_has_one_only(facts: Facts) -> None:
    """The channel is asked for that other Python, not for the recipe's."""
    there = channel(tensorflow={"2.19.1": ("3.12",)})
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(framework=METAL, python="3.14"), facts=facts, catalogue=there)
    assert 'set `python: "3.12"`' in (caught.value.hint or "")


def test_letting_go_of_a_dependencys_version_is_offered_where_the_channel_lacks_it(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.12",)})
    asked = recipe(framework=framework(), python="3.12", dependencies=["numpy <1.26"])
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(asked, facts=facts, catalogue=there)
    assert "use NumPy 2." in (caught.value.hint or "")


def test_the_wheels_of_pypi_do_not_refuse_what_a_channel_has(facts: Facts) -> None:
    """NumPy 1.26 has no wheel for Python 3.13; whether a channel has built it for that, the channel says."""
    asked = recipe(framework=framework(), python="3.13", dependencies=["numpy <2"])
    there = channel(tensorflow={"2.19.1": ("3.13",)})
    for plan in make_plans(asked, facts=facts, catalogue=there).values():
        assert plan.spec("conda", "numpy") is not None
    lacking = channel(tensorflow={"2.19.1": ("3.13",)}, numpy=built("1.26.4", "3.12"))
    with pytest.raises(UnsatisfiableError, match=r"conda-forge has no NumPy 1\.26 for Python 3\.13 on osx-arm64"):
        make_plans(asked, facts=facts, catalogue=lacking)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": "2.30"}, "TensorFlow 2.30 is newer than the newest release facts are about"),
        ({"keras": "3.40"}, "Keras 3.40 is newer than the newest release facts are about"),
        ({"version": "2.4"}, "TensorFlow 2.4 is older than the oldest release facts are about"),
    ],
)
def test_a_pinned_release_no_fact_is_about_is_passed_on_with_a_warning(
    facts: Facts, changes: dict[str, str], says: str
) -> None:
    plans = make_plans(recipe(framework=framework(**changes)), source=Source.PYPI, facts=facts)
    for plan in plans.values():
        assert any(warning.startswith("unproven") and says in warning for warning in plan.warnings)
        name = "keras" if "keras" in changes else "tensorflow"
        asked = changes.get("keras", changes.get("version", ""))
        spec = plan.spec("pip", name) or plan.spec("pip", "tensorflow-cpu")
        assert spec is not None
        assert asked in spec.spec


def test_a_platform_no_fact_is_about_is_planned_with_a_warning(facts: Facts) -> None:
    plans = make_plans(recipe(framework=framework(), platforms=["osx-arm64", "linux-aarch64"]), facts=facts)
    warnings = plans[Subdir.LINUX_AARCH64].warnings
    assert any("for linux-aarch64 was seen on conda-forge" in text for text in warnings), warnings


@pytest.mark.parametrize("python", ["3.7", "<3.9", ">=3.15"])
def test_a_python_envbuild_does_not_know_is_refused(facts: Facts, python: str) -> None:
    with pytest.raises(UnsatisfiableError, match="allows none of the Pythons"):
        make_plans(recipe(framework=framework(), python=python), facts=facts)


def test_a_range_beyond_all_known_releases_is_passed_on_as_unproven(facts: Facts) -> None:
    """A fact that is missing refuses nothing; whether there is a NumPy 99, the index says."""
    plans = make_plans(recipe(framework=framework(), dependencies=["numpy >=99"]), source=Source.PYPI, facts=facts)
    for plan in plans.values():
        numpy = plan.spec("pip", "numpy")
        assert numpy is not None
        assert ">=99" in numpy.spec
        assert any("NumPy 99 is newer than the newest release" in warning for warning in plan.warnings), plan.warnings
