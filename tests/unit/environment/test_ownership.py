"""The one table of who owns what."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from builder.environment.environment import Environment
from builder.environment.ownership import Claim, Owner
from tests.unit.environment import trees

if TYPE_CHECKING:
    from pathlib import Path

SITE = "lib/python3.12/site-packages"


def _digest(text: str) -> tuple[str, str]:
    digest = hashlib.sha256(text.encode())
    return digest.hexdigest(), base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def test_a_path_with_a_comma(tmp_path: Path) -> None:
    """RECORD is CSV: a quoted path with a comma is one file, and keeps its hash."""
    hexadecimal, field = _digest("x")
    site = trees.conda(tmp_path)
    trees.dist(site, "plots", "1.0", record=f'"plots/data/a,b ""c"".py",sha256={field},1\nplots/__init__.py,,\n')
    owners = Environment(tmp_path).owners
    (claim,) = owners.claims(f'{SITE}/plots/data/a,b "c".py')
    assert claim == Claim(Owner(name="plots", version="1.0", manager="pip"), hexadecimal, 1, "plots")
    assert owners.owner(f'{SITE}/plots/data/a,b "c".py') == "plots"
    assert owners.described(f'{SITE}/plots/data/a,b "c".py') == "plots 1.0"
    assert owners.package_of(tmp_path / SITE / "plots" / "data" / 'a,b "c".py') == claim.owner
    assert owners.module_owner("plots.data") == claim.owner


def test_records_that_leave_the_prefix(tmp_path: Path) -> None:
    """Scripts lie above site-packages and are inside; anything further up, absolute or with NUL is nobody's."""
    site = trees.conda(tmp_path / "env")
    trees.dist(
        site,
        "tool",
        record=f"{tmp_path}/env/share/tool,,\n../../../bin/tool,,\n../../../../outside,,\n/etc/passwd,,\na\0b,,\n..,,\n.,,\n,,\n",
    )
    trees.record(tmp_path / "env", "odd", "1", "../x", "/etc/shadow", "share/odd")
    owners = Environment(tmp_path / "env").owners
    assert set(owners.files) == {"bin/python", "bin/tool", "share/tool", "share/odd"}
    assert owners.package_of(tmp_path / "outside") is None


def test_conda_first_then_wheels(tmp_path: Path) -> None:
    """The claims are in the order of installation; what conda brought is conda's, what lies over it is the wheel's."""
    conda_hash, _ = _digest("conda")
    wheel_hash, field = _digest("wheel")
    site = trees.conda(tmp_path)
    rel = f"{SITE}/numpy/core.so"
    placeholder = {"_path": "bin/f2py", "sha256": "0" * 64, "sha256_in_prefix": "1" * 64, "prefix_placeholder": "/old"}
    paths = [{"_path": rel, "sha256": conda_hash, "size_in_bytes": 5}, placeholder]
    trees.record(tmp_path, "numpy", "2.0", rel, "bin/f2py", f"{SITE}/numpy-2.0.dist-info/METADATA", paths=paths)
    trees.dist(site, "numpy", "2.0", record="numpy/core.so,,\n", INSTALLER="conda")
    owners = Environment(tmp_path).owners
    assert [claim.sha256 for claim in owners.claims(rel)] == [conda_hash, None]
    assert {claim.owner.manager for claim in owners.claims(rel)} == {"conda"}
    assert owners.claims("bin/f2py")[0][1:3] == ("1" * 64, None)
    assert not owners.from_wheel(rel)
    assert owners.module_owner("numpy") == Owner(name="numpy", version="2.0", manager="conda")
    trees.dist(site, "numpy", "2.1", record=f"numpy/core.so,sha256={field},5\nnumpy/new.py,,\n", INSTALLER="uv")
    owners = Environment(tmp_path).owners
    assert owners.claims(rel)[-1][:2] == (Owner(name="numpy", version="2.1", manager="pip"), wheel_hash)
    assert owners.package(rel) == Owner(name="numpy", version="2.0", manager="conda")
    assert owners.from_wheel(f"{SITE}/numpy/new.py")
    assert "numpy" not in owners.modules, "two distributions claim it"


def test_the_name_of_the_distribution(tmp_path: Path) -> None:
    """conda's `pytorch` brings the distribution `torch`, by which requirements name it."""
    site = trees.conda(tmp_path)
    files = [f"{SITE}/torch/_C.so", f"{SITE}/torch-2.0.dist-info/METADATA", "lib/libtorch.so"]
    trees.record(tmp_path, "pytorch", "2.0", *files)
    trees.dist(site, "torch", "2.0", record="torch/_C.so,,\n")
    trees.dist(site, "torchvision", "0.1", "Requires-Dist: torch (==2.0)", record="torchvision/_C.so,,\n")
    trees.dist(site, "lightning", "2", "Requires-Dist: torchvision ; extra == 'x'", record="lightning/a.so,,\n")
    owners = Environment(tmp_path).owners
    assert owners.owner(f"{SITE}/torch/_C.so") == "torch"
    assert owners.owner("lib/libtorch.so") == "pytorch"
    assert owners.owner(f"{SITE}/unknown/x.so") == "unknown"
    assert owners.requirements("lightning") == {"torchvision", "torch"}
    assert owners.loads_first(f"{SITE}/lightning/a.so", f"{SITE}/torch/_C.so")
    assert not owners.loads_first(f"{SITE}/torch/_C.so", f"{SITE}/lightning/a.so")


def test_imported_by_its_own_source(tmp_path: Path) -> None:
    site = trees.conda(tmp_path)
    trees.dist(site, "torch", record="torch/_C.so,,\n")
    trees.dist(site, "torch_scatter", record="torch_scatter/_C.so,,\n")
    trees.write(site / "torch_scatter" / "__init__.py", "import os\nimport torch\n")
    owners = Environment(tmp_path).owners
    assert owners.loads_first(f"{SITE}/torch_scatter/_C.so", f"{SITE}/torch/_C.so")
    plugin = f"{SITE}/tensorflow-plugins/x.dylib", f"{SITE}/tensorflow/y.so"
    assert not owners.loads_first(*plugin)
    assert owners.with_plugins({"tensorflow-plugins": "tensorflow"}).loads_first(*plugin)


def test_circle_of_requirements(tmp_path: Path) -> None:
    site = trees.conda(tmp_path)
    trees.dist(site, "a", "1", "Requires-Dist: b")
    trees.dist(site, "b", "1", "Requires-Dist: a")
    assert Environment(tmp_path).owners.requirements("a") == {"a", "b"}
