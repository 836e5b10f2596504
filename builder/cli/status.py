"""`envbuild status`"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from builder.cli.environments import drift_json, drift_lines, environment_argument
from builder.cli.session import Output, verb
from builder.errors import ChecksFailedError
from builder.wording import listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.cli.session import Session
    from builder.operations.watching import EnvironmentStatus


@verb("status")
@environment_argument(required=False)
def command(session: Session, *, environment: str | None) -> Output:
    """Say whether environments still match their locks: packages, builds, hashes, every file, and the proof.

    Without a name: all environments that envbuild made. Nothing is run and nothing is changed. Ends with 1 when
    something differs, the lock has changed since, or the last verification failed.

    \b
    Examples:
      envbuild status
      envbuild status ml-m1
      envbuild status ./prefix -v
    """
    from builder.operations.watching import StatusRequest, status

    found = status(session.workspace(), StatusRequest(environment=environment)).environments
    wrong = [one for one in found if not one.ok]
    blocks = ["\n".join(_lines(one, details=session.verbose)) for one in found]
    return Output(
        result={"environments": [_json(one) for one in found]},
        text="\n\n".join(blocks) or "envbuild has made no environment yet",
        errors=tuple(_error(one) for one in wrong),
    )


def _lines(one: EnvironmentStatus, *, details: bool) -> Iterator[str]:
    from builder.operations.locked import Step

    yield f"{one.name}  {one.prefix}"
    if one.unfinished:
        yield "  unfinished: an envbuild is at work on it, or was killed"
    match one.step:
        case Step.IN_STEP:
            yield f"  lock      unchanged since it was built: {one.lock}"
        case Step.CHANGED:
            moves = [f"{move.name} {move.before or '–'} → {move.after or '–'}" for move in one.moved]
            told = listing(moves, most=len(moves) if details else 4) or "no package of this environment"
            yield f"  lock      changed since it was built ({one.lock}): {told}"
        case Step.NONE:
            yield "  lock      not found from here; compared with what it was built from"
    drift = one.drift
    packages, files = plural(drift.packages, "package"), plural(drift.files, "file")
    if drift.clean:
        yield f"  content   {packages} and {files} as locked"
    else:
        yield f"  content   differs ({packages} and {files} compared)"
        yield from (f"            {line}" for line in drift_lines(drift, details=details))
    if one.proof is not None:
        yield f"  proof     {one.proof} ({one.proof_level})"
    else:
        yield "  proof     out of date: other things are expected now" if one.proof_outdated else "  proof     none yet"


def _error(one: EnvironmentStatus) -> ChecksFailedError:
    from builder.operations.locked import Step

    which = shlex.quote(str(one.prefix))
    reasons = [
        reason
        for reason, holds in (
            ("it is unfinished", one.unfinished),
            ("its content differs from its lock", not one.drift.clean),
            ("its lock has changed", one.step is Step.CHANGED),
            ("its verification failed", one.proof == "failed"),
            ("its proof is out of date", one.proof_outdated),
        )
        if holds
    ]
    if one.drift.restored and one.drift.unknown + one.drift.strays:
        hint = f"remove what the lock does not know: envbuild sync {which} --prune"
    elif one.drift.clean and one.step is not Step.CHANGED and not one.unfinished and one.proof_outdated:
        hint = f"prove what is expected now: {shlex.join(one.create_command)}"
    elif one.drift.clean and one.step is not Step.CHANGED and not one.unfinished:
        hint = f"see what fails: envbuild verify {which}"
    else:
        hint = f"bring it to its lock: envbuild sync {which}"
    return ChecksFailedError(f"{one.name}: {listing(reasons)}", hint=hint)


def _json(one: EnvironmentStatus) -> dict[str, Any]:
    return {
        "name": one.name,
        "prefix": str(one.prefix),
        "recipe": one.recipe,
        "platform": one.platform,
        "ok": one.ok,
        "unfinished": one.unfinished,
        "lock": {
            "file": str(one.lock) if one.lock is not None else None,
            "step": one.step.value,
            "moved": [{"name": move.name, "before": move.before, "after": move.after} for move in one.moved],
        },
        "drift": drift_json(one.drift),
        "proof": {
            "verdict": one.proof.value if one.proof is not None else None,
            "level": one.proof_level,
            "outdated": one.proof_outdated,
        },
    }
