"""Pairs known from public reports: what failed there must be refused for the right cause, what worked be accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from builder.compat.explain import explain, explain_by_origin, parse
from builder.compat.fit import Judgement, Setting, judge
from builder.compat.load import load_facts
from builder.errors import UsageError
from builder.platforms import Subdir

if TYPE_CHECKING:
    from builder.compat.facts import Facts


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


#: versions, what the refusal must name, where it was reported
REFUSED = [
    ("tensorflow=2.18 tensorflow-metal=1.1.0", "__ZN3tsl8internal10LogMessageC1EPKcii", "tensorflow#81987, #84167"),
    ("tensorflow=2.20 tensorflow-metal=1.2.0", "@rpath/_pywrap_tensorflow_internal.so", "tensorflow PR#126360"),
    ("tensorflow=2.21 tensorflow-metal=1.2.0", "@rpath/_pywrap_tensorflow_internal.so", "tensorflow PR#126384"),
    ("tensorflow=2.14 tensorflow-metal=1.0.0", "TensorShapeProto", "vendor's table ends 1.0 at 2.13"),
    ("tensorflow=2.9 tensorflow-metal=0.6.0", "segmentation fault", "report from an M1"),
    ("tensorflow=2.11 tensorflow-metal=0.7.0", "could not find registered platform with id", "tensorflow#58988"),
    ("tensorflow=2.15 keras=3.0", "keras >=2.15.0,<2.16", "tensorflow#62825, keras#19069"),
    ("tensorflow=2.14 keras=3.0", "keras >=2.14.0,<2.15", "keras#19390"),
    ("tensorflow=2.21 keras=3.10", "keras >=3.12.0", "its own metadata"),
    ("tensorflow=2.17 numpy=2.0", "compiled against NumPy 1", "NumPy 2 migration"),
    ("tensorflow=2.10 numpy=2.2", "compiled against NumPy 1", "fresh installs since NumPy 2"),
    ("tensorflow=2.9.0 protobuf=4.25", "Descriptors cannot be created directly", "tensorflow 2.9.1 release notes"),
    ("tensorflow=2.20 protobuf=4.25", "protobuf >=5.28.0", "cannot import name 'runtime_version'"),
    ("tensorflow=2.19 python=3.13", "not for 3.13", "No matching distribution on Python 3.13"),
    ("tensorflow-metal=1.2.0 python=3.13", "not for 3.13", "No matching distribution on Python 3.13"),
    ("tensorflow=2.15 python=3.12", "not for 3.12", "No matching distribution on Python 3.12"),
    ("jaxlib=0.6.0 jax-metal=0.1.1", "jaxlib newer than 0.5.0", "jax#27146, #26968"),
    ("jax=0.9.0 jaxlib=0.4.34", "jaxlib", "its own metadata"),
    ("torch=2.2 numpy=2.0", "Numpy is not available", "pytorch#107302"),
    ("tf-keras=2.17 tensorflow=2.16", "tensorflow", "tf-keras is for one minor"),
    ("ml-dtypes=0.2 tensorflow=2.19", "ml-dtypes >=0.5.1", "its own metadata"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "cause", "_report"), REFUSED, ids=[entry[0] for entry in REFUSED])
def test_a_pair_that_fails_in_public_reports_is_refused_with_its_cause(
    facts: Facts, words: str, cause: str, _report: str
) -> None:
    explanation = explain(parse(words.split(), facts), subdir=Subdir.OSX_ARM64, facts=facts)
    assert explanation.answer == "refused"
    refusals = [reason for reason in explanation.reasons if reason.kind == "refuses"]
    assert any(cause in reason.statement for reason in refusals), [reason.statement for reason in refusals]
    assert all(reason.source and reason.established for reason in refusals)


WORKS = [
    "tensorflow=2.17 tensorflow-metal=1.1.0",
    "tensorflow=2.18 tensorflow-metal=1.2.0",
    "tensorflow=2.19 tensorflow-metal=1.2.0",
    "tensorflow=2.16 tensorflow-metal=1.2.0 keras=3.6",
    "tensorflow=2.19 tensorflow-metal=1.2.0 keras=3.6 numpy=2.1 python=3.12",
    "tensorflow=2.12 tensorflow-metal=0.8.0",
    "tensorflow=2.15 keras=2.15 numpy=1.26 python=3.11",
    "tensorflow=2.16 keras=3.3 python=3.12",
    "tensorflow=2.21 keras=3.15 python=3.13",
    "jax=0.4.34 jaxlib=0.4.34 jax-metal=0.1.1",
    "tf-keras=2.16 tensorflow=2.16",
    "torch=2.6 numpy=2.1 python=3.13",
    "tensorflow=2.13 numpy=1.24",  # the newest 1.24 is outside, 1.24.3 is what it declares
    "jax=0.4.26 numpy=2.0",
    "h5py=3.11 numpy=2.0",
    "ml-dtypes=0.4 numpy=2.2",
    "mlx=0.28 mlx-metal=0.28 macos=14.0",
]


@pytest.mark.parametrize("words", WORKS)
def test_a_combination_that_is_known_to_work_is_accepted(facts: Facts, words: str) -> None:
    explanation = explain(parse(words.split(), facts), subdir=Subdir.OSX_ARM64, facts=facts)
    assert explanation.answer == "fits", [reason.statement for reason in explanation.reasons]


@pytest.mark.parametrize(
    "words",
    [
        "tensorflow-metal=1.2.0 keras=3.7",
        "tensorflow-metal=1.2.0 keras=3.12",
        "tensorflow-metal=1.1.0 keras=2.15",
        "tensorflow-metal=1.0.0 keras=2.13",
        "tensorflow-metal=0.8.0 keras=2.12 python=3.11",
        "tensorflow=2.16 tensorflow-metal=1.2.0 keras=3.8",
        "tensorflow=2.19 tensorflow-metal=1.2.0 tf-keras=2.19",
    ],
)
def test_pairs_that_load_and_compute_wrongly_are_called_unsafe(facts: Facts, words: str) -> None:
    explanation = explain(parse(words.split(), facts), subdir=Subdir.OSX_ARM64, facts=facts)
    assert explanation.answer == "unsafe"
    assert any("relu(bias_add" in r.statement or "fused" in r.statement for r in explanation.reasons)


def test_the_cp310_wheel_of_metal_0_8_is_not_called_unsafe(facts: Facts) -> None:
    """Only its cp311 wheel holds the plug-in with the fused kernels on."""
    explanation = explain({"tensorflow-metal": "0.8.0", "keras": "2.12.0", "python": "3.10"}, subdir=None, facts=facts)
    assert explanation.answer != "unsafe"


@pytest.mark.parametrize(
    "words",
    [
        "tensorflow=2.30 keras=3.12",
        "tensorflow=2.19 keras=3.40",
        "tensorflow=2.17 tensorflow-metal=1.2.0",
        "jax=0.5.0 jax-metal=0.1.1",
        "tensorflow=2.18 pandas=2.2",  # no fact is about pandas
        "tensorflow=2.18 torch=2.8",  # neither says a word about the other
        "tensorflow=2.18 keras=3.5 torch=2.8",
    ],
)
def test_what_no_fact_covers_is_unproven_and_neither_refused_nor_accepted(facts: Facts, words: str) -> None:
    explanation = explain(parse(words.split(), facts), subdir=None, facts=facts)
    assert explanation.answer == "unproven"


def test_a_refusal_offers_the_nearest_versions_that_fit(facts: Facts) -> None:
    explanation = explain({"tensorflow": "2.18", "tensorflow-metal": "1.1.0"}, subdir=None, facts=facts)
    assert any(offer.startswith("TensorFlow 2.17") for offer in explanation.nearest)
    assert any(offer.startswith("tensorflow-metal 1.2.0") for offer in explanation.nearest)


def test_a_python_that_the_packages_lack_gets_the_nearest_python_they_have(facts: Facts) -> None:
    explanation = explain({"tensorflow-metal": "1.2.0", "python": "3.13"}, subdir=Subdir.OSX_ARM64, facts=facts)
    assert explanation.nearest == ("tensorflow-metal 1.2.0 with Python 3.12",)


def test_an_offer_about_one_package_names_no_others(facts: Facts) -> None:
    explanation = explain({"torch": "2.8"}, subdir=Subdir.OSX_64, facts=facts)
    assert explanation.nearest == ("PyTorch 2.2.2",)


def test_the_macos_that_is_to_run_it_can_be_named(facts: Facts) -> None:
    explanation = explain(parse(["torch=2.12", "macos=12.0"], facts), subdir=Subdir.OSX_ARM64, facts=facts)
    assert explanation.answer == "refused"
    assert "needs macOS 14.0" in explanation.reasons[0].statement


def test_no_reason_is_given_twice(facts: Facts) -> None:
    """NumPy 2.0 was run beside TensorFlow 2.18 once for each Keras; one line says so."""
    statements = [
        r.statement for r in explain({"tensorflow": "2.18", "numpy": "2.0"}, subdir=None, facts=facts).reasons
    ]
    assert len(statements) == len(set(statements))


def test_packages_of_which_no_fact_knows_any_are_refused_with_those_it_knows(facts: Facts) -> None:
    with pytest.raises(UsageError, match="no fact is about 'nosuch'") as caught:
        parse(["nosuch=1.0", "python=3.12"], facts)
    assert "tensorflow" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("tensorflow=2.16 keras=2.15", "register_load_context_function"),
        ("tensorflow=2.20 keras=2.15", "register_load_context_function"),
        ("h5py=3.10 numpy=2.0", "numpy.dtype size changed"),
        ("ml-dtypes=0.3 numpy=2.2", "numpy.core.umath failed to import"),
        ("jaxlib=0.4.25 numpy=2.0", "_ARRAY_API not found"),
        ("jax=0.4.20 numpy=2.0", "_ARRAY_API not found"),
        ("jax=0.6.0 jax-metal=0.1.1", "UNIMPLEMENTED"),
        ("mlx=0.29 mlx-metal=0.28", "mlx-metal"),
    ],
)
def test_what_metadata_admits_and_breaks_is_refused(facts: Facts, words: str, cause: str) -> None:
    explanation = explain(parse(words.split(), facts), subdir=Subdir.OSX_ARM64, facts=facts)
    assert explanation.answer == "refused"
    assert any(cause in reason.statement for reason in explanation.reasons if reason.kind == "refuses")
    assert explanation.nearest


def test_a_macos_floor_below_the_wheels_is_refused(facts: Facts) -> None:
    setting = Setting(subdir=Subdir.OSX_ARM64, macos="13.0")
    judgement = judge({"torch": Version("2.12.1")}, setting=setting, facts=facts)
    newest = facts.releases_of("torch", "pypi")[0]
    judgement = judge({"torch": Version(newest.version)}, setting=setting, facts=facts)
    assert [refusal.statement for refusal in judgement.refusals] == [
        f"PyTorch {newest.version} needs macOS 14.0 and the floor is macOS 13.0"
    ]


def test_the_two_wheels_of_one_release_may_declare_different_things(facts: Facts) -> None:
    """tensorflow#75415: metadata of the Linux wheel must not be used for the Mac."""
    release = facts.release("tensorflow", Version("2.15.1"), "pypi")
    assert release is not None
    mac, linux = release.build("osx-arm64"), release.build("linux-64")
    assert mac is not None
    assert linux is not None
    assert mac.distribution == "tensorflow"
    assert linux.distribution == "tensorflow-cpu"


