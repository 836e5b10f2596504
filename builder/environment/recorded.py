"""What installers noted of each package's files (RECORD, conda-meta) as one digest a package, for the stamp to keep.

Files are compared with these notes, so whoever edits a file and its hash in the note goes unseen, unless something else
knows what the note said. Only what every installer notes alike counts: pip lists compiled files and writes scripts in
another way than uv, and both of the same wheel are the same package.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from builder.environment.ownership import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.model import CondaRecord
    from builder.environment.ownership import Owner
    from builder.environment.stamp import Stamp, StampedPackage


def note_digests(
    records: Iterable[CondaRecord], dists: Iterable[Distribution], packages: Iterable[StampedPackage]
) -> dict[str, str]:
    """Key of a package (`key_of`) → SHA-256 (hex) of what is noted of its files, for those of `packages` in place:
    among the records of an environment's conda packages, and its distributions.
    """
    wanted = {key_of(package): package for package in packages}
    return {
        key: digest
        for key, version, digest in _all(records, dists, wanted)
        if wanted[key].version == version or wanted[key].manager == "pip"
    }


def key_of(package: StampedPackage | Owner) -> str:
    """`conda:libblas`, `pip:scikit-learn`."""
    name = package.name if package.manager == "conda" else canonicalize_name(package.name)
    return f"{package.manager}:{name}"


def rewritten(environment: Environment, stamp: Stamp) -> frozenset[str]:
    """Keys of the packages whose notes say something else than when the environment was built.

    A package that is there in another version, or whose note is gone, is not among them; nor is one of which the stamp
    keeps nothing (an environment of an older envbuild).
    """
    locked = {key_of(package): package.version for package in stamp.packages}
    return frozenset(
        key
        for key, version, digest in _all(environment.conda_records, environment.distributions, stamp.records)
        if locked.get(key) == version and digest != stamp.records[key]
    )


def _all(
    records: Iterable[CondaRecord], dists: Iterable[Distribution], wanted: Mapping[str, object]
) -> Iterator[tuple[str, str, str]]:
    for record in records:
        if (key := f"conda:{record.name}") in wanted:
            yield key, record.version, _digest(_of_conda(record))
    for dist in dists:
        if (key := f"pip:{dist.name}") in wanted and dist.record:
            yield key, dist.version, _digest(_of_wheel(dist))


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(set(lines))).encode("utf-8", "surrogatepass")).hexdigest()


def _of_conda(record: CondaRecord) -> Iterator[str]:
    for item in record.paths:
        if item.kind == "softlink":  # its hash is put right when what it leads to is installed again
            yield f"{item.path} ->"
        else:
            yield f"{item.path} {item.sha256_in_prefix or item.sha256} {item.placeholder}"
    yield from record.files


def _of_wheel(dist: Distribution) -> Iterator[str]:
    for entry in dist.record:
        if not GENERATED.search(entry.path):
            script = entry.path.startswith("..") and "/bin/" in entry.path
            yield f"{entry.path} {entry.sha256 is not None if script else entry.sha256}"
