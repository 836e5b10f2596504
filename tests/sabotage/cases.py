"""The table of damages: what is done, which check must say what, and whether its commands put it right."""

from __future__ import annotations

import base64
import hashlib
import json
import marshal
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uv

from tests.sabotage.patient import copied

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sabotage.patient import Patient


@dataclass(frozen=True, kw_only=True)
class Case:
    """`check` must be the one finding that is not a pass, with all of `words` in its title."""

    name: str
    damage: Callable[[Patient], object]
    check: str
    words: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    """Words that must come up in its evidence."""
    options: str = ""
    heals: bool = True
    """Its commands put everything right. Otherwise it has none: a person has to decide."""
    heavy: bool = False
    """One much like it is tried every time, this one only with the heavy tests."""
    beside: tuple[str, ...] = ()
    """Other checks that may rightly have something to say."""

    def proven(self, patient: Patient) -> None:
        """Do the damage; it is found, named as one thing, and healed by doing literally what is said."""
        self.damage(patient)
        report = patient.verify(options=self.options)
        found = [finding for finding in report.bad if finding["check"] == self.check]
        assert found, str(report)
        finding = found[0]
        for word in self.words:
            assert word in finding["title"], str(report)
        evidence = "\n".join(finding["evidence"])
        for word in self.evidence:
            assert word in evidence, str(report)
        others = [one for one in report.bad if one is not finding and one["check"] not in self.beside]
        assert not others, f"one cause, one finding:\n{report}"
        commands = finding["remedy"]["commands"]
        if not self.heals:
            assert not commands
            return
        assert commands, finding["remedy"]
        # `sync` and `create` end with a proof of their own, so that what they leave runs need not be proven again.
        proven = commands[-1].startswith("envbuild ")
        after = patient.verify(*commands, options=f"{self.options} --static" if proven else self.options)
        assert not after.bad, f"did as told:\n{commands}\n{after}"


