"""Strict YAML reading for files that people write: every error names the file, the line, and what to write.

PyYAML parses; this module refuses what YAML silently allows and people do not mean: duplicate keys,
anchors (a recipe is small, and nested ones expand without bound), several documents, and keys or types that the model
does not know. A version that YAML would read as a number (`python: 3.10` is the float 3.1) is refused
with the text as it was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final, get_args

import yaml

from builder.credentials import redact
from builder.files import read_ordinary
from builder.models import Key, MisfitError, Problem, dotted, fields, inner_fields, validated

if TYPE_CHECKING:
    from pathlib import Path

    from builder.errors import EnvbuildError
    from builder.models import ModelT

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_BYTES: Final = 1_000_000
_MAX_DEPTH: Final = 50
#: Above this many opened brackets, or on lines longer than that, nesting is measured before anything is composed.
_SUSPICIOUS: Final = 1_000

#: Numbers to people and to YAML 1.2, text to YAML 1.1, since they have no dot: `1e-3`.
_NUMBER: Final = re.compile(r"[-+]?\d+[eE][-+]?\d+")


@dataclass(frozen=True)
class Document:
    """Plain data, with the line (1-based) and the written text of every node by its path."""

    file: Path
    data: Any
    lines: dict[Key, int] = field(default_factory=dict)
    written: dict[Key, str] = field(default_factory=dict)
    files: dict[Key, Path] = field(default_factory=dict)
    """Paths that were written in another file than `file`, for a document put together from several."""

    def place(self, path: Key) -> tuple[Path, int | None]:
        """File and line of `path`, or of its nearest parent that was written."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.files.get(path, self.file), self.lines.get(path)

    def line(self, path: Key) -> int | None:
        """The line of `path`, or of its nearest parent that was written."""
        return self.place(path)[1]


class _Reader:
    def __init__(self, file: Path, error: type[EnvbuildError]) -> None:
        self.file = file
        self.error = error
        self.lines: dict[Key, int] = {}
        self.written: dict[Key, str] = {}
        self.seen: set[int] = set()
        # Resolves scalars by YAML's own rules; never fed with text, so it constructs scalars only.
        self.scalars = yaml.SafeLoader("")

    def refuse(self, message: str, node: yaml.Node | None, hint: str | None = None) -> EnvbuildError:
        line = node.start_mark.line + 1 if node is not None else None
        return self.error(redact(message), file=self.file, line=line, hint=hint)

    def value(self, node: yaml.Node, path: Key) -> Any:
        if id(node) in self.seen:
            raise self.refuse("anchors and aliases are not supported here", node, "write the value out in full")
        self.seen.add(id(node))
        if len(path) > _MAX_DEPTH:
            raise self.refuse(f"nested deeper than {_MAX_DEPTH} levels", node)
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        self.written[path] = str(node.value)
        if not node.tag.startswith("tag:yaml.org,2002:"):
            raise self.refuse(f"the tag {node.tag} is not supported", node, "write a plain value")
        if isinstance(node, yaml.ScalarNode) and not node.style and _NUMBER.fullmatch(node.value):
            return float(node.value)
        try:
            return self.scalars.construct_object(node)
        # PyYAML meets an explicit tag on text that is none of the kind (`!!bool maybe`) with any of these.
        except (yaml.YAMLError, ValueError, KeyError, IndexError, AttributeError) as error:
            reason = str(error).splitlines()[0] if isinstance(error, yaml.YAMLError | ValueError) else "not of its kind"
            raise self.refuse(f"unreadable value {node.value!r}: {reason}", node) from None

    def mapping(self, node: yaml.MappingNode, path: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.refuse("a key must be a plain word", key_node)
            key = str(key_node.value)
            if key == "<<":
                raise self.refuse("merge keys are not supported here", key_node, "use `extends:` in a recipe")
            if key in result:
                first = self.lines[(*path, key)]
                raise self.refuse(
                    f"`{dotted((*path, key))}` is given twice (first on line {first})", key_node, "keep one of the two"
                )
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key))
        return result


