"""A bundle: what the doctor looked at on one machine, in one JSON file, to be judged on another.

It holds no more than the doctor reads: the redacted text of configuration files, the first bytes of interpreters,
links, the names of folders, the named rows of VS Code's databases, and ten facts of the machine. The user's name and
home are replaced by `user`.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from builder.doctor.claims.vscode_picks import CONSOLES
from builder.doctor.disk import Asked
from builder.doctor.examine import Patient, Request, apply_rules, gather
from builder.doctor.formats import FormatError, parse_plist, vscode_row
from builder.doctor.machine import from_json
from builder.doctor.model import Ide, Presence
from builder.doctor.redact import redacted
from builder.errors import UsageError
from builder.files import read_ordinary

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.doctor.disk import Disk

FORMAT: Final = 1
_LIMIT: Final = 20_000_000
_MOST_ENTRIES: Final = 50_000
#: Of a binary the first bytes are kept: they name its architectures.
_HEAD: Final = 512
_ROWS: Final = {
    "ms-python.python": re.compile(r"WORKSPACE_(?:FOLDER_)?INTERPRETER_PATH_"),
    "ms-python.vscode-python-envs": re.compile(r"ms-python\.vscode-python-envs:\w+:WORKSPACE_SELECTED"),
} | {key: re.compile(r"metadata") for key in CONSOLES}
#: Names in a folder that say which packages there are; all other names are kept only where they were asked about.
_TELLING_NAMES: Final = re.compile(r".*\.(?:dist|egg)-info|python\d\.\d+t?|[\w.+-]+-[^-]+-[^-]+\.json")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """`data` is the JSON value; its paths are absolute, as on the machine it comes from but for the user's name."""

    data: dict[str, Any]

    @property
    def contents(self) -> list[str]:
        """The files that are in it, for the user to see before it is written."""
        kinds = ("files", "binaries", "rows")
        return sorted(path for kind in kinds for path in self.data[kind])

    def text(self) -> str:
        return json.dumps(self.data, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def collect(request: Request, patient: Patient) -> Bundle:
    """Look as `examine` does, and keep what was looked at. Raises UsageError as `examine` does."""
    case, disk = gather(request, patient)
    apply_rules(case)  # they look at some files more
    machine = case.around.machine
    home = "/Users/user" if machine.is_mac else "/home/user"
    rename = _renamer(disk, home)
    data: dict[str, Any] = {
        "envbuild_bundle": FORMAT,
        "home": home,
        "project": rename(str(case.around.project)) if case.around.project is not None else None,
        "environment": rename(request.environment) if request.environment else None,
        "ides": sorted(request.ides) if request.ides is not None else None,
        "machine": _renamed(machine.to_json(), rename),
        "files": {},
        "binaries": {},
        "rows": {},
        "links": {},
        "folders": [],
        "sizes": {},
    }
    for path, asked in sorted(disk.asked.items()):
        if disk.known(path):
            _keep(path, asked, disk, data, rename)
    return Bundle(data=data)


def _renamer(disk: Disk, home: str) -> Callable[[str], str]:
    homes = sorted({str(disk.home), *disk.aliases}, key=len, reverse=True)
    users = {name for name in (Path(text).name for text in homes) if len(name) > 1 and name not in ("root", "home")}

    def rename(text: str) -> str:
        for old in homes:
            text = re.sub(re.escape(old) + r"(?![\w.-])", home, text)
        if disk.root is not None:
            text = text.replace(f"{disk.root}/", "/")
        for user in users:
            text = re.sub(rf"(?<![\w-]){re.escape(user)}(?![\w-])", "user", text)
        return text

    return rename


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return rename(value)
    if isinstance(value, dict):
        return {rename(str(key)): _renamed(item, rename) for key, item in value.items()}
    return [_renamed(item, rename) for item in value] if isinstance(value, list) else value


def _keep(path: Path, asked: Asked, disk: Disk, data: dict[str, Any], rename: Callable[[str], str]) -> None:
    """Put one path into the bundle, as what it is and no more than was wanted of it."""
    name = rename(str(path))
    if path.is_symlink():
        data["links"][name] = rename(str(path.readlink()))
        return
    if path.is_dir():
        data["folders"].append(name)
        if asked is Asked.ENTRIES:
            data["folders"] += [f"{name}/{entry}" for entry in disk.entries(path) if _is_telling_folder(path, entry)]
            telling = [entry for entry in disk.entries(path) if entry.endswith(".json") and path.name == "conda-meta"]
            for entry in telling:
                data["files"].setdefault(f"{name}/{entry}", "{}\n")
        return
    if not path.is_file():
        # Gone, and that is known: elsewhere a path counts as known below a folder of `/` that is there.
        if disk.presence(path) is Presence.GONE and not name.startswith(str(data["home"])):
            data["folders"].append("/" + PurePosixPath(name).parts[1])
        return
    if path.name in ("state.vscdb", "state.vscdb.backup"):
        _keep_rows(path, name, data, rename)
        return
    text = disk.text(path) if asked is Asked.CONTENT else None
    if text is None and path.suffix in (".py", ".ipynb"):
        text = disk.text(path)
    kept = redacted(path, text) if text is not None else None
    if kept is not None:
        data["files"][name] = rename(kept)
    elif asked is Asked.HEAD:
        data["binaries"][name] = base64.b64encode(disk.head(path, _HEAD)).decode("ascii")
        data["sizes"][name] = path.stat().st_size
    elif path.name.endswith(".plist"):
        data["binaries"][name] = base64.b64encode(_plist(disk.read(path) or b"")).decode("ascii")
    else:
        data["files"].setdefault(name, "")


def _is_telling_folder(path: Path, entry: str) -> bool:
    return _TELLING_NAMES.fullmatch(entry) is not None and (path / entry).is_dir()


def _plist(content: bytes) -> bytes:
    """A property list with only the keys that are read."""
    import plistlib

    known = ("CFBundleExecutable", "CFBundleIdentifier", "CFBundleShortVersionString", "Architectures for arm64")
    try:
        value = parse_plist(content)
    except FormatError:
        return b""
    return plistlib.dumps({key: value[key] for key in known if key in value})


def _keep_rows(path: Path, name: str, data: dict[str, Any], rename: Callable[[str], str]) -> None:
    rows: dict[str, Any] = {}
    for key, wanted in _ROWS.items():
        try:
            row = vscode_row(path, key) or {}
        except FormatError:
            return
        kept = {item: value for item, value in row.items() if wanted.match(item)}
        if key in CONSOLES and isinstance(kept.get("metadata"), dict):
            kept["metadata"] = {"runtimePath": kept["metadata"].get("runtimePath")}
        if kept:
            rows[key] = _renamed(kept, rename)
    data["rows"][name] = rows


# -- judging a bundle --------------------------------------------------------------------------------------------


def load(file: Path) -> Bundle:
    """Read a bundle. Raises UsageError for a file that is none."""
    try:
        data = json.loads(read_ordinary(file, limit=_LIMIT, error=UsageError))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not a bundle of `envbuild doctor --collect FILE` ({error})") from None
    if not isinstance(data, dict) or data.get("envbuild_bundle") != FORMAT:
        raise UsageError(f"{file}: not a bundle of `envbuild doctor --collect FILE`, or of another version of it")
    kinds = {
        "files": dict,
        "binaries": dict,
        "rows": dict,
        "links": dict,
        "sizes": dict,
        "folders": list,
        "machine": dict,
    }
    for key, kind in kinds.items():
        if not isinstance(data.get(key), kind) or len(data[key]) > _MOST_ENTRIES:
            raise UsageError(f"{file}: {key!r} is missing or not what a bundle has there")
    if not isinstance(data.get("home"), str) or not re.fullmatch(r"/(?:Users|home)/user", data["home"]):
        raise UsageError(f"{file}: 'home' is not what a bundle has there")
    return Bundle(data=data)


def unpack(bundle: Bundle, folder: Path, *, clock: Callable[[], float]) -> tuple[Request, Patient]:
    """Lay the bundle out below `folder` and give what to examine. Nothing is written outside `folder`.

    Raises UsageError for a path that leads out of it.
    """
    root = folder / "root"
    data = bundle.data
    try:
        _lay_out(data, root)
        home = _inside(root, data["home"])
        home.mkdir(parents=True, exist_ok=True)
        ides = frozenset(map(Ide, data["ides"])) if isinstance(data.get("ides"), list) else None
    except (OSError, ValueError, sqlite3.Error) as error:
        # Names that no file can have, a file below a file, an editor that nobody knows.
        raise UsageError(f"the bundle is damaged: {getattr(error, 'strerror', None) or error}") from None
    asked = data.get("environment")
    request = Request(
        environment=asked if isinstance(asked, str) else None,
        project=_inside(root, data["project"]) if isinstance(data.get("project"), str) else None,
        ides=ides,
        static=True,
    )
    machine = from_json(data["machine"], where="the bundle")
    environ = {"HOME": data["home"], **machine.environ}
    return request, Patient(home=home, cwd=home, machine=replace(machine, environ=environ), clock=clock)


def _lay_out(data: dict[str, Any], root: Path) -> None:
    for name in data["folders"]:
        _inside(root, name).mkdir(parents=True, exist_ok=True)
    for name, text in data["files"].items():
        _write(_inside(root, name), str(text).encode("utf-8", "surrogateescape"))
    for name, encoded in data["binaries"].items():
        path = _inside(root, name)
        try:
            _write(path, base64.b64decode(str(encoded), validate=True))
        except ValueError:
            raise UsageError(f"the bundle is damaged at {name}") from None
        size = data["sizes"].get(name)
        if isinstance(size, int) and 0 <= size < 1 << 40:
            with path.open("ab") as stream:
                stream.truncate(max(size, path.stat().st_size))  # sparse: only its size is judged
    for name, rows in data["rows"].items():
        _write_rows(_inside(root, name), rows)
    # Links last, so that nothing is written through one.
    for name, target in data["links"].items():
        path = _inside(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() and not path.is_symlink():
            path.symlink_to(str(target))


def _inside(root: Path, name: object) -> Path:
    pure = PurePosixPath(str(name))
    if not pure.is_absolute() or ".." in pure.parts or "\0" in str(name):
        raise UsageError(f"the bundle names a path that no bundle has: {name!r}")
    return root / pure.relative_to("/")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_rows(path: Path, rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.execute("CREATE TABLE ItemTable (key TEXT UNIQUE, value BLOB)")
        for key, value in rows.items() if isinstance(rows, dict) else ():
            connection.execute("INSERT INTO ItemTable VALUES (?, ?)", (str(key), json.dumps(value)))
        connection.commit()
    finally:
        connection.close()
