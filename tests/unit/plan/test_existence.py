"""What exists is the channel's to say, what fits the facts'; what nobody knows is neither refused nor passed off."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from builder.compat.load import load_facts
from builder.errors import UnsatisfiableError
from builder.plan.attempts import MOST, first_that_works
from builder.plan.catalogue import Build, admits
from builder.plan.make import candidates, make_plans
from builder.plan.question import python_spec
from builder.platforms import Subdir
from builder.progress import NoProgress
from tests.unit.plan.support import METAL, built, channel, channel_with, framework, recipe

if TYPE_CHECKING:
    from builder.compat.facts import Facts
    from builder.plan.make import Plans

MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


def spec(plans: Plans, name: str, manager: Any = "conda", subdir: Subdir = MAC) -> str:
    found = plans[subdir].spec(manager, name)
    assert found is not None, [spec.name for spec in plans[subdir].specs]
    return found.spec


def test_a_release_no_fact_is_about_is_named_and_not_taken(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.12",), "2.30.0": ("3.12",)})
    plans = make_plans(recipe(framework=framework()), facts=facts, catalogue=there)
    assert spec(plans, "tensorflow") == "2.19.* cpu_py312*"
    note = next(warning for warning in plans[MAC].warnings if "2.30.0" in warning)
    assert "is on conda-forge" in note
    assert 'framework: {version: "2.30", unproven: allow}' in note
    assert plans[MAC].existence == "conda-forge"


def test_it_is_taken_where_the_recipe_allows_it_and_said_to_be_unproven(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.12",), "2.30.0": ("3.12",)})
    asked = recipe(framework=framework(version="2.30", unproven="allow"))
    plans = make_plans(asked, facts=facts, catalogue=there)
    assert spec(plans, "tensorflow") == "2.30.* cpu_py312*"
    assert spec(plans, "keras") == "", "what goes with it is left to what it declares"
    assert any(warning.startswith("unproven") for warning in plans[MAC].warnings)


def test_a_rebuild_of_a_release_that_facts_know_is_no_unknown_one(facts: Facts) -> None:
    """TensorFlow 2.16 was seen of conda-forge by nobody here; what fits it is known from its wheels."""
    plans = make_plans(
        recipe(framework=framework()), facts=facts, catalogue=channel(tensorflow={"2.16.2": ("3.11", "3.12")})
    )
    assert spec(plans, "tensorflow") == "2.16.* cpu_py312*"
    assert not plans[MAC].warnings


def test_a_pinned_release_the_channel_does_not_have_is_refused_with_what_it_has(facts: Facts) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(
            recipe(framework=framework(version="2.30")),
            facts=facts,
            catalogue=channel(tensorflow={"2.19.1": ("3.12",)}),
        )
    assert "no TensorFlow that conda-forge has" in caught.value.message
    assert "the newest is 2.19.1" in caught.value.message
    assert "use TensorFlow 2.19" in (caught.value.hint or "")


def test_the_framework_gives_way_to_what_else_the_recipe_needs(facts: Facts) -> None:
    """PyTorch 2.12 is there, torchvision for 2.10 only: fixed one after the other they cannot be solved."""
    there = channel_with(
        {
            "pytorch": [
                *built("2.12.0", "3.12", build="cpu_generic_py{py}_0"),
                *built("2.10.0", "3.12", build="cpu_generic_py{py}_0"),
            ],
            "torchvision": built("0.25.0", "3.12", pytorch=">=2.10,<2.11.0a0"),
        }
    )
    asked = recipe(framework={"name": "pytorch", "provider": "conda-forge"}, dependencies=["torchvision"])
    assert spec(make_plans(asked, facts=facts, catalogue=there), "pytorch") == "2.10.* cpu_*"


def test_the_python_gives_way_too_and_where_it_cannot_the_answer_is_one_sentence(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.11", "3.12")}, opencv=built("4.10.0", "3.10", "3.11"))
    plans = make_plans(recipe(framework=framework(), dependencies=["opencv"]), facts=facts, catalogue=there)
    assert spec(plans, "python") == "3.11.*"
    pinned = recipe(framework=framework(), dependencies=["opencv"], python="3.12")
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(pinned, facts=facts, catalogue=there)
    assert caught.value.plain == (
        "the recipe asks for Python 3.12; opencv has builds for Python 3.10, 3.11 only for osx-arm64"
    )
    assert (caught.value.hint or "").startswith('set `python: "3.11"`')


def test_a_package_for_other_pythons_than_the_framework_is_one_sentence(facts: Facts) -> None:
    """Nothing is said of a Python that neither is there for."""
    there = channel(tensorflow={"2.19.1": ("3.12",)}, opencv=built("4.10.0", "3.11"))
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(
            recipe(framework=framework(), dependencies=["opencv"], python=">=3.11"), facts=facts, catalogue=there
        )
    assert caught.value.plain == (
        "envbuild chose Python 3.12 for TensorFlow 2.19; opencv has builds for Python 3.11 only for osx-arm64"
    )
    assert "provider: pypi" in (caught.value.hint or "")


def test_no_remedy_names_a_python_that_does_not_help(facts: Facts) -> None:
    there = channel(tensorflow={"2.19.1": ("3.12",)}, opencv=built("4.10.0", "3.11"))
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(framework=framework(), dependencies=["opencv"], python="3.12"), facts=facts, catalogue=there)
    assert "3.11" not in (caught.value.hint or "")


def test_without_a_framework_the_recipes_own_range_is_named(facts: Facts) -> None:
    there = channel(tensorflow={}, opencv=built("4.10.0", "3.10"))
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(dependencies=["opencv"], python=">=3.11"), facts=facts, catalogue=there)
    assert caught.value.plain == "opencv has builds for Python 3.10 only for osx-arm64, and the recipe allows >=3.11"
    assert (caught.value.hint or "") == 'set `python: "3.10"`'


@pytest.mark.parametrize(
    ("dependency", "says", "hint"),
    [
        ("pandsa", "conda-forge has no package called 'pandsa'", "did you mean pandas?"),
        ("sklearn", "conda-forge has no package called 'sklearn'", "did you mean scikit-learn?"),
        ("PIL", "conda-forge has no package called 'PIL'", "did you mean pillow?"),
        ("maconly", "conda-forge has maconly for osx-arm64, not for linux-64", "platforms: [osx-arm64]"),
    ],
)
def test_a_package_the_channel_does_not_have_is_named_before_anything_is_solved(
    facts: Facts, dependency: str, says: str, hint: str
) -> None:
    there = channel_with(
        {"maconly/osx-arm64": built("1.0", "3.12"), "scikit-learn": built("1.5", "3.12"), "pillow": built("11", "3.12")}
    )
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(dependencies=[dependency]), facts=facts, catalogue=there)
    assert says in caught.value.message
    assert "`dependencies[0]`" in caught.value.message
    assert hint in (caught.value.hint or "")


def test_what_comes_from_pypi_need_not_be_on_the_channel(facts: Facts) -> None:
    """With the framework from PyPI what links NumPy is a wheel, whatever the channel has."""
    there = channel(tensorflow={})
    del there.offered["pandas"]
    plans = make_plans(recipe(framework=framework("pypi")), facts=facts, catalogue=there)
    assert spec(plans, "pandas", "pip") == ""


def test_a_spec_no_release_of_the_channel_is_within_is_refused_with_the_newest(facts: Facts) -> None:
    there = channel_with({"scipy": built("1.14.1", "3.11", "3.12")})
    with pytest.raises(
        UnsatisfiableError, match=r"conda-forge has no scipy >=1\.20 for osx-arm64 \(newest: 1\.14\.1\)"
    ):
        make_plans(recipe(dependencies=["scipy >=1.20"]), facts=facts, catalogue=there)


def test_pypi_serves_the_whole_team_and_auto_finds_it(facts: Facts) -> None:
    """Python 3.13 has TensorFlow wheels and no conda-forge builds."""
    there = channel(tensorflow={"2.19.1": ("3.11", "3.12")})
    explicit = make_plans(recipe(framework=framework("pypi"), python="3.13"), facts=facts, catalogue=there)
    auto = make_plans(recipe(framework=framework("auto"), python="3.13"), facts=facts, catalogue=there)
    for plans in (explicit, auto):
        assert {plan.provider for plan in plans.values()} == {"pypi"}
        assert not any(plan.gpu for plan in plans.values())
        assert spec(plans, "tensorflow", "pip").startswith("==2.2")
        assert spec(plans, "tensorflow-cpu", "pip", LINUX) == spec(plans, "tensorflow", "pip")
        assert spec(plans, "ipykernel") == "", "what does not link NumPy stays conda's"
        assert spec(plans, "pandas", "pip") == ""
    assert any("is taken from PyPI, because conda-forge" in warning for warning in auto[MAC].warnings)
    assert not explicit[MAC].warnings


def test_auto_prefers_what_is_proven_to_what_was_not_seen(facts: Facts) -> None:
    plans = make_plans(recipe(framework=framework("auto"), python="3.13"), facts=facts)
    assert plans[MAC].provider == "pypi"
    assert plans[MAC].existence == f"facts of {facts.newest_date}"


@pytest.mark.parametrize(
    ("python", "minor", "expected"),
    [
        (">=3.11,<3.13", "3.12", "3.12.*"),
        ("3.12", "3.12", "3.12.*"),
        ("3.12.4", "3.12", "3.12.4.*"),
        ("==3.11.7", "3.11", "==3.11.7"),
        (">=3.11,<3.12.5", "3.12", "3.12.*,<3.12.5"),
        (">=3.11.4,<3.13", "3.11", "3.11.*,>=3.11.4"),
        ("!=3.12.3,>=3.12", "3.12", "3.12.*,!=3.12.3"),
    ],
)
def test_what_the_user_bounds_stays_bounded(facts: Facts, python: str, minor: str, expected: str) -> None:
    asked = recipe(framework=framework(), python=python)
    assert python_spec(minor, python) == expected
    minors = {plans[MAC].specs[0].spec for plans in islice(candidates(asked, facts=facts), 3)}
    assert expected in minors


def test_a_python_bound_that_leaves_no_patch_of_a_minor_leaves_the_minor_out(facts: Facts) -> None:
    plans = make_plans(recipe(framework=framework(), python=">=3.11,<3.12"), facts=facts)
    assert spec(plans, "python") == "3.11.*"


@pytest.mark.parametrize(
    ("depends", "version", "expected"),
    [
        (">=3.12,<3.13.0a0", "3.12.4", True),
        (">=3.12,<3.13.0a0", "3.13.0", False),
        ("2.10.0", "2.10.0", True),
        ("2.10.0", "2.10.1", False),
        ("2.10.*", "2.10.1", True),
        ("==1.26.4|>=2.0,<2.2", "2.1.0", True),
        ("==1.26.4|>=2.0,<2.2", "1.26.3", False),
        ("", "1", True),
        ("a strange thing", "1", True),
    ],
)
def test_ranges_of_records_are_read_as_conda_reads_them(depends: str, version: str, expected: bool) -> None:
    assert admits(depends, Version(version)) is expected


def test_the_abi_decides_the_python_of_a_build() -> None:
    """`python >=3.9` stands beside `python_abi 3.12.*` in builds for one minor."""
    build = Build(version="1", depends={"python": ">=3.9", "python_abi": "3.12.*"})
    assert [minor for minor in ("3.11", "3.12", "3.13") if build.fits_python(minor)] == ["3.12"]


class Attempt:
    """A solver that refuses the first plans."""

    def __init__(self, refusing: int) -> None:
        self.refusing = refusing
        self.pythons: list[str] = []

    def __call__(self, made: Made) -> str:
        self.pythons.append(made.plans[MAC].specs[0].spec)
        if len(self.pythons) <= self.refusing:
            raise UnsatisfiableError("\n".join(f"line {n}" for n in range(100)), hint="loosen it")
        return made.plans[MAC].specs[0].spec


class Made:
    def __init__(self, plans: Plans) -> None:
        self.plans = plans


def test_the_next_best_combination_is_tried_where_the_solver_refuses_one(facts: Facts) -> None:
    asked = recipe(framework=framework(), python=">=3.11,<3.13")
    there = channel(tensorflow={"2.19.1": ("3.11", "3.12"), "2.18.0": ("3.11", "3.12")})
    stream = map(Made, candidates(asked, facts=facts, catalogue=there))
    attempt = Attempt(refusing=1)
    assert first_that_works(stream, attempt, facts=facts, progress=NoProgress()) == "3.11.*"
    assert attempt.pythons == ["3.12.*", "3.11.*"]


def test_trying_ends_and_says_what_was_tried_in_few_lines(facts: Facts) -> None:
    asked = recipe(framework=framework(), python=">=3.11,<3.13")
    there = channel(tensorflow={f"2.{minor}": ("3.11", "3.12") for minor in ("19.1", "18.0", "17.0", "16.2", "15.0")})
    attempt = Attempt(refusing=99)
    with pytest.raises(UnsatisfiableError) as caught:
        first_that_works(
            map(Made, candidates(asked, facts=facts, catalogue=there)), attempt, facts=facts, progress=NoProgress()
        )
    assert len(attempt.pythons) == MOST
    told = caught.value.plain.splitlines()
    assert told[0] == "line 0"
    assert told[-1] == f"… 95 more lines and {MOST - 1} other combinations tried in vain (-v shows all)"
    assert len(told) < 8
    assert "TensorFlow 2.19.1 from conda-forge with Python 3.11" in (caught.value.details or "")
    assert caught.value.hint == "loosen it"


def test_what_the_recipe_asks_for_is_named_before_the_solvers_reason(facts: Facts) -> None:
    asked = recipe(framework=framework(), dependencies=["ipykernel", "pandas <2"])

    def attempt(_made: Made) -> str:
        raise UnsatisfiableError("no set of packages for osx-arm64:\npandas <2 needs numpy 1, tensorflow-base does not")

    with pytest.raises(UnsatisfiableError) as caught:
        first_that_works(map(Made, candidates(asked, facts=facts)), attempt, facts=facts, progress=NoProgress())
    head, own, chosen, reason, *_ = caught.value.plain.splitlines()
    assert head == "no set of packages for osx-arm64:"
    assert own.startswith("  the recipe asks for: pandas <2 (")
    assert "ipykernel" not in own
    assert chosen.startswith("  chosen for it: numpy ")  # and not `tensorflow`, whose name another's begins with
    assert "tensorflow" not in chosen
    assert reason.startswith("pandas <2 needs")


def test_no_combination_is_tried_twice(facts: Facts) -> None:
    """A laxer search finds again all that a stricter one has found."""
    asked = recipe(python=">=3.11,<3.13", dependencies=["ipykernel"])
    specs = [plans[MAC].specs[0].spec for plans in candidates(asked, facts=facts)]
    assert len(specs) == len(set(specs)) == 2


def test_wheels_that_are_bound_to_a_pytorch_are_chosen_with_it(facts: Facts) -> None:
    asked = recipe(framework={"name": "pytorch", "provider": "pypi"}, dependencies=["torchvision"], python="3.12")
    plans = make_plans(asked, facts=facts)
    torchvision = spec(plans, "torchvision", "pip")
    assert torchvision, "the release that fits is said, and not left to be found"
    torch = Version(spec(plans, "torch", "pip").removeprefix("==").removesuffix(".*"))
    assert torch >= Version("2.10")


@pytest.mark.parametrize(
    "asked",
    [
        {"pypi": ["tensorflow==2.18.0", "tensorflow-metal==1.1.0"]},
        {"pypi": ["tensorflow-macos==2.18.0", "tensorflow_metal[x]==1.1.0"]},
        {"groups": {"gpu": {"pypi": ["tensorflow-metal==1.1.0", "tensorflow==2.18.0"]}}},
        {"dependencies": [{"pypi": "tensorflow==2.18.0"}, {"pypi": "tensorflow-metal==1.1.0"}]},
    ],
)
def test_facts_hold_without_a_framework_too(facts: Facts, asked: dict[str, Any]) -> None:
    """Pins of two packages that cannot load together are refused through whichever door of a recipe they come in."""
    with pytest.raises(UnsatisfiableError) as caught:
        make_plans(recipe(platforms=["osx-arm64"], **{"dependencies": [], **asked}), facts=facts)
    assert "__ZN3tsl8internal10LogMessageC1EPKcii" in caught.value.message
    assert "take TensorFlow 2.17 with tensorflow-metal 1.1.0" in (caught.value.hint or "")


def test_what_was_judged_for_one_recipe_is_no_answer_for_another() -> None:
    """Judgements are kept with the facts: by platform, Python, origin, framework and macOS floor."""
    one = channel(tensorflow={"2.16.1": ("3.11", "3.12"), "2.19.1": ("3.12",)})
    other = channel(tensorflow={"2.16.1": ("3.11",)})
    asked = [
        (recipe(framework=fields, macos=macos), there)
        for macos in ("14.0", "11.0")
        for fields in (framework(), framework("pypi"), METAL)
        for there in (one, other, None)
    ]

    def told(facts: Facts, what: Any, there: Any) -> object:
        try:
            return list(islice(candidates(what, facts=facts, catalogue=there), 2))
        except UnsatisfiableError as error:
            return error.plain

    shared = load_facts()
    after_each_other = [told(shared, *each) for each in asked]
    assert after_each_other == [told(replace(shared), *each) for each in asked]
