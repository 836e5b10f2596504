"""Summaries: the same wherever a package is read, kept safely, and linked as the files themselves are."""

from __future__ import annotations

import base64
import bz2
import csv
import hashlib
import io
import json
import os
import shutil
import tarfile
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import msgpack
import pytest
import zstandard

from builder.binaries.dyld import Linker
from builder.binaries.elf import ElfSymbols, ElfTree, lowest_glibc
from builder.binaries.elf.file import Symbol
from builder.binaries.elf.table import SymbolTable
from builder.binaries.macho import Export, resign_adhoc
from builder.binaries.summary import Identity, PackageSummary, summarize
from builder.binaries.summary_linking import ROOT, Layout
from builder.binaries.summary_python import DIGEST_BYTES, OLD_STYLE
from builder.binaries.summary_sources import CondaFile, UnpackedWheel, WheelFile, source_of
from builder.binaries.summary_store import FORMAT, DamagedSummaryError, SummaryStore, dumps, framed, loads, unframed
from builder.binaries.symbols import Binder
from builder.binaries.tables import ExportTable, Names
from builder.channel.archive import PackageSpec, write_package
from builder.environment.contents import conda_contents, wheel_contents
from builder.environment.environment import Environment
from builder.errors import BinaryError
from builder.platforms import Subdir
from tests.unit.binaries.images import DATA, Folders, inventory, put

if TYPE_CHECKING:
    from pathlib import Path

    from builder.binaries.inventory import Inventory
    from builder.binaries.owners import Owners

ELF = DATA.parent / "elf"
PLACEHOLDER = "/opt/" + "_".join(["placeholder"] * 16)
SHA = "ab" * 32


