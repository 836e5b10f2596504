"""What is written without conda-lock and PyYAML is what they write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.errors import LockfileError
from builder.lock import write
from builder.lock.condalock import import_whole
from builder.lock.lines import read_lines
from builder.lock.model import InputHash, Lock, LockedPackage
from builder.lock.read import parse_lock, read_lock
from builder.lock.write import dumps
from builder.platforms import Subdir
from builder.resources import shipped
from tests.unit.lock.test_lines import _SCALARS

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCKS = Path(__file__).parents[2] / "data" / "locks"
SHIPPED = shipped("environments") / "ml-m1" / "conda-lock.yml"
_PRINTABLE = [text for text in _SCALARS if text.isprintable()]
_ANY = st.sampled_from(_PRINTABLE) | st.text("aZ09_.-=<>!*~,|/ :#'\"&@%+é", max_size=90)


def _lock(
    *,
    name: str = "numpy",
    version: str = "2.1.0",
    url: str = "https://conda.anaconda.org/conda-forge/linux-64/numpy-2.1.0-0.conda",
    dependencies: Mapping[str, str] | None = None,
    md5: str | None = "a" * 32,
    sha256: str | None = "b" * 64,
    groups: tuple[str, ...] = ("main",),
) -> Lock:
    package = LockedPackage(
        manager="conda", name=name, version=version, subdir=Subdir.LINUX_64, url=url,
        sha256=sha256, md5=md5, dependencies=dependencies or {}, groups=groups,
    )  # fmt: skip
    return Lock(
        channels=("conda-forge",),
        platforms=(Subdir.LINUX_64,),
        packages=(package,),
        sources=("environment.yml",),
        content_hash={Subdir.LINUX_64: "c" * 64},
        inputs={"environment.yml": InputHash(sha256="d" * 64, md5="e" * 32)},
        notes={"made by": "envbuild"},
    )


def _by_conda_lock(lock: Lock) -> str:
    """The same lock through conda-lock's own models and PyYAML's own dumper."""
    import_whole()
    from conda_lock.lockfile.v1.models import HashModel, InputMeta, LockedDependency, Lockfile, LockMeta
    from conda_lock.models.channel import Channel

    content = Lockfile(
        package=[
            LockedDependency(
                name=package.name,
                version=package.version,
                manager=package.manager,
                platform=package.subdir.value,
                dependencies=dict(sorted(package.dependencies.items())),
                url=package.url,
                hash=HashModel(**{k: v for k, v in (("md5", package.md5), ("sha256", package.sha256)) if v}),
                category=group,
                optional=group != "main",
            )
            for package in sorted(lock.packages, key=lambda package: (package.manager, package.name, package.subdir))
            for group in package.groups
        ],
        metadata=LockMeta(
            content_hash={subdir.value: digest for subdir, digest in lock.content_hash.items()},
            channels=[Channel.from_string(channel) for channel in lock.channels],
            platforms=[subdir.value for subdir in lock.platforms],
            sources=list(lock.sources),
            inputs_metadata={file: InputMeta(md5=one.md5, sha256=one.sha256) for file, one in lock.inputs.items()}
            or None,
            custom_metadata=dict(lock.notes) or None,
        ),
    )
    text: str = yaml.dump(content.dict_for_output(), sort_keys=False)
    return text


def _dumped(entries: list[dict[str, Any]]) -> str:
    text: str = yaml.dump(entries, Dumper=getattr(yaml, "CDumper", yaml.Dumper), sort_keys=False)
    return text


def _body(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


@pytest.mark.parametrize("file", [SHIPPED, LOCKS / "good.yml"])
def test_locks_are_written_as_conda_lock_writes_them(file: Path) -> None:
    lock = read_lock(file)
    assert _body(dumps(lock, name="ml")) == _by_conda_lock(lock)


def test_lines_suffice_for_a_lock_of_conda_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML is asked for the head alone."""
    asked = []
    dump = write._yaml

    def told(data: dict[str, Any]) -> str:
        asked.append(list(data))
        return dump(data)

    monkeypatch.setattr(write, "_yaml", told)
    text = dumps(read_lock(SHIPPED), name="ml-m1")
    assert asked == [["version", "metadata"]]
    assert read_lines(text) is not None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_ANY, _ANY, st.dictionaries(_ANY, _ANY, max_size=3), _ANY, st.sampled_from(("a", "1", "e", "12345e")))
def test_whatever_the_values(name: str, version: str, dependencies: dict[str, str], url: str, digit: str) -> None:
    lock = _lock(
        name=name, version=version, dependencies=dependencies, url=url or "x",
        md5=(digit * 32)[:32], sha256=(digit * 64)[:64], groups=("dev", "docs"),
    )  # fmt: skip
    entries = [write._entry(package, group) for package in lock.packages for group in package.groups]
    assert _body(dumps(lock, name="x")).partition("\npackage:")[2] == "\n" + _dumped(entries)


@pytest.mark.parametrize("text", _PRINTABLE)
def test_each_scalar(text: str) -> None:
    """As PyYAML writes it, and read back as what it was."""
    lock = _lock(dependencies={text: text, "python": text})
    written = dumps(lock, name="x")
    assert written.endswith(_dumped([write._entry(lock.packages[0], "main")]))
    assert parse_lock(written.encode(), place="x").packages[0].dependencies == lock.packages[0].dependencies


def test_no_packages_and_no_hashes() -> None:
    empty = Lock(channels=(), platforms=(), packages=(), sources=(), content_hash={})
    assert _body(dumps(empty, name="x")) == _by_conda_lock(empty)
    without = _lock(sha256=None)
    assert _body(dumps(without, name="x")) == _by_conda_lock(without)
    with pytest.raises(LockfileError, match="has no MD5"):
        dumps(_lock(md5=None), name="x")


@pytest.mark.parametrize(
    "channel",
    ["bioconda", "file:///a/b-c", "https://h.example/c/", "https://${U}:${PASS}@h/c", "https://h/t/${TOKEN}/c"],
)
def test_channels(channel: str) -> None:
    """Also what only a lock can hold that conda-lock made."""
    lock = replace(_lock(), channels=(channel,))
    assert _body(dumps(lock, name="x")) == _by_conda_lock(lock)
