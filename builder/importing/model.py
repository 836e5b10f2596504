"""What a reader finds: what can be carried over into a recipe, and what cannot, with the reason and the place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from packaging.utils import canonicalize_name

from builder.credentials import named_credentials, redact, without_credentials
from builder.importing.elsewhere import only_on
from builder.plan.terms import MAIN_GROUP
from builder.platforms import TARGETS, Subdir
from builder.recipe.model import check_channel
from builder.recipe.specs import conda_spec, requirement, specifier_set

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

#: A build that says the hash of what it was built with, or its Python: one platform's. `cpu_*` and `*mkl*` are not.
_HASHED_BUILD: Final = re.compile(r"(?:.*h[0-9a-f]{7}.*|py\d+_\d+|\d+|py[0-9a-z]*_\d+)")
#: Anaconda's own channels, which a file names by habit; conda-forge has the same packages under the same names.
_DEFAULTS: Final = re.compile(r"(?:defaults|anaconda|main|r|msys2|pkgs/.*|https?://repo\.anaconda\.com/pkgs/.*)")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One dependency that is carried over: a match spec or a requirement as a recipe takes it."""

    manager: Literal["conda", "pip"]
    name: str
    """Canonical for a requirement, lower case for a match spec."""
    text: str
    group: str
    platforms: tuple[Subdir, ...]
    """Empty for all."""
    place: str


@dataclass(frozen=True, kw_only=True)
class NotCarried:
    """Something of the file that the recipe does not say, or says otherwise: what, why, and where it stood."""

    what: str
    reason: str
    place: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A file as a recipe could say it."""

    name: str | None
    channels: tuple[str, ...]
    platforms: tuple[Subdir, ...]
    """Empty where the file does not say."""
    python: str | None
    macos: str | None
    asked: tuple[Asked, ...]
    left: tuple[NotCarried, ...]


@dataclass(kw_only=True)
class Collector:
    """Gathers a draft line by line; what no recipe can say is kept with its reason instead of being lost."""

    file: str
    """How the file is called in messages."""
    folder: Path
    """Where files that it names are looked for."""
    name: str | None = None
    channels: list[str] = field(default_factory=list)
    platforms: list[Subdir] = field(default_factory=list)
    python: str | None = None
    macos: str | None = None
    asked: list[Asked] = field(default_factory=list)
    left: list[NotCarried] = field(default_factory=list)
    _builds: list[str] = field(default_factory=list)

    def place(self, line: int | None) -> str:
        return self.file if line is None else f"{self.file}:{line}"

    def leave(self, what: object, reason: str, line: int | None = None) -> None:
        """Note that something is not carried over. Credentials in it are not repeated."""
        shown = redact(" ".join(str(what).split()))
        self.left.append(NotCarried(what=shown[:200], reason=redact(reason), place=self.place(line)))

    def channel(self, text: object, line: int | None = None) -> None:
        """A channel of the file, in its order."""
        if not isinstance(text, str):
            self.leave(text, "is not the name of a channel", line)
        elif text in self.channels or text == "nodefaults":
            # A recipe never has the default channels.
            return
        elif _DEFAULTS.fullmatch(text):
            self.leave(f"channel {text}", "is Anaconda's own; conda-forge has its packages", line)
            if "conda-forge" not in self.channels:
                self.channels.append("conda-forge")
        elif named_credentials(braced := _braced(text)) and _is_channel(braced):
            self.channels.append(braced)
        elif (clean := _without_secrets(text)) != text:
            self.leave(
                f"the credentials of channel {clean}",
                "belong in no file: keep them in ~/.netrc or with `rattler auth`, or name variables in the URL",
                line,
            )
            self.channel(clean, line)
        else:
            try:
                self.channels.append(check_channel(text))
            except ValueError as problem:
                self.leave(f"channel {text}", str(problem), line)

    def platform(self, text: object, line: int | None = None) -> None:
        """A platform of the file."""
        found = next((subdir for subdir in TARGETS if subdir.value == text), None)
        if found is None:
            self.leave(f"platform {text}", f"is none that envbuild builds for ({', '.join(TARGETS)})", line)
        elif found not in self.platforms:
            self.platforms.append(found)

    def conda(
        self,
        text: object,
        line: int | None = None,
        *,
        group: str = MAIN_GROUP,
        platforms: Collection[Subdir] | None = None,
    ) -> None:
        """A match spec in any spelling of conda's; `python` is the recipe's own field."""
        if not isinstance(text, str):
            self.leave(text, "is not a match spec", line)
            return
        written = text.strip()
        if written.startswith("__"):
            self.leave(written, "is a property of the machine; a recipe has `macos:` for the oldest macOS", line)
            return
        try:
            spec = conda_spec(self._plain(written, line))
        except ValueError as problem:
            self.leave(written, str(problem), line)
            return
        name, version, build = _parts(spec)
        if build and _HASHED_BUILD.fullmatch(build):
            self._builds.append(self.place(line))
            build = ""
        spec = " ".join(filter(None, (name, version, build)))
        if name == "python" and group == MAIN_GROUP and not platforms:
            self.python_range(version, line)
            return
        if name == "python":
            self.leave(written, "a recipe has one Python for all its groups and platforms", line)
            return
        where = self._where(name, platforms, written, line)
        if where is not None:
            self._ask(manager="conda", name=name, text=spec, group=group, platforms=where, line=line)

    def pypi(
        self,
        text: object,
        line: int | None = None,
        *,
        group: str = MAIN_GROUP,
        platforms: Collection[Subdir] | None = None,
    ) -> None:
        """A requirement (PEP 508), without options."""
        if not isinstance(text, str):
            self.leave(text, "is not a requirement", line)
            return
        written = text.strip()
        try:
            spec = requirement(written)
        except ValueError as problem:
            self.leave(written, _why_no_requirement(written) or str(problem), line)
            return
        name = canonicalize_name(re.split(r"[^A-Za-z0-9._-]", spec, maxsplit=1)[0])
        where = self._where(name, platforms, written, line)
        if where is not None:
            self._ask(manager="pip", name=name, text=spec, group=group, platforms=where, line=line)

    def python_range(self, text: str, line: int | None = None) -> None:
        """The Python that is asked for; the first one counts."""
        if not text or text == "*":
            return
        if self.python is not None:
            if self.python != text:
                self.leave(f"python {text}", f"python {self.python} is asked for already", line)
            return
        try:
            specifier_set(text)
        except ValueError as problem:
            self.leave(f"python {text}", str(problem), line)
            return
        self.python = text

    def group(self, text: str) -> str:
        """The name of a group as a recipe takes it: `Dev Tools` is `dev-tools`; `main` is taken."""
        name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]
        return name if name and name != MAIN_GROUP else f"{name or 'group'}-group"

    def draft(self) -> Draft:
        if self._builds:
            first, many = self._builds[0], len(self._builds)
            self.left.append(
                NotCarried(
                    what=f"the build of {many} package{'s' if many > 1 else ''}",
                    reason="a build is of one platform; the versions are carried over",
                    place=first,
                )
            )
        return Draft(
            name=self.name,
            channels=tuple(self.channels),
            platforms=tuple(subdir for subdir in TARGETS if subdir in self.platforms),
            python=self.python,
            macos=self.macos,
            asked=tuple(self.asked),
            left=tuple(self.left),
        )

    def _plain(self, written: str, line: int | None) -> str:
        """A spec without the channel and the brackets that only conda's own syntax has."""
        channel, separator, spec = written.partition("::")
        if separator:
            self.channel(channel.partition("/")[0] if channel.endswith(tuple(TARGETS)) else channel, line)
            self.leave(written, "a recipe searches its channels in order, and ties no package to one", line)
            written = spec
        if "[" not in written:
            return written
        from rattler import MatchSpec

        try:
            parsed = MatchSpec(written, strict=False)
        except Exception as problem:  # noqa: BLE001 - rattler's own kinds of errors, and a panic
            raise ValueError(f"{written!r} is not a match spec: {str(problem).splitlines()[0]}") from None
        if parsed.channel is not None:
            self.leave(written, "a recipe searches its channels in order, and ties no package to one", line)
        if parsed.name is None:
            raise ValueError(f"{written!r} names no package")
        build = str(parsed.build) if parsed.build is not None else ""
        version = str(parsed.version) if parsed.version is not None else "*" if build else ""
        return " ".join(filter(None, (str(parsed.name.normalized), version, build)))

    def _where(
        self, name: str, platforms: Collection[Subdir] | None, written: str, line: int | None
    ) -> tuple[Subdir, ...] | None:
        """On which platforms a package is asked for, and exists; empty for all, None where on none of ours."""
        there = only_on(name)
        asked = TARGETS if platforms is None else tuple(subdir for subdir in TARGETS if subdir in platforms)
        where = asked if there is None else tuple(subdir for subdir in asked if subdir in there)
        if not where:
            reason = "is for a platform that envbuild does not build for"
            if asked and there:
                reason = f"exists on {', '.join(there)} only"
            self.leave(written, reason, line)
            return None
        return () if where == TARGETS else where

    def _ask(
        self,
        *,
        manager: Literal["conda", "pip"],
        name: str,
        text: str,
        group: str,
        platforms: tuple[Subdir, ...],
        line: int | None,
    ) -> None:
        place = self.place(line)
        one = Asked(manager=manager, name=name, text=text, group=group, platforms=platforms, place=place)
        same = (one.manager, one.text, one.group, one.platforms)
        if all((other.manager, other.text, other.group, other.platforms) != same for other in self.asked):
            self.asked.append(one)


