"""tensorflow-metal × TensorFlow by symbols: does that TensorFlow export everything the plug-in binds from it?

Real arm64 wheels are read, on any machine. The model of dyld is the part of it that decides here:

* a symbol bound to a library by its place in the load commands must be exported by that library, or by one that it
  re-exports; the library itself (`@rpath/_pywrap_tensorflow_internal.so`) is found by install name among the images
  that are loaded already, because the plug-in's own rpath points into the build tree it was made in;
* a symbol bound by flat lookup is searched in TensorFlow's dynamic libraries, but not in `_pywrap_*.so`, which Python
  opens with RTLD_LOCAL (dyld, DyldRuntimeState.cpp).

That every symbol is there means that the plug-in loads, not that it computes rightly.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from builder.binaries.macho import open_mach_o
from builder.errors import BinaryError, SourceUnreachableError
from tools.measuring.write import write_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    from builder.binaries.macho import Image

PLUGIN: Final = "tensorflow-plugins/libmetal_plugin.dylib"
#: TensorFlow's libraries that a plug-in can bind to; everything else in the wheel is a leaf.
LIBRARIES: Final = (
    "tensorflow/libtensorflow_cc.2.dylib",
    "tensorflow/libtensorflow_framework.2.dylib",
    "tensorflow/python/_pywrap_tensorflow_internal.so",
    "tensorflow/python/lib_pywrap_tensorflow_common.dylib",
)
HEADER: Final[dict[str, Any]] = {
    "measured_on": "the arm64 wheels on PyPI, read on Linux",
    "linkage": {"plugin": "tensorflow-metal", "host": "tensorflow", "label": "metal"},
}
FLAT_LOOKUP: Final = -2
#: The Objective-C runtime is in every process on macOS, so a flat lookup finds what it exports.
RUNTIME: Final = b"_objc_"
#: How many missing symbols are kept by name; the count is always exact.
KEEP: Final = 6
_INSTALLED: Final = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")
_PYTHONS: Final = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One distinct `libmetal_plugin.dylib`: the wheels of several Pythons usually hold the same bytes."""

    version: str
    pythons: tuple[str, ...]
    file: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the plug-in needs of TensorFlow and does not find. `bound` counts the symbols it binds from it."""

    bound: int
    missing: tuple[str, ...] = ()
    missing_libraries: tuple[str, ...] = ()

    @property
    def loads(self) -> bool:
        return not self.missing and not self.missing_libraries


class Libraries:
    """TensorFlow's images of one wheel, opened together."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._open = []
        self.images: dict[str, Image] = {}
        for path in files:
            file = open_mach_o(path)
            if file is None:
                raise BinaryError(f"{path.name} is no Mach-O file")
            self._open.append(file)
            image = file.image("arm64")
            if image is None:
                raise BinaryError(f"{path.name} has no arm64 slice")
            self.images[path.name] = image

    def close(self) -> None:
        for file in self._open:
            file.close()

    def by_install_name(self, name: str) -> Image | None:
        """dyld takes an image that is loaded already when its install name is the one asked for."""
        return next((image for image in self.images.values() if image.commands.install_name == name), None)

    def exported(self, image: Image, names: Sequence[bytes]) -> set[bytes]:
        """Which of `names` the image exports, or one of the libraries that it re-exports."""
        found = set(image.exported(names))
        for dylib in image.commands.dylibs:
            rest = [name for name in names if name not in found]
            if rest and dylib.reexport:
                target = self.images.get(dylib.name.rpartition("/")[2])
                if target is not None:
                    found |= self.exported(target, rest)
        return found

    def flat(self, names: Sequence[bytes]) -> set[bytes]:
        """Which of `names` a flat lookup finds: in every library but Python's own extension modules."""
        found: set[bytes] = set()
        for name, image in self.images.items():
            if name.endswith(".dylib"):
                found |= set(image.exported([symbol for symbol in names if symbol not in found]))
        return found


def compare(plugin: Path, libraries: Libraries) -> Outcome:
    """What `plugin` binds from TensorFlow, against what these libraries export."""
    file = open_mach_o(plugin)
    image = file.image("arm64") if file is not None else None
    if file is None or image is None:
        raise BinaryError(f"{plugin.name} has no arm64 slice")
    with file:
        wanted: dict[str | None, list[bytes]] = {}
        for symbol in image.imports:
            if symbol.weak:
                continue
            if symbol.ordinal == FLAT_LOOKUP and not symbol.name.startswith(RUNTIME):
                wanted.setdefault(None, []).append(symbol.name)
            elif symbol.ordinal > 0:
                bound_to = image.commands.dylibs[symbol.ordinal - 1].name
                if bound_to.startswith("@rpath/"):
                    wanted.setdefault(bound_to, []).append(symbol.name)
    missing: list[bytes] = []
    missing_libraries = []
    for library, names in wanted.items():
        target = libraries.by_install_name(library) if library is not None else None
        if library is not None and target is None:
            missing_libraries.append(library)
        found = libraries.exported(target, names) if target is not None else libraries.flat(names)
        missing += [name for name in names if name not in found]
    return Outcome(
        bound=sum(map(len, wanted.values())),
        missing=tuple(sorted(name.decode() for name in missing)),
        missing_libraries=tuple(missing_libraries),
    )