@pytest.mark.parametrize("word", ["tensorflow", "=2.18", "tensorflow=", "tensorflow=two", "tf=2.1", "x;y=1"])
def test_words_that_name_no_version_are_refused_with_what_to_write(facts: Facts, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse([word, "tensorflow=2.18"], facts)
    assert caught.value.hint


def test_the_macos_floor_is_that_of_the_wheel_for_the_python(facts: Facts) -> None:
    """mlx 0.29.4 for Python 3.13 wants macOS 15; for 3.12 it runs on 14."""
    versions = {"mlx": Version("0.29.4")}

    def judged(python: str) -> Judgement:
        return judge(versions, setting=Setting(subdir=Subdir.OSX_ARM64, python=python, macos="14.0"), facts=facts)

    assert judged("3.12").fits
    assert (
        judged("3.13").refusals[0].statement
        == "MLX 0.29.4 for Python 3.13 needs macOS 15.0 and the floor is macOS 14.0"
    )


@pytest.mark.parametrize(
    ("words", "pypi", "conda"),
    [
        ("tensorflow=2.19 numpy=2.5", "refused", "fits"),
        ("tensorflow=2.19 keras=3.12", "fits", "fits"),
        ("tensorflow=2.18 tensorflow-metal=1.1.0", "refused", None),
        ("torch=2.10.0 torchvision=0.25.0", "fits", "unproven"),
    ],
)
def test_an_answer_holds_for_where_the_packages_come_from(
    facts: Facts, words: str, pypi: str, conda: str | None
) -> None:
    """PyPI's wheel of TensorFlow 2.19 declares numpy<2.2, conda-forge's build does not: our own lock has that pair."""
    answers = {
        answer.origin: answer.answer
        for answer in explain_by_origin(parse(words.split(), facts), subdir=None, facts=facts)
    }
    assert answers.get("pypi") == pypi
    assert answers.get("conda-forge") == conda


def test_what_a_wheel_says_supports_no_channel(facts: Facts) -> None:
    """And of what is near, nothing is offered that is as unproven as what was asked for."""
    answer = explain({"torch": "2.10.0", "torchvision": "0.25.0"}, subdir=None, facts=facts, origin="conda-forge")
    assert not any("PyPI" in (reason.source or "") for reason in answer.reasons if reason.kind == "supports")
    assert answer.nearest == ()


def test_torchvision_is_tied_to_its_pytorch(facts: Facts) -> None:
    setting = Setting(subdir=Subdir.OSX_ARM64, python="3.12", macos="14.0")
    fits = judge({"torch": Version("2.10.0"), "torchvision": Version("0.25.0")}, setting=setting, facts=facts)
    apart = judge({"torch": Version("2.12.1"), "torchvision": Version("0.25.0")}, setting=setting, facts=facts)
    assert fits.fits
    assert not apart.fits
    assert "torch ==2.10.0" in apart.refusals[0].statement


def test_openmp_in_wheels_is_part_of_the_answer(facts: Facts) -> None:
    pypi = explain({"scikit-learn": "1.9", "torch": "2.15"}, subdir=None, facts=facts)
    assert pypi.answer == "unsafe"
    assert "more than one LLVM OpenMP runtime" in pypi.reasons[0].statement
    assert explain({"scikit-learn": "1.9", "torch": "2.15"}, subdir=Subdir.LINUX_64, facts=facts).answer != "unsafe"
    alone = explain({"xgboost": "3.4"}, subdir=None, facts=facts)
    assert any("brings no OpenMP runtime" in reason.statement for reason in alone.reasons)