def wheel(folder: Path, name: str, files: dict[str, bytes], *, requires: tuple[str, ...] = ()) -> Path:
    """A wheel of these files, with the metadata that one has."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    lines = "".join(f"Requires-Dist: {line}\n" for line in requires)
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{lines}\nAbout.\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nTag: cp311-cp311-macosx_12_0_arm64\n",
        f"{info}/entry_points.txt": b"[console_scripts]\nTool = guest:main\n",
    }
    path = folder / f"{name}-1.0-cp311-cp311-macosx_12_0_arm64.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for rel, content in files.items():
            archive.writestr(rel, content)
        archive.writestr(f"{info}/RECORD", "".join(f"{rel},,\n" for rel in files))
    return path


def guest_wheel(folder: Path, **options: tuple[str, ...]) -> Path:
    files = {
        "guest/module.so": (DATA / "module.so").read_bytes(),
        "guest/numpy.so": (DATA / "numpy-2.so").read_bytes(),
        "guest/linux.so": (ELF / "versions-user-x86_64.so").read_bytes(),
        "guest/both.so": (DATA / "libgreet-universal2.dylib").read_bytes(),
        "guest/broken.so": (DATA / "module.so").read_bytes()[:200],
        "guest/__init__.py": b"import host\nfrom numpy import array\n",
        "guest/old_pb2.py": b"  fields=[\n    _descriptor.FieldDescriptor(\n      name='a')]\n",
        "guest/new_pb2.py": b"_runtime_version.ValidateProtobufRuntimeVersion(\n    _runtime_version.Domain.PUBLIC,\n"
        b"    5,\n    27,\n    2,\n    '',\n    'new.proto'\n)\n",
        "guest/notes.txt": b"text",
        "guest-1.0.data/scripts/guest-run": b"#!python\n",
        "guest-1.0.data/data/share/guest/data.bin": b"data",
    }
    return wheel(folder, "guest", files, **options)


def installed(archive: Path, prefix: Path) -> Environment:
    """The wheel as an installer leaves it in a prefix: scripts made, RECORD rewritten, bytecode compiled."""
    site = prefix / "lib" / "python3.11" / "site-packages"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").write_bytes(b"")
    site.mkdir(parents=True)
    shutil.unpack_archive(archive, site, "zip")
    for rel, target in (("guest-1.0.data/scripts/guest-run", "bin/guest-run"), ("guest-1.0.data/data/share", "share")):
        shutil.move(site / rel, prefix / target)
    shutil.rmtree(site / "guest-1.0.data")
    (prefix / "bin" / "Tool").write_text("#!/bin/sh\n")
    (site / "guest" / "__pycache__").mkdir()
    (site / "guest" / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"compiled")
    info = site / "guest-1.0.dist-info"
    (info / "INSTALLER").write_text("pip\n")
    rows = io.StringIO()
    writer = csv.writer(rows)
    for path in sorted(path for path in prefix.rglob("*") if path.is_file() and path.name != "python"):
        digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
        writer.writerow((os.path.relpath(path, site), f"sha256={digest}", path.stat().st_size))
    (info / "RECORD").write_text(rows.getvalue())
    return Environment(prefix, subdir=Subdir.OSX_ARM64)


def test_a_wheel_is_the_same_as_archive_unpacked_and_installed(tmp_path: Path) -> None:
    archive = guest_wheel(tmp_path, requires=("host>=1", "numpy"))
    summary = summarize(source_of(archive))
    shutil.unpack_archive(archive, tmp_path / "unpacked", "zip")
    assert summarize(UnpackedWheel(tmp_path / "unpacked")) == summary
    environment = installed(archive, tmp_path / "prefix")
    (dist,) = environment.distributions
    assert summarize(wheel_contents(environment, dist)) == summary


def test_what_a_summary_holds(tmp_path: Path) -> None:
    summary = summarize(WheelFile(guest_wheel(tmp_path, requires=("host>=1",))))
    assert (summary.identity.kind, summary.identity.name, summary.identity.version) == ("wheel", "guest", "1.0")
    assert summary.identity.tags == ("cp311-cp311-macosx_12_0_arm64",)
    assert summary.identity.requires == ("host>=1",)
    assert {"site-packages/guest/module.so", "bin/guest-run", "share/guest/data.bin"} <= set(summary.paths)
    assert [(image.rel.rpartition("/")[2], image.arch, image.signature.ok) for image in summary.mach_o] == [
        ("both.so", "arm64", True),
        ("both.so", "x86_64", False),
        ("module.so", "arm64", True),
        ("numpy.so", "arm64", True),
    ]
    module = summary.mach_o[2]
    assert module.commands.rpaths == ("@loader_path/../host",)
    assert {item.name for item in module.imports.imports} >= {b"_host_mul", b"_PyModule_Create2"}
    assert module.exports.among([b"_PyInit_module", b"_nothing"]) == {b"_PyInit_module"}
    assert summary.mach_o[3].numpy_abi is not None
    assert [image.needs[0].versions for image in summary.elf] == [("ONE", "TWO")]
    assert [path for path, _ in summary.damaged] == ["site-packages/guest/broken.so"]
    assert dict(summary.mentions) == {"guest": ("host", "numpy")}
    assert len(summary.digests) == 3 * DIGEST_BYTES
    assert [(own.folder, own.name, own.requires) for own in summary.distributions] == [
        ("guest-1.0.dist-info", "guest", ("host>=1",))
    ]
    assert [item.protobuf for item in summary.generated] == [(5, 27, 2), OLD_STYLE]


def test_metadata_that_a_package_carries_along_is_not_its_own(tmp_path: Path) -> None:
    """setuptools has the dist-info folders of others in `_vendor`."""
    carried = {"guest/_vendor/other-9.dist-info/METADATA": b"Metadata-Version: 2.1\nName: other\nVersion: 9\n"}
    identity = summarize(WheelFile(wheel(tmp_path, "guest", carried))).identity
    assert (identity.name, identity.version) == ("guest", "1.0")


def conda_tree(tree: Path) -> Path:
    put("libplaced.dylib", tree / "lib" / "libplaced.1.dylib")
    (tree / "lib" / "libplaced.dylib").symlink_to("libplaced.1.dylib")
    put("libgreet-arm64.dylib", tree / "lib" / "libgreet.dylib")
    (tree / "etc").mkdir()
    (tree / "etc" / "settings").write_text(f"home = {PLACEHOLDER}\n")
    return tree


def conda_package(folder: Path) -> Path:
    spec = PackageSpec(
        name="placed",
        version="1.0",
        build="0",
        subdir=Subdir.OSX_ARM64,
        depends=("libcxx >=17",),
        placeholders={"lib/libplaced.1.dylib": PLACEHOLDER},
    )
    return write_package(spec, tree=conda_tree(folder / "tree"), folder=folder)


def as_tar_bz2(package: Path) -> Path:
    """The same package in conda's older format."""
    import zstandard

    path = package.with_name(package.stem + ".tar.bz2")
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as target, zipfile.ZipFile(package) as outer:
        for part in outer.namelist():
            if part.endswith(".tar.zst"):
                with outer.open(part) as packed, zstandard.ZstdDecompressor().stream_reader(packed) as stream:
                    plain_part = io.BytesIO(stream.read())
                with tarfile.open(fileobj=plain_part) as inner:
                    for info in inner:
                        target.addfile(info, inner.extractfile(info) if info.isreg() else None)
    path.write_bytes(bz2.compress(plain.getvalue()))
    return path


