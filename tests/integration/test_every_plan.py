"""For every plan the chooser can emit, all facts hold.

The questions are exhaustive over what decides a choice: framework, provider, source, platforms, parity, Python minor,
macOS floor, and every release that a recipe could pin. The check reads the raw facts itself and asks none of the code
that chose.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.compat.load import load_facts
from builder.errors import UnsatisfiableError, UsageError
from builder.plan.make import make_plans
from builder.plan.terms import Source
from tests.unit.plan.support import recipe

if TYPE_CHECKING:
    from packaging.markers import Marker

    from builder.compat.facts import Facts
    from builder.compat.model import Relation, Release
    from builder.plan.model import ChosenSpec, Plan

MACHINES = {"osx-arm64": ("darwin", "arm64"), "osx-64": ("darwin", "x86_64"), "linux-64": ("linux", "x86_64"),
            "linux-aarch64": ("linux", "aarch64")}  # fmt: skip
SUBJECTS = {
    "pytorch": "torch", "ml_dtypes": "ml-dtypes", "tensorflow-cpu": "tensorflow", "tensorflow-macos": "tensorflow",
}  # fmt: skip
EVIDENCE = ["metadata", "published", "measured"]


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


@cache
def specifiers(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def pep440(spec: ChosenSpec) -> SpecifierSet:
    version = spec.spec.split(" ")[0]
    parts = [f"=={part}" if part[:1].isdigit() else part for part in version.split(",") if part not in ("", "*")]
    return specifiers(",".join(parts))


def side_holds(versions: str, version: Version) -> bool:
    if versions == "*":
        return True
    if versions[0].isdigit():
        return specifiers(f"=={versions.removesuffix('.*')}.*").contains(version)
    return specifiers(versions).contains(version)


@cache
def relations_of(left: str, right: str) -> tuple[tuple[Relation, str, str], ...]:
    """Relations about the two packages with the version ranges of the first and the second."""
    found = []
    for relation in load_facts().relations:
        for a, b in ((relation.left, relation.right), (relation.right, relation.left)):
            if (a.package, b.package) == (left, right):
                found.append((relation, a.versions, b.versions))
    return tuple(found)


@cache
def decided(
    left: tuple[str, Version], right: tuple[str, Version], python: str, origin: str = "pypi"
) -> dict[str, list[Relation]]:
    """Verdict -> relations about the two, after better evidence has overruled weaker; the left one is of `origin`."""
    found = [
        relation
        for relation, versions, other_versions in relations_of(left[0], right[0])
        if side_holds(versions, left[1])
        and side_holds(other_versions, right[1])
        and (not relation.pythons or python in relation.pythons)
        and all(side.origin in (None, origin) for side in (relation.left, relation.right) if side.package == left[0])
    ]
    best = max((EVIDENCE.index(r.established) for r in found if r.verdict in ("works", "fails")), default=0)
    result: dict[str, list[Relation]] = {}
    for relation in found:
        if relation.verdict not in ("works", "fails") or EVIDENCE.index(relation.established) == best:
            result.setdefault(relation.verdict, []).append(relation)
    return result


def marker_holds(marker: Marker | None, subdir: str, python: str) -> bool:
    if marker is None:
        return True
    platform, machine = MACHINES[subdir]
    system = {"darwin": "Darwin", "linux": "Linux"}[platform]
    return marker.evaluate(
        {"sys_platform": platform, "platform_machine": machine, "platform_system": system, "python_version": python,
         "python_full_version": f"{python}.1", "extra": ""}
    )  # fmt: skip


@cache
def declared(release: Release, other: str, subdir: str, python: str) -> SpecifierSet:
    build = release.builds.get(subdir) or release.builds.get("any")  # type: ignore[call-overload]
    found = SpecifierSet()
    for text in build.requires if build is not None else ():
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) == other and marker_holds(requirement.marker, subdir, python):
            found &= requirement.specifier
    return found


@cache
def known(package: str, origin: str) -> tuple[Release, ...]:
    return tuple(release for release in load_facts().releases if (release.package, release.origin) == (package, origin))


def check(plan: Plan, macos: str) -> None:
    python_spec = plan.spec("conda", "python")
    assert python_spec is not None
    python = python_spec.spec.removesuffix(".*")
    subdir = plan.subdir.value
    chosen = {SUBJECTS.get(spec.name, spec.name): spec for spec in plan.specs}
    main = next((name for name in ("tensorflow", "torch", "jaxlib", "mlx") if name in chosen), None)
    if main is None:
        return
    origin = "conda-forge" if plan.provider == "conda-forge" else "pypi"
    unproven = any(warning.startswith("unproven") for warning in plan.warnings)
    fitting = [r for r in known(main, origin) if pep440(chosen[main]).contains(Version(r.version))]
    if not fitting:
        assert unproven, f"{chosen[main]} is no known release and nobody is told"
        return
    if ">=" in chosen[main].spec:  # open above: a solver takes the newest that has a build for this Python
        fitting = [r for r in fitting if (b := r.builds.get(subdir)) and python in b.pythons]  # type: ignore[call-overload]
        if not fitting:
            assert unproven, f"no {main} was seen for Python {python} and nobody is told"
            return
    # A solver takes the newest release of a series; the build must exist on this platform, Python and macOS.
    newest = max(fitting, key=lambda release: Version(release.version))
    build = newest.builds.get(plan.subdir.value)  # type: ignore[call-overload]
    if build is None:
        assert unproven, f"{newest.id} has no build for {subdir}"
        return
    if build.pythons and python not in build.pythons and origin == "conda-forge":
        # Builds of a channel may be there without having been seen; that has to be said.
        assert unproven, f"{newest.id} was not seen for Python {python} and nobody is told"
        return
    assert not build.pythons or python in build.pythons, f"{newest.id} on Python {python}"
    floor = build.floors.get(python, build.macos)
    if plan.subdir.is_osx and floor:
        assert Version(floor) <= Version(macos), f"{newest.id} needs macOS {floor}"
    for name in ("keras", "numpy", "protobuf", "h5py", "ml-dtypes", "tensorflow-metal", "jax", "jax-metal"):
        if name not in chosen:
            continue
        others = [r for r in known(name, "pypi") if pep440(chosen[name]).contains(Version(r.version))]
        usable = []
        for other in others:
            verdicts = decided((main, Version(newest.version)), (name, Version(other.version)), python, origin)
            outside = not declared(newest, name, subdir, python).contains(Version(other.version)) or not declared(
                other, main, subdir, python
            ).contains(Version(newest.version))
            other_build = other.builds.get(subdir) or other.builds.get("any")  # type: ignore[call-overload]
            missing = other_build is None or (other_build.pythons and python not in other_build.pythons)
            if outside or missing:
                continue  # declared: a solver sees it too
            assert not verdicts.get("fails"), f"{newest.id} with {other.id}: {verdicts['fails'][0].id}"
            if name in ("keras", "tensorflow-metal", "jax-metal") and not unproven:
                assert verdicts.get("works"), f"{newest.id} with {other.id} is unproven and nobody is told"
            usable.append(other)
        assert usable or not others or unproven, f"no release of {name} in {chosen[name].spec} fits {newest.id}"
    plugin = chosen.get("tensorflow-metal")
    if plugin is not None and "keras" in chosen:
        for release in known("tensorflow-metal", "pypi"):
            if not pep440(plugin).contains(Version(release.version)):
                continue
            for keras in known("keras", "pypi"):
                if not pep440(chosen["keras"]).contains(Version(keras.version)):
                    continue
                if not declared(newest, "keras", subdir, python).contains(Version(keras.version)):
                    continue
                pair = (("tensorflow-metal", Version(release.version)), ("keras", Version(keras.version)))
                if decided(*pair, python).get("unsafe"):
                    assert plan.mandatory_checks, f"{release.id} with {keras.id} is unsafe and no check is mandatory"
                    assert any(warning.startswith("UNSAFE") for warning in plan.warnings)
    _one_numpy(plan)


def _one_numpy(plan: Plan) -> None:
    """No second NumPy, BLAS or OpenMP: with the framework from PyPI, conda brings nothing that links NumPy."""
    if plan.provider == "conda-forge":
        return
    conda = {spec.name for spec in plan.specs if spec.manager == "conda"}
    assert not conda & {"numpy", "pandas", "scikit-learn", "scipy", "matplotlib-base", "libblas", "h5py", "tensorflow"}


def questions() -> list[tuple[str, dict[str, Any], Source, str | None]]:
    """Every question, named. Pins come from the known releases, so new facts make new questions by themselves."""
    facts = load_facts()
    found: list[tuple[str, dict[str, Any], Source, str | None]] = []

    def minors(package: str) -> list[str]:
        versions = {Version(r.version) for r in facts.releases if r.package == package}
        return [f"{v.major}.{v.minor}" for v in sorted({Version(f"{v.major}.{v.minor}") for v in versions})]

    platforms = (["osx-arm64", "linux-64"], ["osx-arm64"], ["linux-64"], ["osx-arm64", "linux-aarch64", "linux-64"])
    for provider, source in (("conda-forge", Source.CONDA_FORGE), ("metal", Source.CONDA_FORGE), ("auto", Source.PYPI)):
        frame = {"name": "tensorflow", "provider": provider, "gpu": provider != "conda-forge"}
        for python, where in itertools.product(("3.9", "3.10", "3.11", "3.12", "3.13", ">=3.9"), platforms):
            fields = {"framework": frame, "python": python, "platforms": where}
            found.append((f"{provider} {source} {python} {len(where)}", fields, source, None))
        for version in minors("tensorflow"):
            for keras in (None, "2", "3.6", "3.8", ">=3.10"):
                pins = {"version": version} | ({"keras": keras} if keras else {})
                fields = {"framework": frame | pins, "python": ">=3.9"}
                found.append((f"{provider} tf {version} keras {keras}", fields, source, None))
            for plugin in ("0.5.0", "0.8.0", "1.0.1", "1.1.0", "1.2.0") if provider == "metal" else ():
                fields = {"framework": frame | {"version": version, "plugin": plugin}, "python": ">=3.9"}
                found.append((f"metal {plugin} tf {version}", fields, source, None))
        found += [
            (f"{provider} keras {keras}", {"framework": frame | {"keras": keras}}, source, None)
            for keras in minors("keras")
        ]
        for numpy in minors("numpy"):
            fields = {"framework": frame, "dependencies": [f"numpy {numpy}.*"], "python": ">=3.9"}
            found.append((f"{provider} numpy {numpy}", fields, source, None))
        for macos, parity in itertools.product(("11.0", "12.0", "13.0", "13.3", "14.0", "26.0"), ("full", "none")):
            fields = {"framework": frame, "macos": macos, "parity": parity}
            found.append((f"{provider} macOS {macos} {parity}", fields, source, None))
    for name, provider, source in itertools.product(
        ("pytorch", "jax", "mlx"), ("conda-forge", "metal", "auto"), (Source.CONDA_FORGE, Source.PYPI)
    ):
        for python in ("3.10", "3.11", "3.12", "3.13", ">=3.9"):
            fields = {"framework": {"name": name, "provider": provider, "gpu": True}, "python": python}
            if name == "mlx":
                fields["platforms"] = ["osx-arm64"]
            found.append((f"{name} {provider} {source} {python}", fields, source, None))
    return found


QUESTIONS = questions()


@pytest.mark.parametrize("part", range(8))
def test_all_facts_hold_for_every_plan(facts: Facts, part: int) -> None:
    planned = 0
    for name, fields, source, python in QUESTIONS[part::8]:
        asked = recipe(**fields)
        try:
            plans = make_plans(asked, source=source, facts=facts, python=python)
        except (UnsatisfiableError, UsageError):
            continue
        planned += 1
        for plan in plans.values():
            try:
                check(plan, asked.macos)
            except AssertionError as error:
                raise AssertionError(f"{name}: {plan.subdir}: {error}") from None
        if asked.parity == "full" and len(plans) > 1:
            _same_everywhere(name, plans.values())
    assert planned > 20


def _same_everywhere(name: str, plans: Any) -> None:
    """Parity: Python, framework, Keras and NumPy have one spec on all platforms (NumPy's may differ in who asks)."""
    for subject in ("python", "tensorflow", "keras", "torch", "jax", "jaxlib"):
        specs = {
            (",".join(map(str, sorted(pep440(spec), key=str))))
            for plan in plans
            for spec in plan.specs
            if SUBJECTS.get(spec.name, spec.name) == subject
        }
        assert len(specs) <= 1, f"{name}: {subject} {specs}"
