"""`envbuild doctor --ask`: a pasted error, traceback or log → cause, remedy and source, seen with what is installed."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, Final, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from builder.checks.known_errors import distribution, filled, find
from builder.doctor import pasted, stack
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.checks.known_errors import Hit, KnownError, System

#: Other known errors of the same text that are named beside the answer.
_MOST_OTHERS: Final = 3
#: How a cause is known, in words.
_ESTABLISHED: Final = {"source": "read in the source code", "published": "published", "measured": "measured"}
#: Characters of a line of the text that are shown.
_LINE: Final = 400


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What an environment holds, as far as an answer depends on it."""

    prefix: str
    python: str
    """The interpreter, as a path that can be run."""
    python_version: str | None = None
    """`3.11`."""
    subdir: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    """Distribution (normalised as in PEP 503) → version."""
    conda: frozenset[str] = frozenset()
    """Those that conda installed."""
    rebuild: str | None = None
    """The command that builds it again; None where envbuild did not build it."""

    def named(self, names: tuple[str, ...]) -> str:
        """`tensorflow 2.18.0, tensorflow-metal 1.1.0` of those that are installed."""
        return ", ".join(f"{name} {self.versions[name]}" for name in names if name in self.versions)


@dataclass(frozen=True, kw_only=True)
class Other:
    """A further known text in what was pasted."""

    id: str
    cause: str
    line: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known of a text.

    `verdict` is `known` (an error, with cause and remedy), `harmless` (it looks like an error and is none), `unknown`
    (nothing in the table matches; `line` is the most telling one, `remedy` what to run) or `empty`.
    """

    verdict: Literal["known", "harmless", "unknown", "empty"]
    id: str | None = None
    """The entry of the table of known errors."""
    line: str = ""
    """The line of the text that tells."""
    cause: str = ""
    remedy: str = ""
    sources: tuple[str, ...] = ()
    established: str | None = None
    """How the cause is known: `measured`, `source` or `published`."""
    environment: tuple[str, ...] = ()
    """What the environment says to it."""
    also: tuple[Other, ...] = ()
    harmless: tuple[Other, ...] = ()
    """Lines that look like errors and are none."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def read_environment(prefix: Path) -> Installed:
    """What is installed in a prefix, from its files alone."""
    from builder.environment.environment import Environment

    environment = Environment(prefix)
    conda = {record.name: record.version for record in environment.conda_records}
    dists = {dist.name: dist.version for dist in environment.distributions}
    return Installed(
        prefix=str(environment.path),
        python=str(environment.python or environment.path / "bin" / "python"),
        python_version=".".join(map(str, environment.python_version)) if environment.python_version else None,
        subdir=environment.subdir.value if environment.subdir else None,
        versions=conda | dists,
        conda=frozenset(conda),
        rebuild=shlex.join((*environment.stamp.create_command(environment.path), "--force"))
        if environment.stamp is not None
        else None,
    )


def ask(text: str, *, environment: Installed | None = None) -> Answer:
    """The known error that a text shows; where there are several, the one the head of `known_errors` ranks first."""
    text = pasted.thinned(pasted.clean(text))
    if not text:
        return Answer(
            verdict="empty", remedy="paste the error: the whole traceback, or the last lines that were printed"
        )
    systems = pasted.systems(text)
    hits = _hits(text, systems)
    errors = [hit for hit in hits if hit.known.level != "harmless"]
    harmless = tuple(_other(hit, text, environment) for hit in hits if hit.known.level == "harmless")
    if errors:
        return _known(errors, text, environment, harmless=harmless)
    line, failed = pasted.telling_line(_without(text, hits))
    if harmless and not failed:
        return _harmless(hits[0], text, environment, others=harmless[1:])
    return _unknown(line, environment, harmless=harmless)


def _hits(text: str, systems: frozenset[System]) -> tuple[Hit, ...]:
    """What `find` finds, also in a text whose lines were wrapped, where that tells more, or one typed by hand."""
    hits = find(text, systems=systems)
    if (hits and hits[0].known.level == "exact") or (joined := pasted.joined(text)) is None:
        return hits
    again = find(joined, systems=systems)
    order = ("exact", "general", "consequence", "harmless")
    if again and (not hits or order.index(again[0].known.level) < order.index(hits[0].known.level)):
        return again
    return hits or find(text, systems=systems, any_case=True)