def _append(rel: str, text: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        with (patient.site / rel).open("a", encoding="utf-8") as file:
            file.write(text)

    return damage


def write(rel: str, text: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        (patient.site / rel).write_text(text)

    return damage


def _delete(rel: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        (place,) = patient.site.glob(rel)
        shutil.rmtree(place) if place.is_dir() else place.unlink()

    return damage


def deleted_and_written(pattern: str, change: Callable[[bytes], bytes]) -> Callable[[Patient], object]:
    """Another file in the place of one: what is linked to the old one elsewhere stays as it is."""

    def damage(patient: Patient) -> None:
        file = next(patient.site.glob(pattern))
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(change(content))

    return damage


def _core(patient: Patient) -> Path:
    """NumPy's main library."""
    (file,) = patient.site.glob("numpy/_core/_multiarray_umath.*.so")
    return file


def _truncate_library(patient: Patient) -> None:
    file = _core(patient)
    file.write_bytes(file.read_bytes()[:5000])


def _edit_rpath(patient: Patient) -> None:
    """As a careless `patchelf` does."""
    file = _core(patient)
    data = file.read_bytes()
    assert b"numpy.libs" in data
    file.write_bytes(data.replace(b"numpy.libs", b"numpy.lost"))


def _edit_bytecode(patient: Patient) -> None:
    """Another program under the date and size of the source."""
    (compiled,) = patient.site.glob("numpy/linalg/__pycache__/__init__.*.pyc")
    code = compile("raise RuntimeError('not the source')", "numpy/linalg/__init__.py", "exec")
    compiled.write_bytes(compiled.read_bytes()[:16] + marshal.dumps(code))


def pip(*arguments: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        command = [uv.find_uv_bin(), "pip", arguments[0], "--python", str(patient.python), *arguments[1:]]
        subprocess.run(command, check=True, capture_output=True)

    return damage


def _move(patient: Patient) -> None:
    elsewhere = patient.prefix.with_name("elsewhere")
    patient.prefix.rename(elsewhere)
    patient.prefix = elsewhere


def _copy(patient: Patient) -> None:
    """A colleague's environment, copied; the one it was copied from still works."""
    elsewhere = patient.prefix.with_name("copied")
    copied(patient.prefix, elsewhere)
    patient.prefix = elsewhere


def _break_interpreter(patient: Patient) -> None:
    patient.python.unlink()
    patient.python.symlink_to("python-that-is-gone")


def _break_link(patient: Patient) -> None:
    (patient.site / "six.py").unlink()
    (patient.site / "six.py").symlink_to("/nowhere/six.py")


def _link_to_device(patient: Patient) -> None:
    """Which never ends, for who reads it."""
    (patient.site / "six.py").unlink()
    (patient.site / "six.py").symlink_to("/dev/zero")


def _stale_metadata(patient: Patient) -> None:
    (folder,) = patient.site.glob("six-*.dist-info")
    stale = folder.with_name("six-0.9.dist-info")
    shutil.copytree(folder, stale)
    metadata = stale / "METADATA"
    metadata.write_text("\n".join("Version: 0.9" if _is_version(line) else line for line in _lines(metadata)))


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def _is_version(line: str) -> bool:
    return line.startswith("Version:")


def _damage_record(patient: Patient) -> None:
    (record,) = (patient.prefix / "conda-meta").glob("python-*.json")
    record.write_text("{")


def _delete_records(patient: Patient) -> None:
    for record in (patient.prefix / "conda-meta").glob("python*.json"):
        record.unlink()


def _edit_stamp(patient: Patient) -> None:
    """So that nothing is expected any more."""
    stamp = patient.prefix / "conda-meta" / "envbuild.stamp"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"packages": [], "records": {}}))


def _hash_of(content: bytes) -> str:
    """As RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _edited_with_record(hash_of: Callable[[bytes], str]) -> Callable[[Patient], object]:
    """An edited module, and a RECORD that has been told."""

    def damage(patient: Patient) -> None:
        module = patient.site / "six.py"
        (record,) = patient.site.glob("six-*.dist-info/RECORD")
        before = module.read_bytes()
        module.write_bytes(before + b"\nsurprise = 1\n")
        text = record.read_text()
        assert f"sha256={_hash_of(before)}" in text
        record.write_text(text.replace(f"sha256={_hash_of(before)}", hash_of(module.read_bytes())))

    return damage


def _edited_with_conda_record(patient: Patient) -> None:
    (record,) = (patient.prefix / "conda-meta").glob("python-*.json")
    module = patient.site.parent / "json" / "__init__.py"
    before = hashlib.sha256(module.read_bytes()).hexdigest()
    content = module.read_bytes() + b"\nsurprise = 1\n"
    module.unlink()
    module.write_bytes(content)
    text = record.read_text()
    assert before in text
    record.write_text(text.replace(before, hashlib.sha256(content).hexdigest()))


def _record_pipe(patient: Patient) -> None:
    (record,) = patient.site.glob("six-*.dist-info/RECORD")
    record.unlink()
    os.mkfifo(record)


def _forgotten_file(patient: Patient) -> None:
    """A deleted file, and its line of RECORD with it."""
    (record,) = patient.site.glob("numpy-*.dist-info/RECORD")
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if not line.startswith("numpy/matlib.py")))
    (patient.site / "numpy" / "matlib.py").unlink()


def _delete_from_library(patient: Patient) -> None:
    (patient.site.parent / "json" / "decoder.py").unlink()


def _other_interpreter(patient: Patient) -> None:
    """One of another machine, as an archive of a colleague's may hold."""
    real = Path(os.path.realpath(patient.python))
    real.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 183) + bytes(44))


def _foreign_path(patient: Patient) -> None:
    other = patient.home / "other" / "lib" / "python3.12" / "site-packages"
    other.mkdir(parents=True)
    (patient.site / "colleague.pth").write_text(f"{other}\n")


