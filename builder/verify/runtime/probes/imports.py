"""Import modules, one after the other, in this one process."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.verify.runtime.probes.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """Import `modules` in order, each a step of `check`."""
    for name in arguments["modules"]:
        with probe.step(arguments["check"], name) as facts:
            module = importlib.import_module(name)
            facts["file"] = getattr(module, "__file__", None)
            facts["version"] = str(getattr(module, "__version__", ""))
    if arguments.get("images"):
        with probe.step("openmp.loaded") as facts:
            facts["images"] = probe.loaded_images()
