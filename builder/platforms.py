"""Platform names (conda's *subdirs*) and the one place where the host platform is detected."""

from __future__ import annotations

import platform as _platform
import subprocess
import sys
from enum import StrEnum
from typing import Final


class Subdir(StrEnum):
    """A conda subdir. The value is the name used in channels, recipes and lockfiles."""

    OSX_ARM64 = "osx-arm64"
    OSX_64 = "osx-64"
    LINUX_64 = "linux-64"
    LINUX_AARCH64 = "linux-aarch64"
    NOARCH = "noarch"

    @property
    def is_osx(self) -> bool:
        return self in (Subdir.OSX_ARM64, Subdir.OSX_64)

    @property
    def is_linux(self) -> bool:
        return self in (Subdir.LINUX_64, Subdir.LINUX_AARCH64)

    @property
    def machine(self) -> str:
        """What `platform.machine()` says on this platform (empty for noarch)."""
        return _MACHINES[self]

    @property
    def selector(self) -> str:
        """conda-lock's line selector that is true for this platform alone (`# [arm64]`).

        Source: conda_lock/src_parser/selectors.py of conda-lock 4.0.3.
        """
        return _SELECTORS[self]


_MACHINES: Final = {
    Subdir.OSX_ARM64: "arm64",
    Subdir.OSX_64: "x86_64",
    Subdir.LINUX_64: "x86_64",
    Subdir.LINUX_AARCH64: "aarch64",
    Subdir.NOARCH: "",
}

_SELECTORS: Final = {
    Subdir.OSX_ARM64: "arm64",
    Subdir.OSX_64: "osx64",
    Subdir.LINUX_64: "linux64",
    Subdir.LINUX_AARCH64: "aarch64",
    Subdir.NOARCH: "",
}

#: The platforms a recipe may name: everything but `noarch`.
TARGETS: Final = (Subdir.OSX_ARM64, Subdir.OSX_64, Subdir.LINUX_64, Subdir.LINUX_AARCH64)


def _arm_hardware() -> bool:
    """True on Apple silicon even when this process runs translated by Rosetta.

    `hw.optional.arm64` is answered by the kernel, not by the translated userland.
    """
    try:
        answer = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "hw.optional.arm64"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == "1"


def host_subdir(*, system: str | None = None, machine: str | None = None) -> Subdir | None:
    """The platform of the hardware envbuild runs on, or None where no conda subdir of ours fits.

    On Apple silicon it is `osx-arm64` also when envbuild's own Python is an x86_64 build under
    Rosetta: environments are built for the machine, not for the interpreter that builds them.
    """
    system = sys.platform if system is None else system
    asked_machine = machine
    machine = _platform.machine() if machine is None else machine
    if system == "darwin":
        native = machine == "arm64" or (asked_machine is None and _arm_hardware())
        return Subdir.OSX_ARM64 if native else Subdir.OSX_64
    if system == "linux":
        return {"x86_64": Subdir.LINUX_64, "aarch64": Subdir.LINUX_AARCH64}.get(machine)
    return None