def linked(package: Path, prefix: Path) -> Environment:
    """The package as conda links it: the placeholder replaced, what was changed signed again, a record written."""
    tree = package.parent / "tree"
    shutil.copytree(tree, prefix, symlinks=True)
    for path in (prefix / "lib").glob("*.dylib"):
        if not path.is_symlink():
            data = path.read_bytes()
            path.write_bytes(
                data.replace(
                    PLACEHOLDER.encode() + b"/lib\0", f"{prefix}/lib".encode().ljust(len(PLACEHOLDER) + 5, b"\0")
                )
            )
            resign_adhoc(path)
    meta = prefix / "conda-meta"
    meta.mkdir()
    files = [path.relative_to(tree).as_posix() for path in sorted(tree.rglob("*")) if not path.is_dir()]
    record = {"name": "placed", "version": "1.0", "build": "0", "subdir": "osx-arm64", "files": files}
    placed = {"_path": "lib/libplaced.1.dylib", "path_type": "hardlink", "prefix_placeholder": PLACEHOLDER}
    more = {"depends": ["libcxx >=17"], "paths_data": {"paths": [placed]}}
    (meta / "placed-1.0-0.json").write_text(json.dumps(record | more))
    return Environment(prefix, subdir=Subdir.OSX_ARM64)


def test_a_conda_package_is_the_same_in_both_formats_and_installed(tmp_path: Path) -> None:
    """An rpath into the environment is one into wherever the environment is."""
    package = conda_package(tmp_path)
    summary = summarize(source_of(package))
    assert (summary.identity.kind, summary.identity.name, summary.identity.requires) == (
        "conda",
        "placed",
        ("libcxx >=17",),
    )
    assert summary.links == (("lib/libplaced.dylib", "libplaced.1.dylib"),)
    assert [image.commands.rpaths for image in summary.mach_o if "placed" in image.rel] == [("{prefix}/lib",)]
    assert summarize(CondaFile(as_tar_bz2(package))) == summary
    environment = linked(package, tmp_path / "env")
    (record,) = environment.conda_records
    assert summarize(conda_contents(environment, record)) == summary


def read(path: Path) -> PackageSummary:
    return summarize(source_of(path))


def test_kept_and_read_back(tmp_path: Path) -> None:
    archive = guest_wheel(tmp_path)
    store = SummaryStore(tmp_path / "store")
    summary = store.summary(SHA, source_of(archive))
    assert store.reads == 1
    archive.unlink()
    again = SummaryStore(tmp_path / "store")
    assert again.summary(SHA, WheelFile(archive)) == summary
    assert again.reads == 0
    assert loads(dumps(summary)) == summary
    assert dumps(loads(dumps(summary))) == dumps(summary)


def test_a_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    """As tarfile reads it from an archive."""
    identity = Identity(kind="conda", name="odd", version="1")
    summary = PackageSummary(identity=identity, paths=("lib/\udcff.py",), links=(("lib/\udce9", "x"),))
    store = SummaryStore(tmp_path)
    assert store.put(SHA, summary)
    assert store.get(SHA) == summary


@pytest.mark.parametrize("what", ["cut", "flipped", "empty", "other version", "other bytes", "folder", "pipe"])
def test_what_is_not_whole_is_read_again(tmp_path: Path, what: str) -> None:
    archive = guest_wheel(tmp_path)
    store = SummaryStore(tmp_path / "store")
    summary = store.summary(SHA, source_of(archive))
    path = store.path(SHA)
    data = path.read_bytes()
    match what:
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "flipped":
            path.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
        case "empty":
            path.write_bytes(b"")
        case "other version":
            path.write_bytes(data.replace(b"summary %d\n" % FORMAT, b"summary 9\n", 1))
        case "other bytes":
            body = b"\x93\x01\x02\x03"
            path.write_bytes(data[: data.index(b"\n") + 1] + hashlib.sha256(body).digest() + body)
        case "folder":
            path.unlink()
            path.mkdir()
        case _:
            path.unlink()
            os.mkfifo(path)
    if path.is_file():
        with pytest.raises(DamagedSummaryError):
            loads(path.read_bytes())
    assert store.get(SHA) is None
    assert store.summary(SHA, source_of(archive)) == summary
    assert store.reads == 2


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    store = SummaryStore(tmp_path)
    assert store.digest(SHA) is None
    store.put(SHA, read(guest_wheel(tmp_path)))
    body = store.path(SHA).read_bytes().partition(b"\n")[2][32:]
    assert store.digest(SHA) == hashlib.sha256(body).hexdigest()
    store.path(SHA).write_bytes(store.path(SHA).read_bytes().replace(b"summary %d" % FORMAT, b"summary 9", 1))
    assert store.digest(SHA) is None


