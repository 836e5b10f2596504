"""Macs' own symbols by release: the shipped facts, and the tool that derives them from SDK stubs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from builder.binaries.dyld import Linker
from builder.binaries.symbols import Binder
from builder.binaries.system_imports import SystemImports
from builder.binaries.system_symbols import MacOS, Presence, Since, SystemSymbols, release
from tests.unit.binaries.images import Folders, inventory, put, renamed, with_versions
from tools.system_symbols import Sdk, assembled, read_archive, write
from tools.tbd import read_stubs

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = "/usr/lib/libSystem.B.dylib"
FRAMEWORK = "/System/Library/Frameworks/{0}.framework/Versions/A/{0}"
SYMBOLS = SystemSymbols()


@pytest.mark.parametrize(
    ("library", "symbol", "absent", "present"),
    [
        # As Apple's headers say: API_AVAILABLE of 12.0, 13.0, 14.4 and 13.3.
        (FRAMEWORK.format("IOKit"), b"_kIOMainPortDefault", (11, 3), (12, 0)),
        (SYSTEM, b"_mkfifoat", (12, 3), (13, 0)),
        (SYSTEM, b"_os_sync_wait_on_address", (14, 0), (15, 1)),
        (FRAMEWORK.format("Accelerate"), b"_cblas_caxpy$NEWLAPACK$ILP64", (13, 2), (13, 3)),
        (SYSTEM, b"_strchrnul", (15, 1), (15, 5)),
        ("/usr/lib/libc++.1.dylib", b"__ZNSt3__122__libcpp_verbose_abortEPKcz", (12, 5), (13, 3)),
        (SYSTEM, b"_malloc", None, (11, 0)),
    ],
)
def test_known_symbols(library: str, symbol: bytes, absent: MacOS | None, present: MacOS) -> None:
    since = SYMBOLS.since(library, symbol)
    assert (since.absent_in, since.present_in) == (absent, present)
    assert SYMBOLS.first_macos(library, symbol) == present


def test_what_lies_between_two_sdks_is_undecided() -> None:
    since = SYMBOLS.since(SYSTEM, b"_os_sync_wait_on_address")
    assert [since.on(macos) for macos in ((14, 0), (14, 4), (15, 1), (26, 0, 1))] == [
        Presence.ABSENT,
        Presence.UNDECIDED,
        Presence.PRESENT,
        Presence.PRESENT,
    ]


def test_absent_everywhere_undecided_and_unknown() -> None:
    """libSystem's list is complete up to the newest SDK, Accelerate's never; other libraries have none."""
    assert SYMBOLS.first_macos(SYSTEM, b"_no_such_function") is Presence.ABSENT
    assert SYMBOLS.first_macos(FRAMEWORK.format("Accelerate"), b"_no_such_function") is Presence.UNDECIDED
    assert SYMBOLS.since("/usr/lib/libnot.listed.dylib", b"_malloc") == Since()


def test_reexported_and_unversioned_names() -> None:
    """AppKit hands on Foundation; a framework may be named without its version."""
    appkit = "/System/Library/Frameworks/AppKit.framework/Versions/C/AppKit"
    for library in (appkit, "/System/Library/Frameworks/AppKit.framework/AppKit"):
        assert SYMBOLS.first_macos(library, b"_NSLog") == (11, 0)
        assert SYMBOLS.first_macos(library, b"_OBJC_METACLASS_$_NSWindow") == (11, 0)


def test_one_library_is_read_in_a_moment() -> None:
    started = time.perf_counter()
    assert SystemSymbols().first_macos(SYSTEM, b"_malloc") == (11, 0)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("text", ["", "14.x", "-1", "14.2.1.0", "Sonoma"])
def test_what_is_no_release(text: str) -> None:
    with pytest.raises(ValueError, match="not a version of macOS"):
        release(text)


def imports(root: Path) -> SystemImports:
    found = inventory(root)
    linker = Linker(found, Folders(), main=None)
    return SystemImports([linker.process(binary) for binary in found.binaries], SYMBOLS)


def test_strong_imports_count_and_weak_ones_do_not(tmp_path: Path) -> None:
    """`_mkfifoat` is bound weakly: code that asks before it calls runs on a macOS without it."""
    put("system-symbols.so", tmp_path / "guest" / "module.so")
    found = imports(tmp_path)
    assert found.count > 0
    assert b"_mkfifoat" not in {item.symbol for presence in Presence for item in found.on((14, 4), presence)}
    assert [item.symbol for item in found.on((13, 0), Presence.ABSENT)] == [b"_os_sync_wait_on_address"]
    assert [item.symbol for item in found.on((14, 4), Presence.UNDECIDED)] == [b"_os_sync_wait_on_address"]
    assert not found.on((15, 1), Presence.ABSENT)


def test_floor_by_a_symbol(tmp_path: Path) -> None:
    """Built for macOS 12, and yet bound to what came in 14.4: what the binary says of itself is not enough."""
    put("system-symbols.so", tmp_path / "guest" / "module.so")
    floor = imports(tmp_path).floor
    assert floor.macos == (15, 1)
    assert floor.symbol is not None
    assert floor.symbol.symbol == b"_os_sync_wait_on_address"
    assert not floor.undecided


def test_floor_by_the_deployment_target(tmp_path: Path) -> None:
    """Built for 14.4: no SDK examined tells whether that release has the symbol, which is said and not guessed."""
    with_versions(put("system-symbols.so", tmp_path / "guest" / "module.so"), minos=(14, 4), sdk=(15, 0))
    floor = imports(tmp_path).floor
    assert (floor.macos, floor.symbol) == ((14, 4), None)
    assert [item.symbol for item in floor.undecided] == [b"_os_sync_wait_on_address"]


def test_a_symbol_that_no_macos_has(tmp_path: Path) -> None:
    module = put("system-symbols.so", tmp_path / "guest" / "module.so")
    renamed(module, "_os_sync_wait_on_address", "_os_sync_wait_on_nothing")
    floor = imports(tmp_path).floor
    assert floor.macos is None
    assert floor.symbol is not None
    assert floor.symbol.symbol == b"_os_sync_wait_on_nothing"


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("_flat_needed", True),
        ("_SQLFetch", True),  # libiodbc has it, which nothing here loads (pyodbc 5.0.1)
        ("_FSPathMake", True),
        ("_strlcat", False),
        ("_NSLog", True),
    ],
)
def test_flat_names_are_macoss_only_where_it_has_them(tmp_path: Path, name: str, missing: bool) -> None:
    module = put("flat.so", tmp_path / "guest" / "flat.so")
    if name != "_flat_needed":
        data = module.read_bytes()
        module.write_bytes(data.replace(b"_flat_needed\0", name.encode().ljust(12, b"\0") + b"\0"))
    found = inventory(tmp_path)
    linker = Linker(found, Folders(), main=None)
    failures = Binder(found, Folders(), linker).check([linker.process(found.binaries[0])])
    assert [item.symbol for _, items in failures for item in items] == ([name.encode()] if missing else [])


STUB = """\
--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/usr/lib/liba.dylib'
reexported-libraries:
  - targets: [ arm64-macos ]
    libraries: [ '/usr/lib/libb.dylib' ]
