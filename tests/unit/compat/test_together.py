"""Facts about a pair count wherever the two come in: as a dependency, an extra, by another name, by the solver."""

from __future__ import annotations

import pytest

from builder.compat.facts import Facts
from builder.compat.load import load_facts
from builder.compat.model import Relation, Side
from builder.compat.together import LockedSetJudge, together
from builder.errors import UnsatisfiableError
from builder.platforms import Subdir

MAC = Subdir.OSX_ARM64


@pytest.fixture(scope="module")
def judge() -> LockedSetJudge:
    return LockedSetJudge(facts=load_facts())


@pytest.mark.parametrize(
    ("packages", "cause", "hint"),
    [
        (
            {("pip", "tensorflow"): "2.18.0", ("pip", "tensorflow-metal"): "1.1.0", ("conda", "python"): "3.11.9"},
            "__ZN3tsl8internal10LogMessageC1EPKcii",
            "take TensorFlow 2.17 with tensorflow-metal 1.1.0",
        ),
        (
            {("pip", "tensorflow-macos"): "2.11.0", ("pip", "tensorflow-metal"): "0.7.0"},
            "could not find registered platform",
            "",
        ),
        ({("pip", "torch"): "2.2.0", ("conda", "numpy"): "2.0.1"}, "Numpy is not available", "use NumPy 1.26"),
        (
            {("pip", "tensorflow-cpu"): "2.17.1+local", ("pip", "numpy"): "2.1.0"},
            "compiled against NumPy 1",
            "NumPy 1.26",
        ),
    ],
)
def test_a_pair_that_is_known_not_to_work_is_refused_with_fact_source_and_remedy(
    judge: LockedSetJudge, packages: dict[tuple[str, str], str], cause: str, hint: str
) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        judge(MAC, packages)
    assert cause in caught.value.message
    assert caught.value.message.startswith("osx-arm64: ")
    assert "Source: " in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.hint


def test_a_pair_that_computes_wrongly_is_loud(judge: LockedSetJudge) -> None:
    found = list(
        judge(MAC, {("pip", "tensorflow-metal"): "1.2.0", ("pip", "keras"): "3.8.0", ("pip", "tensorflow"): "2.19.1"})
    )
    assert any(text.startswith("UNSAFE") and "relu(bias_add" in text for text in found)


def test_a_pair_nobody_has_tried_is_unproven_and_not_refused(judge: LockedSetJudge) -> None:
    (text,) = judge(MAC, {("pip", "tensorflow"): "2.40.0", ("pip", "keras"): "3.15.0"})
    assert text == "unproven: no fact says that Keras 3.15.0 works with TensorFlow 2.40.0"


def test_our_own_lock_is_fit(judge: LockedSetJudge) -> None:
    """conda-forge's TensorFlow is compiled against another NumPy than PyPI's wheels, and declares other bounds."""
    packages = {
        ("conda", "tensorflow"): "2.19.1",
        ("conda", "tensorflow-base"): "2.19.1",
        ("conda", "keras"): "3.12.0",
        ("conda", "numpy"): "2.5.1",
        ("conda", "python"): "3.12.11",
    }
    assert list(judge(MAC, packages)) == []
    old = {("conda", "tensorflow-base"): "2.17.0", ("conda", "numpy"): "2.1.0"}
    assert list(judge(MAC, old)) == [], "the fact is about the wheels of PyPI"


def test_a_relation_about_one_origin_says_nothing_about_another() -> None:
    relation = Relation(
        id="x", source="s", established="published", date="2026-01-01", verdict="fails", cause="c",
        left=Side(package="one", origin="pypi"), right=Side(package="two"),
    )  # fmt: skip
    facts = Facts(relations=(relation,))
    assert together({("pip", "one"): "1", ("pip", "two"): "1"}, facts=facts).fails == (relation,)
    assert together({("conda", "one"): "1", ("pip", "two"): "1"}, facts=facts).fails == ()


def test_what_has_no_readable_version_is_left_out(judge: LockedSetJudge) -> None:
    assert list(judge(MAC, {("conda", "tensorflow"): "not-a-version", ("conda", "numpy"): "2.0"})) == []