@pytest.mark.parametrize("count", [0, 1, 3, 30_000])
def test_long_tables_of_names_are_gone_through_in_pieces(count: int) -> None:
    """The longest are compressed, and a name may lie across two pieces."""
    names = [b"_name_%d_" % number + b"x" * 40 for number in range(count)]
    exports = ExportTable.of([Export(name, 0, 0) for name in names])
    stored, packed = exports.names.store()
    again = ExportTable(Names(stored=stored, packed=packed), exports.flags)
    assert packed == (count > 3)
    assert again == exports
    assert again.among([*names[-2:], b"_nothing"]) == set(names[-2:])
    assert [name for block in again.names.blocks(count) for name in block] == names
    symbols = SymbolTable.of([Symbol(name, number % 2 == 0, False) for number, name in enumerate(names)])
    assert symbols.defined_of(frozenset(names)) == set(names[::2])
    assert [symbol.name for symbol in symbols.wanted()] == names[1::2]
    for wrong in (count + 1, count - 1) if count > 1 else ():
        with pytest.raises(BinaryError, match="names missing"):
            again.names.split(wrong)


def test_a_summary_that_claims_to_be_endless_is_not_opened(tmp_path: Path) -> None:
    """zstandard takes the size that a frame states for true, and asks for that much memory."""
    body = zstandard.ZstdCompressor(level=1).compress(bytes((512 << 20) + 1))
    path = SummaryStore(tmp_path).path(SHA)
    path.parent.mkdir()
    path.write_bytes(b"envbuild summary %d\n" % FORMAT + hashlib.sha256(body).digest() + body)
    assert SummaryStore(tmp_path).digest(SHA) is not None
    tracemalloc.start()
    assert SummaryStore(tmp_path).get(SHA) is None
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_no_altered_byte_is_believed(tmp_path: Path) -> None:
    """Some would decompress to another symbol's name, which linking would then miss or find."""
    data = dumps(read(guest_wheel(tmp_path)))
    for place in range(0, len(data), 7):
        with pytest.raises(DamagedSummaryError):
            loads(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])


@pytest.mark.parametrize("number", [2**40, 2**63])
def test_a_number_where_bytes_belong_is_no_memory_asked_for(tmp_path: Path, number: int) -> None:
    packed = msgpack.unpackb(unframed(dumps(read(guest_wheel(tmp_path)))), strict_map_key=False)
    with pytest.raises(DamagedSummaryError, match="int where bytes belong"):
        loads(framed(msgpack.packb(packed | {"digests": number})))


def test_a_store_that_cannot_be_written_costs_time_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    store = SummaryStore(tmp_path / "store")
    assert store.summary(SHA, source_of(guest_wheel(tmp_path))).identity.name == "guest"
    assert not store.put(SHA, read(guest_wheel(tmp_path)))


