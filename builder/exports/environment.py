"""environment.yml with every package pinned to its version and build, for one platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from builder.exports.model import Exported

if TYPE_CHECKING:
    from builder.exports.model import Export

_HEADER: Final = """\
# {name} for {subdir}, from its conda-lock.yml by `envbuild export`: exact versions and builds, without hashes.
# Install it with: conda env create --file environment.yml
"""


def export(wanted: Export) -> Exported:
    """What conda, mamba and micromamba solve to exactly the lock's packages, where their channels still have them."""
    import yaml

    (subdir,) = wanted.platforms
    conda = wanted.on(subdir, manager="conda")
    dependencies: list[Any] = [f"{package.name}={package.version}={package.build}" for package in conda]
    wheels = wanted.on(subdir, manager="pip")
    left: tuple[str, ...] = ()
    if wheels:
        if not any(package.name == "pip" for package in conda):
            dependencies.append("pip")
            left = ("the version of pip, which conda needs for the `pip:` part and the lock does not have",)
        dependencies.append({"pip": [f"{package.name}=={package.version}" for package in wheels]})
    document = {"name": wanted.name, "channels": [*wanted.lock.channels, "nodefaults"], "dependencies": dependencies}
    body: str = yaml.safe_dump(document, sort_keys=False, width=1_000)
    return Exported(text=_HEADER.format(name=wanted.name, subdir=subdir) + body, left_out=left)
