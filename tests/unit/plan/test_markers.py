"""Environment markers of PyPI requirements decide platform by platform, and with the Python that is chosen."""

from __future__ import annotations

import pytest

from builder.plan.make import make_plans
from builder.platforms import Subdir
from tests.unit.plan.support import recipe

MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64


@pytest.mark.parametrize(
    ("marker", "mac", "linux"),
    [
        ("sys_platform == 'darwin'", True, False),
        ("platform_system != 'Darwin'", False, True),
        ("platform_machine == 'arm64' or platform_machine == 'aarch64'", True, False),
        ("python_version < '3.12'", False, False),
        ("python_version >= '3.12' and sys_platform == 'linux'", False, True),
        ("extra == 'gui'", False, False),
    ],
)
@pytest.mark.parametrize("place", ["main", "group"])
def test_only_where_the_marker_lets_it_in(marker: str, mac: bool, linux: bool, place: str) -> None:
    requirement = f"pyobjc>=10; {marker}"
    changes = {"pypi": [requirement]} if place == "main" else {"groups": {"dev": {"pypi": [requirement]}}}
    plans = make_plans(recipe(python="3.12", **changes))
    for subdir, wanted in ((MAC, mac), (LINUX, linux)):
        found = plans[subdir].spec("pip", "pyobjc")
        assert (found is not None) is wanted
        assert found is None or found.spec == ">=10"
