"""What recipe and plan ask for reaches the verification whole: a blank on the way is a check that never fails."""

from __future__ import annotations

from dataclasses import fields

import pytest

from builder.environment.stamp import Expectations
from builder.operations.expectations import expectations
from builder.plan.make import make_plans
from builder.platforms import Subdir
from tests.unit.plan.support import METAL, framework, recipe

VERIFY = {
    "imports": ["numpy", "pandas"],
    "snippets": ["import keras"],
    "devices": {"GPU": 1},
    "tolerances": {"float32": 1e-3},
}


def test_everything_a_recipe_can_ask_is_expected_of_the_mac() -> None:
    asked = recipe(framework=METAL | {"keras": "3.8"}, blas="accelerate", macos="14.2", verify=VERIFY)
    plan = make_plans(asked)[Subdir.OSX_ARM64]
    expected = expectations(asked, plan)
    assert expected == Expectations(
        framework="tensorflow",
        provider="metal",
        gpu=True,
        blas="accelerate",
        macos="14.2",
        imports=("numpy", "pandas"),
        snippets=("import keras",),
        devices={"GPU": 1},
        tolerances={"float32": 1e-3},
        mandatory=("numerics.device",),
    )
    assert all(getattr(expected, entry.name) for entry in fields(expected)), "every field is asked for here"


def test_a_linux_server_is_not_expected_to_have_the_macs_gpu_and_blas() -> None:
    asked = recipe(framework=METAL, blas="accelerate", verify=VERIFY)
    expected = expectations(asked, make_plans(asked)[Subdir.LINUX_64])
    assert (expected.gpu, expected.blas, expected.macos, expected.devices) == (False, None, None, {})
    assert expected.imports == ("numpy", "pandas")


@pytest.mark.parametrize(("name", "expected"), [("torch", "pytorch"), ("pytorch", "pytorch"), ("none", None)])
def test_a_framework_is_expected_by_its_own_name(name: str, expected: str | None) -> None:
    fields = {"name": name} if name == "none" else framework() | {"name": name}
    asked = recipe(framework=fields)
    assert expectations(asked, make_plans(asked)[Subdir.LINUX_64]).framework == expected
