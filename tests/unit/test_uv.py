"""How uv is run: whose configuration counts, what of the user's shell reaches it, and how it ends."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from typing import TYPE_CHECKING

import pytest

from builder.platforms import Subdir
from builder.uv import (
    Uv,
    UvFailure,
    how_to_reach,
    is_unauthorised,
    is_unreachable,
    platform_name,
    unknown_index,
)
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path

_BROKEN = "this is [ no TOML"


def _environ(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ["PATH"], "UV_OFFLINE": "1", "UV_CACHE_DIR": str(home / "cache")}


async def _nothing(uv: Uv) -> str:
    """Let the real uv resolve no requirement at all: it fails where a configuration that it finds is broken."""
    with uv.scratch() as (folder, cwd):
        (folder / "requirements.in").touch()
        return await uv.run(["pip", "compile", str(folder / "requirements.in"), "--quiet"], cwd=cwd)


def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    home, temporary, project = tmp_path / "home", tmp_path / "tmp", tmp_path / "work" / "project"
    for folder in (home, temporary, project):
        folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return home, temporary, project


def test_a_planted_configuration_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can write `uv.toml` into the system's temporary folder, or into one above the project."""
    home, temporary, project = _places(tmp_path, monkeypatch)
    (temporary / "uv.toml").write_text(_BROKEN)
    (project.parent / "uv.toml").write_text(_BROKEN)
    (tmp_path / "uv.toml").write_text(_BROKEN)
    asyncio.run(_nothing(Uv(environ=_environ(home), project=project)))
    asyncio.run(_nothing(Uv(environ=_environ(home))))


@pytest.mark.parametrize(
    ("file", "content"),
    [("uv.toml", _BROKEN), ("pyproject.toml", "[tool.uv]\nindex-url = 7\n"), ("pyproject.toml", _BROKEN)],
)
def test_the_projects_own_configuration_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str
) -> None:
    home, _, project = _places(tmp_path, monkeypatch)
    (project / file).write_text(content)
    uv = Uv(environ=_environ(home), project=project)
    with uv.scratch() as (_, cwd):
        assert cwd == project
    if file == "uv.toml":  # of a broken pyproject.toml uv only warns
        with pytest.raises(UvFailure, match=r"TOML|parse"):
            asyncio.run(_nothing(uv))


def test_a_project_without_its_own_is_no_place_to_search_from(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    with Uv(environ={}, project=tmp_path).scratch() as (folder, cwd):
        assert cwd == folder != tmp_path
        assert (folder / "uv.toml").read_text() == ""


def test_the_users_own_configuration_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, _, project = _places(tmp_path, monkeypatch)
    (home / ".config" / "uv").mkdir(parents=True)
    (home / ".config" / "uv" / "uv.toml").write_text(_BROKEN)
    with pytest.raises(UvFailure):
        asyncio.run(_nothing(Uv(environ=_environ(home), project=project)))


def test_what_reaches_uv_of_the_users_shell() -> None:
    given = {"UV_LINK_MODE": "symlink", "PYTHONPATH": "/x", "UV_TARGET": "/y", "UV_INDEX_URL": "https://i.example"}
    environ = Uv(environ=given).environment(macos="14.0")
    assert environ == {
        "UV_INDEX_URL": "https://i.example",
        "UV_PYTHON_DOWNLOADS": "never",
        "MACOSX_DEPLOYMENT_TARGET": "14.0",
    }
    assert "MACOSX_DEPLOYMENT_TARGET" not in Uv(environ=given).environment()


def _script(tmp_path: Path, text: str) -> Uv:
    script = tmp_path / "uv"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return Uv(environ={"PATH": os.environ["PATH"]}, executable=str(script))


def test_failure_says_what_uv_said_without_credentials(tmp_path: Path) -> None:
    uv = _script(tmp_path, "echo 'failed to fetch https://me:s3cr3t@host.example/simple/' >&2; exit 2")
    with pytest.raises(UvFailure) as caught:
        asyncio.run(uv.run([], cwd=tmp_path))
    assert "s3cr3t" not in str(caught.value)
    assert is_unreachable(str(caught.value))
    silent = _script(tmp_path, "exit 3")
    with pytest.raises(UvFailure, match="exit code 3"):
        asyncio.run(silent.run([], cwd=tmp_path))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "error: No solution found when resolving dependencies\n  cause: Because there is no version of a==9\n"
            "         and you require a==9, it fails.\n",
            "Because there is no version of a==9\nand you require a==9, it fails.",
        ),
        ("error: Failed to parse: `a==`", "Failed to parse: `a==`"),
        ("something else", "something else"),
    ],
)
def test_a_failure_is_the_end_of_a_sentence_and_no_second_error(said: str, reason: str) -> None:
    failure = UvFailure(said)
    assert failure.reason == str(failure) == reason


def test_cancelled_uv_is_killed_and_waited_for(tmp_path: Path) -> None:
    uv = _script(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60")

    async def run() -> None:
        task = asyncio.create_task(uv.run([], cwd=tmp_path))
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_cancelled_when_uv_has_ended_already(tmp_path: Path) -> None:
    """What it printed is still held open by a child of its own: uv has ended, and there is nothing to kill."""
    uv = _script(tmp_path, "sleep 1 & exit 0")

    async def run() -> None:
        task = asyncio.create_task(uv.run([], cwd=tmp_path))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    begun = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("messages", "unreachable", "unauthorised"),
    [
        ("error: Request failed after 3 retries\n  Caused by: dns error", True, False),
        ("HTTP status server error (503) ... status code: 503", True, False),
        ("error: Failed to fetch: `https://h/simple/`\n  Caused by: 401 Unauthorized", True, True),
        ("× No solution found when resolving dependencies", False, False),
    ],
)
def test_what_uv_means(messages: str, unreachable: bool, unauthorised: bool) -> None:
    assert is_unreachable(messages) is unreachable
    assert is_unauthorised(messages) is unauthorised


def test_names_of_platforms() -> None:
    assert platform_name(Subdir.OSX_ARM64) == "aarch64-apple-darwin"
    assert platform_name(Subdir.LINUX_AARCH64, glibc_minor=28) == "aarch64-manylinux_2_28"


@pytest.mark.parametrize("found", [True, False])
def test_a_working_directory_that_is_no_project_is_not_searched(tmp_path: Path, found: bool) -> None:
    """It may be `/tmp`, and the `uv.toml` in it anybody's."""
    (tmp_path / "uv.toml").write_text(_BROKEN)
    here = workspace(tmp_path / "home", root=tmp_path if found else None, cwd=tmp_path)
    with here.uv.scratch() as (folder, cwd):
        assert cwd == (tmp_path if found else folder)


def test_an_unknown_index_is_named_as_it_was_locked() -> None:
    error = unknown_index("own", "http://me:secret@host.example:8080/own-1.0.whl", reason="no")
    assert "UV_INDEX=http://host.example:8080/…" in (error.hint or "")
    assert "secret" not in f"{error.message}{error.hint}"


def test_an_unknown_authority_is_not_the_network() -> None:
    messages = (
        "Failed to fetch: https://index.example.org/simple/keras/\n"
        "  cause: client error (Connect)\n  cause: invalid peer certificate: UnknownIssuer"
    )
    assert is_unreachable(messages)
    assert "UV_SYSTEM_CERTS=1" in how_to_reach(messages)
    assert "network" in how_to_reach("error sending request for url (https://index.example.org/simple/keras/)")