def _known(errors: list[Hit], text: str, environment: Installed | None, *, harmless: tuple[Other, ...]) -> Answer:
    first, *rest = errors
    cause, remedy = _told(first, text, environment)
    notes, better = _compared(first, text, environment)
    others = {hit.line: _other(hit, text, environment) for hit in rest if hit.known.level == "exact"}
    others.pop(first.line, None)
    return Answer(
        verdict="known",
        id=first.known.id,
        line=_shortened(first.line),
        cause=cause,
        remedy=better or remedy,
        sources=first.known.sources,
        established=first.known.established,
        environment=notes,
        also=tuple(others.values())[:_MOST_OTHERS],
        harmless=harmless,
    )


def _harmless(hit: Hit, text: str, environment: Installed | None, *, others: tuple[Other, ...]) -> Answer:
    cause, remedy = _told(hit, text, environment)
    return Answer(
        verdict="harmless",
        id=hit.known.id,
        line=_shortened(hit.line),
        cause=cause,
        remedy=remedy,
        sources=hit.known.sources,
        established=hit.known.established,
        harmless=others,
    )


def _unknown(line: str, environment: Installed | None, *, harmless: tuple[Other, ...]) -> Answer:
    prefix = environment.prefix if environment else "PREFIX"
    return Answer(
        verdict="unknown",
        line=_shortened(line),
        cause="nothing in the table of known errors matches this text",
        remedy=(
            "`envbuild doctor` tells which Python each program runs and whether it is sound; "
            f"`envbuild verify {prefix}` tries the environment's imports and finds files that do not fit; "
            "and search the line above, in quotes, in the issues of the package that the traceback names"
        ),
        harmless=harmless,
    )


def _other(hit: Hit, text: str, environment: Installed | None) -> Other:
    return Other(id=hit.known.id, cause=_told(hit, text, environment)[0], line=_shortened(hit.line))


def _shortened(line: str) -> str:
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def _without(text: str, harmless: tuple[Hit, ...]) -> str:
    """The text without the lines that harmless entries explain."""
    if not harmless:
        return text
    shown = {hit.line for hit in harmless}
    return "\n".join(
        line
        for line in text.splitlines()
        if line.strip() not in shown and not any(hit.known.compiled.search(line[:2_000]) for hit in harmless)
    )


# --- cause and remedy, with what is in the text and in the environment put in -------------------------------------


def _told(hit: Hit, text: str, environment: Installed | None) -> tuple[str, str]:
    from builder.binaries.demangle import shown

    def describe(name: str, value: str) -> str:
        if name.startswith("symbol"):
            return " ".join(shown(value.encode()).split())
        if not name.startswith("file"):
            return value
        owner = pasted.package(value)
        version = environment.versions.get(owner) if environment and owner else None
        file = PureWindowsPath(value).name
        return f"{file} ({f'{owner} {version}' if version else owner})" if owner else file

    match = filled(hit, values=_values(hit, text, environment), describe=describe)
    return match.cause, match.remedy


def _values(hit: Hit, text: str, environment: Installed | None) -> dict[str, str]:
    """What causes and remedies may name beside the groups of their patterns."""
    files = [value for name, value in hit.groups.items() if name.startswith("file") and value]
    culprit = next((owner for file in files if (owner := pasted.package(file))), None) or pasted.package(text)
    version = environment.versions.get(culprit) if environment and culprit else None
    python = environment.python if environment else "python"
    uv = environment is not None and "pip" not in environment.versions
    install = f"uv pip install --python {python}" if uv else f"{python} -m pip install"
    uninstall = f"uv pip uninstall --python {python}" if uv else f"{python} -m pip uninstall -y"
    if environment and culprit in environment.conda:
        reinstall = f"conda install -p {environment.prefix} --force-reinstall {culprit}"
    else:
        reinstall = f"{install} --force-reinstall {culprit or 'PACKAGE'}"
    upgrade = (
        f"upgrade it: {install} --upgrade {culprit}, or"
        if culprit
        else "upgrade the package that the traceback names, or"
    )
    return {
        "prefix": environment.prefix if environment else "PREFIX",
        "python": python,
        "install": install,
        "uninstall": uninstall,
        "rebuild": (environment.rebuild if environment else None) or "envbuild create NAME --force",
        "reinstall": reinstall,
        "culprit": (f"{culprit} {version}" if version else culprit) or "a package",
        "numpy_fix": f"{upgrade} go back to NumPy 1: {install} 'numpy<2'",
    }


# --- what the environment says to it ------------------------------------------------------------------------------


