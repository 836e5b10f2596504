"""The only module that imports conda-lock, whose Python API is not stable (`>=4.0.3,<5`; see the contract test).

Used of it: its reading of environment.yml, its content hashes, and its `solve_conda`, which drives a user's own
conda, mamba or micromamba.

Importing it costs more than solving, because its `__init__` imports all of it, Poetry's resolver included. Hashes that
need none of it are computed by `lock.content_hash`. Otherwise `preload` imports in a thread while packages are fetched
and solved; and where a recipe asks for nothing from PyPI, which is all that Poetry's part serves, only the modules that
are used are imported (`_enter_lean`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import io
import json
import logging
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.errors import LockfileError, UnsatisfiableError, UsageError
from builder.lock import content_hash
from builder.lock.channels import canonical_url
from builder.lock.model import LockedPackage
from builder.names import MAPPING_FILE
from builder.platforms import Subdir
from builder.render.model import VIRTUAL_PACKAGES_FILE
from builder.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conda_lock.models.lock_spec import LockSpecification
    from conda_lock.virtual_package import FakeRepoData

    from builder.lock.channels import Mirrors
    from builder.lock.solver import SolveRequest
    from builder.render.model import Rendered


#: conda-lock's packages whose `__init__` imports far more than the modules that are used below them.
_ENTERED_LEAN: Final = (
    "conda_lock",
    "conda_lock.src_parser",
)


def prepare(rendered: Rendered, *, own_solver: bool) -> None:
    """Begin to import in the background what will be used, if anything."""
    if own_solver:
        preload()
    elif content_hash.content_hashes(rendered) is None:
        preload(lean=is_lean(rendered))


@functools.cache
def preload(*, lean: bool = False) -> threading.Thread:
    """Begin, once, to import conda-lock in the background; `lean` leaves out what only PyPI packages need."""

    def load() -> None:
        # A failure surfaces where the import is needed, with its own traceback.
        with contextlib.suppress(Exception):
            if lean:
                _enter_lean()
                import conda_lock.content_hash
                import conda_lock.src_parser.conda_common
            else:
                import conda_lock.conda_lock  # noqa: F401

    thread = threading.Thread(target=load, name="import conda-lock", daemon=True)
    thread.start()
    return thread


def _enter_lean() -> None:
    """Put conda-lock's packages into `sys.modules` without running their `__init__`, unless they are there already."""
    for name in _ENTERED_LEAN:
        if name not in sys.modules:
            specification = importlib.util.find_spec(name)
            if specification is None:
                raise ImportError(f"conda-lock has no package {name}")
            module = importlib.util.module_from_spec(specification)
            sys.modules[name] = module
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, module)


def _ready(*, lean: bool) -> None:
    """Wait until conda-lock is imported: two threads cannot import its circles of modules at once."""
    preload(lean=lean).join()
    if not lean:
        import_whole()
    # It warns about every line that a selector leaves out, which is what selectors are for.
    logging.getLogger("conda_lock").setLevel(logging.ERROR)


def import_whole() -> None:
    """Import conda-lock as its own command line has it; anew where it was entered lean for another lock before."""
    if not hasattr(sys.modules.get("conda_lock"), "main"):
        for name in [name for name in sys.modules if name.partition(".")[0] == "conda_lock"]:
            del sys.modules[name]
        import conda_lock  # noqa: F401


def is_lean(rendered: Rendered) -> bool:
    """Whether the rendered files can be read without the part of conda-lock that knows PyPI requirements."""
    return not any(specs.pip for specs in rendered.platforms)


def content_hashes(rendered: Rendered) -> dict[Subdir, str]:
    """conda-lock's content hash of the rendered files, per platform: what `--check-input-hash` compares.

    Raises LockfileError when conda-lock reads the rendered files differently from what was solved.
    """
    if (known := content_hash.content_hashes(rendered)) is not None:
        return known
    with _parsed(rendered, lean=is_lean(rendered)) as (specification, virtual_packages):
        from conda_lock.content_hash import compute_content_hashes

        hashes = compute_content_hashes(specification, virtual_packages)
    return {Subdir(platform): digest for platform, digest in hashes.items()}


@contextlib.contextmanager
def _parsed(rendered: Rendered, *, lean: bool) -> Iterator[tuple[LockSpecification, FakeRepoData]]:
    """The rendered files as conda-lock reads them, from a scratch folder: nothing is written for the user yet."""
    _ready(lean=lean)
    from conda_lock.virtual_package import virtual_package_repo_from_specification

    with scratch("envbuild-lock-") as folder:
        for file, text in rendered.files.items():
            (folder / file).write_text(text, encoding="utf-8")
        specification = _specification_lean(rendered, folder) if lean else _specification(rendered, folder)
        virtual_packages = virtual_package_repo_from_specification(folder / VIRTUAL_PACKAGES_FILE)
        try:
            yield specification, virtual_packages
        finally:
            shutil.rmtree(virtual_packages.base_path, ignore_errors=True)


