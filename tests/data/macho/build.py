"""Build the Mach-O fixtures of this folder on any machine: `python build.py` (needs `pip install ziglang`).

zig links Mach-O without Apple's tools and signs arm64 output ad hoc, as Apple's linker does. The binaries are
committed, so that tests need no compiler; run this again only when a source changes.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TARGETS = {"arm64": "aarch64-macos.12.0", "x86_64": "x86_64-macos.10.13"}
CPUS = {"arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3)}


def compile_(source: str, output: Path, arch: str, *extra: str) -> Path:
    """A stripped shared library of one architecture."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[arch], "-shared", "-Os", "-s", "-g0"]
    command += ["-o", str(output), str(HERE / "src" / source), "-L", str(HERE), *extra]
    subprocess.run(command, check=True)
    return output


def universal(output: Path, parts: dict[str, Path], *, wide: bool = False) -> None:
    """Join thin files as `lipo -create` does (`wide`: with 64-bit offsets, `lipo -fat64`)."""
    magic, shape = (0xCAFEBABF, ">IIQQII") if wide else (0xCAFEBABE, ">IIIII")
    header = struct.pack(">II", magic, len(parts))
    body = b""
    start = 1 << 14
    for arch, path in parts.items():
        data = path.read_bytes()
        offset = start + len(body)
        header += struct.pack(shape, *CPUS[arch], offset, len(data), 14, *([0] if wide else []))
        body += data + b"\0" * (-len(data) % start)
    output.write_bytes(header.ljust(start, b"\0") + body)


def main() -> None:
    thin = {
        arch: compile_("greet.c", HERE / f"libgreet-{arch}.dylib", arch, "-Wl,-install_name,@rpath/libgreet.dylib")
        for arch in TARGETS
    }
    universal(HERE / "libgreet-universal2.dylib", thin)
    universal(HERE / "libgreet-fat64.dylib", thin, wide=True)


if __name__ == "__main__":
    main()
