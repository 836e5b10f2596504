"""JSON Schema of a recipe file, generated from the model, for editors (`# yaml-language-server: $schema=…`)."""

from __future__ import annotations

import json
from typing import Final

from builder.recipe.load import RecipeFile

SCHEMA_FILE: Final = "recipe.schema.json"


def schema_text() -> str:
    """The schema as committed beside the recipes in `recipe.schema.json`."""
    schema = RecipeFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "envbuild recipe"
    # A child inherits these from the recipe it extends.
    schema["required"] = ["name"]
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
