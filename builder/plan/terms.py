"""Words that the plan and all that is made of it have in common, for those who need no plan."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

MAIN_GROUP: Final = "main"
ProviderName = Literal["conda-forge", "metal", "pypi"]


class Source(StrEnum):
    """Where packages come from."""

    CONDA_FORGE = "conda-forge"
    """The recipe's channels (and PyPI only for what the provider or the recipe says)."""
    PYPI = "pypi"
    """Python from the local `host` channel, everything else from PyPI wheels."""
