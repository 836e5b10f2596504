"""The rendered match specs, looked at before anything is solved: which line is wrong, and how it is spelt right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.render.model import environment_file

if TYPE_CHECKING:
    from builder.render.model import Rendered, SpecLine

#: `pandas 2.2`, `numpy=1.26.*`, `numpy 1.26 py312*`: a version without an operator that says how it is meant.
_BARE: Final = re.compile(r"(?P<name>[\w.-]+?)\s*=?\s*(?P<version>\d[\w.]*?)(?:\.\*)?(?P<build>\s+\S+)?")


def refuse_malformed(rendered: Rendered) -> None:
    """Raises UsageError, with file and line, for the first match spec that the solver would not understand."""
    import rattler
    from rattler.exceptions import InvalidMatchSpecError

    for line in dict.fromkeys(line for specs in rendered.platforms for line in specs.conda):
        try:
            rattler.MatchSpec(line.text, strict=True)
        except InvalidMatchSpecError as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(
                f"`{line.text}` is not a match spec: {reason}",
                file=environment_file(line.group),
                line=_number(rendered, line),
                hint=respelt(line.text) or "write it in the recipe as for instance `numpy >=1.26,<3`",
            ) from None


def respelt(spec: str) -> str | None:
    """What to write instead of a bare version, which conda's tools read in different ways; None for other mistakes."""
    found = _BARE.fullmatch(spec.strip())
    if found is None:
        return None
    name, version, build = found["name"], found["version"], found["build"] or ""
    return (
        f"write `{name} {version}.*{build}` in the recipe for any {version}, "
        f"or `{name} =={version}{build}` for that version alone"
    )


def _number(rendered: Rendered, wanted: SpecLine) -> int | None:
    text = rendered.files.get(environment_file(wanted.group), "")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.partition(" # [")[0].strip().removeprefix("- ").strip("'\"") == wanted.text:
            return number
    return None
