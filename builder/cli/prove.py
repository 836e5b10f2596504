"""`envbuild prove`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.errors import ChecksFailedError

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.lock.proof import PlatformProof
    from builder.platforms import Subdir


@verb("prove", left="no proof was written; what was read is kept, and the next run goes on from there")
@options.recipe_argument
@options.platform_option
@click.option("--macos", metavar="VERSION", help="Judge for this macOS (default: the recipe's oldest).")
@click.option(
    "--summaries",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep what was read of packages here, for instance in a shared cache.",
)
@options.mirror_option
def command(
    session: Session,
    *,
    name: str,
    platforms: tuple[Subdir, ...],
    macos: str | None,
    summaries: Path | None,
    mirrors: tuple[str, ...],
) -> Output:
    """Prove that what a lock holds will load, before anyone installs it; any machine proves any platform.

    Reads every package once and links the whole as the system's loader would. Writes
    environments/RECIPE/proof.json, which is to be committed. Ends with 1 when a platform is not proven.

    \b
    Examples:
      envbuild prove ml-m1
      envbuild prove ml-m1 --platform osx-arm64 --macos 13.0
      envbuild prove ml-m1 --summaries ~/.cache/envbuild-summaries
    """
    from builder.operations.proving_locks import ProveRequest, prove

    made = prove(
        session.workspace(mirrors=mirrors),
        ProveRequest(recipe=name, platforms=platforms, macos=macos, summaries=summaries),
    )
    lines = [line for subdir, proof in made.proofs.items() for line in _told(made.name, subdir, proof)]
    failed = [subdir.value for subdir, proof in made.proofs.items() if not proof.proven]
    error = ChecksFailedError(
        f"{made.name} is not proven on {', '.join(failed)}", hint=f"the findings are in {made.file}"
    )
    return Output(
        result={
            "name": made.name,
            "file": str(made.file),
            "reads": made.reads,
            "platforms": {subdir.value: asdict(proof) for subdir, proof in made.proofs.items()},
        },
        text="\n".join([*lines, f"wrote {made.file}"]),
        errors=(error,) if failed else (),
    )


def _told(name: str, subdir: str, proof: PlatformProof) -> list[str]:
    """A line for the platform, and for each thing that failed or is to be noted."""
    verdict = f"proven on {subdir}, {proof.phrase}" if proof.proven else f"NOT proven on {subdir}"
    counted = f"{proof.packages} packages, {proof.counts['binaries']:,} binaries, {proof.counts['symbols']:,} symbols"
    undecided = proof.counts.get("system_symbols_undecided", 0)
    counted += f", {undecided:,} undecided" if undecided else ""
    shown = [finding for finding in proof.findings if finding.status in ("fail", "warn")]
    lines = [line for one in shown for line in (f"  {one.status} {one.check}: {one.title}", *_indented(one.evidence))]
    return [f"{name}: {verdict} ({counted})", *lines]


def _indented(evidence: tuple[str, ...]) -> list[str]:
    return [f"      {line}" for line in evidence]
