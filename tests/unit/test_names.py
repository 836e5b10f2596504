"""The one map of names."""

from __future__ import annotations

import json

import pytest
import yaml

from builder.compat.load import DATA
from builder.names import MAPPING_FILE, conda_name, distributions, project, pypi_name


@pytest.mark.parametrize(
    ("conda", "asked", "held"),
    [
        ("pytorch", "torch", ("torch",)),
        ("opencv", "opencv-python-headless", ("opencv-python-headless",)),
        ("py-opencv", "opencv-python-headless", ("opencv-python-headless", "opencv-python")),
        ("py-xgboost", "xgboost", ("xgboost",)),
        ("xgboost", "xgboost", ("xgboost",)),
        ("ml_dtypes", "ml-dtypes", ("ml-dtypes",)),
        ("numpy", "numpy", ("numpy",)),
    ],
)
def test_from_conda(conda: str, asked: str, held: tuple[str, ...]) -> None:
    assert pypi_name(conda) == asked
    assert distributions(conda) == held


def test_from_pypi() -> None:
    assert conda_name("Torch") == "pytorch"
    assert conda_name("opencv_python") == "py-opencv"
    assert conda_name("some.thing") == "some-thing"


def test_one_project_under_several_names() -> None:
    assert {project(name) for name in ("tensorflow", "tensorflow-cpu", "tensorflow-base")} == {"tensorflow"}
    assert project("tensorflow-macos", conda=False) == "tensorflow"
    assert project("torch", conda=False) == project("pytorch") == "torch"


def test_the_map_is_the_only_one() -> None:
    """The facts say which packages bring NumPy along, and not what they are called."""
    facts = yaml.safe_load((DATA / "names.yaml").read_text())
    assert all(set(entry) <= {"conda", "numpy"} for entry in facts["names"])
    compiled = json.loads((DATA / "compiled.json").read_text())
    assert all(set(entry) <= {"conda", "numpy"} for entry in compiled["names"])


def test_the_map_is_consistent() -> None:
    """conda-lock reads it by key: each entry is under its own PyPI name."""
    mapping = yaml.safe_load(MAPPING_FILE.read_text())
    for name, entry in mapping.items():
        assert entry["pypi_name"] == name
        assert set(entry) <= {"conda_name", "pypi_name", "asked_as", "same_as"}
        assert entry.get("same_as") is None or entry["same_as"] in mapping
    asked = [name for entry in mapping.values() for name in entry.get("asked_as", ())]
    assert len(asked) == len(set(asked))
