"""Derive `builder/binaries/data/system-symbols.zip`: which symbol of macOS's libraries exists from which release.

    python tools/system_symbols.py OUT.zip --sdk 13.3=FOLDER … [--facts FILE …] [--only FILE] [--date YYYY-MM-DD]
    python tools/system_symbols.py OUT.zip --installed        on a Mac: every SDK of Xcode and its command line tools

`--sdk` may be repeated, also for one version: a folder is searched for `.tbd` files at any depth. A library's list is
complete in an SDK only if everything it re-exports is there, too; from a complete list follows what is absent, from any
list what is present. `--facts` adds facts made otherwise: lines `absent_in TAB present_in TAB evidence TAB symbol`
below `@INSTALL NAME` (`-` for absent_in: in the oldest SDK already; `?`: not known; a symbol with `*` is all known ones
that match), or an archive of this tool's: to that, `tools/data/system-symbols-reports.tsv` is added without any SDK.
`--only` has the install names to keep, one a line: by default every library of the SDKs.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import subprocess
import sys
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from builder.binaries.system_symbols import CLASS, METACLASS, OLDEST, MacOS, Since, read_symbols, release
from tools.tbd import Stub, read_stubs

#: Where Apple's tools keep SDKs; `xcode-select -p` adds the chosen Xcode.
SDK_FOLDERS = ("/Library/Developer/CommandLineTools/SDKs",)


@dataclass
class Sdk:
    """The libraries of one SDK, by install name."""

    version: MacOS
    stubs: dict[str, Stub] = field(default_factory=dict)

    def add(self, folder: Path) -> int:
        """Read every stub below `folder`; the number of files that are none."""
        strange = 0
        for path in sorted(folder.rglob("*.tbd")):
            try:
                for stub in read_stubs(path):
                    known = self.stubs.get(stub.name)
                    # The same library stands in several files: alone, and inside those that re-export it.
                    self.stubs[stub.name] = (
                        stub
                        if known is None
                        else Stub(stub.name, stub.symbols | known.symbols, stub.reexports | known.reexports)
                    )
            except (ValueError, OSError) as error:
                print(f"left out: {error}", file=sys.stderr)
                strange += 1
        return strange

    def exported(self, name: str, listed: set[str]) -> tuple[set[str], set[str], bool]:
        """What the library exports: its own symbols and those of re-exported libraries that are not `listed` under
        their own names; the listed ones that it re-exports; and whether all of it is known.
        """
        symbols: set[str] = set()
        shared: set[str] = set()
        complete = True
        pending, seen = [name], {name}
        while pending:
            current = pending.pop()
            stub = self.stubs.get(current)
            if stub is None:
                complete = False
            elif current in listed and current != name:
                shared.add(current)
                complete = complete and self.is_complete(current)
            else:
                symbols |= stub.symbols
                pending += stub.reexports - seen
                seen |= stub.reexports
        return symbols, shared, complete

    def is_complete(self, name: str) -> bool:
        """Whether the library is there with everything that it re-exports, directly or through others."""
        return self.exported(name, set())[2]


@dataclass
class Facts:
    """What is known of one library: symbol → interval, what it re-exports, and the newest SDK with a complete list."""

    symbols: dict[str, Since] = field(default_factory=dict)
    reexports: set[str] = field(default_factory=set)
    complete: MacOS | None = None


def derived(sdks: list[Sdk], name: str, listed: set[str]) -> Facts:
    """The facts about one library from the SDKs, oldest first."""
    lists = [(sdk.version, *sdk.exported(name, listed)) for sdk in sdks if name in sdk.stubs]
    facts = Facts(complete=max((version for version, _, _, whole in lists if whole), default=None))
    facts.reexports.update(*(shared for _, _, shared, _ in lists))
    for symbol in sorted({symbol for _, symbols, _, _ in lists for symbol in symbols}):
        present = min(version for version, symbols, _, _ in lists if symbol in symbols)
        absent = max(
            (version for version, symbols, _, whole in lists if whole and symbol not in symbols and version < present),
            default=None,
        )
        facts.symbols[symbol] = Since(absent_in=absent, present_in=present, evidence="sdk")
    return facts


def read_facts(path: Path, oldest: MacOS) -> dict[str, Facts]:
    """Install name → facts, of a file of facts; `oldest` is what `-` stands for."""
    found: dict[str, Facts] = defaultdict(Facts)
    library = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("@"):
            library = line[1:].strip()
        elif line and not line.startswith("#"):
            absent, present, evidence, symbol = line.split("\t")
            since = Since(
                absent_in=None if absent in ("-", "?") else release(absent),
                present_in=None if present == "?" else oldest if absent == "-" else release(present),
                evidence=evidence,
            )
            found[library].symbols[symbol] = since
    return found


def read_archive(path: Path) -> dict[str, Facts]:
    """The same, of an archive that this tool wrote: what was found once is not lost where its source is not at hand."""
    with zipfile.ZipFile(path) as archive:
        index = json.loads(archive.read("index.json"))
        return {
            name: Facts(
                symbols=read_symbols(archive.read(entry["member"]).decode()),
                reexports=set(entry["reexports"]),
                complete=release(entry["complete"]) if entry["complete"] else None,
            )
            for name, entry in index["libraries"].items()
        }


def archived_releases(path: Path) -> set[MacOS]:
    """The releases that an archive was made from."""
    with zipfile.ZipFile(path) as archive:
        return {release(text) for text in json.loads(archive.read("index.json"))["releases"]}


def merged(one: Since, other: Since) -> Since:
    """The narrower interval of two that agree; where they contradict each other, the first (an SDK's own list)."""
    absent = max(filter(None, (one.absent_in, other.absent_in)), default=None)
    present = min(filter(None, (one.present_in, other.present_in)), default=None)
    if absent is not None and present is not None and absent >= present:
        return one
    evidence = one.evidence if (one.absent_in, one.present_in) == (absent, present) else other.evidence
    return Since(absent_in=absent, present_in=present, evidence=evidence)


def installed() -> dict[MacOS, list[Path]]:
    """The SDKs of this Mac, by version."""
    folders = [Path(folder) for folder in SDK_FOLDERS]
    chosen = subprocess.run(["xcode-select", "-p"], capture_output=True, text=True, check=False)  # noqa: S607
    if chosen.returncode == 0:
        folders.append(Path(chosen.stdout.strip()) / "Platforms/MacOSX.platform/Developer/SDKs")
    found: dict[MacOS, list[Path]] = defaultdict(list)
    for folder in folders:
        for path in folder.glob("MacOSX*.sdk"):
            match = re.fullmatch(r"MacOSX(\d+(?:\.\d+)?)\.sdk", path.name)
            if match and not path.is_symlink():
                found[release(match[1])].append(path)
    return found


def _order(since: Since) -> tuple[MacOS, MacOS, str]:
    return since.present_in or (999, 0), since.absent_in or (0, 0), since.evidence


def text_of(facts: Facts) -> str:
    """A member of the archive, as `builder.binaries.system_symbols.read_library` reads it."""
    groups: dict[Since, list[str]] = defaultdict(list)
    for symbol, since in facts.symbols.items():
        if facts.symbols.get(CLASS + symbol.removeprefix(METACLASS)) != since or not symbol.startswith(METACLASS):
            groups[Since(since.absent_in, since.present_in, since.evidence or "-")].append(symbol)

    def dotted(version: MacOS | None) -> str:
        return "-" if version is None else f"{version[0]}.{version[1]}"

    lines: list[str] = []
    for since in sorted(groups, key=_order):
        lines.append(f"@ {dotted(since.absent_in)} {dotted(since.present_in)} {since.evidence}")
        lines += sorted(groups[since])
    return "".join(f"{line}\n" for line in lines)


def write(path: Path, libraries: dict[str, Facts], *, releases: set[MacOS], made: str) -> None:
    """The archive, the same bytes for the same facts."""
    index = {
        "format": 1,
        "date": made,
        "releases": [f"{version[0]}.{version[1]}" for version in sorted(releases)],
        "libraries": {
            name: {
                "member": f"{number:03}.txt",
                "reexports": sorted(facts.reexports),
                "complete": f"{facts.complete[0]}.{facts.complete[1]}" if facts.complete else None,
            }
            for number, (name, facts) in enumerate(sorted(libraries.items()))
        },
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        members = {"index.json": json.dumps(index, indent=1, sort_keys=True) + "\n"}
        members |= {f"{number:03}.txt": text_of(facts) for number, (_, facts) in enumerate(sorted(libraries.items()))}
        for member, text in members.items():
            archive.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)


def add(library: Facts, more: Facts) -> None:
    """What another source tells of a library; a symbol with `*` stands for all that are known and match it."""
    library.reexports |= more.reexports
    library.complete = max(filter(None, (library.complete, more.complete)), default=None)
    for pattern, since in more.symbols.items():
        for symbol in fnmatch.filter(library.symbols, pattern) if "*" in pattern else (pattern,):
            known = library.symbols.get(symbol)
            library.symbols[symbol] = since if known is None else merged(known, since)


def assembled(sdks: list[Sdk], facts: list[Path], only: set[str] | None) -> dict[str, Facts]:
    """All libraries, from the SDKs and the facts made otherwise."""
    oldest = sdks[0].version if sdks else OLDEST
    names = {name for sdk in sdks for name in sdk.stubs}
    listed = names if only is None else names & only
    libraries = {name: derived(sdks, name, listed) for name in sorted(listed)}
    for path in facts:
        for name, more in (read_archive(path) if path.suffix == ".zip" else read_facts(path, oldest)).items():
            if name and (only is None or name in only):
                add(libraries.setdefault(name, Facts()), more)
    for library in libraries.values():
        for symbol, since in list(library.symbols.items()):
            together = CLASS + symbol.removeprefix(METACLASS)
            if symbol.startswith(METACLASS) and together in library.symbols:
                # The two symbols of a class come together, whichever of them a source names.
                library.symbols[together] = library.symbols[symbol] = merged(library.symbols[together], since)
        for symbol, since in library.symbols.items():
            if since.absent_in is None and since.present_in == oldest:
                library.symbols[symbol] = Since(None, OLDEST, since.evidence)
    return libraries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sdk", action="append", default=[], metavar="VERSION=FOLDER")
    parser.add_argument("--installed", action="store_true", help="the SDKs of this Mac")
    parser.add_argument("--facts", action="append", default=[], type=Path)
    parser.add_argument("--only", type=Path, help="install names to keep, one a line")
    parser.add_argument("--date", default=date.today().isoformat())
    arguments = parser.parse_args()
    folders = installed() if arguments.installed else {}
    for item in arguments.sdk:
        version, _, folder = item.partition("=")
        folders.setdefault(release(version), []).append(Path(folder))
    sdks = []
    for version in sorted(folders):
        sdk = Sdk(version)
        for folder in folders[version]:
            sdk.add(folder)
        print(f"macOS {version[0]}.{version[1]}: {len(sdk.stubs)} libraries", file=sys.stderr)
        sdks.append(sdk)
    only = set(arguments.only.read_text(encoding="utf-8").split()) if arguments.only else None
    libraries = assembled(sdks, arguments.facts, only)
    if not libraries:
        sys.exit("no stubs and no facts: nothing to write")
    known = {since.present_in for facts in libraries.values() for since in facts.symbols.values() if since.present_in}
    known |= {version for path in arguments.facts if path.suffix == ".zip" for version in archived_releases(path)}
    write(arguments.out, libraries, releases=known | {sdk.version for sdk in sdks}, made=arguments.date)
    count = sum(len(facts.symbols) for facts in libraries.values())
    print(f"{len(libraries)} libraries, {count:,} symbols, {arguments.out.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
