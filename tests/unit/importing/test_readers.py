"""What holds for every kind of file: frameworks, credentials, platforms, and what cannot be read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from builder.errors import UsageError
from builder.importing.compose import compose
from builder.importing.elsewhere import only_on
from builder.importing.read import read_file
from builder.lock.read import read_lock
from builder.platforms import Subdir
from builder.resources import shipped
from tests.unit.importing.drafts import SECRET, left_of, read, recipe_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_framework_becomes_the_recipes(tmp_path: Path) -> None:
    """By any of its names, with its plug-in; what is over it stays a dependency."""
    text = "python=3.11\n".join(["dependencies:\n  - ", "  - pip:\n      - tensorflow-macos==2.15.0\n"])
    draft = read(tmp_path, "environment.yml", f"{text}      - tensorflow-metal==1.1.0\n      - keras==2.15.0\n")
    recipe = recipe_of(draft, tmp_path)
    assert recipe["framework"] == {
        "name": "tensorflow",
        "provider": "metal",
        "gpu": True,
        "version": "==2.15.0",
        "plugin": "==1.1.0",
    }
    assert recipe["pypi"] == ["keras==2.15.0"]
    conda = read(tmp_path, "environment.yml", "dependencies: [pytorch=2.4, torchvision]\n")
    assert recipe_of(conda, tmp_path)["framework"] == {"name": "pytorch", "version": "==2.4.*"}


def test_what_the_frameworks_field_does_not_say_is_told(tmp_path: Path) -> None:
    draft = read(tmp_path, "requirements.txt", "torch[opt]==2.4.0\ntorch==2.5.0\n")
    composed = compose(draft, name="made", source="test", platforms=())
    assert {one.place: one.reason for one in composed.left} == {
        "requirements.txt:1": "the extra opt is not carried over to `framework:`",
        "requirements.txt:2": "==2.4.0 is taken, from another line",
    }


@pytest.mark.parametrize(
    ("channel", "carried"),
    [
        ("https://$ME:${PW}@host.example/c", "https://${ME}:${PW}@host.example/c"),
        ("https://host.example/t/$TOKEN/c", "https://host.example/t/${TOKEN}/c"),
    ],
)
def test_variables_of_a_channel_are_carried_over(tmp_path: Path, channel: str, carried: str) -> None:
    draft = read(tmp_path, "environment.yml", f"channels: ['{channel}']\ndependencies: [numpy]\n")
    assert draft.channels == (carried,)
    assert left_of(draft) == {}


@pytest.mark.parametrize("channel", [f"https://me:{SECRET}@host.example/c", "http://$ME:${PW}@host.example/c"])
def test_a_channel_is_carried_over_without_its_credentials(tmp_path: Path, channel: str) -> None:
    draft = read(tmp_path, "environment.yml", f"channels: ['{channel}']\ndependencies: [numpy]\n")
    clean = f"{channel.partition(':')[0]}://host.example/c"
    assert draft.channels == (clean,)
    assert f"credentials of channel {clean}" in left_of(draft)["environment.yml:1"]
    assert SECRET not in str(draft)


@pytest.mark.parametrize(
    ("name", "where"),
    [("numpy", None), ("ld_impl_linux-64", (Subdir.LINUX_64,)), ("vs2015_runtime", ()), ("appnope", "mac")],
)
def test_where_packages_exist(name: str, where: object) -> None:
    expected = (Subdir.OSX_ARM64, Subdir.OSX_64) if where == "mac" else where
    assert only_on(name) == expected


def test_what_a_lock_has_for_a_platform_exists_there() -> None:
    """`libgcc` is said to be Linux's for its versions."""
    packages = read_lock(shipped("environments") / "ml-m1" / "conda-lock.yml").packages
    there = [(one, only_on(one.name)) for one in packages]
    wrong = [(one.name, one.subdir) for one, where in there if where is not None and one.subdir not in where]
    assert wrong == [("libgcc", Subdir.OSX_ARM64)]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("environment.yml", b"dependencies: [a\n", "environment.yml:2: not valid YAML"),
        ("environment.yml", b"- a\n", "not an environment.yml"),
        ("environment.yml", b"name: x\n", "neither `dependencies` nor"),
        ("environment.yml", b"\xff\x00\x01", "not text"),
        ("environment.yml", b"a: &x [*x]\n", "anchors"),
        ("environment.yml", b"[" * 100_000, "nested"),
        ("environment.yml", b"", "the file is empty"),
        ("pyproject.toml", b"[project\n", "pyproject.toml:1: not valid TOML"),
        ("pyproject.toml", b"a = " + b"[" * 50_000, "not valid TOML"),
        ("pyproject.toml", b"[tool.black]\n", "has no [project]"),
        ("pixi.toml", b"[workspaces]\n", "describes no workspace"),
        ("pylock.toml", b"packages = 1\n", "not a pylock.toml"),
        ("conda-lock.yml", b"version: 2\nmetadata: {}\npackage: []\n", "not a conda-lock.yml of version 1"),
        ("conda-lock.yml", b"metadata: {}\npackage: " + b"[" * 50_000, "nested too deeply"),
        ("spec.txt", b"@EXPLICIT\n", "names no conda package"),
        ("requirements.txt", b"# nothing\n", "asks for nothing"),
        ("requirements.txt", b"\0\0", "NUL"),
        ("pixi.lock", b"version: 6\n", "says what was chosen"),
        ("Pipfile", b"[packages]\n", "is not read"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_file(file)
    assert reason in caught.value.message


def test_files_that_are_none(tmp_path: Path) -> None:
    """Neither waited for nor followed for ever."""
    os.mkfifo(tmp_path / "environment.yml")
    (tmp_path / "requirements.txt").symlink_to("requirements.txt")
    for name in ("environment.yml", "requirements.txt", "gone.yml"):
        with pytest.raises(UsageError):
            read_file(tmp_path / name)


def test_odd_types_are_left_out_and_told(tmp_path: Path) -> None:
    yaml_text = (
        "name: [x]\nchannels: {a: b}\nplatforms: 3\ndependencies: [1.5, {conda: [x]}, {pip: x}, [y], null, numpy]\n"
    )
    draft = read(tmp_path, "environment.yml", yaml_text)
    assert [one.text for one in draft.asked] == ["numpy"]
    assert len(draft.left) >= 6
    toml = 'dependencies = 3\n[workspace]\nplatforms = [1]\n[pypi-dependencies]\na = 1\nb = [1]\nc = "*"\n'
    assert [one.text for one in read(tmp_path, "pixi.toml", toml).asked] == ["c"]
    toml = '[project]\nname = 1\ndependencies = "numpy"\n[dependency-groups]\nx = 1\ny = ["six"]\n[tool]\npoetry = 1\n'
    assert [one.text for one in read(tmp_path, "pyproject.toml", toml).asked] == ["six"]
