"""Whether a lock is still its recipe's, told from hashes alone."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from builder.lock import condalock
from builder.lock.freshness import input_hashes, stale_reasons
from builder.lock.model import Lock, LockedPackage
from builder.models import validated
from builder.plan.make import make_plans
from builder.recipe.model import Recipe
from builder.render.environment import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from builder.platforms import Subdir
    from builder.render.model import Rendered


def _package(name: str, manager: Literal["conda", "pip"], subdir: Subdir, *, group: str = "main") -> LockedPackage:
    return LockedPackage(
        manager=manager,
        name=name,
        version="1.0",
        subdir=subdir,
        url=f"https://h/{name}",
        sha256=None,
        dependencies={"python": "*"},
        groups=(group,),
    )


def _rendered(**fields: object) -> Rendered:
    base = {"name": "mine", "platforms": ("osx-arm64", "linux-64"), "python": "3.12", "dependencies": ("numpy",)}
    return render(make_plans(validated(base | fields, Recipe)))


@pytest.fixture
def fresh(tmp_path: Path) -> tuple[Lock, Rendered, Path]:
    """A lock of what is asked for alone, and the rendered files that it was made from."""
    rendered = _rendered()
    for file, text in rendered.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    lock = Lock(
        channels=rendered.channels,
        platforms=tuple(specs.subdir for specs in rendered.platforms),
        packages=tuple(
            _package(line.name, line.manager, specs.subdir, group=line.group)
            for specs in rendered.platforms
            for line in (*specs.conda, *specs.pip)
        ),
        sources=rendered.environment_files,
        content_hash=condalock.content_hashes(rendered),
        inputs=input_hashes(rendered.files),
    )
    return lock, rendered, tmp_path


def test_fresh(fresh: tuple[Lock, Rendered, Path]) -> None:
    assert stale_reasons(*fresh) == ()


@pytest.mark.parametrize(
    "changed",
    [{"dependencies": ("numpy", "scipy")}, {"macos": "15.0"}, {"python": "3.11"}, {"channels": ("other",)}],
    ids=str,
)
def test_recipe_that_moved_on(fresh: tuple[Lock, Rendered, Path], changed: dict[str, object]) -> None:
    """Every field that leads to another file, the macOS floor in virtual-packages.yml included."""
    lock, _, folder = fresh
    reasons = stale_reasons(lock, _rendered(**changed), folder)
    assert any("is out of date: the recipe renders to something else now" in reason for reason in reasons)
    assert any("the lock was made from a different" in reason for reason in reasons)


def test_files_rendered_again_but_not_locked(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, _, folder = fresh
    rendered = _rendered(dependencies=("numpy", "scipy"))
    for file, text in rendered.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    assert stale_reasons(lock, rendered, folder) == ("the lock was made from a different environment.yml",)


def test_file_that_is_gone(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, rendered, folder = fresh
    (folder / "virtual-packages.yml").unlink()
    assert stale_reasons(lock, rendered, folder) == ("virtual-packages.yml is missing",)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: b"\xef\xbb\xbf" + text, "begins with a byte order mark, which an editor has put there"),
        (lambda text: text.decode().encode("utf-16"), "is UTF-16, and not the UTF-8 that was rendered"),
        (lambda text: b"# \xe9\n" + text, "is not UTF-8 text (byte 2)"),
        (lambda text: b"#\n<<<<<<< ours\n=======\n>>>>>>> theirs\n" + text, "has both sides of a merge in it (line 2)"),
        (lambda _: b"\0" * 9, "is empty"),
        (lambda text: b"".join(text.splitlines(keepends=True)[:3]), "ends after line 3: the rest of it is gone"),
        (
            lambda text: text.replace(b"numpy", b"numpy 2"),
            "was changed after locking: line 13 is not what the recipe renders to",
        ),
        (
            lambda text: text + b"# mine\n",
            "was changed after locking: line 14 is not what the recipe renders to",
        ),
    ],
    ids=["mark", "utf-16", "latin-1", "conflict", "empty", "cut", "edited", "longer"],
)
def test_file_that_is_damaged_is_told_for_what_it_is(
    fresh: tuple[Lock, Rendered, Path], damage: Callable[[bytes], bytes], told: str
) -> None:
    file = fresh[-1] / "environment.yml"
    file.write_bytes(damage(file.read_bytes()))
    assert stale_reasons(*fresh) == (f"environment.yml {told}",)


def test_line_ends_of_windows_are_no_difference(fresh: tuple[Lock, Rendered, Path]) -> None:
    file = fresh[-1] / "environment.yml"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert stale_reasons(*fresh) == ()


def test_pipe_in_the_place_of_a_file_is_not_waited_for(fresh: tuple[Lock, Rendered, Path]) -> None:
    file = fresh[-1] / "environment.yml"
    file.unlink()
    os.mkfifo(file)
    assert stale_reasons(*fresh) == ("environment.yml cannot be read (a pipe, not a regular file)",)


def test_group_that_is_new(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, _, folder = fresh
    reasons = stale_reasons(lock, _rendered(groups={"dev": {"dependencies": ("pytest",)}}), folder)
    assert "environment.dev.yml is missing" in reasons
    assert "the lock was made from a different environment.dev.yml" in reasons


def _lock_of(rendered: Rendered, asked: Iterable[tuple[str, Literal["conda", "pip"], str]]) -> Lock:
    """A lock of `rendered` with these packages (name, manager, group) on every platform."""
    subdirs = tuple(specs.subdir for specs in rendered.platforms)
    asked = tuple(asked)
    packages = (
        _package(name, manager, subdir, group=group)
        for subdir in subdirs
        for name, manager, group in asked
        if name != "libblas" or subdir.is_osx
    )
    return Lock(
        channels=rendered.channels,
        platforms=subdirs,
        packages=tuple(packages),
        sources=rendered.environment_files,
        content_hash={},
        inputs=input_hashes(rendered.files),
    )


def test_what_is_asked_for_and_not_in_the_lock(tmp_path: Path) -> None:
    """The files are as they were, and somebody has taken a package out of the lock, or given it to another group."""
    rendered = _rendered(pypi=("six", "Ruamel.YAML"), groups={"dev": {"dependencies": ("pytest",)}})
    for file, text in rendered.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")

    def told(*asked: tuple[str, Literal["conda", "pip"], str]) -> tuple[str, ...]:
        return stale_reasons(_lock_of(rendered, asked), rendered, tmp_path)

    conda = [(line.name, line.manager, "main") for line in rendered.platforms[0].conda if line.group == "main"]
    # What conda brings is not taken from PyPI a second time.
    whole = [*conda, ("six", "conda", "main"), ("ruamel-yaml", "pip", "main"), ("pytest", "conda", "dev")]
    assert told(*whole) == ()
    assert told(*whole[:-2], ("pytest", "conda", "main")) == (
        "the lock does not have Ruamel.YAML on osx-arm64 and linux-64",
    )
    assert told(*whole[:-1], ("pytest", "conda", "docs")) == (
        "the lock does not have pytest for the group dev on osx-arm64 and linux-64",
    )
    assert told(*(one for one in whole if one[0] != "numpy")) == (
        "the lock does not have numpy on osx-arm64 and linux-64",
    )


def test_other_platforms(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, rendered, folder = fresh
    reasons = stale_reasons(replace(lock, platforms=lock.platforms[:1]), rendered, folder)
    assert any(reason.startswith("the lock is for other platforms") for reason in reasons)


def test_content_hash_that_was_edited(fresh: tuple[Lock, Rendered, Path]) -> None:
    """conda-lock would lock anew for it. Where only conda-lock could tell, nobody waits for its import."""
    lock, rendered, folder = fresh
    digests = {**lock.content_hash, rendered.platforms[0].subdir: "0" * 64}
    told = "conda-lock's `content_hash` in it is not that of these files"
    assert stale_reasons(replace(lock, content_hash=digests), rendered, folder) == (told,)


def test_packages_of_other_groups_than_those_that_lead_to_them(tmp_path: Path) -> None:
    """`category:` edited by hand: a developer's tool for everybody, or a dependency for developers alone."""
    rendered = _rendered(groups={"dev": {"dependencies": ("pytest",)}, "docs": {"dependencies": ("sphinx",)}})
    for file, text in rendered.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    main = [line.name for line in rendered.platforms[0].conda if line.group == "main"]
    asked = dict.fromkeys(main, "main") | {"pytest": "dev", "sphinx": "docs"}

    def told(groups: dict[str, str], *, inputs: bool = True) -> tuple[str, ...]:
        lock = _lock_of(rendered, [(name, "conda", group) for name, group in groups.items()])
        lock = replace(lock, content_hash=condalock.content_hashes(rendered), inputs=lock.inputs if inputs else {})
        return stale_reasons(lock, rendered, tmp_path)

    assert told(asked) == ()
    edited = asked | {"pytest": "main"}
    everywhere = "(on osx-arm64 and linux-64)"
    assert told(edited) == (f"pytest is in the group main, and is asked for in the group dev {everywhere}",)
    assert told(edited, inputs=False) == (), "a lock that stock conda-lock has written"
    stray = f"nothing that is asked for leads to stray, which is in it {everywhere}"
    assert told(asked | {"stray": "main"}) == (stray,)
    assert told(asked | {"pip": "main"}) == (), "some solvers put it beside Python"
    many = asked | {f"tool-{number}": "dev" for number in range(5)}
    assert told(many)[3:] == ("2 more like that",)