def _user_site(patient: Patient) -> None:
    (patient.user_site / "numpy").mkdir(parents=True)
    (patient.user_site / "numpy" / "__init__.py").write_text("__version__ = '1.0'\n")


def _user_startup(patient: Patient) -> None:
    patient.user_site.mkdir(parents=True)
    (patient.user_site / "zz-quit.pth").write_text("import os; os._exit(7)\n")


def _python_path(patient: Patient) -> None:
    (patient.home / "tools").mkdir()
    (patient.home / "tools" / "numpy.py").write_text("nothing = None\n")
    patient.environ["PYTHONPATH"] = str(patient.home / "tools")


def _hides_in_working_directory(patient: Patient) -> None:
    (patient.work / "numpy.py").write_text("nothing = None\n")


def _library_path(patient: Patient) -> None:
    """A library of the system's by name, and damaged."""
    folder = patient.home / "libraries"
    folder.mkdir()
    (folder / "libstdc++.so.6").write_bytes(b"\x7fELF")
    patient.environ["LD_LIBRARY_PATH"] = str(folder)


def _rename_package(patient: Patient) -> None:
    (patient.site / "numpy").rename(patient.site / "numpy_old")


def _folder_for_library(patient: Patient) -> None:
    file = _core(patient)
    file.unlink()
    file.mkdir()


def _interpreter_by_script(patient: Patient) -> None:
    patient.python.unlink()
    patient.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    patient.python.chmod(0o755)


def _link_packages_out(patient: Patient) -> None:
    patient.site.rename(patient.home / "packages")
    patient.site.symlink_to(patient.home / "packages")


def set_variables(**variables: str) -> Callable[[Patient], object]:
    return lambda patient: patient.environ.update(variables)


def _unfinished(patient: Patient) -> None:
    (patient.prefix / "conda-meta" / "envbuild.building").write_text("")


def _pipe(patient: Patient) -> None:
    os.mkfifo(patient.site / "numpy" / "pipe.py")


