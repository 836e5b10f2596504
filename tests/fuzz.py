"""Coverage-guided fuzzing of the readers of foreign files: `python tests/fuzz.py READER [libFuzzer's options]`.

READER is one of macho, elf (binaries), lock, recipe, stamp, proof, report, prefix (conda-meta, dist-info, pyvenv.cfg
of an environment), home (settings of IDEs, shells and Jupyter that doctor reads), bundle (of doctor), summary (of a
package's binaries). Needs `pip install atheris`. Binaries start from the corpus in `tests/data/KIND/fuzz` and the
fixtures beside it, texts from what is in this project; what is found on the way goes to a folder of TMPDIR, and an
input that breaks a reader to the working directory. Any exception but the promised ones is a crash; libFuzzer reports
hangs (`-timeout`) and memory (`-rss_limit_mb`). Not part of the test run, which replays the corpus and mutates real
files with hypothesis; `.ci/fuzz` gives each reader a minute.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import atheris
import msgpack

with atheris.instrument_imports(include=["builder"]):
    from builder.binaries.summary import summarize
    from builder.binaries.summary_sources import WheelFile
    from builder.binaries.summary_store import DamagedSummaryError, dumps, framed, loads, unframed
    from builder.doctor.bundle import collect, unpack
    from builder.doctor.bundle import load as load_bundle
    from builder.doctor.examine import examine
    from builder.doctor.text import Names
    from builder.doctor.text import render as render_examination
    from builder.environment.environment import Environment
    from builder.environment.reading import Reader
    from builder.environment.recorded import note_digests
    from builder.environment.register import made_with
    from builder.environment.stamp import RELATIVE_PATH, Stamp, StampedPackage
    from builder.errors import EnvbuildError, LockfileError, RecipeError, UsageError
    from builder.lock.audit import require_sound
    from builder.lock.proof import read_proofs
    from builder.lock.read import read_lock
    from builder.platforms import Subdir
    from builder.recipe.load import load_recipe
    from builder.report import compare, text
    from builder.resources import shipped
    from tests.unit.binaries.reading import read_an_elf_file, read_mach_o
    from tests.unit.doctor.homes import Home, build, case_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA: Final = Path(__file__).parent / "data"
_STAMP: Final = Stamp(
    name="ml",
    subdir=Subdir.LINUX_64,
    lock_sha256="a" * 64,
    envbuild_version="0",
    packages=(StampedPackage(name="six", version="1.0", manager="pip", sha256="b" * 64, url="https://h/six.whl"),),
    records={"pip:six": "c" * 64},
)
#: Files of a prefix, by the first byte of an input: that one is written, the others are as they should be.
_MEMBERS: Final = (
    "conda-meta/tool-1.0-0.json",
    "conda-meta/history",
    RELATIVE_PATH.as_posix(),
    "pyvenv.cfg",
    ".condarc",
    "lib/python3.12/site-packages/six-1.0.dist-info/RECORD",
    "lib/python3.12/site-packages/six-1.0.dist-info/METADATA",
    "lib/python3.12/site-packages/six-1.0.dist-info/direct_url.json",
    "lib/python3.12/site-packages/six-1.0.dist-info/entry_points.txt",
    "lib/python3.12/site-packages/old.egg-info/PKG-INFO",
    "lib/python3.12/site-packages/old.egg-info/installed-files.txt",
    "lib/python3.12/site-packages/link.egg-link",
    "lib/python3.12/site-packages/zz.pth",
    "bin/script",
)
_RECORD: Final = {
    "name": "tool",
    "version": "1.0",
    "build": "0",
    "subdir": "linux-64",
    "files": ["bin/script", "share/link"],
    "depends": ["python >=3.12"],
    "paths_data": {
        "paths": [
            {"_path": "bin/script", "path_type": "hardlink", "sha256": "d" * 64, "size_in_bytes": 3},
            {"_path": "share/link", "path_type": "softlink", "sha256_in_prefix": "e" * 64},
        ]
    },
}
_GOOD: Final = (
    json.dumps(_RECORD),
    "==> 2024-01-01 00:00:00 <==\n# cmd: conda create -n x\n# update specs: ['python=3.12']\n+a::b-1-0\n",
    _STAMP.dumps(),
    "home = /usr/bin\nversion = 3.12.1\nuv = 0.5\n",
    "# made by: envbuild create ml --source pypi\nsubdir: linux-64\n",
    'six.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n../../../bin/script,,\n"a,b.py",,\n',
    'Metadata-Version: 2.1\nName: six\nVersion: 1.0\nRequires-Dist: numpy (>=1) ; extra == "x" or os_name < "4"\n\n',
    '{"url": "file:///x", "dir_info": {"editable": true}}',
    "[console_scripts]\nscript = a.b:c\n",
    "Metadata-Version: 1.0\nName: old\nVersion: 2\n\n",
    "../old.py\n__init__.py\n",
    "/nowhere\n.\n",
    "import os\n/some/folder\n",
    "#!/usr/bin/env python3\n",
)


def read_lock_text(path: Path) -> None:
    with contextlib.suppress(LockfileError):
        require_sound(read_lock(path), path)


def read_recipe(path: Path) -> None:
    with contextlib.suppress(RecipeError):
        load_recipe(path, find=lambda _name: None)


def read_stamp(path: Path) -> None:
    with contextlib.suppress(ValueError):
        stamp = Stamp.loads(path.read_text("utf-8", "replace"))
        assert Stamp.loads(stamp.dumps()) == stamp


def read_proof(path: Path) -> None:
    with contextlib.suppress(LockfileError):
        read_proofs(path)


def read_report(path: Path) -> None:
    with contextlib.suppress(UsageError):
        report = compare.load(path)
        text.render(report, comparison=compare.compare(report, report))


def read_prefix(path: Path) -> None:
    """All that is told of an environment one of whose files is the input: nothing is raised at all."""
    content = path.read_bytes()
    prefix = path.parent / "prefix"
    if not prefix.exists():
        for member, good in zip(_MEMBERS, _GOOD, strict=True):
            (prefix / member).parent.mkdir(parents=True, exist_ok=True)
            (prefix / member).write_text(good)
    number = (content[0] if content else 0) % len(_MEMBERS)
    (prefix / _MEMBERS[number]).write_bytes(content[1:])
    try:
        _read_all(prefix)
    finally:
        (prefix / _MEMBERS[number]).write_text(_GOOD[number])


def _read_all(prefix: Path) -> None:
    environment = Environment(prefix)
    _ = environment.unreadable, environment.broken_links, environment.strays, environment.lost, environment.subdir
    _ = environment.owners.modules, environment.recognised, environment.history
    note_digests(environment.conda_records, environment.distributions, _STAMP.packages)
    made_with(prefix, Reader())


def _settings() -> list[tuple[str, str]]:
    """Each file of settings that the doctor's homes have, with its home: an input's first two bytes choose one."""
    homes = (DATA / "doctor" / name / "home" for name in case_names())
    files = ((home, file) for home in homes for file in sorted(home.rglob("*")) if file.is_file())
    return [(home.parent.name, file.relative_to(home).as_posix()) for home, file in files]


_SETTINGS: Final = _settings()
_HOMES: Final[dict[str, Home]] = {}


def read_home(path: Path) -> None:
    """Everything that the doctor says of a home one of whose files is the input: nothing is raised at all."""
    content = path.read_bytes()
    name, rel = _SETTINGS[int.from_bytes(content[:2].ljust(2, b"\0")) % len(_SETTINGS)]
    if name not in _HOMES:
        shutil.rmtree(path.parent / name, ignore_errors=True)
        _HOMES[name] = build(name, path.parent / name)
    home = _HOMES[name]
    good = (home.path / rel).read_bytes()
    (home.path / rel).write_bytes(content[2:])
    try:
        found = examine(home.request(), home.patient())
        render_examination(found, names=Names(home.path), verbose=True)
    finally:
        (home.path / rel).write_bytes(good)


def read_bundle(path: Path) -> None:
    with contextlib.suppress(UsageError), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        found = examine(*unpack(load_bundle(path), Path(folder), clock=time.monotonic))
        render_examination(found, names=Names(Path(folder)), verbose=True)


def read_summary(path: Path) -> None:
    """Whole summaries in which some values are others: hardly any change of the bytes would get past msgpack."""
    chosen = atheris.FuzzedDataProvider(path.read_bytes())
    packed = msgpack.unpackb(chosen.PickValueInList(_summaries()), strict_map_key=False)
    for _ in range(chosen.ConsumeIntInRange(1, 4)):
        node = packed
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = chosen.PickValueInList(keys)
            if not (isinstance(node[key], dict | list) and node[key] and chosen.ConsumeProbability() < 0.9):
                break
            node = node[key]
        odd: tuple[object, ...] = (
            None,
            -1,
            2**63,
            1.5,
            "",
            "\0",
            "a b",
            b"\xff",
            [],
            [None],
            {},
            [[]],
            chosen.ConsumeUnicodeNoSurrogates(8),
        )
        node[key] = chosen.PickValueInList(list(odd))
        if not packed:
            break
    with contextlib.suppress(DamagedSummaryError):
        loads(framed(msgpack.packb(packed)))


@cache
def _summaries() -> list[bytes]:
    """The content of summaries of two wheels, of the Mac's binaries and of Linux's."""
    found = []
    for kind in ("macho", "elf"):
        with tempfile.TemporaryDirectory() as folder:
            wheel = Path(folder) / "guest-1-py3-none-any.whl"
            with zipfile.ZipFile(wheel, "w") as packed:
                packed.writestr("guest-1.dist-info/METADATA", "Name: guest\nVersion: 1\nRequires-Dist: numpy\n")
                packed.writestr("guest/__init__.py", "import numpy\n")
                for file in sorted((DATA / kind).glob("*.so"))[:4]:
                    packed.write(file, f"guest/{file.name}")
            found.append(unframed(dumps(summarize(WheelFile(wheel)))))
    return found


def _seeds(kind: str) -> Iterator[bytes]:
    match kind:
        case "lock":
            yield (DATA / "locks" / "good.yml").read_bytes()
        case "recipe":
            yield from (file.read_bytes() for file in sorted(shipped("recipes").glob("*.yaml")))
        case "stamp":
            data = json.loads(_STAMP.dumps())
            del data["seal"]  # which would tell of every change
            yield json.dumps(data).encode()
        case "proof":
            yield from (file.read_bytes()[:20_000] for file in sorted(shipped("environments").glob("*/proof.json"))[:2])
        case "report":
            finding = {"check": "pkg.locked", "status": "fail", "title": "x", "evidence": ["y"], "remedy": None}
            data = {"environment": {"prefix": "/x"}, "ok": False, "seconds": 1.0, "findings": [finding]}
            yield json.dumps({"envbuild": 1, "result": data}).encode()
        case "prefix":
            yield from (bytes([number]) + good.encode() for number, good in enumerate(_GOOD))
        case "home":
            for number, (name, rel) in enumerate(_SETTINGS):
                yield number.to_bytes(2) + (DATA / "doctor" / name / "home" / rel).read_bytes()
        case "bundle":
            for name in ("mac-keras-json", "mac-vscode-pick", "linux-kernel-dangling"):
                with tempfile.TemporaryDirectory() as folder:
                    home = build(name, Path(folder))
                    yield collect(home.request(), home.patient()).text().encode()
        case _:
            pass


READERS: Final[dict[str, Callable[[Path], None]]] = {
    "macho": read_mach_o,
    "elf": read_an_elf_file,
    "lock": read_lock_text,
    "recipe": read_recipe,
    "stamp": read_stamp,
    "proof": read_proof,
    "report": read_report,
    "prefix": read_prefix,
    "home": read_home,
    "bundle": read_bundle,
    "summary": read_summary,
}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit(__doc__)
    kind = sys.argv.pop(1)
    read = READERS[kind]
    # libFuzzer ends the process by itself, so that nothing can be tidied up after it: one folder, used again.
    folder = Path(tempfile.gettempdir()) / f"envbuild-fuzz-{kind}"
    grown, seeds = folder / "corpus", folder / "seeds"
    for place in (grown, seeds):
        place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_seeds(kind)):
        (seeds / str(number)).write_bytes(seed)
    path = folder / "input"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read(path)
        except EnvbuildError as error:
            raise AssertionError(f"{type(error).__name__}, which is not promised") from error

    corpora = [DATA / kind / "fuzz", DATA / kind] if (DATA / kind).is_dir() else []
    # Seeds are kept though another one reaches as much: what is near to a good file goes deepest.
    atheris.Setup([*sys.argv, "-keep_seed=1", str(grown), str(seeds), *map(str, corpora)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