@pytest.mark.parametrize(
    ("packages", "told"),
    [
        ({("conda", "pytorch"): "2.5.1", ("pip", "torchvision"): "0.20.1"}, "PyTorch 2.5.1 comes from conda-forge and"),
        ({("pip", "torch"): "2.5.1", ("conda", "torchvision"): "0.20.1"}, "torchvision 0.20.1 comes from conda-forge"),
        (
            {("conda", "tensorflow"): "2.19.1", ("pip", "tensorflow_metal"): "1.2.0"},
            "TensorFlow 2.19.1 comes from conda-forge and tensorflow-metal 1.2.0 comes from PyPI; facts about the two "
            "are about both from PyPI",
        ),
        ({("conda", "jaxlib"): "0.4.34", ("pip", "jax-metal"): "0.1.1"}, "are about both from PyPI"),
        ({("conda", "tensorflow-base"): "2.19.1", ("pip", "tensorflow-text"): "2.19.0"}, "no fact is about the two"),
    ],
)
def test_what_is_built_for_one_origin_is_unproven_beside_another(
    judge: LockedSetJudge, packages: dict[tuple[str, str], str], told: str
) -> None:
    (unproven,) = (text for text in judge(MAC, packages) if text.startswith("unproven: "))
    assert told in unproven
    assert unproven.endswith("so nothing shows that these load")


def test_of_one_origin_they_are_as_before(judge: LockedSetJudge) -> None:
    assert list(judge(MAC, {("conda", "pytorch"): "2.5.1", ("conda", "torchvision"): "0.20.1"})) == []
    assert list(judge(MAC, {("pip", "torch"): "2.5.1", ("pip", "torchvision"): "0.20.1"})) == []


def test_what_is_known_not_to_fit_is_refused_whatever_the_origins(judge: LockedSetJudge) -> None:
    with pytest.raises(UnsatisfiableError, match="no tensorflow-metal loads"):
        judge(MAC, {("conda", "tensorflow"): "2.20.0", ("pip", "tensorflow-metal"): "1.2.0"})


def test_a_plug_in_without_its_host_is_told(judge: LockedSetJudge) -> None:
    (told,) = judge(MAC, {("pip", "tensorflow-metal"): "1.2.0", ("conda", "python"): "3.12.4"})
    assert told == (
        "osx-arm64: tensorflow-metal is a plug-in for TensorFlow, which is not in the lock, so it does nothing"
    )
    assert (
        list(judge(MAC, {("pip", "jax-metal"): "0.1.1", ("pip", "jaxlib"): "0.4.34", ("pip", "jax"): "0.4.34"})) == []
    )


WHEELS = {
    ("pip", name): version
    for name, version in {"scikit-learn": "1.9.1", "xgboost": "3.4.1", "lightgbm": "4.7.0", "torch": "2.15.0"}.items()
}


def test_wheels_with_openmp_runtimes_of_their_own_are_named_in_one_sentence(judge: LockedSetJudge) -> None:
    """scikit-learn's and PyTorch's wheels bring one each; those of XGBoost and LightGBM look for Homebrew's."""
    (two, *lacking) = judge(MAC, WHEELS)
    assert two.startswith(
        "UNSAFE: the wheels of lightgbm, PyTorch, scikit-learn and xgboost for Apple silicon load more"
    )
    assert "take them from conda-forge" in two
    named = sorted(text.split(" from ")[0] for text in lacking)
    assert named == ["osx-arm64: lightgbm 4.7.0", "osx-arm64: xgboost 3.4.1"]
    assert all("looks for /opt/homebrew/opt/libomp/lib/libomp.dylib" in text for text in lacking)
    assert all("Source: load commands of the arm64 wheels" in text for text in lacking)


def test_condas_openmp_serves_wheels_that_bring_none(judge: LockedSetJudge) -> None:
    alone = {("pip", "xgboost"): "3.4.1", ("conda", "python"): "3.12.1"}
    (lacking,) = judge(MAC, alone)
    assert "add conda's `llvm-openmp`" in lacking
    assert list(judge(MAC, alone | {("conda", "llvm-openmp"): "21.1.0"})) == []
    assert list(judge(MAC, {("pip", "xgboost"): "2.0.3"})) == [], "up to 2.0 the wheels brought a copy"
    both = {("pip", "xgboost"): "3.4.1", ("pip", "lightgbm"): "4.7.0", ("conda", "llvm-openmp"): "21.1.0"}
    assert list(judge(MAC, both)) == [], "they share it"


def test_openmp_is_a_matter_of_macs_and_of_wheels(judge: LockedSetJudge) -> None:
    assert list(judge(Subdir.LINUX_64, WHEELS)) == []
    assert list(judge(MAC, {("conda", name): version for (_, name), version in WHEELS.items()})) == []
