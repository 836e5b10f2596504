"""The stamp: what `create` leaves in a prefix so that anyone can tell what was meant to be in it, and what was proven.

It is written last, so a prefix without a stamp is not a finished environment of ours. Verification reads
its expectations from here and needs neither recipe nor lock.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

from builder.environment.reading import Reader
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Callable

#: conda and rattler parse every `conda-meta/*.json` as a package record, hence the other suffix.
RELATIVE_PATH: Final = Path("conda-meta") / "envbuild.stamp"
FORMAT: Final = 2
#: Stamps of environments with a few thousand packages have less than one MB.
_MOST_BYTES: Final = 16 << 20

T = TypeVar("T")


class NewerStampError(ValueError):
    """A stamp of a format that only a newer envbuild knows: it is sound as far as this one can tell."""


def upgrade() -> str:
    """What helps with a stamp of a higher format."""
    from builder.published import UPGRADE

    return f"A newer envbuild reads it: {UPGRADE}."


@dataclass(frozen=True, kw_only=True)
class StampedPackage:
    """A package of the lock, as installed. `build` is empty for PyPI packages."""

    name: str
    version: str
    manager: Literal["conda", "pip"]
    build: str = ""
    sha256: str | None = None
    url: str = ""
    """As locked, without credentials; empty where a stamp of format 1 did not note it."""


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """What the recipe asks of the environment once it exists."""

    framework: str | None = None
    provider: str | None = None
    gpu: bool = False
    blas: str | None = None
    macos: str | None = None
    imports: tuple[str, ...] = ()
    snippets: tuple[str, ...] = ()
    devices: dict[str, int] = field(default_factory=dict)
    tolerances: dict[str, float] = field(default_factory=dict)
    mandatory: tuple[str, ...] = ()
    """Ids of checks the plan made mandatory (an unsafe pair that the user pinned): `skip` counts as `fail`."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) by which a proof says what it was a proof of."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class Verdict(StrEnum):
    """How a verification ended. That none was made is no verdict: see `Stamp.verdict`."""

    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class StampedProof:
    """The last verification of the environment by `create` (or `verify`)."""

    level: str
    """`quick`, `default` or `full`."""
    verdict: Verdict
    expectations: str
    """The digest of what was expected then."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """The content of `conda-meta/envbuild.stamp`."""

    name: str
    """The environment's name (`-n`), which is the recipe's unless another was given."""
    subdir: Subdir
    lock_sha256: str
    envbuild_version: str
    packages: tuple[StampedPackage, ...]
    expectations: Expectations = Expectations()
    groups: tuple[str, ...] = ("main",)
    recipe: str = ""
    """The recipe it was built from; empty where that is not known."""
    channels: tuple[str, ...] = ()
    """As the lock names them, without credentials."""
    prefix: str = ""
    """Where it was built; empty where a stamp of format 1 did not note it."""
    proof: StampedProof | None = None
    records: dict[str, str] = field(default_factory=dict)
    """By package, what its installer noted of its files, as a digest (`environment.recorded`); empty where an older
    envbuild made it."""

    @property
    def of_this_machine(self) -> bool:
        """Whether its Python is this machine's own, in a local channel (`--source pypi`)."""
        if not self.channels:  # a stamp of format 1, when the provider alone said it
            return self.expectations.provider == "pypi"
        return any(channel.startswith("file:") and "/host-channels/" in channel for channel in self.channels)

    @property
    def create_words(self) -> tuple[str, ...]:
        """What builds and proves such an environment: words of a shell's command."""
        source = ("--source", "pypi") if self.of_this_machine else ()
        groups = [word for group in self.groups if group != "main" for word in ("--group", group)]
        return ("envbuild", "create", self.recipe or self.name, *source, *groups)

    def create_command(self, prefix: Path) -> tuple[str, ...]:
        """The same for the environment at `prefix`."""
        return (*self.create_words, "-p", str(prefix))

    @property
    def verdict(self) -> Verdict | None:
        """How it stands with the environment as it is expected now; None while that is unproven."""
        if self.proof is None or self.proof.expectations != self.expectations.digest:
            return None
        return self.proof.verdict

    def proven(self, *, level: str, verdict: Verdict) -> Stamp:
        """The stamp after a verification against its expectations."""
        return replace(self, proof=StampedProof(level=level, verdict=verdict, expectations=self.expectations.digest))

    def expecting(self, expectations: Expectations) -> Stamp:
        """The stamp with other expectations: a proof of the former ones no longer counts."""
        return replace(self, expectations=expectations)

    def dumps(self) -> str:
        data = {"format": FORMAT} | asdict(self) | {"expectations_sha256": self.expectations.digest}
        return json.dumps(data | {_SEAL: _seal(data)}, indent=1, sort_keys=True) + "\n"

    @classmethod
    def loads(cls, text: str) -> Stamp:
        """Parse a stamp of format 1 or 2. Raises NewerStampError for a higher one, and ValueError for anything else, an
        ill-typed one too.
        """
        try:
            written = json.loads(text)
            data = _Fields(written, "the stamp")
            version = data.one("format", _whole)
            if version > FORMAT:  # asked first: how a newer one is sealed is its own business
                raise NewerStampError(
                    f"a newer envbuild made it (the stamp has format {version}, this envbuild knows up to {FORMAT})"
                )
            if data.one(_SEAL, _optional(_text), None) not in (None, _seal(written)):
                raise ValueError("it was changed after envbuild wrote it")
            if version < 1:
                raise ValueError(f"it has format {version}, which there never was")
            return cls(
                name=data.one("name", _text),
                recipe=data.one("recipe", _text, ""),
                subdir=data.one("subdir", _subdir),
                lock_sha256=data.one("lock_sha256", _text),
                envbuild_version=data.one("envbuild_version", _text),
                packages=data.one("packages", _many(_package)),
                expectations=data.one("expectations", expectations_from),
                groups=data.one("groups", _many(_text)),
                channels=data.one("channels", _many(_text), ()),
                prefix=data.one("prefix", _text, ""),
                proof=data.one("proof", _optional(_proof), None),
                records=data.one("records", _named(_text), {}),
            )
        except RecursionError:
            raise ValueError("the stamp is nested too deeply") from None


