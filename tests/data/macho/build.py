"""Build the Mach-O fixtures of this folder, and the ELF ones beside it, on any machine.

`python build.py` needs `pip install ziglang envbuild`.

zig links Mach-O without Apple's tools and signs arm64 output ad hoc, as Apple's linker does. The binaries are
committed, so that tests need no compiler; run this again only when a source changes.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from builder.binaries.macho import resign_adhoc

HERE = Path(__file__).parent
TARGETS = {"arm64": "aarch64-macos.12.0", "x86_64": "x86_64-macos.10.13"}
CPUS = {"arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3)}


NUMPY = {
    "numpy-1": ["-DHEADERS=1"],
    "numpy-any": ["-DHEADERS=2", '-DNEEDS="1.20"'],
    "numpy-2": ["-DHEADERS=2", '-DNEEDS="2.0"'],
}


def compile_(source: str, output: Path, arch: str, *extra: str) -> Path:
    """A stripped shared library of one architecture."""
    if not any("-install_name" in word for word in extra):
        # Or the linker would take the path it writes to, which is this machine's.
        extra += (f"-Wl,-install_name,/usr/local/envbuild-fixtures/{output.name}",)
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


def program(source: str, output: Path, *extra: str) -> None:
    command = [
        sys.executable,
        "-m",
        "ziglang",
        "cc",
        "-target",
        TARGETS["arm64"],
        "-Os",
        "-s",
        "-g0",
        "-o",
        str(output),
    ]
    subprocess.run([*command, str(HERE / "src" / source), *extra], check=True)


def reexport(path: Path, library: str) -> None:
    """Turn the LC_LOAD_DYLIB of `library` into LC_REEXPORT_DYLIB: zig's linker has no option for it."""
    data = bytearray(path.read_bytes())
    command = data.index(library.encode() + b"\0") - 24
    assert struct.unpack_from("<I", data, command) == (0xC,)
    struct.pack_into("<I", data, command, 0x8000001F)
    path.write_bytes(data)
    resign_adhoc(path)


def linux(folder: Path) -> None:
    """The same pair of library and module as ELF files, for both machines."""
    folder.mkdir(exist_ok=True)
    for machine in ("x86_64", "aarch64"):
        command = [
            sys.executable,
            "-m",
            "ziglang",
            "cc",
            "-target",
            f"{machine}-linux-gnu.2.28",
            "-shared",
            "-Os",
            "-s",
        ]
        library = folder / "libhost.so"
        subprocess.run(
            [*command, "-DFULL", "-o", str(library), str(HERE / "src" / "host.c"), "-Wl,-soname,libhost.so"], check=True
        )
        module = [str(HERE / "src" / "module.c"), "libhost.so", "-Wl,-rpath,$ORIGIN/../host"]
        subprocess.run([*command, "-o", f"module-{machine}.so", *module], check=True, cwd=folder)
        library.rename(folder / f"libhost-{machine}.so")
        versions = [str(HERE / "src" / "versions.c"), "-Wl,-soname,libversions.so"]
        for name, script in (("libversions.so", "two.map"), ("libversions-old.so", "one.map")):
            extra = ["-DTWO"] if script == "two.map" else []
            script_path = HERE / "src" / script
            subprocess.run(
                [*command, *extra, "-o", name, *versions, f"-Wl,--version-script={script_path}"], check=True, cwd=folder
            )
        for name, flags in NUMPY.items():
            source = str(HERE / "src" / "numpy.c")
            subprocess.run([*command, *flags, "-o", f"{name}-{machine}.so", source], check=True, cwd=folder)
        user = [str(HERE / "src" / "versions-user.c"), "libversions.so", "-Wl,-rpath,$ORIGIN/../host"]
        subprocess.run([*command, "-o", f"versions-user-{machine}.so", *user], check=True, cwd=folder)
        for name in ("libversions", "libversions-old"):
            (folder / f"{name}.so").rename(folder / f"{name}-{machine}.so")


def main() -> None:
    linux(HERE.parent / "elf")
    thin = {
        arch: compile_("greet.c", HERE / f"libgreet-{arch}.dylib", arch, "-Wl,-install_name,@rpath/libgreet.dylib")
        for arch in TARGETS
    }
    universal(HERE / "libgreet-universal2.dylib", thin)
    universal(HERE / "libgreet-fat64.dylib", thin, wide=True)
    host = "-Wl,-install_name,@rpath/libhost.dylib"
    new = compile_("host.c", HERE / "libhost.dylib", "arm64", "-DFULL", host)
    compile_("host.c", HERE / "libhost-old.dylib", "arm64", host)
    dynamic = "-Wl,-undefined,dynamic_lookup"
    rpath = "-Wl,-rpath,@loader_path/../host"
    compile_("module.c", HERE / "module.so", "arm64", dynamic, str(new), rpath, "-Wl,-install_name,@rpath/module.so")
    compile_("flat.c", HERE / "flat.so", "arm64", dynamic, "-Wl,-install_name,@rpath/flat.so")
    rpaths = ("-Wl,-rpath,@loader_path/../first", "-Wl,-rpath,@loader_path/../second")
    compile_("module.c", HERE / "two-rpaths.so", "arm64", dynamic, str(new), *rpaths)
    second = compile_(
        "second.c", HERE / "libsecond.dylib", "arm64", "-Wl,-install_name,@loader_path/../second/libsecond.dylib"
    )
    compile_("two-users.c", HERE / "two-users.so", "arm64", str(new), str(second))
    second.unlink()
    accelerate = ("-F", str(HERE / "src"), "-framework", "Accelerate", dynamic)
    for name in ("classic", "new"):
        flags = ["-DNEW"] if name == "new" else []
        compile_("accelerate.c", HERE / f"accelerate-{name}.so", "arm64", *flags, *accelerate)
    for name, flags in NUMPY.items():
        compile_("numpy.c", HERE / f"{name}.so", "arm64", *flags, dynamic)
    placed = f"-Wl,-rpath,/opt/{'_'.join(['placeholder'] * 16)}/lib"
    compile_("host.c", HERE / "libplaced.dylib", "arm64", "-Wl,-install_name,@rpath/libplaced.dylib", placed)
    compile_("classes.m", HERE / "libclasses.dylib", "arm64", dynamic, "-Wl,-install_name,@rpath/libclasses.dylib")
    compile_("system.c", HERE / "system-symbols.so", "arm64", dynamic)
    facade = compile_(
        "facade.c", HERE / "libfacade.dylib", "arm64", str(new), "-Wl,-install_name,@rpath/libfacade.dylib"
    )
    reexport(facade, "@rpath/libhost.dylib")
    library = compile_(
        "libpython.c", HERE / "libpython3.11.dylib", "arm64", "-Wl,-install_name,@rpath/libpython3.11.dylib"
    )
    program("python.c", HERE / "python", str(library), "-Wl,-rpath,@executable_path/../lib")


if __name__ == "__main__":
    main()
