"""Real wheels from PyPI, unpacked for Apple silicon (or Linux) on whatever machine runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

UV = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))


def unpacked(
    folder: Path,
    *specs: str,
    python: str = "3.11",
    platform: str = "aarch64-apple-darwin",
    macos: str = "14.0",
    editable: bool = False,
) -> Path:
    """The wheels of `specs`, without their dependencies, for a macOS.

    `editable`: as copies. A hard link would carry an edit into the cache of uv.
    """
    command = [UV, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(folder)]
    command += ["--python-platform", platform, "--python-version", python, *specs]
    if editable:
        command += ["--link-mode", "copy"]
    subprocess.run(command, check=True, env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": macos})
    return folder
