"""What a recipe says: alone, over the one that it extends, where it was written, and to an editor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder.errors import RecipeError
from builder.frameworks.registry import all_frameworks
from builder.recipe.load import load_recipe
from builder.recipe.schema import schema_text
from tests.unit.recipe.test_refusals import GOOD

ROOT = Path(__file__).parents[3]


def test_extending(tmp_path: Path) -> None:
    """Lists of packages grow, mappings merge, everything else is replaced; the name is not inherited."""
    (tmp_path / "base.yaml").write_text(
        'name: base\ndescription: parent\nplatforms: [linux-64]\npython: "3.12"\nmacos: "13.0"\n'
        "dependencies: [numpy]\nverify: {imports: [numpy], devices: {CPU: 1}}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nextends: base\nmacos: '14.0'\ndependencies: [scipy]\nverify: {imports: [scipy]}\n"
    )
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert recipe.name == "mine"
    assert recipe.description == ""
    assert recipe.dependencies == ("numpy", "scipy")
    assert (recipe.macos, recipe.python) == ("14.0", "3.12")
    assert (recipe.verify.imports, recipe.verify.devices) == (("scipy",), {"CPU": 1})


def test_places_are_those_of_the_file_that_says_it(tmp_path: Path) -> None:
    """What contradicts itself is shown where it was written, though it was inherited."""
    (tmp_path / "base.yaml").write_text(
        'name: base\npython: "3.12"\nblas: accelerate\nplatforms: [osx-arm64]\ndependencies:\n  - numpy\n  - scipy\n'
    )
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nextends: base\nplatforms: [linux-64]\ndependencies:\n  - pandas\n")
    with pytest.raises(RecipeError, match="exists on macOS only") as caught:
        load_recipe(file)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "base.yaml"), 3)
    file.write_text(
        "name: mine\nextends: base\nblas: auto\ngroups:\n  dev:\n    pypi: [a]\ndependencies:\n  - pandas\n"
    )
    recipe = load_recipe(file)
    assert [recipe.where("dependencies", index) for index in range(3)] == ["base.yaml:6", "base.yaml:7", "mine.yaml:8"]
    assert recipe.where("groups", "dev", "pypi", 0) == "mine.yaml:6"
    assert recipe.replaced(channels=("c",)).where("dependencies", 0) == "base.yaml:6"


def test_a_list_that_is_replaced_has_the_childs_lines(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text('name: base\npython: "3.12"\nplatforms: [linux-64, osx-64]\nchannels: [a, b]\n')
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nextends: base\nchannels:\n  - c\n  - https://u:p@h/c\n")
    with pytest.raises(RecipeError, match="credentials") as caught:
        load_recipe(file)
    assert (caught.value.file, caught.value.line) == (str(file), 5)


@pytest.mark.parametrize("python", ["3.12.4", "==3.11.7", ">=3.11,<3.12.5", "3.12.*", "=3.12"])
def test_ranges_of_python_are_kept_as_written(tmp_path: Path, python: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace('"3.12"', f'"{python}"'))
    assert load_recipe(file).python == python


def test_shipped_recipes_load() -> None:
    for file in (ROOT / "recipes").glob("*.yaml"):
        assert load_recipe(file).name == file.stem


def test_schema_knows_every_field() -> None:
    """Editors complete and check recipes by it."""
    schema = json.loads(schema_text([name for entry in all_frameworks() for name in (entry.name, *entry.aliases)]))
    from builder.recipe.model import RecipeFile

    assert set(schema["properties"]) == set(RecipeFile.__struct_fields__)
    assert schema["additionalProperties"] is False


def test_committed_schema_is_the_generated_one() -> None:
    file = ROOT / "recipes" / "recipe.schema.json"
    if not file.exists():
        pytest.skip("recipes/recipe.schema.json is not committed yet")
    assert file.read_text(encoding="utf-8") == schema_text(
        [name for entry in all_frameworks() for name in (entry.name, *entry.aliases)]
    )