def _specification(rendered: Rendered, folder: Path) -> LockSpecification:
    from conda_lock.src_parser import make_lock_spec

    files = [folder / file for file in rendered.environment_files]
    specification: LockSpecification = make_lock_spec(src_files=files, mapping_url=str(MAPPING_FILE))
    _check_same_reading(rendered, specification)
    return specification


def _specification_lean(rendered: Rendered, folder: Path) -> LockSpecification:
    """What `make_lock_spec` gives, by the same reading of each match spec (the contract test compares the two)."""
    from conda_lock.models.lock_spec import LockSpecification
    from conda_lock.src_parser.conda_common import conda_spec_to_versioned_dep

    return LockSpecification(
        dependencies={
            specs.subdir.value: [conda_spec_to_versioned_dep(line.text, line.group) for line in specs.conda]
            for specs in rendered.platforms
        },
        channels=list(rendered.channels),
        sources=[folder / file for file in rendered.environment_files],
    )


def _check_same_reading(rendered: Rendered, specification: LockSpecification) -> None:
    for specs in rendered.platforms:
        ours = {(line.manager, canonicalize_name(line.name)) for line in (*specs.conda, *specs.pip)}
        theirs = {
            (dependency.manager, canonicalize_name(dependency.name))
            for dependency in specification.dependencies[specs.subdir.value]
        }
        if ours != theirs:
            difference = ", ".join(sorted(name for _, name in ours ^ theirs))
            raise LockfileError(
                f"conda-lock reads the rendered environment.yml differently on {specs.subdir}: {difference}"
            )


class CondaLockSolver:
    """A user's own conda, mamba or micromamba, driven by conda-lock's `solve_conda`."""

    prefers = False

    def __init__(self, executable: str, *, rendered: Rendered, mirrors: Mirrors) -> None:
        """`executable` is conda, mamba or micromamba, or a path. It has its own credentials."""
        found = shutil.which(executable)
        if found is None:
            raise UsageError(
                f"--solver {executable}: no such program on PATH",
                hint="install it, or leave --solver out: the built-in solver needs no conda",
            )
        self.name = Path(found).name
        self._executable = found
        self._rendered = rendered
        self._mirrors = mirrors
        # conda-lock states virtual packages through the process's environment: one platform at a time.
        self._one_at_a_time = asyncio.Lock()

    async def solve(self, request: SolveRequest) -> list[LockedPackage]:
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._solve, request)

    async def versions(self, request: SolveRequest, package: str) -> frozenset[str]:
        return frozenset()

    def _solve(self, request: SolveRequest) -> list[LockedPackage]:
        with _parsed(self._rendered, lean=False) as (specification, virtual_packages), virtual_packages:
            from conda_lock.conda_solver import solve_conda
            from conda_lock.models.channel import Channel

            wanted = {
                dependency.name: dependency
                for dependency in specification.dependencies[request.subdir.value]
                if dependency.manager == "conda"
            }
            for name, version in request.exact.items():
                if name in wanted:
                    wanted[name] = wanted[name].model_copy(update={"version": f"=={version}"})
            try:
                # It prints its own account of a failure, on stdout as well, which belongs to our result.
                quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
                with quiet[0], quiet[1], virtual_packages.conda_virtual_package_overrides(request.subdir.value):
                    planned = solve_conda(
                        self._executable,
                        specs=wanted,
                        locked={},
                        update=[],
                        platform=request.subdir.value,
                        channels=[
                            *(
                                Channel.from_string(self._mirrors.fetch_url(canonical_url(channel)))
                                for channel in request.channels
                            ),
                            virtual_packages.channel,
                        ],
                        mapping_url=str(MAPPING_FILE),
                    )
            except (subprocess.CalledProcessError, RuntimeError, KeyError) as error:
                raise UnsatisfiableError(
                    f"{self.name} found no solution for {request.subdir}: {_reason(error)}",
                    hint="leave --solver out to see the built-in solver's reason",
                ) from None
        return [
            LockedPackage(
                manager="conda",
                name=package.name,
                version=package.version,
                subdir=request.subdir,
                url=self._mirrors.canonical(package.url),
                sha256=package.hash.sha256,
                md5=package.hash.md5 or None,
                dependencies=package.dependencies,
            )
            for package in planned.values()
            if not package.name.startswith("__")
        ]


def _reason(error: Exception) -> str:
    """What conda, mamba or micromamba gives as its reason, out of the JSON it answers with."""
    if not isinstance(error, subprocess.CalledProcessError):
        return str(error)
    with contextlib.suppress(ValueError, AttributeError):
        answer = json.loads(error.stdout)
        reason = answer.get("message") or answer.get("solver_problems") or answer.get("error")
        if reason:
            return "\n".join(reason) if isinstance(reason, list) else str(reason)
    return (error.stderr or error.stdout or "").strip() or f"exit code {error.returncode}"
