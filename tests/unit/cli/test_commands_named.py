"""Every command that a message, a remedy, a docstring, a template or a page names can be typed as it stands."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import pytest

from builder.cli import VERBS, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[3]
_QUOTED: Final = re.compile(r"`(envbuild(?:\s[^`]*)?)`")
#: A command without backticks: alone on its line, after a colon, or wherever a verb of ours follows.
_BARE: Final = re.compile(rf"(?:^|[\s:(])(envbuild (?:(?:{'|'.join(VERBS)})\b|--)[^`,;()\n]*)", re.MULTILINE)
#: Where a command ends in a shell, or in a sentence.
_END: Final = re.compile(r"\s(?:#|\||>|&&|2>|–|—)\s?|\s*(?:[.:…]|\\)$")
#: What a placeholder stands for, in f-strings and templates (`{name}`, `{{ name }}`) and in pages (RECIPE, DIR).
_PLACEHOLDER: Final = re.compile(r"\{\{[^}]*\}\}|\{[^}]*\}|(?<![\w-])[A-Z][A-Z_]{2,}(?![\w=-])")
#: Words that say which of several things may stand there.
_SAMPLES: Final = {"VERB": "show", "PLATFORM": "osx-arm64", "SHELL": "zsh", "SECONDS": "5"}


class Named(NamedTuple):
    """A command and where it is named."""

    text: str
    place: str


def _of_text(text: str, place: str) -> Iterator[Named]:
    # A command may go on behind a backslash, or with the next line of a paragraph inside backticks.
    text = re.sub(r"\\\n\s*", " ", text)
    for match in _QUOTED.finditer(text):
        yield Named(" ".join(match[1].split()), place)
    for match in _BARE.finditer(_QUOTED.sub("", text)):
        yield Named(match[1].strip(), place)


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """String constants with their lines; an f-string as a whole, its fields as `{}`."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node) if part is not node}
            parts = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def _named() -> list[Named]:
    found: list[Named] = []
    for path in sorted((ROOT / "builder").rglob("*.py")):
        place = path.relative_to(ROOT)
        for line, text in _strings(ast.parse(path.read_text(encoding="utf-8"))):
            found += _of_text(text, f"{place}:{line}")
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "templates").iterdir()]
    data = [*(ROOT / "builder").rglob("*.yaml"), *(ROOT / "recipes").glob("*.yaml")]
    for path in sorted([*pages, *data]):
        found += _of_text(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    return list({named.text: named for named in found}.values())


def _arguments(text: str) -> list[str]:
    command = _END.split(text.removeprefix("envbuild"), maxsplit=1)[0]
    command = re.sub(r"--platform \{[^}]*\}", "--platform osx-arm64", command)
    command = _PLACEHOLDER.sub(lambda match: _SAMPLES.get(match[0], "ml-m1"), command)
    return shlex.split(command.replace("…", ""))


def _parse(arguments: list[str]) -> None:
    """Through the parser of the verb, without running it. Raises click's error."""
    try:
        if not arguments or arguments[0].startswith("-"):
            cli.make_context("envbuild", list(arguments), resilient_parsing=not arguments)
            return
        group = click.Context(cli, info_name="envbuild")
        name, command, rest = cli.resolve_command(group, arguments)
        assert command is not None
        command.make_context(name, rest, parent=group)
    except click.exceptions.Exit:
        # --help and --version end here.
        return
    except click.MissingParameter:
        # `envbuild show` in a sentence names the verb, and is not there to be typed.
        if len(arguments) > 1:
            raise


@pytest.mark.parametrize("named", _named(), ids=lambda named: named.text)
def test_it_can_be_typed(named: Named, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        _parse(_arguments(named.text))
    except click.ClickException as error:
        pytest.fail(f"{named.place}: `{named.text}`: {error.format_message()}")


def test_commands_are_found() -> None:
    texts = {named.text for named in _named()}
    assert len(texts) > 50
    assert any("--source pypi" in text for text in texts)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("take a pair that fits: envbuild compat metal", ["envbuild compat metal"]),
        ("(`envbuild nonsense`), or", ["envbuild nonsense"]),
        ("run `envbuild lock {name}` and commit", ["envbuild lock {name}"]),
        ("another envbuild is building", []),
        ("      envbuild show ml-m1 --json > plan.json", ["envbuild show ml-m1 --json > plan.json"]),
    ],
)
def test_extraction(text: str, commands: list[str]) -> None:
    assert [named.text for named in _of_text(text, "here")] == commands


@pytest.mark.parametrize("text", ["envbuild nonsense", "envbuild show a --nope", "envbuild create --platform win-64 a"])
def test_what_cannot_be_typed_is_seen(text: str) -> None:
    with pytest.raises(click.ClickException):
        _parse(_arguments(text))


def test_the_readme_has_every_verb_in_its_table() -> None:
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`([\w-]+)`", cell)}
    assert set(VERBS) <= named
