"""Whether wheels were laid out as their RECORD says.

uv takes them from its cache, which other tools of the user link into environments: whoever edits a module there edits
the cache, and the lock's hash is that of the archive, which uv does not look at again.
"""

from __future__ import annotations

import base64
import csv
import io
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.binaries.hashing import Job, answer, digests

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.environment.distributions import Distribution

_RECORDS: Final = "conda-meta"


def trespassers(dists: Iterable[Distribution], names: Iterable[str], *, root: Path) -> tuple[str, ...]:
    """Which of these distributions, of those with one of the (canonical) names, have files in `conda-meta` of `root`,
    where only installers of conda packages and envbuild write: a wheel's `.data/data` may name any place of the
    environment.
    """
    wanted, records = frozenset(names), Path(os.path.realpath(root)) / _RECORDS
    return tuple(
        sorted(
            dist.name
            for dist in dists
            if dist.name in wanted and any(_is_below(records, dist.site, entry.path) for entry in dist.record)
        )
    )


def _is_below(folder: Path, site: Path, path: str) -> bool:
    """Whether a path of RECORD in `site` leads below `folder`. Case is no difference: on Macs' disks it is none."""
    if _RECORDS not in path.casefold():
        return False
    place = os.path.normpath(Path(os.path.realpath(site)) / path)
    return Path(place.casefold()).is_relative_to(str(folder).casefold())


def damaged(dists: Iterable[Distribution], names: Iterable[str]) -> tuple[str, ...]:
    """Which of the (canonical) names is none of these distributions', or that of one which lacks a file or has another
    than recorded.

    Bytecode is left out: it may have been compiled since.
    """
    wanted = frozenset(names)
    there: set[str] = set()
    recorded: dict[str, tuple[str, str]] = {}
    sizes: dict[str, int] = {}
    for dist in dists:
        if dist.name not in wanted:
            continue
        there.add(dist.name)
        site = str(dist.site)
        for entry in dist.record:
            if entry.sha256 is not None and not entry.path.endswith(".pyc"):
                path = os.path.join(site, entry.path)  # noqa: PTH118 - a string already, as it is asked for
                recorded[path] = dist.name, entry.sha256
                sizes[path] = entry.size or 0
    found = digests(sizes)
    wrong = {name for path, (name, sha256) in recorded.items() if found[path].digest != sha256}
    return tuple(sorted(wrong | (wanted - there)))


def put_right(dists: Iterable[Distribution], names: Iterable[str]) -> tuple[str, ...]:
    """Let the RECORD of those with one of the (canonical) names say what is there; gives the names where it said
    otherwise.

    For wheels that were laid out anew from the archive of the locked hash: what their RECORD says of a file otherwise,
    or of one that is not there, was published wrong, and would have the file taken for damaged ever after. A file that
    several of `dists` bring is left out: which of them it is of is for another check to say.
    """
    wanted = frozenset(names)
    wheels = [dist for dist in dists if dist.path.suffix == ".dist-info"]
    shared = Counter(os.path.normpath(dist.site / entry.path) for dist in wheels for entry in dist.record)
    changed = []
    for dist in wheels:
        text = dist.reader.text(dist.path / "RECORD") if dist.name in wanted else None
        told = {entry.path: entry.sha256 for entry in dist.record} if text is not None else {}
        rows, true = _rows(text or ""), []
        for row in rows:
            path = dist.site / row[0] if row and told.get(row[0]) is not None else None
            if path is None or row[0].endswith(".pyc") or shared[os.path.normpath(path)] > 1:
                true.append(row)
                continue
            found = answer(Job(kind="digest", path=str(path), size=0))
            if found.digest is not None:
                same = found.digest == told[row[0]]
                true.append(row if same else [row[0], _field(found.digest), str(path.stat().st_size)])
            elif not found.missing:
                true.append(row)  # not to be read: no reason to believe otherwise
        if true != rows:
            changed.append(dist.name)
            with io.StringIO(newline="") as written:
                csv.writer(written, lineterminator="\n").writerows(true)
                (dist.path / "RECORD").write_text(written.getvalue(), encoding="utf-8")
    return tuple(sorted(changed))


def _rows(record: str) -> list[list[str]]:
    """The lines of a RECORD; none where it is not one."""
    try:
        return [] if "\ufffd" in record else list(csv.reader(io.StringIO(record)))
    except csv.Error:
        return []


def _field(digest: str) -> str:
    """A SHA-256 (hex) as RECORD has it."""
    return f"sha256={base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b'=').decode()}"
