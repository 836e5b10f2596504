"""Run one snippet of the recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`code` runs as a script would, under the name `name`."""
    name = arguments["name"]
    with probe.step("recipe.snippet", name):
        exec(compile(arguments["code"], f"<{name}>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the user's own