CASES: Final = (
    Case(
        name="file-edited",
        heavy=True,
        damage=_append("numpy/matlib.py", "\nraise RuntimeError\n"),
        check="pkg.integrity",
        words=("1 file of numpy", "not as installed", "numpy/matlib.py"),
    ),
    Case(
        name="file-deleted",
        damage=_delete("numpy/_core/numeric.py"),
        check="pkg.integrity",
        words=("1 file of numpy", "missing", "numpy/_core/numeric.py"),
        evidence=("so import.alone failed",),
    ),
    Case(
        name="library-truncated",
        damage=_truncate_library,
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("so import.alone failed",),
    ),
    Case(
        name="library-deleted",
        damage=_delete("numpy.libs/libscipy_openblas*"),
        check="pkg.integrity",
        words=("numpy", "missing", "libscipy_openblas"),
        evidence=("so link.missing-library failed", "so import.alone failed"),
    ),
    Case(
        name="rpath-edited",
        damage=_edit_rpath,
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("so import.alone failed", "cannot open shared object file"),
    ),
    Case(
        name="bytecode-edited",
        damage=_edit_bytecode,
        check="pkg.bytecode",
        words=("1 compiled file", "numpy/linalg/__pycache__/__init__"),
        evidence=("so import.alone failed",),
    ),
    Case(
        name="library-unreadable",
        heavy=True,
        damage=lambda patient: _core(patient).chmod(0),
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("nobody may read it",),
    ),
    Case(
        name="folder-in-place-of-a-library",
        heavy=True,
        damage=_folder_for_library,
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("Is a directory",),
    ),
    Case(
        name="package-renamed",
        damage=_rename_package,
        check="pkg.integrity",
        words=("numpy was renamed to numpy_old",),
    ),
    Case(
        name="interpreter-deleted",
        heavy=True,
        damage=lambda patient: patient.python.unlink(),
        check="pkg.integrity",
        words=("1 file of python", "bin/python"),
    ),
    Case(
        name="interpreter-is-another",
        heavy=True,
        damage=_interpreter_by_script,
        check="pkg.integrity",
        words=("1 file of python", "bin/python"),
        evidence=("which was a link", "so process.prefix failed"),
    ),
    Case(
        name="packages-lie-elsewhere",
        heavy=True,
        damage=_link_packages_out,
        check="env.links",
        words=("site-packages is a link out of the environment",),
    ),
    Case(
        name="standard-library-not-found",
        heavy=True,
        damage=_delete("../os.py"),
        check="pkg.integrity",
        words=("1 file of python", "os.py"),
        evidence=("so process.prefix failed",),
    ),
    Case(
        name="pyvenv-cfg",
        damage=lambda patient: (patient.prefix / "pyvenv.cfg").write_text("home = /usr/bin\n"),
        check="env.pyvenv",
        words=("pyvenv.cfg", "/usr/bin"),
    ),
    Case(
        name="metadata-unreadable",
        heavy=True,
        damage=lambda patient: next(patient.site.glob("six-*.dist-info/METADATA")).write_bytes(bytes(range(256))),
        check="pkg.locked",
        words=("six's metadata (six-", "cannot be read"),
    ),
    Case(
        name="record-unreadable",
        heavy=True,
        damage=lambda patient: next(patient.site.glob("numpy-*.dist-info/RECORD")).write_bytes(bytes(range(256)) * 9),
        check="pkg.integrity",
        words=("numpy",),
    ),
    Case(
        name="metadata-deleted",
        damage=_delete("numpy-*.dist-info"),
        check="pkg.locked",
        words=("numpy's metadata", "is missing"),
    ),
    Case(
        name="record-deleted",
        heavy=True,
        damage=_delete("six-*.dist-info/RECORD"),
        check="pkg.integrity",
        words=("six", "RECORD"),
    ),
    Case(
        name="record-forged",
        damage=_edited_with_record(lambda content: f"sha256={_hash_of(content)}"),
        check="pkg.integrity",
        words=("The list of files of six", "was changed"),
    ),
    Case(
        name="record-blanked",
        heavy=True,
        damage=_edited_with_record(lambda _: ""),
        check="pkg.integrity",
        words=("The list of files of six", "was changed"),
    ),
    Case(
        name="record-shortened",
        heavy=True,
        damage=_forgotten_file,
        check="pkg.integrity",
        words=("The list of files of numpy", "was changed"),
    ),
    Case(
        name="conda-record-forged",
        heavy=True,
        damage=_edited_with_conda_record,
        check="pkg.integrity",
        words=("The list of files of python", "was changed"),
    ),
    Case(
        name="record-is-a-pipe",
        heavy=True,
        damage=_record_pipe,
        check="pkg.integrity",
        words=("six", "RECORD"),
        evidence=("RECORD is no regular file",),
    ),
    Case(
        name="package-downgraded",
        damage=pip("install", "six==1.15.0"),
        check="pkg.locked",
        words=("six is 1.15.0, locked 1.",),
    ),
    Case(
        name="package-removed",
        heavy=True,
        damage=pip("uninstall", "six"),
        check="pkg.locked",
        words=("six is not installed, locked 1.",),
    ),
    Case(
        name="package-added",
        damage=pip("install", "idna"),
        check="pkg.locked",
        words=("1 package is installed beside those of the lock", "idna"),
    ),
    Case(
        name="two-versions",
        damage=_stale_metadata,
        check="pkg.clobber",
        words=("six",),
        beside=("pkg.locked",),
    ),
    Case(
        name="leftover-file",
        damage=write("numpy/leftover.py", "x = 1\n"),
        check="pkg.integrity",
        words=("belongs to no package", "numpy/leftover.py"),
    ),
    Case(
        name="leftover-pipe",
        heavy=True,
        damage=_pipe,
        check="pkg.integrity",
        words=("belongs to no package", "numpy/pipe.py"),
    ),
    Case(
        name="conda-record-damaged",
        heavy=True,
        damage=_damage_record,
        check="pkg.integrity",
        words=("conda-meta/python-", "is not a readable package record"),
        beside=("pkg.locked",),
    ),
    Case(
        name="conda-meta-deleted",
        damage=lambda patient: shutil.rmtree(patient.prefix / "conda-meta"),
        check="env.finished",
        words=("conda-meta is gone",),
        evidence=("envbuild create small --source pypi",),
    ),
    Case(
        name="stamp-damaged",
        heavy=True,
        damage=lambda patient: (patient.prefix / "conda-meta" / "envbuild.stamp").write_text("{"),
        check="env.finished",
        words=("conda-meta/envbuild.stamp is damaged",),
    ),
    Case(
        name="stamp-edited",
        heavy=True,
        damage=_edit_stamp,
        check="env.finished",
        words=("conda-meta/envbuild.stamp is damaged",),
        evidence=("changed after envbuild wrote it",),
    ),
    Case(
        name="conda-records-deleted",
        heavy=True,
        damage=_delete_records,
        check="pkg.locked",
        words=("python is not installed",),
    ),
    Case(
        name="standard-library-damaged",
        heavy=True,
        damage=_delete_from_library,
        check="pkg.integrity",
        words=("1 file of python", "json/decoder.py"),
    ),
    Case(
        name="standard-library-exits",
        damage=_append("../json/__init__.py", "\nraise SystemExit(4)\n"),
        check="pkg.integrity",
        words=("1 file of python", "json/__init__.py"),
        evidence=("so process.interpreter failed", "exits with status 4"),
    ),
    Case(
        name="device-in-place-of-a-file",
        heavy=True,
        damage=_link_to_device,
        check="pkg.integrity",
        words=("1 file of six", "six.py"),
        evidence=("it is a link now, to /dev/zero",),
    ),
    Case(
        name="interpreter-of-another-machine",
        heavy=True,
        damage=_other_interpreter,
        check="pkg.integrity",
        words=("python",),
        evidence=("so arch.binary failed", "so process.interpreter failed"),
    ),
    Case(
        name="exit-at-import",
        damage=_append("numpy/__init__.py", "\nimport os\nos._exit(0)\n"),
        check="pkg.integrity",
        words=("numpy/__init__.py",),
        evidence=("exits with status 0",),
    ),
    Case(
        name="crash-at-import",
        heavy=True,
        damage=_append("numpy/__init__.py", "\nimport ctypes\nctypes.string_at(0)\n"),
        check="pkg.integrity",
        words=("numpy/__init__.py",),
        evidence=("SIGSEGV",),
    ),
    Case(
        name="hang-at-import",
        damage=_append("numpy/__init__.py", "\nimport time\ntime.sleep(3600)\n"),
        check="pkg.integrity",
        words=("numpy/__init__.py",),
        evidence=("timed out after 5 s", "numpy/__init__.py"),
        options="--timeout 5",
    ),
    Case(name="moved", damage=_move, check="env.moved", words=("was moved or copied here from", "envs/small")),
    Case(
        name="copied",
        heavy=True,
        damage=_copy,
        check="env.moved",
        words=("was moved or copied here from", "envs/small"),
    ),
    Case(
        name="interpreter-link-broken",
        damage=_break_interpreter,
        check="env.links",
        words=("bin/python leads nowhere",),
        evidence=("python-that-is-gone",),
    ),
    Case(
        name="file-link-broken",
        damage=_break_link,
        check="env.links",
        words=("six.py leads nowhere",),
        evidence=("/nowhere/six.py",),
    ),
    Case(
        name="unfinished",
        damage=_unfinished,
        check="env.finished",
        words=("`envbuild create` is at work here, or was interrupted",),
        heals=False,
    ),
    Case(
        name="pth-prints",
        damage=write("zz-hello.pth", "import sys; print('hello')\n"),
        check="env.startup",
        words=("zz-hello.pth", "whenever Python starts"),
        evidence=("prints text",),
    ),
    Case(
        name="pth-exits",
        damage=write("zz-quit.pth", "import os; os._exit(0)\n"),
        check="env.startup",
        words=("zz-quit.pth",),
        evidence=("so process.interpreter failed",),
    ),
    Case(
        name="pth-sets-a-variable",
        heavy=True,
        damage=write("zz-set.pth", "import os; os.environ['KERAS_BACKEND'] = 'jax'\n"),
        check="env.startup",
        words=("zz-set.pth",),
        evidence=("sets KERAS_BACKEND",),
    ),
    Case(
        name="pth-replaces-a-module",
        damage=write("zz-fake.pth", "import sys, types; sys.modules['numpy'] = types.ModuleType('numpy')\n"),
        check="env.startup",
        words=("zz-fake.pth",),
        evidence=("so process.startup failed", "so import.alone failed"),
    ),
    Case(
        name="pth-is-no-text",
        heavy=True,
        damage=lambda patient: (patient.site / "zz.pth").write_bytes(b"\xff\xfe"),
        check="env.startup",
        words=("zz.pth",),
        evidence=("not UTF-8 text", "so process.interpreter failed"),
    ),
    Case(
        name="sitecustomize-exits",
        damage=write("sitecustomize.py", "raise SystemExit(3)\n"),
        check="env.startup",
        words=("sitecustomize.py",),
        evidence=("so process.interpreter failed",),
    ),
    Case(
        name="pth-of-another-environment",
        damage=_foreign_path,
        check="process.prefix",
        words=("another environment",),
        evidence=("colleague.pth",),
    ),
    Case(
        name="user-site-hides-numpy",
        damage=_user_site,
        check="process.user-site",
        words=("user site", "numpy"),
        beside=("user.imports",),
    ),
    Case(
        name="user-site-exits",
        damage=_user_startup,
        check="user.startup",
        words=("zz-quit.pth", "every Python of yours"),
        evidence=("so process.variables failed",),
    ),
    Case(
        name="pythonpath-hides-numpy",
        heavy=True,
        damage=_python_path,
        check="process.pythonpath",
        words=("PYTHONPATH", "numpy"),
        beside=("user.imports",),
    ),
    Case(
        name="working-directory-hides-numpy",
        damage=_hides_in_working_directory,
        check="process.working-directory",
        words=("working directory", "numpy"),
        heals=False,
    ),
    Case(
        name="variable-that-breaks-the-import",
        damage=set_variables(EDITOR="vi", NPY_DISABLE_CPU_FEATURES="SSE SSE2 X86_V2 NEON", PAGER="less"),
        check="user.imports",
        words=("With your own settings, importing numpy fails", "NPY_DISABLE_CPU_FEATURES"),
    ),
    Case(
        name="working-directory-hides-the-standard-library",
        heavy=True,
        damage=lambda patient: (patient.work / "random.py").write_text("raise SystemExit(9)\n"),
        check="process.working-directory",
        words=("working directory", "random"),
        heals=False,
    ),
    Case(
        name="variable-that-stops-python",
        damage=set_variables(PYTHONMALLOC="nonsense", EDITOR="vi"),
        check="process.variables",
        words=("Python does not start with your own settings", "PYTHONMALLOC=nonsense"),
    ),
    Case(
        name="library-path",
        heavy=True,
        damage=_library_path,
        check="user.imports",
        words=("With your own settings, importing numpy fails", "LD_LIBRARY_PATH"),
    ),
    Case(
        name="preloaded-library",
        heavy=True,
        damage=set_variables(LD_PRELOAD="/nowhere/libnothing.so"),
        check="process.variables",
        words=("LD_PRELOAD",),
    ),
)
