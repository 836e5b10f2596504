"""The user's own facts: what was measured on their machine, kept beside envbuild's and loaded with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from builder.errors import FactsError
from builder.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from builder.compat.model import Relation

MEASURED: Final = "measured.yaml"


def keep(relation: Relation, folder: Path) -> Path:
    """Write a relation into the user's facts, in the place of one with the same id. Gives the file.

    Raises `FactsError` where the file that is there cannot be read.
    """
    import msgspec
    import yaml

    file = folder / MEASURED
    relations: list[dict[str, Any]] = []
    if file.exists():
        try:
            relations = list(yaml.safe_load(file.read_text(encoding="utf-8"))["relations"])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError) as error:
            raise FactsError(
                f"your own facts cannot be read ({error})", file=file, hint=f"remove {file} and measure again"
            ) from None
    kept = [entry for entry in relations if entry.get("id") != relation.id]
    kept.append(msgspec.to_builtins(relation))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(file, yaml.safe_dump({"relations": kept}, sort_keys=False, allow_unicode=True, width=120))
    return file
