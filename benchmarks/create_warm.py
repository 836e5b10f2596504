"""A warm `create`, without verification, beside py-rattler and uv alone: the same packages, all of them in the caches.

    python benchmarks/create_warm.py [--recipe NAME] [--runs N] [-- OPTION...]

The environment is that of a shipped recipe by `--source pypi` (this machine's Python as a conda package, and wheels
from the index), or what other options for `create` lead to. The yardstick is a process that calls py-rattler's
installer for the records of the lock that `create` has made and then `uv pip install` for its wheels, as they do it by
default, which on Linux is by hard links into uv's cache. The second one lets them do what `create` has them do on
purpose: copy the wheels (on file systems that clone, a copy is one), and read the package cache before linking from it.
What `create` takes beyond that is its own: lock and facts read, and every file compared with its RECORD, which is
what takes longest. How much that is beside copying depends on the disk below the temporary folder: of 443 MB in
16,000 files, 0.6 s of CPU time beside some 10 s where new files are dear (1.0 to 1.1 times the second yardstick), and
beside 0.9 s in memory (`TMPDIR=/dev/shm`; 1.65 times).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measured import Command, compare, run

from builder.environment.stamp import read_stamp
from builder.lock.read import read_lock
from builder.platforms import host_subdir
from builder.uv import bundled_uv

if TYPE_CHECKING:
    from builder.lock.model import LockedPackage

ROOT = Path(__file__).parent.parent

BARE = """
import asyncio, json, subprocess, sys
import rattler
from rattler.package.build_string import BuildString
job = json.loads(sys.stdin.read())
def record(one):
    made = rattler.PackageRecord(
        one["name"], one["version"], BuildString(one["build"]), 0, one["subdir"], depends=one["depends"],
        sha256=bytes.fromhex(one["sha256"]), md5=bytes.fromhex(one["md5"]),
    )
    return rattler.RepoDataRecord(made, one["file"], one["url"], one["channel"])
cache = None
if job["careful"]:
    from rattler.package_cache import PackageCache, PackageCacheLayer, ValidationMode
    cache = PackageCache.from_layers([PackageCacheLayer(job["cache"]).with_validation_mode(ValidationMode.full())])
    how = {"package_cache": cache}
else:
    how = {"cache_dir": job["cache"]}
asyncio.run(rattler.install(
    [record(one) for one in job["conda"]], job["prefix"], platform=rattler.Subdir(job["platform"]),
    show_progress=False, **how,
))
subprocess.run(job["uv"], input=job["wheels"], text=True, check=True, stderr=subprocess.DEVNULL)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="ml-base")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("options", nargs="*", default=["--source", "pypi"], help="for `create`, after --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch), arguments.recipe, arguments.options, arguments.runs)


def measure(scratch: Path, recipe: str, options: list[str], runs: int) -> None:
    project, prefix = scratch / "project", scratch / "prefix"
    shutil.copytree(ROOT / "recipes", project / "recipes")
    environ = os.environ | {"XDG_DATA_HOME": str(scratch / "data"), "RATTLER_CACHE_DIR": str(scratch / "cache")}

    def afresh() -> None:
        shutil.rmtree(prefix, ignore_errors=True)

    create = [sys.executable, "-P", "-m", "builder", "create", recipe, *options, "--no-verify", "--quiet"]
    ours = Command(
        arguments=[*create, "--project", str(project), "-p", str(prefix)], cwd=ROOT, environ=environ, before=afresh
    )
    run(ours)
    stamp = read_stamp(prefix)
    assert stamp is not None
    locks = [*scratch.rglob("conda-lock.yml")]
    assert len(locks) == 1, locks
    packages = [one for one in read_lock(locks[0]).on(stamp.subdir) if one.groups == ("main",)]
    print(f"{recipe}: {len(packages)} packages, {_size(prefix) / 1e6:,.0f} MB")

    def bare(*, careful: bool) -> Command:
        uv = [bundled_uv(), "pip", "install", "--python", str(prefix / "bin" / "python"), "--requirements", "-"]
        uv += ["--no-deps", "--require-hashes", "--only-binary=:all:", *(["--link-mode=copy"] if careful else [])]
        job = {
            "conda": [_conda(package) for package in packages if package.manager == "conda"],
            "prefix": str(prefix),
            "platform": (host_subdir() or stamp.subdir).value,
            "cache": str(scratch / "cache" / "pkgs"),
            "uv": uv,
            "wheels": "".join(
                f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"
                for package in packages
                if package.manager == "pip"
            ),
            "careful": careful,
        }
        return Command(
            arguments=[sys.executable, "-c", BARE], text=json.dumps(job), cwd=scratch, environ=environ, before=afresh
        )

    compare(
        {
            "py-rattler and uv, as they do it": bare(careful=False),
            "the same, with copies and a cache that is read": bare(careful=True),
            "envbuild create": ours,
        },
        runs=runs,
    )


def _conda(package: LockedPackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "subdir": package.url_subdir,
        "depends": [f"{name} {asked}".strip() for name, asked in package.dependencies.items()],
        "sha256": package.sha256,
        "md5": package.md5,
        "file": package.file_name,
        "url": package.url,
        "channel": package.url.rsplit("/", 2)[0],
    }


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir() or file.is_symlink())


if __name__ == "__main__":
    main()
