"""JSON Schema of a recipe file, generated from the model, for editors (`# yaml-language-server: $schema=…`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec

from builder.recipe.model import RecipeFile

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_FILE: Final = "recipe.schema.json"


def schema_text(frameworks: Iterable[str]) -> str:
    """The schema as committed beside the recipes in `recipe.schema.json`; `frameworks` are the names to offer."""
    inside = msgspec.json.schema(RecipeFile)
    schema = {**inside["$defs"].pop("RecipeFile"), "$defs": inside["$defs"]}
    name = schema["$defs"]["Framework"]["properties"]["name"]
    schema["$defs"]["Framework"]["properties"]["name"] = {
        key: value for key, value in name.items() if key != "pattern"
    } | {"enum": list(frameworks)}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "envbuild recipe"
    # A child inherits these from the recipe it extends.
    schema["required"] = ["name"]
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
