"""`envbuild unregister`"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.cli.environments import environment_argument
from builder.cli.session import WHOLE_FILES, Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("unregister", left=WHOLE_FILES)
@environment_argument(metavar="ENVIRONMENT")
def command(session: Session, *, environment: str) -> Output:
    """Take back what `envbuild register` wrote for an environment: its kernel, and the settings of folders.

    Each settings.json is put back as it was; with --project, only that folder's. A kernel or a setting that envbuild
    did not write, or that names another interpreter by now, stays.

    \b
    Examples:
      envbuild unregister ml-m1
      envbuild unregister ml-m1 --project ~/mnist
    """
    from builder.operations.doctoring import unregister

    removed = unregister(session.workspace(), environment, session.project_dir)
    return Output(
        result={"environment": str(removed.prefix), "removed": [item.to_json() for item in removed.done]},
        text="\n".join(item.message for item in removed.done) or "nothing of ours is registered for it",
        told=True,
    )
