"""The stamp keeps what the proof said: a failure stays one until something has changed, and nobody is green unseen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builder.environment.place import Place
from builder.environment.stamp import Expectations, Verdict, read_stamp
from builder.install import create as module
from builder.install.create import CreateRequest, Proof, Result, Surroundings, create, is_current
from builder.lock.channels import Mirrors
from builder.lock.model import Lock, LockedPackage
from builder.platforms import Subdir
from builder.uv import Uv

if TYPE_CHECKING:
    from pathlib import Path

LOCK = Lock(
    channels=("https://user:secret@host/forge",),
    platforms=(Subdir.LINUX_64,),
    packages=(
        LockedPackage(
            manager="conda",
            name="python",
            version="3.12.4",
            subdir=Subdir.LINUX_64,
            url="https://user:secret@host/t/TOKEN/forge/linux-64/python-3.12.4-0.conda",
            sha256="a" * 64,
        ),
    ),
    sources=(),
    content_hash={},
)


class Builder:
    """Builds one environment again and again, with whatever proof it is given; `asked` counts the proofs."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.asked = 0
        self.built = 0
        self.request = CreateRequest(
            name="ml",
            recipe="ml-m1",
            prefix=prefix,
            subdir=Subdir.LINUX_64,
            host=Subdir.LINUX_64,
            lock_sha256="1",
        )

    def create(self, proof: Proof | BaseException | None, **changes: object) -> Result:
        def told(prefix: Path) -> Proof:
            self.asked += 1
            if isinstance(proof, Proof):
                return proof
            assert proof is not None
            raise proof

        around = Surroundings(cache=self.prefix, uv=Uv(environ={}), mirrors=Mirrors())
        request = replace(self.request, **changes)  # type: ignore[arg-type]
        return create(LOCK, request, around, waiting=_never, proof=None if proof is None else told)

    def verdict(self) -> Verdict | None:
        stamp = read_stamp(self.prefix)
        assert stamp is not None
        return stamp.verdict


def _never() -> None:
    raise AssertionError("nobody else is at work here")


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    made = Builder(tmp_path / "env")

    def build(packages: object, request: CreateRequest, around: object, *, held: int) -> tuple[()]:
        made.built += 1
        (request.prefix / "lib").mkdir()
        (request.prefix / "lib" / "built").write_text(str(made.built))
        return ()

    monkeypatch.setattr(module, "_build", build)
    return made


PASSED = Proof(level="default", passed=True)
FAILED = Proof(level="default", passed=False)


def test_failed_stays_failed(builder: Builder) -> None:
    """Asked again, it is proven again, and is green only when it has passed."""
    assert builder.create(FAILED) is Result.UNPROVEN
    assert builder.verdict() is Verdict.FAILED
    assert builder.create(FAILED) is Result.FAILING
    assert builder.create(PASSED) is Result.PROVEN
    assert builder.create(FAILED) is Result.PRESENT
    assert (builder.built, builder.asked) == (1, 3)


def test_built_without_proof_is_proven_by_the_next(builder: Builder) -> None:
    assert builder.create(None) is Result.BUILT
    assert builder.verdict() is None
    assert builder.create(None) is Result.PRESENT
    assert builder.verdict() is None
    assert builder.create(FAILED) is Result.FAILING
    assert builder.create(None) is Result.PRESENT
    assert builder.verdict() is Verdict.FAILED
    assert builder.built == 1


def test_other_expectations_are_proven_anew(builder: Builder) -> None:
    """A changed `verify:` of the recipe reaches the stamp, and what passed the former one has not passed this one."""
    assert builder.create(PASSED) is Result.BUILT
    changed = Expectations(imports=("numpy",))
    assert not is_current(replace(builder.request, expectations=changed), read_stamp(builder.prefix))
    assert builder.create(FAILED, expectations=changed) is Result.FAILING
    stamp = read_stamp(builder.prefix)
    assert stamp is not None
    assert stamp.expectations == changed
    assert builder.create(PASSED) is Result.PROVEN


@pytest.mark.parametrize("how", [KeyboardInterrupt, SystemExit])
def test_ended_during_the_first_proof(builder: Builder, how: type[BaseException]) -> None:
    """The environment is whole and unproven, not half-built: the next one proves it and builds nothing."""
    with pytest.raises(how):
        builder.create(how())
    assert builder.verdict() is None
    assert not Place(builder.prefix).is_building
    assert builder.create(PASSED) is Result.PROVEN
    assert builder.built == 1


def test_ended_during_a_later_proof(builder: Builder) -> None:
    """What it was found to be before no longer counts once it is looked at again."""
    assert builder.create(FAILED) is Result.UNPROVEN
    with pytest.raises(KeyboardInterrupt):
        builder.create(KeyboardInterrupt())
    assert builder.verdict() is None


def test_failed_rebuild_gives_the_former_back(builder: Builder) -> None:
    assert builder.create(PASSED) is Result.BUILT
    assert builder.create(FAILED, lock_sha256="2") is Result.RESTORED
    assert builder.verdict() is Verdict.PASSED
    assert (builder.prefix / "lib" / "built").read_text() == "1"
    with pytest.raises(KeyboardInterrupt):
        builder.create(KeyboardInterrupt(), lock_sha256="2")
    assert (builder.prefix / "lib" / "built").read_text() == "1"
    assert builder.create(PASSED, lock_sha256="2") is Result.BUILT
    assert (builder.prefix / "lib" / "built").read_text() == "4"


def test_failure_of_the_users_side_takes_nothing_back(builder: Builder) -> None:
    """keras.json of the user's is no reason to throw a sound environment away; it is still not green."""
    assert builder.create(PASSED) is Result.BUILT
    assert builder.create(replace(FAILED, blameless=True), lock_sha256="2") is Result.UNPROVEN
    assert (builder.prefix / "lib" / "built").read_text() == "2"
    assert builder.verdict() is Verdict.FAILED


def test_force_builds_what_has_passed(builder: Builder) -> None:
    assert builder.create(PASSED) is Result.BUILT
    assert builder.create(PASSED, force=True) is Result.BUILT
    assert builder.built == 2


def test_what_the_stamp_keeps(builder: Builder) -> None:
    builder.create(PASSED)
    stamp = read_stamp(builder.prefix)
    assert stamp is not None
    (package,) = stamp.packages
    assert (package.sha256, package.url) == ("a" * 64, "https://host/forge/linux-64/python-3.12.4-0.conda")
    assert (stamp.channels, stamp.prefix) == (("https://host/forge",), str(builder.prefix))
    assert stamp.proof is not None
    assert stamp.proof.level == "default"


def test_moved_environment_is_built_anew(builder: Builder) -> None:
    """Its scripts run the interpreter of the old place; that its packages are the right ones is no help."""
    assert builder.create(PASSED) is Result.BUILT
    moved = builder.prefix.with_name("moved")
    builder.prefix.rename(moved)
    assert builder.create(PASSED, prefix=moved) is Result.BUILT
    assert builder.built == 2
    moved.with_name("link").symlink_to("moved")
    assert is_current(replace(builder.request, prefix=moved.with_name("link")), read_stamp(moved))
