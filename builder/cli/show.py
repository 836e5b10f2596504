"""`envbuild show`"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session
    from builder.platforms import Subdir


@verb("show")
@options.recipe_argument
@options.platform_option
@options.package_options
def command(
    session: Session,
    *,
    name: str,
    platforms: tuple[Subdir, ...],
    source: str,
    channels: tuple[str, ...],
    mirrors: tuple[str, ...],
    python: Path | None,
) -> Output:
    """Explain every version a recipe leads to: the reason, and the fact behind it with its source.

    Of many facts behind one version the first are shown; -v shows all, as --json does.

    \b
    Examples:
      envbuild show ml-m1
      envbuild show ml-m1 --platform osx-arm64 --json
    """
    from builder.cli.draw_plan import drawn, to_json
    from builder.operations.showing import ShowRequest, show

    request = ShowRequest(
        recipe=name,
        platforms=platforms,
        options=options.packages(source=source, channels=channels, python=python),
    )
    plans = show(session.workspace(mirrors=mirrors), request).plans
    return Output(
        result={"name": name, "plans": [to_json(plan) for plan in plans]},
        text=drawn(plans, details=session.verbose),
    )