_SEAL: Final = "seal"


def _seal(data: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of all that a stamp says. It stands for what was meant, so an edit of it must not go unseen."""
    told = {name: value for name, value in data.items() if name != _SEAL}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


_MISSING: Final = object()


class _Fields:
    """An object of the stamp, asked field by field for the type that each must have."""

    def __init__(self, data: object, what: str) -> None:
        if not isinstance(data, Mapping):
            raise ValueError(f"{what} is no object")
        self._data, self._what = data, what

    def one(self, name: str, read: Callable[[Any], T], default: object = _MISSING) -> T:
        value = self._data.get(name, default)
        if value is _MISSING:
            raise ValueError(f"{self._what} has no {name}")
        if value is default:
            return cast("T", default)
        try:
            return read(value)
        except ValueError as error:
            raise ValueError(f"{self._what}: {name}: {error}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.40} is not text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is not a whole number")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value!r:.40} is not a number")
    return float(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is neither true nor false")
    return value


def _subdir(value: object) -> Subdir:
    return Subdir(_text(value))


def _optional(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else read(value)


def _many(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    def all_of(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{value!r:.40} is not a list")
        return tuple(read(item) for item in value)

    return all_of


def _named(read: Callable[[Any], T]) -> Callable[[Any], dict[str, T]]:
    def all_of(value: object) -> dict[str, T]:
        if not isinstance(value, dict):
            raise ValueError(f"{value!r:.40} is no object")
        return {_text(name): read(item) for name, item in value.items()}

    return all_of


def _manager(value: object) -> Literal["conda", "pip"]:
    if value == "conda":
        return "conda"
    if value == "pip":
        return "pip"
    raise ValueError(f"{value!r:.40} is neither conda nor pip")


def _package(value: object) -> StampedPackage:
    data = _Fields(value, "a package")
    return StampedPackage(
        name=data.one("name", _text),
        version=data.one("version", _text),
        manager=data.one("manager", _manager),
        build=data.one("build", _text, ""),
        sha256=data.one("sha256", _optional(_text), None),
        url=data.one("url", _text, ""),
    )


def expectations_from(value: object) -> Expectations:
    """The expectations that were written as JSON. Raises ValueError for what is none."""
    data = _Fields(value, "expectations")
    return Expectations(
        framework=data.one("framework", _optional(_text), None),
        provider=data.one("provider", _optional(_text), None),
        gpu=data.one("gpu", _truth, False),
        blas=data.one("blas", _optional(_text), None),
        macos=data.one("macos", _optional(_text), None),
        imports=data.one("imports", _many(_text), ()),
        snippets=data.one("snippets", _many(_text), ()),
        devices=data.one("devices", _named(_whole), {}),
        tolerances=data.one("tolerances", _named(_number), {}),
        mandatory=data.one("mandatory", _many(_text), ()),
    )


def _proof(value: object) -> StampedProof:
    data = _Fields(value, "proof")
    return StampedProof(
        level=data.one("level", _text),
        verdict=Verdict(data.one("verdict", _text)),
        expectations=data.one("expectations", _text),
    )


def read_stamp(prefix: Path) -> Stamp | None:
    """The stamp of `prefix`, or None where there is none or it is not readable as one."""
    try:
        return require_stamp(prefix)
    except ValueError:
        return None


def require_stamp(prefix: Path) -> Stamp | None:
    """The stamp of `prefix`, or None where there is none. Raises ValueError saying why one cannot be understood."""
    reader = Reader()
    text = reader.text(prefix / RELATIVE_PATH, most=_MOST_BYTES)
    if text is not None:
        return Stamp.loads(text)
    if reader.unreadable:
        raise ValueError(reader.unreadable[0].reason)
    return None
