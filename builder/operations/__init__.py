"""The use cases, one module each: what every command of `envbuild` does, as functions for scripts.

    from builder import operations
    from builder.workspace import Workspace

    result = operations.create(Workspace.here(), operations.CreateRequest(recipe="ml-m1"))

Each takes a `Workspace` and a request and gives a frozen result. What must not be skipped (the audit of a lock, the
notice that it is out of date, the proof of an environment) happens in here, so a script is as safe as the command.
Modules are imported when they are used: a script that only checks locks does not pay for a solver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from builder.operations.checking import CheckedLock, CheckRequest, CheckResult, check
    from builder.operations.ci_matrix import Job, MatrixRequest, MatrixResult, matrix
    from builder.operations.cleaning import CleanPlan, CleanRequest, clean, cleanable
    from builder.operations.compatibility import (
        CompatRequest,
        CompatResult,
        ExplainRequest,
        ExplainResult,
        compat,
        explain,
    )
    from builder.operations.configuring import Setting, show_config
    from builder.operations.created import CreateResult
    from builder.operations.creating import CreateRequest, create
    from builder.operations.diffing import DiffRequest, DiffResult, diff
    from builder.operations.doctoring import (
        DoctorRequest,
        DoctorResult,
        RegisterRequest,
        RegisterResult,
        doctor,
        register,
        unregister,
    )
    from builder.operations.exporting import ExportRequest, ExportResult, export_lock
    from builder.operations.importing import ImportRequest, ImportResult, import_recipe
    from builder.operations.initialising import InitRequest, InitResult, init
    from builder.operations.listing import ListedRecipe, ListResult, list_recipes
    from builder.operations.locking import LockRequest, LockResult, lock
    from builder.operations.locking_all import LockAllRequest, LockAllResult, lock_all
    from builder.operations.measuring import MeasureRequest, MeasureResult, measure
    from builder.operations.merging import MergeRequest, MergeResult, merge_lock, resolve
    from builder.operations.mirroring import MirrorRequest, MirrorResult, mirror
    from builder.operations.packing import PackRequest, PackResult, pack
    from builder.operations.preparing import PackageOptions
    from builder.operations.proving_locks import ProveRequest, ProveResult, prove
    from builder.operations.removing import Removable, RemoveRequest, RemoveResult, removable, remove
    from builder.operations.rendering import RenderPlainRequest, RenderRequest, RenderResult, render, render_plain
    from builder.operations.running import ActivateRequest, ActivateResult, Launch, RunRequest, activate, run
    from builder.operations.showing import ShowRequest, ShowResult, show
    from builder.operations.syncing import SyncRequest, SyncResult, sync
    from builder.operations.unpacking import UnpackRequest, UnpackResult, unpack
    from builder.operations.updating import UpdateRequest, UpdateResult, update
    from builder.operations.verifying import VerifyRequest, VerifyResult, verify
    from builder.operations.watching import EnvironmentStatus, StatusRequest, StatusResult, status

#: Module → what it offers. No module is called like a function in it: a module that is imported becomes an attribute
#: of this package, in the function's place.
_OFFERED: Final[dict[str, tuple[str, ...]]] = {
    "checking": ("CheckRequest", "CheckResult", "CheckedLock", "check"),
    "ci_matrix": ("Job", "MatrixRequest", "MatrixResult", "matrix"),
    "cleaning": ("CleanPlan", "CleanRequest", "clean", "cleanable"),
    "compatibility": ("CompatRequest", "CompatResult", "ExplainRequest", "ExplainResult", "compat", "explain"),
    "configuring": ("Setting", "show_config"),
    "created": ("CreateResult",),
    "creating": ("CreateRequest", "create"),
    "diffing": ("DiffRequest", "DiffResult", "diff"),
    "doctoring": (
        "DoctorRequest",
        "DoctorResult",
        "RegisterRequest",
        "RegisterResult",
        "doctor",
        "register",
        "unregister",
    ),
    "exporting": ("ExportRequest", "ExportResult", "export_lock"),
    "importing": ("ImportRequest", "ImportResult", "import_recipe"),
    "initialising": ("InitRequest", "InitResult", "init"),
    "listing": ("ListResult", "ListedRecipe", "list_recipes"),
    "locking": ("LockRequest", "LockResult", "lock"),
    "locking_all": ("LockAllRequest", "LockAllResult", "lock_all"),
    "measuring": ("MeasureRequest", "MeasureResult", "measure"),
    "merging": ("MergeRequest", "MergeResult", "merge_lock", "resolve"),
    "mirroring": ("MirrorRequest", "MirrorResult", "mirror"),
    "packing": ("PackRequest", "PackResult", "pack"),
    "preparing": ("PackageOptions",),
    "proving_locks": ("ProveRequest", "ProveResult", "prove"),
    "removing": ("RemoveRequest", "RemoveResult", "Removable", "removable", "remove"),
    "rendering": ("RenderPlainRequest", "RenderRequest", "RenderResult", "render", "render_plain"),
    "running": ("ActivateRequest", "ActivateResult", "Launch", "RunRequest", "activate", "run"),
    "showing": ("ShowRequest", "ShowResult", "show"),
    "syncing": ("SyncRequest", "SyncResult", "sync"),
    "unpacking": ("UnpackRequest", "UnpackResult", "unpack"),
    "updating": ("UpdateRequest", "UpdateResult", "update"),
    "verifying": ("VerifyRequest", "VerifyResult", "verify"),
    "watching": ("EnvironmentStatus", "StatusRequest", "StatusResult", "status"),
}
_WHERE: Final = {name: module for module, names in _OFFERED.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})


__all__ = [
    "ActivateRequest",
    "ActivateResult",
    "CheckRequest",
    "CheckResult",
    "CheckedLock",
    "CleanPlan",
    "CleanRequest",
    "CompatRequest",
    "CompatResult",
    "CreateRequest",
    "CreateResult",
    "DiffRequest",
    "DiffResult",
    "DoctorRequest",
    "DoctorResult",
    "EnvironmentStatus",
    "ExplainRequest",
    "ExplainResult",
    "ExportRequest",
    "ExportResult",
    "ImportRequest",
    "ImportResult",
    "InitRequest",
    "InitResult",
    "Job",
    "Launch",
    "ListResult",
    "ListedRecipe",
    "LockAllRequest",
    "LockAllResult",
    "LockRequest",
    "LockResult",
    "MatrixRequest",
    "MatrixResult",
    "MeasureRequest",
    "MeasureResult",
    "MergeRequest",
    "MergeResult",
    "MirrorRequest",
    "MirrorResult",
    "PackRequest",
    "PackResult",
    "PackageOptions",
    "ProveRequest",
    "ProveResult",
    "RegisterRequest",
    "RegisterResult",
    "Removable",
    "RemoveRequest",
    "RemoveResult",
    "RenderPlainRequest",
    "RenderRequest",
    "RenderResult",
    "RunRequest",
    "Setting",
    "ShowRequest",
    "ShowResult",
    "StatusRequest",
    "StatusResult",
    "SyncRequest",
    "SyncResult",
    "UnpackRequest",
    "UnpackResult",
    "UpdateRequest",
    "UpdateResult",
    "VerifyRequest",
    "VerifyResult",
    "activate",
    "check",
    "clean",
    "cleanable",
    "compat",
    "create",
    "diff",
    "doctor",
    "explain",
    "export_lock",
    "import_recipe",
    "init",
    "list_recipes",
    "lock",
    "lock_all",
    "matrix",
    "measure",
    "merge_lock",
    "mirror",
    "pack",
    "prove",
    "register",
    "removable",
    "remove",
    "render",
    "render_plain",
    "resolve",
    "run",
    "show",
    "show_config",
    "status",
    "sync",
    "unpack",
    "unregister",
    "update",
    "verify",
]
