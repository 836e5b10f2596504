"""Names that differ between conda and PyPI, read from the mapping that conda-lock is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

#: conda-lock would download a mapping of several megabytes; this one holds the few names that differ and matter.
MAPPING_FILE: Final = Path(__file__).parent / "conda-pypi-names.yaml"


def conda_to_pypi() -> dict[str, str]:
    """conda name → PyPI name, for the names that differ."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    mapping = yaml.load(MAPPING_FILE.read_bytes(), Loader=loader)  # noqa: S506 - the C build of the safe loader
    return {entry["conda_name"]: entry["pypi_name"] for entry in mapping.values()}
