"""A bill of materials in SPDX 2.3 (JSON), for one platform.

Source: the SPDX 2.3 specification. It wants the moment of creation: that of SOURCE_DATE_EPOCH where it is set, else the
beginning of Unix time, so that the same lock gives the same bytes.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from builder import __version__
from builder.exports.bill import distribution_url, edges, purl
from builder.exports.model import Exported

if TYPE_CHECKING:
    from builder.exports.model import Export
    from builder.lock.model import LockedPackage

_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_UNKNOWN: Final = "NOASSERTION"


def export(wanted: Export) -> Exported:
    """Every package with its purl, checksums and place, and who needs whom; of licences a lock knows nothing."""
    (subdir,) = wanted.platforms
    packages = wanted.on(subdir)
    ids = {(package.manager, package.name): _id(package) for package in packages}
    title = f"{wanted.name}-{subdir}"
    created = wanted.created or datetime.fromtimestamp(0, UTC)
    described = [_relation(_DOCUMENT, "DESCRIBES", identifier) for identifier in ids.values()]
    needed = [_relation(ids[key], "DEPENDS_ON", ids[need]) for key, needs in edges(packages).items() for need in needs]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": title,
        "documentNamespace": f"https://spdx.org/spdxdocs/{title}-{'-'.join(sorted(wanted.groups))}-{wanted.digest}",
        "creationInfo": {
            "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: envbuild-{__version__}"],
        },
        "packages": [_package(package) for package in packages],
        "relationships": [*described, *needed],
    }
    return Exported(text=json.dumps(document, indent=2) + "\n")


def _id(package: LockedPackage) -> str:
    """Letters, digits, `.` and `-` are allowed; the hash keeps `a_b` and `a-b` apart."""
    name = re.sub(r"[^A-Za-z0-9.-]", "-", package.name)
    return f"SPDXRef-{package.manager}-{name}-{(package.sha256 or '')[:12]}"


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _package(package: LockedPackage) -> dict[str, Any]:
    return {
        "SPDXID": _id(package),
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": distribution_url(package) or _UNKNOWN,
        "filesAnalyzed": False,
        "checksums": [
            {"algorithm": algorithm, "checksumValue": digest}
            for algorithm, digest in (("MD5", package.md5), ("SHA256", package.sha256))
            if digest
        ],
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(package)}
        ],
    }