exports:
  - targets: [ x86_64-macos ]
    symbols: [ _intel ]
  - targets: [ arm64-macos ]
    symbols: [ _y, _old, '$ld$hide$os11.0$_y' ]
    weak-symbols: [ __Znwm ]
    objc-classes: [ Thing ]
    objc-ivars: [ Thing._part ]
...
"""
OLD_STUB = """\
--- !tapi-tbd-v3
archs: [ x86_64, arm64 ]
platform: macosx
install-name: /usr/lib/libb.dylib
exports:
  - archs: [ arm64 ]
    symbols: [ _b ]
...
"""
JSON_STUB = """{"main_library": {"install_names": [{"name": "/usr/lib/libb.dylib"}],
"target_info": [{"target": "arm64-macos"}], "exported_symbols": [
{"data": {"global": ["_b"], "objc_class": ["Late"]}, "text": {"global": ["_new"]}}]}, "tapi_tbd_version": 5}"""


def test_stubs_of_every_version(tmp_path: Path) -> None:
    for name, text in (("a.tbd", STUB), ("b.tbd", OLD_STUB), ("c.tbd", JSON_STUB)):
        (tmp_path / name).write_text(text)
    (four,) = read_stubs(tmp_path / "a.tbd")
    classes = {"_OBJC_CLASS_$_Thing", "_OBJC_METACLASS_$_Thing", "_OBJC_IVAR_$_Thing._part"}
    assert four.symbols == {"_y", "_old", "__Znwm", *classes}
    assert four.reexports == {"/usr/lib/libb.dylib"}
    assert [stub.symbols for stub in read_stubs(tmp_path / "b.tbd")] == [{"_b"}]
    assert [stub.symbols for stub in read_stubs(tmp_path / "c.tbd")] == [
        {"_b", "_new", "_OBJC_CLASS_$_Late", "_OBJC_METACLASS_$_Late"}
    ]


@pytest.mark.parametrize("text", ["not: [a stub", "[]", "", '{"main_library": {}}'])
def test_files_that_are_no_stubs(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.tbd").write_text(text)
    sdk = Sdk((13, 0))
    sdk.add(tmp_path)
    assert not sdk.stubs


def derived(tmp_path: Path) -> SystemSymbols:
    """In the second SDK `_new` has come; in the third `_newest`, and the re-exported library is lacking."""
    sdks = []
    for version, stubs in (
        ((11, 3), (STUB, OLD_STUB)),
        ((13, 0), (STUB, JSON_STUB)),
        ((14, 0), (STUB.replace("_old", "_newest"),)),
    ):
        folder = tmp_path / str(version)
        folder.mkdir()
        for number, text in enumerate(stubs):
            (folder / f"{number}.tbd").write_text(text)
        sdk = Sdk(version)
        sdk.add(folder)
        sdks.append(sdk)
    archive = tmp_path / "out.zip"
    write(archive, assembled(sdks, [], None), releases={sdk.version for sdk in sdks}, made="2026-01-01")
    return SystemSymbols(archive)


def test_intervals_from_sdks(tmp_path: Path) -> None:
    """Absent is what a complete list lacks; that of 14.0 is none, for want of a re-exported library."""
    symbols = derived(tmp_path)
    assert symbols.since("/usr/lib/liba.dylib", b"_old") == Since(None, (11, 0), "sdk")
    assert symbols.since("/usr/lib/liba.dylib", b"_new") == Since((11, 3), (13, 0), "sdk")
    assert symbols.since("/usr/lib/liba.dylib", b"_newest") == Since((13, 0), (14, 0), "sdk")
    assert symbols.since("/usr/lib/liba.dylib", b"_never") == Since((13, 0), None, "sdk")
    assert symbols.since("/usr/lib/liba.dylib", b"_intel") == Since((13, 0), None, "sdk")
    assert symbols.next_release((11, 3)) == (13, 0)


def test_facts_made_otherwise_are_merged_and_kept(tmp_path: Path) -> None:
    derived(tmp_path)
    facts = tmp_path / "facts.tsv"
    facts.write_text("@/usr/lib/libz.dylib\n12.5\t13.4\tios16.5\t_late\n-\t11.3\tios14.5\t_early\n13.4\t?\t-\t_later\n")
    sdk = Sdk((11, 3))
    sdk.add(tmp_path / "(11, 3)")
    libraries = assembled([sdk], [tmp_path / "out.zip", facts], None)
    archive = tmp_path / "again.zip"
    write(archive, libraries, releases={(11, 3)}, made="2026-01-01")
    again = read_archive(archive)
    z, b = again["/usr/lib/libz.dylib"].symbols, again["/usr/lib/libb.dylib"].symbols
    assert z["_late"] == Since((12, 5), (13, 4), "ios16.5")
    assert z["_early"] == Since(None, (11, 0), "ios14.5")
    assert z["_later"] == Since((13, 4), None, "-")
    assert b["_new"] == Since((11, 3), (13, 0), "sdk")


def test_reports_are_added_to_an_archive_without_any_sdk(tmp_path: Path) -> None:
    """What libraries re-export, and of which SDK their lists are whole, stays; `*` is all symbols that are known."""
    derived(tmp_path)
    before = read_archive(tmp_path / "out.zip")
    facts = tmp_path / "reports.tsv"
    facts.write_text("@/usr/lib/libb.dylib\n12.6\t13.0\ta/b#1\t_n*\n")
    after = assembled([], [tmp_path / "out.zip", facts], None)
    assert {name: (one.reexports, one.complete) for name, one in after.items()} == {
        name: (one.reexports, one.complete) for name, one in before.items()
    }
    changed = {
        symbol: since
        for name, one in after.items()
        for symbol, since in one.symbols.items()
        if since != before[name].symbols[symbol]
    }
    assert changed == {"_new": Since((12, 6), (13, 0), "a/b#1")}


@pytest.mark.parametrize(
    ("library", "symbol", "macos"),
    [
        # google-ai-edge/mediapipe#5836 (11.7.10), numpy/numpy#29228 (13.1), tensorflow/tensorflow#53309 (11.6)
        (
            "/usr/lib/libc++.1.dylib",
            "__ZNKSt3__115basic_stringbufIcNS_11char_traitsIcEENS_9allocatorIcEEE3strEv",
            (11, 7),
        ),
        ("/System/Library/Frameworks/Accelerate.framework/Accelerate", "_cblas_caxpy$NEWLAPACK$ILP64", (13, 1)),
        (
            "/System/Library/Frameworks/MetalPerformanceShadersGraph.framework/MetalPerformanceShadersGraph",
            "_OBJC_CLASS_$_MPSGraphCompilationDescriptor",
            (11, 6),
        ),
    ],
)
def test_what_macs_reported_missing_is_absent(library: str, symbol: str, macos: MacOS) -> None:
    assert SystemSymbols().since(library, symbol.encode()).on(macos) is Presence.ABSENT
