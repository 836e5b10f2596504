"""`builder.operations` from a script: as safe as the command, without a word on the terminal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.create.world import World

_CREATE = """
import json
import re
from builder import operations
from builder.errors import EnvbuildError
from builder.workspace import Workspace

answer = {}
for _ in range(2):
    try:
        result = operations.create(Workspace.here(), operations.CreateRequest(recipe="tiny"))
    except EnvbuildError as error:
        answer = {"refused": error.code, "message": error.message}
        break
    answer = {
        "ok": [*answer.get("ok", []), result.problem is None],
        "proofs": answer.get("proofs", 0) + (result.report is not None),
        "changed": [*answer.get("changed", []), result.changed],
        "warnings": [*answer.get("warnings", []), *result.warnings],
    }
print(json.dumps(answer))
"""


def _create(world: World) -> dict[str, Any]:
    answer = world.run_program(("-c", _CREATE)).ended(0)
    assert answer.stderr == ""
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def test_create_proves_and_is_then_a_no_op(world: World) -> None:
    assert _create(world) == {"ok": [True, True], "proofs": 1, "changed": [True, False], "warnings": []}
    world.whole()


def test_create_notices_a_lock_that_is_out_of_date(world: World) -> None:
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("words, prefixed, filler", "words, prefixed"))
    warning, again = _create(world)["warnings"]
    assert "out of date" in warning
    assert "envbuild lock tiny" in warning
    assert again == warning, "that there is nothing to do does not make the lock any newer"


def test_create_audits(world: World) -> None:
    lock = world.project / "environments/tiny/conda-lock.yml"
    # Only what nothing but the audit looks for: the lock can be read without them.
    lock.write_text(re.sub(r"\n    sha256: .*", "", lock.read_text()))
    refused = _create(world)
    assert refused["refused"] == "lockfile"
    assert not world.prefix().exists()


def test_create_says_that_the_proof_failed(world: World) -> None:
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(f"{recipe.read_text()}verify:\n  imports: [no_such_module]\n")
    assert _create(world)["ok"] == [False, False]


_STAGES = """
import sys
from pathlib import Path
from builder import operations
from builder.lock.rattler_solver import RattlerSolver
from builder.operations.locking import lock_rendered
from builder.render.read import read_rendered
from builder.workspace import Workspace

workspace = Workspace.here()
operations.render(workspace, operations.RenderRequest(recipe="tiny"))
rendered = read_rendered(workspace.project.environment("tiny"))
made = lock_rendered(workspace, rendered, solver=RattlerSolver(), notes={})
print(len(made.lock.packages), rendered.name)
"""


def test_lock_begins_from_rendered_files(world: World) -> None:
    """Each stage can be run alone: what was rendered into a folder is all that locking needs."""
    lock = world.project / "environments/tiny/conda-lock.yml"
    lock.unlink()
    answer = world.run_program(("-c", _STAGES)).ended(0)
    count, name = answer.stdout.split()
    assert (int(count) > 5, name) == (True, "tiny")
    assert not lock.exists()
