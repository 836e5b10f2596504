"""What the recipe says arrives whole at verification: nothing of it is lost on the way through plan and stamp."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from msgspec import structs

from builder.environment.stamp import Expectations, Stamp
from builder.operations.expectations import asks_for_the_same, expectations
from builder.operations.preparing import PackageOptions, prepare
from builder.platforms import Subdir
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from builder.operations.preparing import Prepared

_RECIPE = """\
name: mine
platforms: [osx-arm64, linux-64]
python: "3.12"
macos: "14.2"
blas: newaccelerate
framework: {name: tensorflow, provider: metal, gpu: true}
verify:
  imports: [json]
  snippets: ["import json"]
  devices: {GPU: 1}
  tolerances: {float32: 1e-3}
"""


def _prepared(tmp_path: Path) -> Prepared:
    (tmp_path / "recipes").mkdir(exist_ok=True)
    (tmp_path / "recipes" / "mine.yaml").write_text(_RECIPE)
    here = workspace(tmp_path, root=tmp_path)
    return prepare(here, here.project.recipe("mine"), PackageOptions())


def test_every_field_is_filled(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path)
    plan = replace(prepared.plans[Subdir.OSX_ARM64], mandatory_checks=("numerics.device",))
    found = expectations(prepared.recipe, plan)
    assert found == Expectations(
        framework="tensorflow",
        provider="metal",
        gpu=True,
        blas="newaccelerate",
        macos="14.2",
        imports=("json",),
        snippets=("import json",),
        devices={"GPU": 1},
        tolerances={"float32": 1e-3},
        mandatory=("numerics.device",),
    )
    empty = Expectations()
    same = [field.name for field in fields(Expectations) if getattr(found, field.name) == getattr(empty, field.name)]
    assert same == [], "a new field is not filled from the recipe"


def test_a_mac_alone_is_asked_for_what_is_a_macs(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path)
    found = expectations(prepared.recipe, prepared.plans[Subdir.LINUX_64])
    assert (found.gpu, found.blas, found.macos, found.devices) == (False, None, None, {})
    assert found.imports == ("json",)


def test_stamps_are_compared_with_the_recipe(tmp_path: Path) -> None:
    prepared = _prepared(tmp_path)
    for subdir, plan in prepared.plans.items():
        stamp = Stamp(
            name="mine",
            subdir=subdir,
            lock_sha256="",
            envbuild_version="",
            packages=(),
            expectations=expectations(prepared.recipe, plan),
        )
        assert asks_for_the_same(prepared.recipe, Stamp.loads(stamp.dumps()))
        changed = structs.replace(
            prepared.recipe, verify=structs.replace(prepared.recipe.verify, tolerances={"float32": 1e-2})
        )
        assert not asks_for_the_same(changed, stamp)
