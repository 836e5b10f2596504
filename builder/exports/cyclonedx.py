"""A bill of materials in CycloneDX 1.6 (JSON), for one platform.

Source: the CycloneDX 1.6 JSON schema. There is no time in it, and its serial number is made from the lock, so that the
same lock gives the same bytes.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from builder import __version__
from builder.exports.bill import distribution_url, edges, purl
from builder.exports.model import Exported

if TYPE_CHECKING:
    from builder.exports.model import Export
    from builder.lock.model import LockedPackage


def export(wanted: Export) -> Exported:
    """Every package with its purl, hashes and place, and who needs whom."""
    (subdir,) = wanted.platforms
    packages = wanted.on(subdir)
    refs = {(package.manager, package.name): purl(package) for package in packages}
    root = f"{wanted.name}-{subdir}"
    identity = f"{wanted.digest}/{subdir}/{','.join(sorted(wanted.groups))}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, identity)}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "envbuild", "version": __version__}]},
            "component": {"type": "application", "bom-ref": root, "name": wanted.name},
            "properties": [{"name": "envbuild:platform", "value": subdir.value}],
        },
        "components": [_component(package) for package in packages],
        "dependencies": [
            {"ref": root, "dependsOn": sorted(refs.values())},
            *(
                {"ref": refs[key], "dependsOn": [refs[need] for need in needs]}
                for key, needs in edges(packages).items()
            ),
        ],
    }
    return Exported(text=json.dumps(document, indent=2) + "\n")


def _component(package: LockedPackage) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "purl": purl(package),
        "hashes": [
            {"alg": algorithm, "content": digest}
            for algorithm, digest in (("MD5", package.md5), ("SHA-256", package.sha256))
            if digest
        ],
    }
    if (url := distribution_url(package)) is not None:
        component["externalReferences"] = [{"type": "distribution", "url": url}]
    return component
