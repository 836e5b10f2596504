"""What a package is called on conda and on PyPI: the one map of the project, which conda-lock is given as well."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Mapping

#: conda-lock would download a mapping of several megabytes; this one holds the few names that differ and matter.
MAPPING_FILE: Final = Path(__file__).parent / "conda-pypi-names.yaml"

#: Module → distribution on PyPI, where the two differ.
_OF_MODULES: Final = {
    "Bio": "biopython",
    "Crypto": "pycryptodome",
    "IPython": "ipython",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "_cffi_backend": "cffi",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google": "protobuf",
    "grpc": "grpcio",
    "imblearn": "imbalanced-learn",
    "ipykernel_launcher": "ipykernel",
    "jwt": "pyjwt",
    "mpl_toolkits": "matplotlib",
    "nacl": "pynacl",
    "osgeo": "gdal",
    "pkg_resources": "setuptools<82",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "tf_keras": "tf-keras",
    "tree": "dm-tree",
    "umap": "umap-learn",
    "websocket": "websocket-client",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}


class _Names(Struct, frozen=True, kw_only=True):
    held: Mapping[str, tuple[str, ...]]
    """conda name → the distributions in it."""
    asked: Mapping[str, str]
    """conda name → what to ask PyPI for instead."""
    conda: Mapping[str, str]
    """PyPI name → conda package that holds it."""
    project: Mapping[str, str]
    """PyPI name → the project's, where it is another distribution of the same."""


#: The normal form of a name, each found once: locks have thousands of names, most of them many times.
canonical: Final = cache(canonicalize_name)


def distributions(conda: str) -> tuple[str, ...]:
    """The PyPI names of the Python distributions that the conda package holds or brings in, the usual one first.

    A package that the map does not name holds the one of its own name, if it is a Python package at all.
    """
    known = _names()
    return known.held.get(conda) or (known.asked.get(conda, canonical(conda)),)


def pypi_name(conda: str) -> str:
    """What to ask PyPI for in place of a conda package: `pytorch` is `torch`, `opencv` is `opencv-python-headless`."""
    return distributions(conda)[0]


def conda_name(pypi: str) -> str:
    """The conda package that holds a distribution (any spelling of its name): `torch` is in `pytorch`."""
    name = canonicalize_name(pypi)
    return _names().conda.get(name, name)


@cache
def project(name: str, *, conda: bool = True) -> str:
    """The project that a package is a build of: `tensorflow` for `tensorflow-cpu`, `tensorflow-base` and itself.

    `name` is conda's, or PyPI's with `conda=False`.
    """
    pypi = pypi_name(name) if conda else canonicalize_name(name)
    return _names().project.get(pypi, pypi)


def distribution_of(module: str) -> str:
    """The distribution on PyPI that brings a top-level module, as pip is asked for it: `scikit-learn` for `sklearn`."""
    return _OF_MODULES.get(module, module)


def meant_on_conda(name: str) -> str:
    """The conda package of somebody who writes a module's or PyPI's name: `scikit-learn` for `sklearn` and itself."""
    return conda_name(distribution_of(name).partition("<")[0])


def similar_pypi_names(name: str) -> tuple[str, ...]:
    """Distributions that a user who wrote `name` may have meant, nearest first, as far as the map knows them."""
    known = _names()
    if name in _OF_MODULES:
        return (distribution_of(name).partition("<")[0],)
    names = sorted({*known.conda, *(distribution for held in known.held.values() for distribution in held)})
    return tuple(difflib.get_close_matches(canonicalize_name(name), names, n=3, cutoff=0.8))


@cache
def _names() -> _Names:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    mapping = yaml.load(MAPPING_FILE.read_bytes(), Loader=loader)  # noqa: S506 - the C build of the safe loader
    held: dict[str, tuple[str, ...]] = {}
    asked: dict[str, str] = {}
    conda: dict[str, str] = {}
    project: dict[str, str] = {}
    for entry in mapping.values():
        pypi, package = entry["pypi_name"], entry["conda_name"]
        held[package] = (*held.get(package, ()), pypi)
        conda[pypi] = package
        if "same_as" in entry:
            project[pypi] = entry["same_as"]
        for other in entry.get("asked_as", ()):
            asked[other] = pypi
    return _Names(held=held, asked=asked, conda=conda, project=project)