def _braced(url: str) -> str:
    """Variables as a recipe writes them: conda takes `$NAME` as well."""
    return re.sub(r"\$(?!\{)(\w+)", r"${\1}", url)


def _is_channel(text: str) -> bool:
    try:
        check_channel(text)
    except ValueError:
        return False
    return True


def _without_secrets(url: str) -> str:
    """The URL of a channel without credentials and without the variables that stand for them."""
    return without_credentials(re.sub(r"/t/\$\{?\w+\}?(?=/)", "", url)) if "://" in url else url


def _parts(spec: str) -> tuple[str, str, str]:
    """Name, version and build of what `conda_spec` let through: `numpy=1.26` is `numpy`, `1.26.*` and nothing."""
    found = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(\S*)\s*(.*)", spec)
    assert found is not None
    version = re.sub(r"^=([^=*]+)$", r"\1.*", found[2])
    return found[1].lower(), version, found[3]


def _why_no_requirement(text: str) -> str | None:
    """The reason for what a requirement may be to pip and not to a lock."""
    if re.search(r"@\s*file:", text):
        return "is a file of the machine that wrote this; write the version"
    if re.search(r"(?:^|[\s@=])(?:git|hg|svn|bzr)\+", text):
        return "is a version control URL, which cannot be locked by hash; name a release of it"
    if re.match(r"(?:-e|--editable)\b", text):
        return "is code in development; install it into the environment with `pip install --no-deps -e`"
    if "://" in text:
        return "is a URL; only packages of an index can be locked by hash"
    if re.match(r"\.{0,2}/|\.$|~|[A-Za-z]:\\", text) or text.endswith((".whl", ".tar.gz", ".zip")):
        return "is a path; only packages of an index can be locked by hash"
    return None
