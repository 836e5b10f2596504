"""Archives that would do harm are refused before anything of them is linked; sound ones of every kind are not."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from builder.install.packages import extracted_folder, objection
from builder.lock.model import LockedPackage
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PACKAGE = LockedPackage(
    manager="conda",
    name="thing",
    version="1.0",
    subdir=Subdir.LINUX_64,
    url="https://host/forge/noarch/thing-1.0-py_0.conda",
    sha256="a" * 64,
)


class Extracted:
    """A sound package as the cache keeps it, to be spoilt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "info").mkdir(parents=True)
        (folder / "share").mkdir()
        (folder / "share" / "file").write_text("four")
        (folder / "share" / "link").symlink_to("file")
        self.index: dict[str, Any] = {"name": "thing", "version": "1.0", "build": "py_0", "subdir": "noarch"}
        self.paths: list[dict[str, Any]] = [
            {"_path": "share/file", "path_type": "hardlink", "size_in_bytes": 4, "prefix_placeholder": "/opt/x"},
            {"_path": "share/link", "path_type": "softlink", "size_in_bytes": 99},
            {"_path": "share/empty", "path_type": "directory"},
        ]
        self.link: dict[str, Any] = {"noarch": {"type": "python", "entry_points": ["say = thing.cli:main"]}}

    def objection(self) -> str | None:
        for name, data in {"index": self.index, "paths": {"paths": self.paths}, "link": self.link}.items():
            path = self.folder / "info" / f"{name}.json"
            if not os.path.lexists(path):
                path.write_text(json.dumps(data))
        return objection(self.folder, PACKAGE)


@pytest.fixture
def extracted(tmp_path: Path) -> Extracted:
    return Extracted(extracted_folder(tmp_path, PACKAGE))


def test_sound(extracted: Extracted, tmp_path: Path) -> None:
    assert extracted.folder == tmp_path / "thing-1.0-py_0"
    assert extracted.objection() is None
    (extracted.folder / "info" / "link.json").unlink()
    del extracted.index["subdir"]
    (extracted.folder / "info" / "index.json").unlink()
    assert extracted.objection() is None


def _entry(**changes: Any) -> Callable[[Extracted], None]:
    return lambda extracted: extracted.paths.append({"_path": "share/file2", "path_type": "hardlink", **changes})


def _index(**changes: Any) -> Callable[[Extracted], None]:
    return lambda extracted: extracted.index.update(changes)


def _entry_point(point: object) -> Callable[[Extracted], None]:
    return lambda extracted: extracted.link["noarch"]["entry_points"].append(point)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_entry(_path="../ml/x"), "outside the environment"),
        (_entry(_path="share/../../x"), "outside the environment"),
        (_entry(_path="/etc/passwd"), "outside the environment"),
        (_entry(_path="//etc/passwd"), "outside the environment"),
        (_entry(_path=""), "outside the environment"),
        (_entry(_path="./"), "outside the environment"),
        (_entry(_path="a\0b"), "outside the environment"),
        (_entry(_path="..\\x"), "outside the environment"),
        (_entry(_path=7), "outside the environment"),
        (_entry(_path="../x", path_type="directory"), "outside the environment"),
        (_entry(_path="conda-meta/envbuild.stamp"), "not a package's to write"),
        (_entry(_path="conda-meta/python-3.12-0.json"), "not a package's to write"),
        (_entry(_path="./Conda-Meta//python-3.12-0.json"), "not a package's to write"),
        (_entry(_path=".condarc"), "not a package's to write"),
        (_entry(path_type="device"), "unknown kind"),
        (_entry(_path="share/absent"), "is not in it"),
        (_entry(_path="share/link", path_type=None), "unknown kind"),
        (_index(name="other"), "its name is 'other', not 'thing'"),
        (_index(version="2.0"), "its version"),
        (_index(build="py_1"), "its build"),
        (_index(subdir="osx-64"), "its subdir"),
        (_index(python_site_packages_path="../../x"), "Python's packages into"),
        (_entry_point("../../x = a:b"), "not an entry point"),
        (_entry_point("x = os:system; import y"), "not an entry point"),
        (_entry_point(3), "not an entry point"),
    ],
)
def test_refused(extracted: Extracted, spoil: Callable[[Extracted], None], said: str) -> None:
    spoil(extracted)
    assert said in (extracted.objection() or "")


def test_other_size(extracted: Extracted) -> None:
    (extracted.folder / "share" / "file").write_text("another")
    assert extracted.objection() == "share/file has 7 bytes, not 4"


@pytest.mark.parametrize("outside", [True, False])
def test_a_link_in_the_place_of_a_file(extracted: Extracted, tmp_path: Path, outside: bool) -> None:
    """The linker would follow it, and make this machine's file one of the package's."""
    target = tmp_path / "private" if outside else extracted.folder / "share" / "other"
    target.write_text("four")
    (extracted.folder / "share" / "file").unlink()
    (extracted.folder / "share" / "file").symlink_to(target)
    assert extracted.objection() == ("share/file is a link out of the package" if outside else None)


def test_fifo_among_the_files(extracted: Extracted) -> None:
    (extracted.folder / "share" / "file").unlink()
    os.mkfifo(extracted.folder / "share" / "file")
    assert extracted.objection() == "share/file is no ordinary file"


@pytest.mark.parametrize("name", ["index.json", "paths.json", "link.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b'{"paths": 1}', b'{"paths": [1]}', None])
def test_damaged_metadata(extracted: Extracted, name: str, content: bytes | None) -> None:
    """Refused; never a traceback, and a FIFO is not waited for."""
    path = extracted.folder / "info" / name
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    reason = extracted.objection()
    harmless = name == "link.json" and content is not None and content.startswith(b'{"paths"')
    assert (reason is None) is harmless


def test_nothing_there(tmp_path: Path) -> None:
    """What cannot be looked at is not linked either."""
    assert "info/index.json" in (objection(tmp_path / "absent", PACKAGE) or "")
