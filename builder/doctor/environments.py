"""The one door to the rest of the house: what an interpreter and its environment are, from their files alone."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.binaries.macho import constants as macho
from builder.binaries.macho.file import Arch, is_mach_o_magic
from builder.doctor import stack
from builder.doctor.model import Interpreter, Kind, Presence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.doctor.disk import Disk
    from builder.finding import Finding

#: An interpreter's launcher is tens of kilobytes at least (Homebrew's and python.org's framework stubs are the least).
_SMALLEST_INTERPRETER: Final = 4096
_ELF_MACHINES: Final = {62: "x86_64", 183: "aarch64", 3: "i686", 40: "arm"}
_SUBDIR_ARCH: Final = {
    "osx-arm64": "arm64",
    "osx-64": "x86_64",
    "linux-64": "x86_64",
    "linux-aarch64": "aarch64",
}
_CONDA_RECORD: Final = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<build>[^-]+)\.json")
_DIST_INFO: Final = re.compile(r"(?P<name>[A-Za-z0-9][\w.]*)-(?P<version>[\w.!+]+?)(?:-py[\d.]+)?\.(?:dist|egg)-info")
_SHIMS: Final = re.compile(r"/(?:\.pyenv/shims|\.asdf/shims|\.local/share/mise/shims|mise/shims)/")
#: Of what a record lists, the files that say whether a package is whole: its main modules, and its binaries.
_MAIN_MODULES: Final = re.compile(r"\w+/__init__\.py")
_TELLING_FILES: Final = re.compile(r"\w+/(?:\w+/)?__init__\.py|\w+/.*\.(?:so|dylib)(?:\.\d+)*")
_RECORD_LIMIT: Final = 20_000_000


def normalized(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def architectures(disk: Disk, path: Path) -> tuple[str, ...]:
    """The architectures of a Mach-O or ELF file, from its header alone: a damaged body is not judged here."""
    head = disk.head(path, 4096)
    if len(head) >= 20 and head[:4] == b"\x7fELF":
        machine = _ELF_MACHINES.get(struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)[0])
        return (machine,) if machine else ()
    if len(head) < 12 or not is_mach_o_magic(head[:4]):
        return ()
    (magic,) = struct.unpack_from(">I", head)
    if magic not in (macho.FAT_MAGIC, macho.FAT_MAGIC_64):
        cputype, subtype = struct.unpack_from("<II" if head[3] == 0xFE else ">II", head, 4)
        return (Arch(cputype=cputype, cpusubtype=subtype).name,)
    size = 32 if magic == macho.FAT_MAGIC_64 else 20
    (count,) = struct.unpack_from(">I", head, 4)
    names = []
    for index in range(min(count, (len(head) - 8) // size, 8)):
        cputype, subtype = struct.unpack_from(">II", head, 8 + index * size)
        names.append(Arch(cputype=cputype, cpusubtype=subtype).name)
    return tuple(dict.fromkeys(names))


class Environments:
    """Interpreters by path, each looked at once. `environ` is that of the user's shell, `project` where one stands."""

    def __init__(self, disk: Disk, *, environ: Mapping[str, str], is_mac: bool) -> None:
        self._disk = disk
        self._environ = environ
        self._is_mac = is_mac
        self._known: dict[Path, Interpreter] = {}

    def of_prefix(self, prefix: Path) -> Interpreter:
        """The interpreter of an environment's folder."""
        binary = prefix / "bin" / "python"
        if self._disk.presence(binary) is Presence.GONE and not self._is_link(binary):
            other = prefix / "bin" / "python3"
            if self._disk.presence(other) is Presence.PRESENT:
                return self.of(other)
        return self.of(binary)

    def of(self, path: Path) -> Interpreter:
        """The facts of the interpreter at `path`, or of the environment whose folder it is."""
        if self._disk.is_dir(path):
            return self.of_prefix(path)
        if path not in self._known:
            self._known[path] = self._examine(path)
        return self._known[path]

    def _is_link(self, path: Path) -> bool:
        try:
            return path.is_symlink()
        except OSError:
            return False

    # -- one interpreter -----------------------------------------------------------------------------------------

    def _examine(self, path: Path) -> Interpreter:
        disk = self._disk
        if _SHIMS.search(str(path)):
            return self._through_shim(path)
        real, presence = disk.follow(path)
        prefix = self._prefix(path, real)
        if presence is Presence.UNKNOWN and prefix is None:
            return Interpreter(path=path, presence=presence, real=real, kind=_kind_of_path(path))
        broken = real if presence is not Presence.PRESENT and self._is_link(path) else None
        if prefix is not None and presence is Presence.GONE and not self._is_made(prefix):
            prefix = None  # `/usr/local` without that python is no environment that lost it
        if prefix is None:
            return Interpreter(path=path, presence=presence, real=real, broken_link=broken)
        size = self._size(real)
        if presence is Presence.UNKNOWN and disk.known(path):
            # A link of this home to a Python elsewhere, such as Homebrew's: whether it is there cannot be told.
            presence = Presence.PRESENT
            broken = None
        conda = _conda_records(disk, prefix)
        missing, damaged = self._missing(prefix, conda, stub=size is None or size < _SMALLEST_INTERPRETER)
        packages = self._packages(prefix, conda)
        # A Linux binary on a Mac starts nothing, and says nothing about what the environment is for.
        foreign = self._is_mac and disk.head(real, 4) == b"\x7fELF"
        slices = () if foreign else architectures(disk, real)
        subdir = self._subdir(prefix, conda)
        return Interpreter(
            path=path,
            presence=presence,
            real=real,
            prefix=prefix,
            kind=self._kind(path, real, prefix),
            slices=slices or self._arch_by_name(real, subdir),
            version=self._version(path, real, prefix, conda),
            subdir=subdir,
            packages=packages,
            missing=missing,
            damaged=damaged,
            alien=self._alien(prefix, real) if size is not None and size >= _SMALLEST_INTERPRETER else (),
            broken_link=broken,
            user_site=self._user_site(prefix),
            outline=size is None or size < _SMALLEST_INTERPRETER or self._is_outline(prefix, real),
            mixed=self._mixed(prefix, conda, subdir),
        )

    def _size(self, real: Path) -> int | None:
        try:
            return real.stat().st_size if self._disk.known(real) else None
        except (OSError, ValueError):
            return None

    def _prefix(self, path: Path, real: Path) -> Path | None:
        """The environment: the folder above `bin` of the name that was asked for, else of the file it leads to."""
        for candidate in (path, real):
            if not self._disk.known(candidate):
                continue
            prefix = candidate.parent.parent
            if candidate.parent.name == "bin" and self.is_environment(prefix):
                return prefix
        return None

    def _is_made(self, prefix: Path) -> bool:
        """Whether somebody made an environment there, whatever is left of it."""
        return self._disk.is_dir(prefix / "conda-meta") or self._disk.is_file(prefix / "pyvenv.cfg")

    def is_environment(self, prefix: Path) -> bool:
        """Whether a folder is an environment: conda's, a venv, or any other installation of Python."""
        disk = self._disk
        return self._is_made(prefix) or any(
            name.startswith("python") and disk.is_dir(prefix / "lib" / name) for name in self._lib(prefix)
        )

    def _lib(self, prefix: Path) -> list[str]:
        return [name for name in self._disk.entries(prefix / "lib") if re.fullmatch(r"python\d\.\d+t?", name)]

    def _through_shim(self, path: Path) -> Interpreter:
        """What a pyenv shim starts, by pyenv's own rules: PYENV_VERSION, `.python-version` upwards, the global file.

        Source: pyenv's `pyenv-version-file` and `pyenv-version-name`.
        """
        disk = self._disk
        root = Path(str(path).split("/shims/")[0])
        if root.name != ".pyenv":
            return Interpreter(path=path, presence=disk.presence(path), via="a shim whose choice is not known")
        for version, said_by in self._pyenv_versions(root):
            if version == "system":
                return Interpreter(path=path, presence=Presence.UNKNOWN, kind=Kind.SYSTEM, via=f"{said_by}: system")
            prefix = root / "versions" / version
            if not disk.is_dir(prefix):
                series = [name for name in disk.entries(root / "versions") if name.startswith(version + ".")]
                prefix = root / "versions" / (series[-1] if series else version)
            found = self.of_prefix(prefix)
            return Interpreter(**(vars(found) | {"via": f"a pyenv shim; {said_by} says {version}"}))
        return Interpreter(path=path, presence=Presence.UNKNOWN, via="a pyenv shim, and no version is chosen")

    def _pyenv_versions(self, root: Path) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        if self._environ.get("PYENV_VERSION"):
            found.append((self._environ["PYENV_VERSION"].split(":")[0], "PYENV_VERSION"))
        folder = self._disk.project
        files = [parent / ".python-version" for parent in (folder, *folder.parents)][:20] if folder else []
        for file in (*files, root / "version"):
            text = self._disk.text(file, limit=10_000) if self._disk.known(file) else None
            words = [line.strip() for line in (text or "").splitlines() if line.strip() and not line.startswith("#")]
            if words:
                found.append((words[0], self._disk.show(file)))
        return found

    # -- facts ---------------------------------------------------------------------------------------------------

    def _kind(self, path: Path, real: Path, prefix: Path) -> Kind:
        disk = self._disk
        if disk.is_dir(prefix / "conda-meta"):
            return Kind.CONDA
        if disk.is_file(prefix / "pyvenv.cfg"):
            return Kind.UV if "uv" in self._venv_settings(prefix) else Kind.VENV
        return next((kind for kind in (_kind_of_path(path), _kind_of_path(real)) if kind is not Kind.OTHER), Kind.OTHER)

    def _venv_settings(self, prefix: Path) -> dict[str, str]:
        settings: dict[str, str] = {}
        for line in (self._disk.text(prefix / "pyvenv.cfg", limit=20_000) or "").splitlines():
            key, equals, value = line.partition("=")
            if equals:
                settings[key.strip().lower()] = value.strip()
        return settings

    def _user_site(self, prefix: Path) -> bool:
        """Whether Python adds the user's site folder there. A venv does only with system site-packages (site.py)."""
        if not self._disk.is_file(prefix / "pyvenv.cfg"):
            return True
        return self._venv_settings(prefix).get("include-system-site-packages", "false").lower() == "true"

    def _version(self, path: Path, real: Path, prefix: Path, conda: Mapping[str, tuple[str, str]]) -> str | None:
        if "python" in conda:
            return conda["python"][0]
        settings = self._venv_settings(prefix)
        for key in ("version", "version_info"):
            if found := re.match(r"\d+\.\d+(?:\.\d+)?", settings.get(key, "")):
                return found[0]
        for text in (str(real), str(path)):
            if found := re.search(r"(?:versions/|cpython-|python@3\.\d+/)(\d+\.\d+\.\d+)", text):
                return found[1]
        folders = self._lib(prefix)
        return folders[-1].removeprefix("python") if folders else None

    def site_packages(self, prefix: Path) -> Path | None:
        """The newest `lib/pythonX.Y/site-packages`."""
        folders = sorted(self._lib(prefix), key=lambda name: [int(part) for part in re.findall(r"\d+", name)])
        return prefix / "lib" / folders[-1] / "site-packages" if folders else None

    def _packages(self, prefix: Path, conda: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        found = {normalized(name): version for name, (version, _) in conda.items()}
        site = self.site_packages(prefix)
        # Debian and its kin keep the packages of the system's Python in folders of their own.
        folders = [prefix / "lib" / "python3" / "dist-packages"] + ([site] if site is not None else [])
        folders += [prefix / "local" / "lib" / name / "dist-packages" for name in self._lib(prefix)]
        for folder in folders:
            # What pip put over conda's package is what is imported.
            found |= self.packages_in(folder)
        return found

    def packages_in(self, folder: Path) -> dict[str, str]:
        """Distribution → version of what lies in any folder of packages (a user site, an entry of PYTHONPATH)."""
        names = self._disk.entries(folder)
        matches = [match for name in names if (match := _DIST_INFO.fullmatch(name))]
        found = {normalized(match["name"]): match["version"] for match in matches}
        for module in stack.frameworks():
            # Copied or developed in place: importable, and nothing says which version.
            named = any(name.startswith(module) for name in found)
            if module in names and not named and self._disk.is_file(folder / module / "__init__.py"):
                found[module] = "?"
        return found

    def _subdir(self, prefix: Path, conda: Mapping[str, tuple[str, str]]) -> str | None:
        """conda's platform of the environment's Python: as its record says, else the history of the environment."""
        recorded = self._subdir_of(prefix, "python", conda)
        if recorded is not None:
            return recorded
        history = self._disk.text(prefix / "conda-meta" / "history", limit=5_000_000) or ""
        named = re.findall(r"^\+.*?/((?:osx|linux)-[a-z0-9]+)(?:::|/)python-\d", history, re.MULTILINE)
        return named[-1] if named else None

    def _subdir_of(self, prefix: Path, name: str, conda: Mapping[str, tuple[str, str]]) -> str | None:
        if name not in conda:
            return None
        file = prefix / "conda-meta" / f"{name}-{'-'.join(conda[name])}.json"
        found = re.search(r'"subdir"\s*:\s*"([a-z0-9-]+)"', self._disk.text(file, limit=10_000_000) or "")
        return found[1] if found else None

    def _mixed(self, prefix: Path, conda: Mapping[str, tuple[str, str]], subdir: str | None) -> tuple[str, ...]:
        """Packages of another platform than Python's: what an install with a changed CONDA_SUBDIR leaves behind."""
        if subdir is None:
            return ()
        others = {name: self._subdir_of(prefix, name, conda) for name in stack.examined() if name in conda}
        return tuple(
            f"{name} {conda[name][0]} ({other})"
            for name, other in others.items()
            if other not in (None, subdir, "noarch")
        )

    @staticmethod
    def _arch_by_name(real: Path, subdir: str | None) -> tuple[str, ...]:
        """The architecture where no header can be read: conda's platform, or what the path says."""
        if subdir in _SUBDIR_ARCH:
            return (_SUBDIR_ARCH[subdir],)
        if found := re.search(r"cpython-[\d.]+-(macos|linux)-(aarch64|x86_64)", str(real)):
            return ("arm64" if found[1] == "macos" and found[2] == "aarch64" else found[2],)
        if str(real).startswith("/opt/homebrew/"):
            return ("arm64",)
        if str(real).startswith(("/usr/local/Cellar/", "/usr/local/opt/")):
            return ("x86_64",)
        return ()

    def _alien(self, prefix: Path, real: Path) -> tuple[tuple[str, str], ...]:
        """Binaries of the packages that matter which the interpreter at `real` cannot load, by their first bytes."""
        disk = self._disk
        system, slices = _format_of(disk, real), set(architectures(disk, real))
        site = self.site_packages(prefix)
        if system is None or not slices or site is None:
            return ()
        found: list[tuple[str, str]] = []
        for folder in disk.entries(site):
            match = _DIST_INFO.fullmatch(folder)
            if match is None or normalized(match["name"]) not in stack.examined():
                continue
            for line in (disk.text(site / folder / "RECORD", limit=_RECORD_LIMIT) or "").splitlines():
                file = line.split(",", 1)[0].strip('"')
                if not file.endswith((".so", ".dylib")):
                    continue
                other, archs = _format_of(disk, site / file), architectures(disk, site / file)
                # A Haswell slice serves x86_64.
                archs = tuple("x86_64" if arch == "x86_64h" else arch for arch in archs)
                if other is not None and (other != system or not slices & set(archs)):
                    name = normalized(match["name"])
                    found.append((name, f"{file} is a {other} binary ({', '.join(archs)})"))
        return tuple(found)

    # -- damage --------------------------------------------------------------------------------------------------

    def _is_outline(self, prefix: Path, real: Path) -> bool:
        """Whether this is only the outline of an environment (a copy of its records): no standard library is there."""
        base = prefix
        if self._disk.is_file(prefix / "pyvenv.cfg"):
            # Its standard library is that of the Python it links to, which of another machine is seldom here.
            if not self._disk.foreign:
                return False
            base = real.parent.parent
        return not any(self._disk.is_file(base / "lib" / name / "os.py") for name in self._lib(base))

    def _missing(
        self, prefix: Path, conda: Mapping[str, tuple[str, str]], *, stub: bool
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Recorded files that are gone (the interpreter itself, the main modules of the packages that matter), and the
        distributions they belong to.

        Only what a record names counts; a package without a record is not judged. Nor are packages where the
        interpreter is a `stub` and no package at all has its files: then somebody copied the records alone.
        """
        disk = self._disk
        missing: list[str] = []
        damaged: list[str] = []
        site = self.site_packages(prefix)
        if "python" in conda and disk.presence(prefix / "bin" / "python") is Presence.GONE:
            missing.append("bin/python")
        names = disk.entries(site) if site is not None else []
        if stub and not any(_module_of(name) in names for name in names if _DIST_INFO.fullmatch(name)):
            return tuple(missing), ()
        for folder in names:
            match = _DIST_INFO.fullmatch(folder)
            if site is None or match is None or normalized(match["name"]) not in stack.examined():
                continue
            record = disk.text(site / folder / "RECORD", limit=_RECORD_LIMIT) or ""
            telling = _MAIN_MODULES if stub else _TELLING_FILES
            for line in record.splitlines():
                file = line.split(",", 1)[0].strip('"')
                if telling.fullmatch(file) and disk.presence(site / file) is Presence.GONE:
                    missing.append(f"{(site / file).relative_to(prefix)}")
                    damaged.append(normalized(match["name"]))
        return tuple(missing), tuple(dict.fromkeys(damaged))


def _format_of(disk: Disk, path: Path) -> str | None:
    """`macOS`, `Linux`, or None for a file that is no binary."""
    head = disk.head(path, 4)
    if head == b"\x7fELF":
        return "Linux"
    return "macOS" if is_mach_o_magic(head) else None


def _module_of(dist_info: str) -> str:
    """The import package a distribution most likely has: its name."""
    return dist_info.partition("-")[0].lower()


def _kind_of_path(path: Path) -> Kind:
    text = str(path)
    if "/.pyenv/" in text:
        return Kind.PYENV
    if "/uv/python/" in text:
        return Kind.UV
    # Not Homebrew's Caskroom: condas are installed there, and what their environments hold is not known by the path.
    if re.match(
        r"/(?:opt/homebrew|usr/local|home/linuxbrew/\.linuxbrew)/(?:Cellar|opt)/python|/opt/homebrew/bin/python", text
    ):
        return Kind.HOMEBREW
    if text.startswith(("/usr/bin/", "/bin/", "/Library/Developer/", "/Applications/Xcode.app/")):
        return Kind.SYSTEM
    if text.startswith(("/usr/local/bin/python", "/Library/Frameworks/Python.framework/")):
        return Kind.INSTALLED
    return Kind.OTHER


def _conda_records(disk: Disk, prefix: Path) -> dict[str, tuple[str, str]]:
    """conda package → (version, build), from the names of `conda-meta/*.json`."""
    found: dict[str, tuple[str, str]] = {}
    for name in disk.entries(prefix / "conda-meta"):
        if match := _CONDA_RECORD.fullmatch(name):
            found[match["name"]] = (match["version"], match["build"])
    return found


def verified(
    interpreter: Interpreter,
    *,
    is_mac: bool,
    quick: bool,
    run: bool,
    environ: Mapping[str, str],
    home: Path,
    cwd: Path,
) -> list[Finding]:
    """The failures of `verify` for an environment. `run` also starts its Python, as the user of `environ`, `home` and
    `cwd` would; `quick` reads less.

    A virtual environment has no record of its platform; it is judged for that of its interpreter.
    """
    from builder.checks.subject import User
    from builder.checks.verification import EVERYTHING, STATIC
    from builder.checks.verification import verified as verify
    from builder.environment.environment import Environment
    from builder.finding import Status
    from builder.platforms import Subdir
    from builder.probes.level import Level

    if interpreter.prefix is None:
        return []
    names = {("arm64", True): Subdir.OSX_ARM64, ("x86_64", True): Subdir.OSX_64}
    names |= {("x86_64", False): Subdir.LINUX_64, ("aarch64", False): Subdir.LINUX_AARCH64}
    own = names.get((interpreter.arch or "", is_mac))
    report = verify(
        Environment(interpreter.prefix, subdir=None if interpreter.kind is Kind.CONDA else own),
        host=own,
        user=User(environ=environ, home=home, cwd=cwd),
        level=Level.QUICK if quick else Level.DEFAULT,
        needs=EVERYTHING if run else STATIC,
    )
    return [finding for finding in report.findings if finding.status is Status.FAIL]