def extract(wheel: Path, members: Sequence[str], into: Path) -> Iterator[Path]:
    """The members that the wheel has, as files; also those that it keeps below `.data/purelib/` until installed."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if _INSTALLED.sub("", name) in members:
                yield Path(archive.extract(name, into))


def download(distribution: str, version: str, python: str, into: Path) -> Path | None:
    """The arm64 wheel of a release for one Python, through pip; None where there is none."""
    for wheel in into.glob(f"{distribution.replace('-', '_')}-{version}-cp{python.replace('.', '')}-*.whl"):
        return wheel
    before = set(into.glob("*.whl"))
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
            "--platform", "macosx_26_0_arm64", "--implementation", "cp", "--python-version", python,
            "--dest", str(into), f"{distribution}=={version}",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        if "No matching distribution" in done.stderr:
            return None
        raise SourceUnreachableError(f"pip could not download {distribution} {version}: {done.stderr.strip()[-300:]}")
    new = set(into.glob("*.whl")) - before
    return next(iter(new), None)


def plugins(versions: Iterable[str], *, wheels: Path, workdir: Path) -> Iterator[Plugin]:
    """Every distinct plug-in binary of these releases."""
    for version in versions:
        by_content: dict[str, tuple[Path, list[str]]] = {}
        for python in _PYTHONS:
            wheel = download("tensorflow-metal", version, python, wheels)
            if wheel is None:
                continue
            into = workdir / f"metal-{version}-{python}"
            for file in extract(wheel, (PLUGIN,), into):
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                by_content.setdefault(digest, (file, []))[1].append(python)
        for file, pythons in by_content.values():
            yield Plugin(version=version, pythons=tuple(pythons), file=file)


def measure(
    *,
    metal: Sequence[str],
    tensorflow: Sequence[tuple[str, str, str]],
    file: Path,
    wheels: Path,
    today: date,
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> int:
    """Compare every plug-in with every TensorFlow (distribution, version, Python); give the number of new records."""
    records: list[dict[str, Any]] = []
    if file.exists():
        records = list(yaml.safe_load(file.read_text(encoding="utf-8"))["symbols"])
    count = 0
    with tempfile.TemporaryDirectory(dir=wheels) as scratch:
        known = list(plugins(metal, wheels=wheels, workdir=Path(scratch)))
        for record in records:
            _widen(record, known)
        write_facts(file, HEADER | {"symbols": records})
        done = {(record["plugin"], tuple(record["pythons"]), record["host"]) for record in records}
        for distribution, version, python in tensorflow:
            todo = [plugin for plugin in known if (plugin.version, plugin.pythons, version) not in done]
            wheel = download(distribution, version, python, wheels) if todo else None
            if wheel is None:
                continue
            with tempfile.TemporaryDirectory(dir=wheels) as unpacked:
                libraries = Libraries(extract(wheel, LIBRARIES, Path(unpacked)))
                for plugin in todo:
                    outcome = compare(plugin.file, libraries)
                    records.append(_record(plugin, version, wheel, outcome, today))
                    count += 1
                libraries.close()
            records.sort(key=lambda record: (_number(record["host"]), _number(record["plugin"]), record["pythons"]))
            write_facts(file, HEADER | {"symbols": records})
            loading = sum(record["host"] == version and not record["missing"] for record in records)
            tell(f"{distribution} {version}: {loading} plug-ins load")
    return count


def _widen(record: dict[str, Any], known: Iterable[Plugin]) -> None:
    """The same bytes were found in the wheels of more Pythons than when the record was made."""
    for plugin in known:
        if plugin.version == record["plugin"] and set(record["pythons"]) <= set(plugin.pythons):
            record["pythons"] = list(plugin.pythons)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _record(plugin: Plugin, version: str, wheel: Path, outcome: Outcome, today: date) -> dict[str, Any]:
    return {
        "plugin": plugin.version,
        "pythons": list(plugin.pythons),
        "host": version,
        "wheel": wheel.name,
        "date": today.isoformat(),
        "bound": outcome.bound,
        "missing": len(outcome.missing) + len(outcome.missing_libraries),
        "libraries": list(outcome.missing_libraries),
        "symbols": list(outcome.missing[:KEEP]),
    }
