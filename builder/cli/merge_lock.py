"""`envbuild merge-lock`"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("merge-lock", left="nothing was written, and the lock is still to be merged")
@click.argument("files", nargs=-1, metavar="[BASE OURS THEIRS PATH]", type=click.Path(path_type=Path))
@click.option("--install", is_flag=True, help="Make it this clone's merge driver for locks.")
@options.offline_option
@options.mirror_option
def command(session: Session, *, files: tuple[Path, ...], install: bool, mirrors: tuple[str, ...]) -> Output:
    """Merge a lock by solving the merged recipe again, staying at what both sides have: git's merge driver for locks.

    `--install` tells git of this clone about it and adds to .gitattributes which files are meant; commit that file.
    From then on `git merge`, `rebase` and `cherry-pick` call it. Where it cannot solve, it leaves conflict marks and
    ends with 1, so that git reports the conflict; `envbuild lock RECIPE --resolve` merges the lock afterwards.

    \b
    Examples:
      envbuild merge-lock --install
      git config merge.envbuild.driver "envbuild merge-lock %O %A %B %P"
    """
    if install and not files:
        return _install(session)
    if install or len(files) != 4:
        raise UsageError(
            "git names four files, and --install takes none"
            if install
            else f"git names four files to a merge driver (%O %A %B %P), and here are {len(files)}",
            hint="`envbuild merge-lock --install` sets it up; `envbuild lock RECIPE --resolve` merges by hand",
        )
    from builder.cli.moves import moves_json
    from builder.lock.moves import told
    from builder.operations.merging import MergeRequest, merge_lock

    base, ours, theirs, path = files
    request = MergeRequest(base=base, ours=ours, theirs=theirs, path=path.as_posix())
    done = merge_lock(session.workspace(mirrors=mirrors), request)
    return Output(
        result={"path": done.path, "merged": done.problem is None, "moves": moves_json(done.moves)},
        text="\n".join([*told(done.moves), f"merged {done.path}"]) if done.problem is None else None,
        told=True,
        exit_code=0 if done.problem is None else 1,
        errors=() if done.problem is None else (done.problem,),
    )


def _install(session: Session) -> Output:
    from builder.operations.merge_driver import InstallRequest, install

    done = install(session.workspace(), InstallRequest(program=sys.argv[0]))
    lines = [f"set {name} = {value}" for name, value in done.settings.items()]
    lines.append(f"wrote {done.attributes}; commit it" if done.written else f"{done.attributes} is as it should be")
    return Output(
        result={"settings": dict(done.settings), "attributes": str(done.attributes), "written": done.written},
        text="\n".join(lines),
        told=True,
    )
