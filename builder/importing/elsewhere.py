"""Packages that exist on some platforms only, as exported environments are full of them.

Source: the subdirs of conda-forge in which each is built, and what the name itself says (`…_linux-64`). `libgcc` and
`libuuid` have builds for Macs too, but not of the versions that a Linux machine exports.
"""

from __future__ import annotations

import re
from typing import Final

from builder.platforms import TARGETS, Subdir

_LINUX: Final = tuple(subdir for subdir in TARGETS if subdir.is_linux)
_MAC: Final = tuple(subdir for subdir in TARGETS if subdir.is_osx)
_X86: Final = (Subdir.OSX_64, Subdir.LINUX_64)

#: Pattern of the name (conda's or PyPI's) → where it exists of the platforms that envbuild builds for.
_ONLY: Final = (
    (r".*[_-]linux-64", (Subdir.LINUX_64,)),
    (r".*[_-]linux-aarch64", (Subdir.LINUX_AARCH64,)),
    (r".*[_-]osx-64", (Subdir.OSX_64,)),
    (r".*[_-]osx-arm64", (Subdir.OSX_ARM64,)),
    (r".*[_-]win-64", ()),
    (r"_libgcc_mutex|_sysroot.*|lib(?:gcc|stdcxx|gfortran)-ng|libgcc|libstdcxx|libgomp|libnsl|libuuid|keyutils"
     r"|alsa-lib|jeepney|secretstorage|libxkbcommon|libsystemd\d*|libudev\d*", _LINUX),
    (r"cuda(?:-.*|toolkit|nn)?|cudatoolkit|cudnn|nccl|lib(?:cublas|cufft|cufile|curand|cusolver|cusparse|npp|nvjpeg)(?:-.*)?"
     r"|libnvjitlink(?:-.*)?|nvidia-.*|pytorch-cuda|cupy(?:-cuda.*)?|triton|magma-cuda.*|tensorrt.*", _LINUX),
    (r"mkl|mkl[-_].*|intel-openmp|_x86_64-microarch-level|icc_rt|blas-devel-mkl", _X86),
    (r"appnope|pyobjc.*|libcxx.*|ld64.*|cctools.*|sigtool|tapi", _MAC),
    (r"vc|vc14_runtime|vs20\d\d.*|ucrt|wincertstore|win_inet_pton|win-?unicode.*|winpty|pywin32(?:-.*)?|pywinpty|pypiwin32"
     r"|m2w64-.*|msys2-.*|m2-.*|comtypes|pyreadline3?|console_shortcut.*|powershell_shortcut.*", ()),
)  # fmt: skip


def only_on(name: str) -> tuple[Subdir, ...] | None:
    """Where a package exists, if not everywhere; empty for Windows alone, None where nothing is known."""
    return next((platforms for pattern, platforms in _ONLY if re.fullmatch(pattern, name)), None)
