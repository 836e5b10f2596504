"""A Dockerfile that needs no other file: micromamba installs the explicit list that it holds, pip the wheels.

Sources: micromamba-docker's quick start (user, base environment, cleaning up), Docker's here-documents
(`# syntax=docker/dockerfile:1`, BuildKit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.exports.model import Exported

if TYPE_CHECKING:
    from builder.exports.model import Export
    from builder.platforms import Subdir

_IMAGE: Final = "mambaorg/micromamba:2.3.0"
_DOCKER: Final = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
_HEAD: Final = """\
# syntax=docker/dockerfile:1
# {name} for {subdir}, from its conda-lock.yml by `envbuild export`: every package by its SHA-256.
#     docker build --platform {docker} --tag {name} .
FROM {image}

COPY --chown=$MAMBA_USER:$MAMBA_USER <<"EXPLICIT" /tmp/explicit.txt
@EXPLICIT
{explicit}
EXPLICIT

RUN test "$(uname -m)" = {machine} \\
    && micromamba install --yes --name base --file /tmp/explicit.txt \\
    && micromamba clean --all --yes
"""
_WHEELS: Final = """
COPY --chown=$MAMBA_USER:$MAMBA_USER <<"REQUIREMENTS" /tmp/requirements.txt
{requirements}
REQUIREMENTS

RUN {pip} install --no-cache-dir --no-deps --only-binary :all: --require-hashes \\
    --requirement /tmp/requirements.txt
"""
_TAIL: Final = """
# The image's entry point activates the environment.
CMD ["python"]
"""
_OWN_PIP: Final = "micromamba run --name base python -m pip"
#: Without pip in the lock one is borrowed, and not left in the environment.
_BORROWED_PIP: Final = """\
micromamba run --name base python -m venv /tmp/pip \\
    && /tmp/pip/bin/python -m pip --python "$MAMBA_ROOT_PREFIX/bin/python\""""


def export(wanted: Export) -> Exported:
    """Raises UsageError for a platform that no container runs."""
    (subdir,) = wanted.platforms
    _require_linux(subdir)
    conda, wheels = wanted.on(subdir, manager="conda"), wanted.on(subdir, manager="pip")
    text = _HEAD.format(
        name=wanted.name,
        subdir=subdir,
        docker=_DOCKER[subdir.machine],
        machine=subdir.machine,
        image=_IMAGE,
        explicit="\n".join(f"{package.url}#sha256:{package.sha256}" for package in conda),
    )
    if wheels:
        text += _WHEELS.format(
            pip=_OWN_PIP if any(package.name == "pip" for package in conda) else _BORROWED_PIP,
            requirements="\n".join(
                f"{package.name}=={package.version} --hash=sha256:{package.sha256}" for package in wheels
            ),
        )
    return Exported(text=text + _TAIL)


def _require_linux(subdir: Subdir) -> None:
    if not subdir.is_linux:
        raise UsageError(
            f"a Dockerfile for {subdir} would run nowhere: containers are Linux",
            hint="name a Linux platform of the lock, for instance with --platform linux-64",
        )
