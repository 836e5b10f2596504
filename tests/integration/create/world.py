"""A small real world: a conda channel with a real Python, an index with a real wheel, and a home to build in."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.channel.archive import PackageSpec, write_package
from builder.environment.stamp import Stamp, read_stamp
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).parents[3]
MACH_O = REPOSITORY / "tests" / "data" / "macho" / "libgreet-arm64.dylib"
#: The prefix that the fixture's source has compiled in (tests/data/macho/src/greet.c).
MACH_O_PLACEHOLDER = "/opt/placeholder_placeholder_placeholder_placeholder"
TEXT_PLACEHOLDER = "/opt/another_placeholder"
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
HERE = Subdir.LINUX_64
_MODULE = ("-m", "builder")
#: The module of the wheel `tinywheel`.
TINY_MODULE = "VALUE = 42\n\n\ndef main() -> None:\n    print(VALUE)\n"


def package(
    folder: Path,
    spec: PackageSpec,
    files: Mapping[str, bytes],
    *,
    executable: tuple[str, ...] = (),
) -> Path:
    """Write one package of `files` (path → content) into the channel `folder`."""
    tree = folder / ".trees" / f"{spec.subdir}-{spec.stem}"
    tree.mkdir(parents=True)
    for relative, content in files.items():
        path = tree / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if relative in executable:
            path.chmod(0o755)
    return write_package(spec, tree=tree, folder=folder / spec.subdir)


def fill_channel(folder: Path, *, python: str) -> None:
    """The packages beside the host's Python, whose version is `python`. The caller indexes the folder."""
    package(
        folder,
        PackageSpec(
            name="words",
            version="1.0",
            build="pyh0_0",
            subdir=Subdir.NOARCH,
            depends=("python >=3.9",),
            noarch="python",
            entry_points=("say-words = words:main",),
        ),
        {"site-packages/words.py": b"def main() -> None:\n    print('words')\n"},
    )
    for subdir in (Subdir.LINUX_64, Subdir.OSX_ARM64):
        files = {
            "bin/prefixed": f"#!/bin/sh\necho {TEXT_PLACEHOLDER}/share\n".encode(),
            "share/prefixed.txt": f"one {TEXT_PLACEHOLDER} two {TEXT_PLACEHOLDER}/x\n".encode(),
        }
        package(
            folder,
            PackageSpec(
                name="prefixed",
                version="1.0",
                build="h0_0",
                subdir=subdir,
                placeholders=dict.fromkeys(files, TEXT_PLACEHOLDER),
            ),
            files,
            executable=("bin/prefixed",),
        )
    package(
        folder,
        PackageSpec(name="filler", version="1.0", build="0", subdir=Subdir.NOARCH, noarch="generic"),
        {f"share/filler/{number}.bin": os.urandom(100_000) for number in range(30)},
    )
    package(
        folder,
        PackageSpec(name="devtool", version="1.0", build="0", subdir=Subdir.NOARCH, noarch="generic"),
        {"share/devtool.txt": b"for the group\n"},
    )
    package(
        folder,
        # The plan pins the BLAS of every osx-arm64 environment.
        PackageSpec(name="libblas", version="3.9.0", build="0_newaccelerate", subdir=Subdir.OSX_ARM64),
        {"share/libblas.txt": b"here conda-forge has a library\n"},
    )
    package(
        folder,
        PackageSpec(
            name="python",
            version=python,
            build="h0_0_cpython",
            subdir=Subdir.OSX_ARM64,
            depends=(f"python_abi {MINOR}.*", "pip"),
            python_site_packages_path=f"lib/python{MINOR}/site-packages",
            placeholders={"lib/libgreet.dylib": MACH_O_PLACEHOLDER},
        ),
        {f"bin/python{MINOR}": MACH_O.read_bytes(), "lib/libgreet.dylib": MACH_O.read_bytes()},
        executable=(f"bin/python{MINOR}",),
    )


def write_index(folder: Path) -> None:
    """A PEP 503 index at `folder/simple` with one wheel, `tinywheel` 1.0."""
    page = folder / "simple" / "tinywheel"
    wheel = write_wheel(page, "1.0", TINY_MODULE.encode())
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (page / "index.html").write_text(f'<!DOCTYPE html><a href="{wheel.name}#sha256={digest}">{wheel.name}</a>\n')


