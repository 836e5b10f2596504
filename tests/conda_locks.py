"""conda-lock as a whole, as its own command line has it, whatever of it a lock in the same process has imported."""

from __future__ import annotations

import sys


def whole_conda_lock() -> None:
    """Import conda-lock anew where only the parts are there that envbuild takes for locks without PyPI packages."""
    if not hasattr(sys.modules.get("conda_lock"), "main"):
        for name in [name for name in sys.modules if name.partition(".")[0] == "conda_lock"]:
            del sys.modules[name]
    import conda_lock  # noqa: F401
