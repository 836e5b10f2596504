"""With which credentials a recipe's channels are asked, and its lock's packages fetched."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from builder.credentials import named_credentials
from builder.errors import ChannelUnreachableError, EnvbuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from builder.lock.channels import Mirrors
    from builder.lock.rattler_solver import RattlerSolver
    from builder.workspace import Workspace


@contextlib.contextmanager
def naming_pypi(name: str, *, here: bool) -> Iterator[None]:
    """What to do where no channel can be reached says how a recipe is built from PyPI, if it is for this machine."""
    try:
        yield
    except ChannelUnreachableError as error:
        if here:
            instead = f"a machine that reaches only PyPI can use `envbuild create {name} --source pypi`"
            error.hint = f"{error.hint}; {instead}"
        raise


class Solvers:
    """py-rattler as the solver of one lock after the other: it keeps the channels' metadata at hand.

    There is one for all recipes whose channels anybody may read, and one for each set of channels with credentials, so
    that what one recipe names for a host is not sent for another one.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._made: dict[frozenset[str], RattlerSolver] = {}

    def solver(self, channels: Sequence[str]) -> RattlerSolver:
        """The solver for a recipe of these channels. Raises as `Workspace.mirrors`."""
        from builder.lock.rattler_solver import RattlerSolver

        private = frozenset(channel for channel in channels if named_credentials(channel))
        if private not in self._made:
            mirrors = self._workspace.mirrors_for(channels, named_by=channels)
            self._made[private] = RattlerSolver(mirrors=mirrors, offline=self._workspace.offline)
        return self._made[private]


def mirrors_of(workspace: Workspace, channels: Sequence[str] | None, *, recipes: Iterable[str]) -> Mirrors:
    """The mirrors for the channels of locks (None: of a stamp, which keeps no names of variables) of these recipes.

    The recipes say which variables may be sent. One that is not here or cannot be read says of none. Raises as
    `Workspace.mirrors`.
    """
    if channels is not None and not any(map(named_credentials, channels)):
        return workspace.mirrors
    named: list[str] = []
    for name in recipes:
        with contextlib.suppress(EnvbuildError):
            named += workspace.project.recipe(name).channels
    return workspace.mirrors_for(channels or (), named_by=named)