def _compared(hit: Hit, text: str, environment: Installed | None) -> tuple[tuple[str, ...], str | None]:
    """Sentences on what is installed, and a remedy that fits better where there is one."""
    if environment is None:
        return (), None
    notes = [_other_prefix(text, environment)]
    missing = hit.groups.get("module")
    better = None
    if missing and "missing" in hit.known.id:
        name = distribution(missing)
        if name in environment.versions:
            notes.append(
                f"{name} {environment.versions[name]} is installed in {environment.prefix}: another Python ran"
            )
            better = f"choose this interpreter where the text comes from: {environment.python}"
        else:
            notes.append(f"{name} is not installed in {environment.prefix}")
    notes.append(_versions(hit.known, environment))
    files = [value for name, value in hit.groups.items() if name.startswith("file") and value]
    notes += _fit({*hit.known.versions, *filter(None, map(pasted.package, files))}, environment)
    return tuple(note for note in notes if note), better


def _other_prefix(text: str, environment: Installed) -> str | None:
    """That the text is of another environment, where its paths say so."""
    prefix = pasted.prefix(text)
    if prefix is None or Path(prefix).name == Path(environment.prefix).name:
        return None
    return f"the text is from {prefix}, not from {environment.prefix}"


def _versions(known: KnownError, environment: Installed) -> str | None:
    """Whether the versions installed are those that the error is known with."""
    if not known.versions:
        return None
    named = environment.named(tuple(known.versions))
    absent = [name for name in known.versions if name not in environment.versions]
    if absent:
        return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed in {environment.prefix}"
    unlike = [name for name, wanted in known.versions.items() if not _fits(environment.versions[name], wanted)]
    if unlike:
        return f"{environment.prefix} has {named}, with which this error is not known: it has changed, or another ran"
    return f"{environment.prefix} has {named}, with which this error is known"


def _fit(packages: set[str], environment: Installed) -> list[str]:
    """What the facts of `envbuild compat` have against the versions that are installed, and which ones fit."""
    asked = [
        versions
        for names in stack.together()
        if packages & set(names)
        and len(versions := {name: environment.versions[name] for name in names if name in environment.versions}) > 1
    ]
    if not asked:
        return []
    from builder.compat.explain import explain
    from builder.compat.load import load_facts

    facts, notes = load_facts(), []
    subdir = Subdir(environment.subdir) if environment.subdir else None
    python = {"python": environment.python_version} if environment.python_version else {}
    for versions in asked:
        try:
            explanation = explain({**versions, **python}, subdir=subdir, facts=facts)
        except InvalidVersion:
            continue
        refusals = [reason.statement for reason in explanation.reasons if reason.kind == "refuses"]
        notes += refusals
        if refusals and explanation.nearest:
            notes.append(f"these fit: {'; '.join(explanation.nearest)}")
    return list(dict.fromkeys(notes))


def _fits(version: str, wanted: str) -> bool:
    try:
        return SpecifierSet(wanted).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


# --- as text --------------------------------------------------------------------------------------------------------


def rendered(answer: Answer) -> str:
    """The answer for a terminal: the cause first, then the line it comes from, what to do, and who says so."""
    if answer.verdict == "empty":
        return f"There is no text. {_sentence(answer.remedy)}"
    head = {
        "known": f"Most likely cause: {answer.cause}",
        "harmless": f"Harmless: {answer.cause}",
        "unknown": "No known error matches this text. Its most telling line:",
    }[answer.verdict]
    lines = [_dotted(head) if answer.verdict != "unknown" else head, f"    {answer.line}", ""]
    nothing = answer.remedy.startswith("nothing to do")
    lines += [_sentence(answer.remedy) if nothing else f"What to do: {answer.remedy}"]
    lines += [f"Here: {_dotted(note)}" for note in answer.environment]
    lines += [f"Source: {source}" for source in answer.sources]
    if answer.id:
        lines += [f"Known error: {answer.id} ({_ESTABLISHED.get(answer.established or '', '')})"]
    for title, others in (("Also in the text", answer.also), ("Harmless", answer.harmless)):
        lines += [f"{title}: {_dotted(other.cause)} [{other.id}]" for other in others]
    return "\n".join(lines)


def _sentence(text: str) -> str:
    return _dotted(text[:1].upper() + text[1:] if not text.startswith(("/", "~")) else text)


def _dotted(text: str) -> str:
    return text if text.endswith((".", ":", "!", "?")) else f"{text}."
