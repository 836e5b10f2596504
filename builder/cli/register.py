"""`envbuild register`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli.environments import environment_argument
from builder.cli.session import WHOLE_FILES, Output, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("register", left=WHOLE_FILES)
@environment_argument(metavar="ENVIRONMENT")
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
    from builder.doctor.register import Target
    from builder.operations.doctoring import RegisterRequest, register

    chosen = {Target.JUPYTER: jupyter, Target.VSCODE: vscode, Target.JETBRAINS: jetbrains}
    targets = tuple(target for target, wanted in chosen.items() if wanted)
    if not targets:
        raise UsageError("say for what: --jupyter, --vscode, --jetbrains, or several of them")
    request = RegisterRequest(environment=environment, targets=targets, project=session.project_dir)
    registered = register(session.workspace(), request)
    return Output(
        result={"environment": str(registered.prefix), "registered": [item.to_json() for item in registered.done]},
        text="\n".join(item.message for item in registered.done),
        told=True,
    )
