"""`envbuild register`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli.session import Output, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.doctor.claims.common import Surroundings
    from builder.doctor.model import Interpreter


@verb("register")
@click.argument("environment")
@click.option("--jupyter", is_flag=True, help="A kernel for notebooks, in your own folder of kernels.")
@click.option("--vscode", is_flag=True, help="The setting of the folder that --project names.")
@click.option("--jetbrains", is_flag=True, help="Say what to choose in DataSpell, PyCharm or IntelliJ.")
def command(session: Session, *, environment: str, jupyter: bool, vscode: bool, jetbrains: bool) -> Output:
    """Make an environment known to Jupyter, VS Code or a JetBrains IDE.

    ENVIRONMENT is a name, or the folder of an environment. `envbuild unregister` takes back what this has written.

    \b
    Examples:
      envbuild register ml-m1 --jupyter
      envbuild register ml-m1 --vscode --project ~/mnist
      envbuild register ml-m1 --jetbrains
    """
    from builder.doctor.register import Target, register

    chosen = {Target.JUPYTER: jupyter, Target.VSCODE: vscode, Target.JETBRAINS: jetbrains}
    if not any(chosen.values()):
        raise UsageError("say for what: --jupyter, --vscode, --jetbrains, or several of them")
    around, interpreter = look_up(session, environment)
    done = register(around, interpreter, tuple(target for target, wanted in chosen.items() if wanted))
    return Output(
        result={"environment": str(interpreter.prefix), "registered": [item.to_json() for item in done]},
        text="\n".join(item.message for item in done),
    )


def look_up(session: Session, environment: str) -> tuple[Surroundings, Interpreter]:
    """The environment of that name or folder on this machine, and what surrounds it. Raises UsageError for none."""
    from builder.doctor.examine import Patient, Request, gather
    from builder.doctor.machine import this_machine

    workspace = session.workspace()
    project = workspace.path(session.project_dir) if session.project_dir is not None else None
    patient = Patient(home=workspace.home, cwd=workspace.cwd, machine=this_machine(workspace.environ))
    case, _ = gather(Request(environment=environment, project=project, static=True), patient)
    assert case.meant is not None  # a name that names nothing has raised
    return case.around, case.meant.interpreter