@pytest.mark.parametrize("name", ["../../etc/passwd", "AB" * 32, "", "ab" * 31])
def test_only_hashes_name_summaries(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        SummaryStore(tmp_path).path(name)


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("member", ["../outside.so", "/etc/outside.so", "a/../../outside.so"])
def test_members_that_lead_outside(tmp_path: Path, member: str) -> None:
    with pytest.raises(BinaryError, match="leads outside"):
        read(packed(tmp_path / "evil-1.0-py3-none-any.whl", {member: b"x"}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.whl", b"no archive"),
        ("a.whl", b""),
        ("a.conda", b"PK\x05\x06" + bytes(18)),
        ("a.tar.bz2", b"BZh9 no archive"),
        ("a.egg", b""),
    ],
)
def test_damaged_archives(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BinaryError):
        read(path)


def test_a_wheel_cut_short_anywhere(tmp_path: Path) -> None:
    archive = guest_wheel(tmp_path)
    data = archive.read_bytes()
    for cut in range(0, len(data), len(data) // 40):
        archive.write_bytes(data[:cut])
        with pytest.raises(BinaryError):
            read(archive)


def test_a_conda_package_with_bytes_changed_anywhere(tmp_path: Path) -> None:
    package = conda_package(tmp_path)
    data = package.read_bytes()
    for place in range(0, len(data), len(data) // 40):
        package.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            read(package)
        except BinaryError:
            continue


def test_a_wheel_without_metadata(tmp_path: Path) -> None:
    with pytest.raises(BinaryError, match="no metadata"):
        read(packed(tmp_path / "a-1.0-py3-none-any.whl", {"a.py": b""}))


def missing(found: Inventory, owners: Owners) -> set[tuple[str, bytes]]:
    """(file below site-packages, symbol) of all that dyld would not find."""
    linker = Linker(found, owners, main=None)
    processes = [linker.process(binary) for binary in found.binaries if binary.serves]
    failures = Binder(found, owners, linker).check(processes)
    return {(item.image.rel.rpartition("site-packages/")[2], item.symbol) for _, items in failures for item in items}


@pytest.mark.parametrize("host", ["libhost.dylib", "libhost-old.dylib"])
def test_linked_as_the_files_are(tmp_path: Path, host: str) -> None:
    """No file is laid out, and the verdict is that of the laid-out folder."""
    guest = wheel(tmp_path, "guest", {"guest/module.so": (DATA / "module.so").read_bytes()}, requires=("host",))
    library = wheel(tmp_path, "host", {"host/libhost.dylib": (DATA / host).read_bytes()})
    for archive in (guest, library):
        shutil.unpack_archive(archive, tmp_path / "laid-out", "zip")
    layout = Layout([read(guest), read(library)], python="3.11", arch="arm64")
    expected = set() if host == "libhost.dylib" else {("guest/module.so", b"_host_mul")}
    assert missing(layout.inventory, layout.owners) == expected
    assert missing(inventory(tmp_path / "laid-out"), Folders(first=frozenset({("guest", "host")}))) == expected


def test_symbolic_links_of_conda_packages_are_followed(tmp_path: Path) -> None:
    """`lib/libplaced.dylib` is a link to the file with the version in its name."""
    layout = Layout([read(conda_package(tmp_path))], python="3.11", arch="arm64")
    assert layout.real(f"{ROOT}/lib/libplaced.dylib") == f"{ROOT}/lib/libplaced.1.dylib"
    assert layout.real(f"{ROOT}/lib/../lib/libplaced.dylib") == f"{ROOT}/lib/libplaced.1.dylib"
    (binary,) = [binary for binary in layout.inventory.binaries if "placed" in binary.rel]
    assert binary.commands.rpaths == (f"{ROOT}/lib",)
    assert layout.owners.described("lib/libplaced.1.dylib") == "placed 1.0"


def test_owners_of_a_layout(tmp_path: Path) -> None:
    """Who is imported first: by requirement, and by source."""
    host = wheel(tmp_path, "host", {"host/libhost.dylib": (DATA / "libhost.dylib").read_bytes()})
    layout = Layout([read(guest_wheel(tmp_path)), read(host)], python="3.11", arch="arm64")
    site = "lib/python3.11/site-packages/"
    assert layout.owners.owner(f"{site}guest/module.so") == "guest"
    assert layout.owners.loads_first(f"{site}guest/module.so", f"{site}host/libhost.dylib")
    assert not layout.owners.loads_first(f"{site}host/libhost.dylib", f"{site}guest/module.so")
    assert layout.inventory.unreadable[0].rel == f"{site}guest/broken.so"


def test_linux_layouts(tmp_path: Path) -> None:
    host = wheel(tmp_path, "host", {"host/libversions.so": (ELF / "libversions-x86_64.so").read_bytes()})
    user = wheel(tmp_path, "user", {"user/module.so": (ELF / "versions-user-x86_64.so").read_bytes()})
    for packages, lacking in (([read(host), read(user)], []), ([read(user)], ["libversions.so"])):
        layout = Layout(packages, python="3.11", arch="x86_64")
        tree = ElfTree.of(ROOT, layout.elf, layout.owners, real=layout.real)
        assert [item.name for item in tree.missing] == lacking
        assert lowest_glibc(tree.binaries, tree.links).glibc == (2, 28)
        if not lacking:
            assert ElfSymbols(tree, layout.owners, main=None).symbols(tree.binaries) == ()