def write_wheel(folder: Path, version: str, module: bytes) -> Path:
    """A wheel of `tinywheel`, whose only module has this content."""
    info = f"tinywheel-{version}.dist-info"
    content = {
        "tinywheel.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tinywheel\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": b"[console_scripts]\ntiny-value = tinywheel:main\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for path, data in content.items()
    )
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"tinywheel-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        for path, data in content.items():
            wheel.writestr(path, data)
    return file


@dataclass(frozen=True)
class Answer:
    """How one run of `envbuild` ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The `result` of the JSON envelope."""
        found: dict[str, Any] = json.loads(self.stdout)["result"]
        return found

    def ended(self, code: int) -> Answer:
        """Itself, if the exit code is `code`; the test fails with the whole output otherwise."""
        assert self.code == code, f"exit code {self.code}, expected {code}\n{self.stdout}\n{self.stderr}"
        assert "Traceback" not in self.stderr, self.stderr
        return self


@dataclass(frozen=True)
class World:
    """A home, a project with locked recipes, and the channel; one for each test."""

    root: Path
    project: Path
    home: Path
    channel: Path
    index: Path

    def environ(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
        return kept | {
            "HOME": str(self.home),
            "PYTHONPATH": str(REPOSITORY),
            "RATTLER_CACHE_DIR": str(self.root / "rattler-cache"),
            "UV_CACHE_DIR": str(self.root / "uv-cache"),
            "UV_NO_CONFIG": "1",
            "NO_PROXY": "*",
            **changes,
        }

    def start(self, *arguments: str, program: tuple[str, ...] = _MODULE, **environ: str) -> subprocess.Popen[str]:
        """Begin `envbuild` in a process group of its own, as a shell does."""
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.project,
            env=self.environ(**environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **environ: str) -> Answer:
        return self.run_program(_MODULE, *arguments, **environ)

    def run_program(self, program: tuple[str, ...], *arguments: str, **environ: str) -> Answer:
        """As `run`, by another program of this Python than `-m builder`."""
        return wait(self.start(*arguments, program=program, **environ))

    def create(self, *arguments: str, **environ: str) -> Answer:
        """`envbuild create` without proof: these tests are about what is built, not whether TensorFlow runs in it."""
        return wait(self.start("create", *arguments, "--no-verify", program=_MODULE, **environ))

    def mirror(self, url: str) -> tuple[str, str]:
        """Arguments to fetch the channel from `url` under its own name."""
        return ("--mirror", f"{self.channel.as_uri()}={url}")

    def prefix(self, name: str = "tiny") -> Path:
        return self.home / ".conda" / "envs" / name

    def beside(self, name: str = "tiny") -> list[str]:
        """What lies in the folder of environments, except for the prefix and the lock file that stays."""
        folder = self.prefix(name).parent
        kept = {name, f".{name}.envbuild-lock"}
        return sorted(path.name for path in folder.iterdir() if path.name not in kept) if folder.is_dir() else []

    def whole(self, name: str = "tiny", *, prefix: Path | None = None) -> Stamp:
        """The stamp of an environment that is finished and complete; the test fails if it is not."""
        prefix = prefix or self.prefix(name)
        stamp = read_stamp(prefix)
        assert stamp is not None, f"no stamp in {prefix}"
        assert not (prefix / "conda-meta" / "envbuild.building").exists()
        for file in (prefix / "conda-meta").glob("*.json"):
            record = json.loads(file.read_bytes())
            for entry in record["paths_data"]["paths"]:
                path = prefix / entry["_path"]
                assert os.path.lexists(path), f"{path} of {file.name} is missing"
                is_link = path.is_symlink()
                expected = entry.get("sha256_in_prefix") or (None if is_link else entry.get("sha256"))
                assert expected or not path.is_file() or not is_link, f"{path} is a link without the hash of its file"
                if expected:
                    assert hashlib.sha256(path.read_bytes()).hexdigest() == expected, path
        return stamp


def wait(process: subprocess.Popen[str], *, seconds: float = 60) -> Answer:
    """The end of a process; one that hangs is killed with its whole group, and the test fails."""
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"envbuild hangs\n{stdout}\n{stderr}") from None
    return Answer(process.returncode, stdout, stderr)
