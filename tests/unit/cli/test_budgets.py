"""What each verb imports: it answers at once because it imports little. The numbers may only go down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from builder.environment.stamp import RELATIVE_PATH, Stamp, Verdict
from builder.lock.digest import lock_digest
from builder.operations.expectations import expectations
from builder.operations.preparing import PackageOptions, prepare
from builder.platforms import host_subdir
from tests.unit.operations.projects import with_lock
from tests.workspaces import workspace

ROOT: Final = Path(__file__).parents[3]
HERE: Final = host_subdir()

#: Imported by none of them. What takes longer than all else that these verbs do.
_HEAVY: Final = frozenset({"rattler", "conda_lock", "rich", "jinja2", "filelock", "asyncio", "ssl", "http", "msgpack"})
#: What reads recipes and facts.
_READING: Final = frozenset({"msgspec", "yaml", "packaging"})

#: Verb → (modules that are not Python's own, at most; whether recipes may be read).
_BUDGETS: Final = {
    "check --help": (10, False),
    "completion bash": (6, False),
    "check": (39, False),
    "create mine": (52, False),
    "lock mine": (75, True),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose lock is up to date, and a home with its environment, that has passed its proof."""
    home = tmp_path_factory.mktemp("budgets")
    root = with_lock(home, home / "project")
    here = workspace(home, root=root)
    recipe = here.project.recipe("mine")
    assert HERE is not None
    stamp = Stamp(
        name="mine",
        recipe="mine",
        subdir=HERE,
        lock_sha256=lock_digest(root / "environments" / "mine" / "conda-lock.yml"),
        envbuild_version="",
        packages=(),
        expectations=expectations(recipe, prepare(here, recipe, PackageOptions()).plans[HERE]),
    )
    file = home / ".conda" / "envs" / "mine" / RELATIVE_PATH
    file.parent.mkdir(parents=True)
    file.write_text(stamp.proven(level="quick", verdict=Verdict.PASSED).dumps())
    return root


_RUN = """
import os, sys
os._exit = sys.exit
from builder.cli import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def _modules(project: Path, words: str, *, runs: int = 2, data: Path | None = None) -> frozenset[str]:
    """The modules that the last of so many runs of a verb has imported; `data` is where envbuild keeps its files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ENVBUILD", "CONDA", "PYTEST"))}
    environ = kept | {
        "HOME": str(project.parent),
        "XDG_DATA_HOME": str(data or project.parent / "data"),
        "XDG_CONFIG_HOME": str(project.parent / "config"),
        "PYTHONPATH": str(ROOT),
    }
    ended = None
    for _ in range(runs):
        command = [sys.executable, "-P", "-c", _RUN, *words.split()]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project, env=environ)
        assert ended.returncode == 0, ended.stderr
    assert ended is not None
    loaded = ended.stderr.splitlines()[-1].split()
    return frozenset(loaded)


@pytest.mark.parametrize("words", _BUDGETS)
@pytest.mark.skipif(HERE is None, reason="no platform of ours")
def test_a_verb_imports_no_more_than_its_budget(project: Path, words: str) -> None:
    budget, reads = _BUDGETS[words]
    loaded = _modules(project, words)
    tops = {name.partition(".")[0] for name in loaded}
    assert sorted(tops & (_HEAVY if reads else _HEAVY | _READING)) == []
    ours = {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names}
    counted = len({name for name in ours if not name.startswith(("_", "click"))})
    assert counted <= budget, sorted(ours)
    assert counted > budget - 10, f"{words}: the budget is {budget} and may be lowered to {counted}"


@pytest.mark.skipif(HERE is None, reason="no platform of ours")
def test_what_reads_locks_imports_nothing_that_makes_them(project: Path, tmp_path: Path) -> None:
    """For the first time, with nothing known: recipes are read and planned, and nothing is solved or fetched."""
    loaded = _modules(project, "check", runs=1, data=tmp_path)
    assert "builder.lock.audit" in loaded
    assert sorted({name.partition(".")[0] for name in loaded} & (_HEAVY - {"jinja2"})) == []
    assert sorted(loaded & {"builder.lock.make", "builder.lock.pypi", "builder.lock.solver", "builder.uv"}) == []
    assert "importlib.metadata" not in loaded
