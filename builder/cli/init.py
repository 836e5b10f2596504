"""`envbuild init`"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

import click

from builder.cli.session import WHOLE_FILES, Output, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from builder.cli.session import Session

_BASE: Final = "ml-m1"
#: Option → what is asked where nobody said.
_QUESTIONS: Final = {
    "attributes": "Let git merge locks by solving again (.gitattributes)?",
    "workflow": "Build and prove it on GitHub (.github/workflows/envbuild.yml)?",
    "pre_commit": "Check the locks before each commit (.pre-commit-config.yaml)?",
}


@verb("init", left=WHOLE_FILES)
@click.argument("name", metavar="[RECIPE]", required=False)
@click.option("--extends", "base", help=f"The recipe to build on (default: {_BASE}).")
@click.option("--gitattributes/--no-gitattributes", "attributes", default=None, help="Let git merge locks by envbuild.")
@click.option("--workflow/--no-workflow", default=None, help="A GitHub workflow that builds and proves it.")
@click.option("--pre-commit/--no-pre-commit", default=None, help="A pre-commit hook that checks the locks.")
def command(
    session: Session,
    *,
    name: str | None,
    base: str | None,
    attributes: bool | None,
    workflow: bool | None,
    pre_commit: bool | None,
) -> Output:
    """Begin a recipe of your own: recipes/RECIPE.yaml, and the schema that editors complete it by.

    Without a name, on a terminal, it asks for everything that was not said; otherwise only what is said is written.
    A file that is there is never overwritten.

    \b
    Examples:
      envbuild init our-models
      envbuild init our-gpu --extends ml-m1-metal
      envbuild init our-models --gitattributes --workflow --pre-commit
      envbuild init
    """
    from builder.operations.initialising import InitRequest, init
    from builder.published import published

    workspace = session.workspace()
    wanted = {"attributes": attributes, "workflow": workflow, "pre_commit": pre_commit}
    if name is None:
        name, base = _asked(session, base, tuple(workspace.project.recipe_files()), default=workspace.project.root.name)
        wanted = {
            option: click.confirm(session.fitted(_QUESTIONS[option]), err=True) if said is None else said
            for option, said in wanted.items()
        }
    request = InitRequest(
        recipe=name,
        extends=base or _BASE,
        attributes=bool(wanted["attributes"]),
        workflow=bool(wanted["workflow"]),
        pre_commit=bool(wanted["pre_commit"]),
    )
    done = init(workspace, request)
    lines = [*(f"wrote {file}" for file in done.written), *done.left]
    source = published()
    if (request.workflow or request.pre_commit) and not source.is_known:
        lines.append(f"replace {source.repository} with the repository that you have envbuild from")
    if done.file in done.written:
        lines.append(f"add what you need under `dependencies:`, then run `envbuild create {name}`")
    return Output(
        result={
            "name": name,
            "file": str(done.file),
            "written": [str(file) for file in done.written],
            "left": list(done.left),
        },
        text="\n".join(lines),
        told=True,
    )


def _asked(session: Session, base: str | None, recipes: tuple[str, ...], *, default: str) -> tuple[str, str]:
    """The name and the recipe to build on, from the user. Raises UsageError where nobody can be asked."""
    if session.json or not sys.stdin.isatty():
        raise UsageError(
            "no name was given, and there is nobody to ask", hint="name the recipe: `envbuild init our-models`"
        )
    session.close()
    proposed = re.sub(r"[^a-z0-9._-]+", "-", default.lower()).strip("-._") or "our-models"
    name: str = click.prompt("Name of the recipe", default=proposed, err=True)
    if base is None:
        click.echo(session.fitted(f"It can build on {', '.join(recipes)}."), err=True)
        base = click.prompt("Build on", type=click.Choice(recipes), default=_BASE, show_choices=False, err=True)
    return name, str(base)