def load(file: Path, *, error: type[EnvbuildError], text: str | None = None) -> Document:
    """Read one YAML document. Raises `error` with file and line for anything unreadable or unsafe."""
    if text is None:
        text = _read(file, error)
    if "\t" in text:
        for number, line in enumerate(text.splitlines(), start=1):
            if line[: len(line) - len(line.lstrip())].count("\t"):
                raise error(
                    "a tab in the indentation; YAML takes spaces only", file=file, line=number, hint="use two spaces"
                )
    if (deep := too_deep(text)) is not None:
        raise error(f"nested deeper than {_MAX_DEPTH} levels", file=file, line=deep)
    reader = _Reader(file, error)
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        reason = " ".join(part for part in (problem.context, problem.problem) if part)
        if (conflict := conflict_mark(text)) is not None:
            reason = "both sides of a merge are in it"
            raise error(
                reason, file=file, line=conflict, hint="take the lines that you want, and git's marks out"
            ) from None
        raise error(f"not valid YAML: {reason}", file=file, line=mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, RecursionError) as problem:
        if (unreadable := unprintable(text)) is not None:
            hint = "save the file as UTF-8 text"
            raise error("not text: it holds a control character", file=file, line=unreadable, hint=hint) from None
        raise error(f"not valid YAML: {str(problem).splitlines()[0]}", file=file) from None
    if node is None:
        raise error("the file is empty", file=file, line=1)
    try:
        data = reader.value(node, ())
    except RecursionError:
        raise error("nested too deeply", file=file) from None
    return Document(file=file, data=data, lines=reader.lines, written=reader.written)


def conflict_mark(text: str) -> int | None:
    """The line (1-based) of the first merge conflict mark; None where there is none."""
    found = re.search(r"^(<{7}|>{7}) ", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else None


def unprintable(text: str) -> int | None:
    """The line (1-based) of the first character that YAML refuses in any text (a NUL); None where there is none."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else None


def too_deep(text: str) -> int | None:
    """The line (1-based) where YAML `text` nests deeper than anything of ours; None where it does not.

    libyaml's composer recurses in C without a limit and takes the whole process down; its parser does not. What
    could nest thousands of levels is therefore parsed into events first. Ordinary files are let through at once.
    """
    opened = sum(text.count(bracket) for bracket in "[{") - text.count("[]") - text.count("{}")
    if opened < _SUSPICIOUS and len(max(text.splitlines(), key=len, default="")) < _SUSPICIOUS:
        return None
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                return event.start_mark.line + 1 if event.start_mark else 1
    except yaml.MarkedYAMLError as problem:
        # libyaml from 0.2.6 on has a limit of its own, which it may meet while it looks ahead of the events.
        if "maximum nesting depth" in (problem.problem or "") and (mark := problem.problem_mark) is not None:
            return mark.line + 1
        # Composing stops at the same place, and says what is wrong.
    except yaml.YAMLError:
        pass
    return None


def _read(file: Path, error: type[EnvbuildError]) -> str:
    try:
        # As `read_text` does, every kind of line end is one.
        return read_ordinary(file, limit=_MAX_BYTES, error=error).decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as problem:
        raise error(f"not UTF-8 text (byte {problem.start})", file=file, hint="save the file as UTF-8") from None


def validate(document: Document, model: type[ModelT], *, error: type[EnvbuildError]) -> ModelT:
    """The document as `model`, or `error` for the first thing that does not fit, with its line and remedy."""
    try:
        return validated(document.data, model)
    except MisfitError as misfit:
        # A field that is misspelt is missing as well; what was written explains more than what was not.
        problem = min(misfit.problems, key=lambda problem: problem.what != "unknown")
        message, hint = _explain(problem, document)
        file, line = document.place(problem.path)
        # What was written is repeated, and may be a URL in a place where nothing has looked for credentials.
        raise error(redact(message), file=file, line=line, hint=redact(hint) if hint else None) from None


def _explain(problem: Problem, document: Document) -> tuple[str, str | None]:
    path, value = problem.path, problem.value
    # The place says which item of a list it is; its number would count what other files put before it.
    place = dotted(tuple(part for part in path if isinstance(part, str))) or "the file"
    written = document.written.get(path)
    field = f"{path[-1]}: " if path and isinstance(path[-1], str) else "- "
    said = problem.about(place, written)
    match problem.what:
        case "unknown":
            return f"unknown field `{place}`", _nearest(str(path[-1]), problem.kind)
        case "missing":
            return f"the field {said}", f"add `{path[-1]}:`"
        case "list":
            return said, f"write it as a list: {field}[{written or '…'}]"
        case "type" if problem.kind is str and isinstance(value, (int, float, date)) and written is not None:
            kind = "date" if isinstance(value, date) else "number"
            reading = "yes/no" if isinstance(value, bool) else f"the {kind} {value}"
            return f"`{place}: {written}` is read by YAML as {reading}", f'put it in quotes: {field}"{written}"'
        case "type" if isinstance(value, str) and problem.kind in (int, float):
            return said, "a number is written without quotes"
        case _:
            return said, problem.hint


def _nearest(name: str, kind: Any) -> str:
    """The fields that may stand where `name` stands, the most similar one first; `kind` as `Problem` has it."""
    import difflib

    known = sorted(get_args(kind) or fields(kind))
    for one in () if get_args(kind) else fields(kind).values():
        if name in inner_fields(one):
            return f"it belongs under `{one.name}:`"
    close = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(known)
    return f"did you mean `{close[0]}`? known here: {listed}" if close else f"known here: {listed}"
