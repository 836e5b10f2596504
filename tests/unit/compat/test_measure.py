"""How measurements are made and read: a slip here would put a wrong fact under every plan."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from packaging.tags import Tag

from builder.compat.fact_file import FactFile
from builder.compat.load import DATA, load_facts
from builder.compat.runs import Linkage, Suite, SuiteRun, SymbolRun
from builder.errors import SourceUnreachableError
from builder.models import validated
from tools.measure import symbol_wheels
from tools.measuring import conda_forge, keras_suite, metadata, symbols
from tools.measuring.keras_runs import Pair, Run, interpret

if TYPE_CHECKING:
    from pathlib import Path

    from builder.compat.model import Relation

DAY = date(2026, 11, 22)


def read(channel: Path) -> dict[str, list[dict[str, Any]]]:
    return {subdir: conda_forge.read_repodata(channel, subdir) for subdir in ("linux-64", "osx-arm64", "noarch")}


def lines(*messages: dict[str, object]) -> list[str]:
    return ["noise of the framework", *map(json.dumps, messages)]


def test_a_step_that_kills_the_process_is_named() -> None:
    passed, failed, seen = interpret(
        lines(
            {"start": "import"},
            {"step": "import", "error": None, "tensorflow": "2.19.1", "keras": "3.12.4"},
            {"start": "build"},
            {"step": "build", "error": None},
            {"start": "fit"},
        ),
        returncode=-11,
    )
    assert passed == ("import", "build")
    assert failed == {"fit": "the process ended with status -11 during this step"}
    assert seen == {"tensorflow": "2.19.1", "keras": "3.12.4"}


def test_silence_is_no_pass() -> None:
    run = Run(pair=Pair(tensorflow="2.19.1", keras="3.12.4", python="3.11"), python="3.11.7", date="2026-11-22")
    assert run.to_yaml()["passed"] == []
    _, failed, _ = interpret(lines({"start": "import"}), returncode=1)
    assert "import" in failed


def test_what_fails_in_every_keras_3_decides_no_pair() -> None:
    assert set(keras_suite.NOTED) < set(keras_suite.STEPS)
    pair = Pair(tensorflow="2.19.1", keras="3.12.4", python="3.11")
    noted = Run(pair=pair, python="3.11.7", date="2026-11-22", failed=dict.fromkeys(keras_suite.NOTED, "…"))
    broken = Run(pair=pair, python="3.11.7", date="2026-11-22", failed={"fit": "…"})
    assert (noted.to_yaml()["result"], broken.to_yaml()["result"]) == ("pass", "fail")


SUITE = Suite(host="tensorflow", partner="keras", legacy="tf-keras")
TITLES = {"tensorflow": "TensorFlow", "keras": "Keras"}


def run_relations(**changes: object) -> tuple[Relation, ...]:
    record = {
        "host": "2.19.1", "partner": "3.12.4", "python": "3.11.7", "date": "2026-11-22", "result": "pass",
        "companions": {"numpy": "2.1.3"}, "passed": ["import", "fit"],
    }  # fmt: skip
    return validated(record | changes, SuiteRun).relations(SUITE, measured_on="linux-64", titles=TITLES)


def test_a_passed_run_is_a_fact_about_keras_and_about_numpy() -> None:
    found = run_relations()
    assert [(r.right.package, r.right.versions, r.verdict) for r in found] == [
        ("keras", "3.12", "works"),
        ("numpy", "2.1", "works"),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"result": "refused"}, []),
        ({"result": "fail", "failed": {"import": "boom"}}, ["keras"]),
        (
            {"result": "fail", "failed": {"import": "boom"}, "subject": "numpy", "overrides": ["numpy==2.1.3"]},
            ["numpy"],
        ),
        ({"result": "fail", "failed": {"import": "boom"}, "subject": "resolution"}, []),
        ({"subject": "numpy", "overrides": ["numpy==2.1.3"]}, ["numpy"]),
        ({"overrides": ["keras==3.12.4"]}, ["keras"]),
    ],
)
def test_a_failure_is_laid_on_what_the_run_was_about(changes: dict[str, object], expected: list[str]) -> None:
    assert [relation.right.package for relation in run_relations(**changes)] == expected


def test_missing_symbols_become_a_refusal_naming_the_first() -> None:
    run = validated(
        {"plugin": "1.1.0", "pythons": ["3.11"], "host": "2.18.1", "wheel": "tensorflow-2.18.1.whl",
         "date": "2026-11-22", "bound": 160, "missing": 1, "symbols": ["__ZN3tsl8internal10LogMessageC1EPKcii"]},
        SymbolRun,
    )  # fmt: skip
    linkage = Linkage(plugin="tensorflow-metal", host="tensorflow", label="metal")
    relation = run.relation(linkage, measured_on="wheels read on Linux", titles=TITLES)
    assert relation.verdict == "fails"
    assert relation.symbol == "__ZN3tsl8internal10LogMessageC1EPKcii"
    assert "tensorflow-metal 1.1.0 cannot load with TensorFlow 2.18" in relation.cause


@pytest.mark.parametrize(
    ("tag", "pythons", "places", "floor"),
    [
        ("cp311-cp311-macosx_12_0_arm64", {"3.11"}, ("osx-arm64",), (12, 0)),
        ("cp313-none-macosx_11_0_arm64", {"3.13"}, ("osx-arm64",), (11, 0)),
        ("cp313-cp313t-macosx_14_0_arm64", set(), ("osx-arm64",), (14, 0)),
        ("cp311-cp311-macosx_10_9_universal2", {"3.11"}, ("osx-arm64", "osx-64"), (10, 9)),
        ("cp312-cp312-manylinux_2_17_x86_64", {"3.12"}, ("linux-64",), (0, 0)),
        ("cp312-cp312-manylinux2014_aarch64", {"3.12"}, ("linux-aarch64",), (0, 0)),
        ("cp312-cp312-musllinux_1_2_x86_64", {"3.12"}, (), (0, 0)),
        ("cp312-cp312-win_amd64", {"3.12"}, (), (0, 0)),
        ("py3-none-any", set(), ("any",), (0, 0)),
        ("cp312-abi3-macosx_11_0_arm64", {"3.12", "3.13", "3.14"}, ("osx-arm64",), (11, 0)),
    ],
)
def test_wheel_tags_are_read(tag: str, pythons: set[str], places: tuple[str, ...], floor: tuple[int, int]) -> None:
    parsed = Tag(*tag.split("-"))
    assert metadata.pythons_of(parsed) == pythons
    assert metadata.place_of(parsed) == (places, floor)


def test_free_threaded_wheels_are_left_out_and_floors_are_the_lowest_tag() -> None:
    found = metadata.group(
        [
            "https://index/numpy-2.1.0-cp313-cp313t-macosx_11_0_arm64.whl",
            "https://index/numpy-2.1.0-cp312-cp312-macosx_14_0_arm64.whl",
            "https://index/numpy-2.1.0-cp312-cp312-macosx_11_0_arm64.whl",
        ]
    )
    assert found["osx-arm64"].pythons == {"3.12"}
    assert found["osx-arm64"].floors == {"3.12": (11, 0)}


def channel(folder: Path) -> Path:
    depends = ["python >=3.12,<3.13.0a0", "tensorflow-base 2.19.1 cpu_py312x_4"]
    base = ["keras >=3.5", "numpy >=1.23,<3", "protobuf 6.31.*", "__osx >=11.0", "libprotobuf >=6"]
    mac = {
        "a.conda": {"name": "tensorflow", "version": "2.19.1", "build": "cpu_py312y_4", "depends": depends},
        "b.conda": {"name": "tensorflow-base", "version": "2.19.1", "build": "cpu_py312x_4", "depends": base},
        "c.conda": {"name": "tensorflow", "version": "2.19.1", "build": "cuda128py312z_4", "depends": []},
    }
    keras = {"k.conda": {"name": "keras", "version": "3.14.0", "build": "pyh_0", "depends": ["python >=3.11", "h5py"]}}
    for subdir, packages in (("osx-arm64", mac), ("linux-64", {}), ("noarch", keras)):
        (folder / subdir).mkdir()
        (folder / subdir / "repodata.json").write_text(json.dumps({"packages.conda": packages}), encoding="utf-8")
    return folder


def test_a_channels_builds_become_releases(tmp_path: Path) -> None:
    file = tmp_path / "out.yaml"
    assert conda_forge.measure(read(channel(tmp_path)), file=file, seen=DAY) == 2
    part = validated(yaml.safe_load(file.read_text(encoding="utf-8")), FactFile)
    keras, tensorflow = part.releases
    assert keras.builds["any"].requires_python == ">=3.11"
    build = tensorflow.builds["osx-arm64"]
    assert (build.pythons, build.macos) == (("3.12",), "11.0")
    assert build.requires == ("keras>=3.5", "numpy>=1.23,<3", "protobuf==6.31.*")


def test_a_channel_that_is_not_there_is_said_to_be_unreachable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachableError, match="no readable repodata"):
        conda_forge.measure(read(tmp_path), file=tmp_path / "out.yaml", seen=DAY)


def test_a_record_keeps_the_exact_count_of_missing_symbols_and_some_names() -> None:
    outcome = symbols.Outcome(bound=147, missing=tuple(f"_s{n}" for n in range(40)), missing_libraries=("@rpath/x.so",))
    assert not outcome.loads
    assert symbols.Outcome(bound=147).loads


def test_an_error_is_kept_on_one_line_with_its_cause_and_without_this_machines_paths() -> None:
    import sys

    text = keras_suite.describe(
        ValueError(f"in user code:\n  File {sys.prefix}/x.py\n" + "frame\n" * 300 + "the cause")
    )
    assert "\n" not in text
    assert sys.prefix not in text
    assert text.startswith("ValueError: in user code:")
    assert text.endswith("the cause")
    assert len(text) < 700


def test_a_run_with_tf_keras_is_a_fact_about_tf_keras_alone() -> None:
    found = run_relations(legacy="2.19.0")
    assert [(r.right.package, r.right.versions, r.verdict) for r in found] == [("tf-keras", "2.19", "works")]


def test_the_macos_of_a_release_is_each_wheels_own() -> None:
    """mlx 0.29.4 has one wheel that wants macOS 15, for Python 3.13; the others run on 14."""
    urls = [
        "https://index.example/mlx-0.29.4-cp312-cp312-macosx_14_0_arm64.whl",
        "https://index.example/mlx-0.29.4-cp313-cp313-macosx_15_0_arm64.whl",
    ]
    floors = metadata.group(urls)["osx-arm64"].floors
    assert floors == {"3.12": (14, 0), "3.13": (15, 0)}


@pytest.mark.parametrize("folder", ["", "tensorflow_metal-0.5.1.data/purelib/"])
def test_a_plug_in_is_found_where_the_wheel_keeps_it(tmp_path: Path, folder: str) -> None:
    """tensorflow-metal up to 0.3, and its Python 3.8 wheels from 0.5.1 on, keep it below `.data/purelib/`."""
    wheel = tmp_path / "a.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(folder + symbols.PLUGIN, b"plug-in")
        archive.writestr(folder + "tensorflow-plugins/__init__.py", b"")
    (found,) = symbols.extract(wheel, (symbols.PLUGIN,), tmp_path / "into")
    assert found.read_bytes() == b"plug-in"


def test_every_plug_in_of_every_python_was_compared_with_every_tensorflow_of_a_mac() -> None:
    """One Python without a comparison would be unproven beside pairs that are known to fail."""
    facts = load_facts()
    records = yaml.safe_load((DATA / "symbols-metal.yaml").read_text())["symbols"]
    compared = {(run["plugin"], python, run["host"]) for run in records for python in run["pythons"]}
    lacking = [
        (release.version, python, host)
        for release in facts.releases_of("tensorflow-metal", "pypi")
        for python in release.builds["osx-arm64"].pythons
        for _, host, _ in symbol_wheels(facts)
        if (release.version, python, host) not in compared
    ]
    assert lacking == []


def test_bytes_found_in_the_wheels_of_more_pythons_are_not_compared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {"plugin": "0.6.0", "pythons": ["3.9", "3.10"], "host": "2.9.2", "missing": 0}
    file = tmp_path / "symbols.yaml"
    file.write_text(yaml.safe_dump({"symbols": [record]}))
    plugin = symbols.Plugin(version="0.6.0", pythons=("3.8", "3.9", "3.10"), file=tmp_path / "plug-in")
    monkeypatch.setattr(symbols, "plugins", lambda *_, **__: iter([plugin]))
    hosts = [("tensorflow-macos", "2.9.2", "3.10")]
    assert symbols.measure(metal=["0.6.0"], tensorflow=hosts, file=file, wheels=tmp_path, today=DAY) == 0
    (kept,) = yaml.safe_load(file.read_text())["symbols"]
    assert kept == record | {"pythons": ["3.8", "3.9", "3.10"]}
