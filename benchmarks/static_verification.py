"""Static verification against macholib, LIEF and delocate on the same tree, in one run.

    python benchmarks/static_verification.py TREE          # a prefix or a folder of unpacked wheels
    python benchmarks/static_verification.py --make TREE   # unpack TensorFlow 2.18, metal, NumPy, SciPy, Keras first

Each contender runs in a process of its own, `--repeat` times; the best time and the highest memory are shown (of the
process and of its children together). They do not do the same work: macholib reads load commands, delocate resolves
libraries, LIEF parses everything and links nothing. What envbuild does is in the second column.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WHEELS = [
    "tensorflow==2.18.1", "tensorflow-metal==1.2.0", "numpy==2.0.2", "scipy", "keras", "h5py", "ml-dtypes==0.4.1",
    "grpcio", "protobuf<6", "absl-py", "wrapt",
]  # fmt: skip

CONTENDERS = {
    "envbuild quick": "architectures and libraries",
    "envbuild full": "every file hashed, every symbol looked up",
    "macholib": "load commands",
    "delocate": "libraries resolved",
    "LIEF": "everything parsed, nothing linked",
}


def binaries(tree: Path) -> list[Path]:
    return [path for path in tree.rglob("*") if path.suffix in (".so", ".dylib") and not path.is_symlink()]


def work(name: str, tree: Path) -> int:
    """Do one contender's work; the number of binaries it looked at."""
    if name.startswith("envbuild"):
        from builder.checks.verification import STATIC, verified
        from builder.environment.environment import Environment
        from builder.platforms import Subdir
        from builder.probes.level import Level

        level = Level.QUICK if name.endswith("quick") else Level.DEFAULT
        verified(Environment(tree, subdir=Subdir.OSX_ARM64), host=None, user=None, level=level, needs=STATIC)
        return len(binaries(tree))
    found = binaries(tree)
    if name == "macholib":
        from macholib.MachO import MachO

        for path in found:
            MachO(str(path))
    elif name == "LIEF":
        import lief

        for path in found:
            lief.MachO.parse(str(path))
    else:
        from delocate.libsana import tree_libs_from_directory

        tree_libs_from_directory(str(tree), ignore_missing=True)
    return len(found)


def measure(name: str, tree: Path) -> dict[str, float]:
    """Run inside the child: seconds of the work itself, and memory in MB."""
    started = time.perf_counter()
    work(name, tree)
    seconds = time.perf_counter() - started
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"seconds": seconds, "megabytes": (own + 2 * children) / (1024 if sys.platform == "linux" else 1024**2)}


def make(tree: Path) -> None:
    command = ["uv", "pip", "install", "--python-platform", "aarch64-apple-darwin", "--python-version", "3.11"]
    command += ["--target", str(tree), "--no-deps", "--only-binary", ":all:", *WHEELS]
    subprocess.run(command, check=True, env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--make", action="store_true", help="unpack the wheels into TREE first")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments.only, arguments.tree)))
        return
    if arguments.make:
        make(arguments.tree)
    found = binaries(arguments.tree)
    size = sum(path.stat().st_size for path in arguments.tree.rglob("*") if path.is_file())
    print(f"{len(found)} binaries, {size / 1e9:.2f} GB, largest {max(p.stat().st_size for p in found) / 1e6:.0f} MB")
    print(f"{'':16} {'what it does':44} {'seconds':>8} {'MB':>6} {'ratio to full':>14}")
    results: dict[str, dict[str, float]] = {}
    for name in CONTENDERS:
        runs = [_child(name, arguments.tree) for _ in range(arguments.repeat)]
        good = [run for run in runs if run]
        if good:
            best = min(good, key=lambda run: run["seconds"])
            results[name] = best | {"megabytes": max(run["megabytes"] for run in good)}
    for name, result in results.items():
        ratio = result["seconds"] / results["envbuild full"]["seconds"]
        what = CONTENDERS[name]
        print(f"{name:16} {what:44} {result['seconds']:8.2f} {result['megabytes']:6.0f} {ratio:14.2f}")


def _otool(folder: Path) -> dict[str, str]:
    """An environment in which delocate finds an `otool`: Apple's, or LLVM's, which knows no `-m`."""
    names = ["llvm-otool", *(f"llvm-otool-{number}" for number in range(25, 12, -1))]
    found = next(filter(None, map(shutil.which, names)), None)
    if shutil.which("otool") is None and found is not None:
        script = folder / "otool"
        script.write_text(f"#!/bin/bash\nexec {found} ${{@/#-m/}}\n")
        script.chmod(0o755)
        return dict(os.environ) | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return dict(os.environ)


def _child(name: str, tree: Path) -> dict[str, float]:
    command = [sys.executable, __file__, str(tree), "--only", name]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_otool(Path(folder)))
    if done.returncode:
        print(f"{name}: not run ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr)
        return {}
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


if __name__ == "__main__":
    main()
