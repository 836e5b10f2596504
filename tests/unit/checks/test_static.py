"""The other static checks: architecture, signatures, packages, frameworks, floors."""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builder.environment.environment import Environment
from builder.environment.stamp import RELATIVE_PATH, Expectations, Stamp, StampedPackage
from builder.finding import Status
from builder.platforms import Subdir
from builder.report.drawing import drawing
from tests.unit.checks.trees import DATA, ON_MACS, conda_record, dist, guest, interpreter, put, site_of, verified

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Finding
    from tests.unit.checks.support import Tree


def statuses(found: dict[str, tuple[Finding, ...]], check: str) -> list[Status]:
    return [finding.status for finding in found[check]]


def stamped(prefix: Path, expectations: Expectations) -> None:
    path = prefix / RELATIVE_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp = Stamp(name="tf", subdir=Subdir.OSX_ARM64, lock_sha256="0" * 64, envbuild_version="0", packages=())
    path.write_text(replace(stamp, expectations=expectations).dumps())


def test_every_check_reports_on_a_healthy_environment(tmp_path: Path) -> None:
    """A check that says nothing cannot be told from one that was forgotten."""
    interpreter(tmp_path)
    guest(site_of(tmp_path))
    found = verified(tmp_path)
    assert set(found) == ON_MACS
    assert {status for check in found for status in statuses(found, check)} == {Status.PASS, Status.SKIP}
    assert all(finding.title and finding.title.endswith(".") for items in found.values() for finding in items)


def test_intel_wheel_slipped_in(tmp_path: Path) -> None:
    guest(tmp_path)
    put("libgreet-x86_64.dylib", tmp_path / "slipped" / "_core.so")
    dist(tmp_path, "slipped", "3.1", ["slipped/_core.so"], tag="cp311-cp311-macosx_10_9_x86_64")
    found = verified(tmp_path)
    assert "slipped/_core.so (slipped 3.1): have 'x86_64', need 'arm64'" in found["arch.binary"][0].evidence
    assert found["arch.packages"][0].evidence == (
        "wheel slipped 3.1 (cp311-cp311-macosx_10_9_x86_64) is not for osx-arm64",
    )


def test_linux_wheel_slipped_in(tmp_path: Path) -> None:
    guest(tmp_path)
    (tmp_path / "slipped").mkdir()
    shutil.copy(DATA.parent / "elf" / "libhost-x86_64.so", tmp_path / "slipped" / "_core.so")
    dist(tmp_path, "slipped", "3.1", ["slipped/_core.so"], tag="cp311-cp311-manylinux_2_28_x86_64")
    found = verified(tmp_path)
    assert found["arch.binary"][0].evidence == ("slipped/_core.so (slipped 3.1): a Linux binary",)
    assert statuses(found, "arch.packages") == [Status.FAIL]


def test_other_environments_of_a_base_prefix_are_not_its_own(tmp_path: Path) -> None:
    interpreter(tmp_path)
    put("libgreet-x86_64.dylib", tmp_path / "envs" / "old" / "lib" / "libgreet.dylib")
    put("libgreet-x86_64.dylib", tmp_path / "pkgs" / "old-1.0-0" / "lib" / "libgreet.dylib")
    assert statuses(verified(tmp_path), "arch.binary") == [Status.PASS]


def test_one_of_a_set_named_by_architecture_is_left_out(tmp_path: Path) -> None:
    """debugpy ships one helper per processor and picks by name: no defect."""
    put("libgreet-arm64.dylib", tmp_path / "helper" / "attach.dylib")
    put("libgreet-x86_64.dylib", tmp_path / "helper" / "attach_x86_64.dylib")
    assert statuses(verified(tmp_path), "arch.binary") == [Status.PASS]


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ("cp311-cp311-macosx_11_0_arm64", Status.PASS),
        ("cp311-cp311-macosx_10_9_universal2", Status.PASS),
        ("cp38-abi3-macosx_11_0_arm64", Status.PASS),
        ("py3-none-any", Status.PASS),
        ("py3-none-macosx_11_0_arm64", Status.PASS),
        ("cp312-cp312-macosx_11_0_arm64", Status.FAIL),
        ("cp312-abi3-macosx_11_0_arm64", Status.FAIL),
        ("cp311-cp311-manylinux_2_28_x86_64", Status.FAIL),
    ],
)
def test_wheel_tags(tmp_path: Path, tag: str, status: Status) -> None:
    interpreter(tmp_path)
    dist(site_of(tmp_path), "some", "1.0", tag=tag)
    assert statuses(verified(tmp_path), "arch.packages") == [status]


def test_conda_package_of_another_subdir(tmp_path: Path) -> None:
    """CONDA_SUBDIR forgotten on the second install mixes architectures (conda/conda#11505)."""
    interpreter(tmp_path)
    conda_record(tmp_path, "zlib", "1.3", subdir="osx-64")
    assert verified(tmp_path)["arch.packages"][0].evidence == ("conda package zlib 1.3 is for osx-64",)


def test_universal_interpreter_follows_its_parent(tmp_path: Path) -> None:
    interpreter(tmp_path)
    put("libgreet-universal2.dylib", tmp_path / "bin" / "python3.11")
    assert statuses(verified(tmp_path), "arch.universal") == [Status.WARN]


def test_intel_interpreter(tmp_path: Path) -> None:
    interpreter(tmp_path)
    put("libgreet-x86_64.dylib", tmp_path / "bin" / "python3.11")
    assert statuses(verified(tmp_path), "arch.interpreter") == [Status.FAIL]


def test_edited_binary_no_longer_matches_its_signature(tmp_path: Path) -> None:
    """What prefix replacement without re-signing leaves: the kernel kills the process."""
    path = put("libgreet-arm64.dylib", tmp_path / "lib" / "libgreet.dylib")
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
    (finding,) = verified(tmp_path)["sign.adhoc"]
    assert finding.status is Status.FAIL
    assert "1 page of" in finding.evidence[0]


def test_an_unsigned_arm64_binary_fails_and_an_intel_one_needs_no_signature(tmp_path: Path) -> None:
    """Apple silicon kills what is not signed; a signature that is absent is not one that is in order."""
    path = put("libgreet-arm64.dylib", tmp_path / "lib" / "libgreet.dylib")
    data = path.read_bytes()
    signature = data.index(struct.pack("<II", 0x1D, 16))  # LC_CODE_SIGNATURE, 16 bytes long
    path.write_bytes(data[:signature] + struct.pack("<I", 0x26) + data[signature + 4 :])  # LC_FUNCTION_STARTS instead
    (finding,) = verified(tmp_path)["sign.adhoc"]
    assert finding.status is Status.FAIL
    assert finding.title == "1 binary has an invalid signature; macOS will kill processes that load it."
    assert finding.evidence == ("lib/libgreet.dylib: no code signature",)
    put("libgreet-x86_64.dylib", path)
    assert statuses(verified(tmp_path, subdir=Subdir.OSX_64), "sign.adhoc") == [Status.SKIP]


def test_changed_missing_and_added_files(tmp_path: Path) -> None:
    guest(tmp_path)
    (tmp_path / "guest" / "a.py").write_text("a = 1\n")
    (tmp_path / "guest" / "b.py").write_text("b = 1\n")
    dist(tmp_path, "more", "1.0", ["guest/a.py", "guest/b.py"])
    (tmp_path / "guest" / "a.py").write_text("a = 2\n")
    (tmp_path / "guest" / "b.py").unlink()
    (tmp_path / "guest" / "c.py").write_text("c = 1\n")
    changed, added = verified(tmp_path)["pkg.integrity"]
    assert (changed.status, added.status) == (Status.FAIL, Status.WARN)
    assert changed.evidence[:2] == ("changed: guest/a.py (more 1.0)", "missing: guest/b.py (more 1.0)")
    # Of an environment that others made, it may have been published with a wrong RECORD.
    assert changed.evidence[2].startswith("not known here: what the archive holds.")
    assert added.evidence == ("added: guest/c.py",)


def test_a_renamed_folder_is_one_finding(tmp_path: Path) -> None:
    guest(tmp_path)
    (tmp_path / "guest" / "__init__.py").write_text("a = 1\n")
    dist(tmp_path, "more", "1.0", ["guest/__init__.py"])
    (tmp_path / "guest").rename(tmp_path / "guest_old")
    (finding,) = verified(tmp_path)["pkg.integrity"]
    assert finding.title.startswith("guest was renamed to guest_old, so")
    assert finding.remedy is not None
    assert f"mv -- {tmp_path}/guest_old {tmp_path}/guest_old.set-aside" in finding.remedy.commands


def test_a_file_that_nobody_may_read_is_named(tmp_path: Path) -> None:
    """Also where root looks, who may."""
    guest(tmp_path)
    (tmp_path / "guest" / "a.py").write_text("a = 1\n")
    dist(tmp_path, "more", "1.0", ["guest/a.py"])
    (tmp_path / "guest" / "a.py").chmod(0)
    assert verified(tmp_path)["pkg.integrity"][0].evidence == ("changed: guest/a.py (more 1.0): nobody may read it",)


def test_a_deleted_link_is_missing(tmp_path: Path) -> None:
    """conda-meta has no hash of some links, and `bin/python` is one."""
    interpreter(tmp_path)
    record = next((tmp_path / "conda-meta").glob("python-*.json"))
    data = json.loads(record.read_text())
    data["paths_data"]["paths"].append({"_path": "bin/python3-link", "path_type": "softlink"})
    record.write_text(json.dumps(data))
    assert verified(tmp_path)["pkg.integrity"][0].evidence == ("missing: bin/python3-link (conda python 3.11.9)",)


def test_conda_file_changed(tmp_path: Path) -> None:
    interpreter(tmp_path)
    (tmp_path / "lib" / "libpython3.11.dylib").write_bytes(b"short")
    assert verified(tmp_path)["pkg.integrity"][0].evidence == (
        "changed: lib/libpython3.11.dylib (conda python 3.11.9)",
    )


def test_damaged_conda_record(tmp_path: Path) -> None:
    interpreter(tmp_path)
    (tmp_path / "conda-meta" / "broken-1.0-0.json").write_text("{")
    assert "conda-meta/broken-1.0-0.json" in verified(tmp_path)["pkg.integrity"][0].title


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("[" * 100_000, False),
        ('{"name": "a", "version": "1", "paths_data": {"paths": [{"_path": "a\\u0000b", "sha256": "00"}]}}', True),
        ('{"name": "a", "version": "1", "paths_data": {"paths": [{"_path": "/dev/zero", "sha256": "00"}]}}', True),
        ('{"name": "a", "version": "1", "paths_data": {"paths": [{"_path": "../../x", "sha256": "00"}]}}', True),
    ],
    ids=["nested", "null-byte", "absolute", "outside"],
)
def test_hostile_conda_records(tmp_path: Path, text: str, readable: bool) -> None:
    """Nested too deep for the parser, or naming what is no file of the prefix: a finding or nothing, never an error."""
    interpreter(tmp_path)
    (tmp_path / "conda-meta" / "hostile.json").write_text(text)
    found = verified(tmp_path)["pkg.integrity"]
    assert [finding.status for finding in found] == ([Status.PASS] if readable else [Status.FAIL])


@pytest.mark.parametrize("locked", [True, False])
def test_packages_that_overwrite_each_other_by_the_lock_itself(tree: Tree, *, locked: bool) -> None:
    """As opencv-python and opencv-python-headless do: building it again from the same lock would do it again."""
    for name, digest in (("one", "a"), ("other", "b")):
        tree.dist(name, "1.0")
        record = tree.site / f"{name}-1.0.dist-info" / "RECORD"
        record.write_text(f"shared.py,sha256={digest * 43},1\n")
    (tree.site / "shared.py").write_text("")
    names = ("one", "other") if locked else ("one",)
    tree.stamp(*(StampedPackage(name=name, version="1.0", manager="pip") for name in names))
    (finding,) = tree.findings("pkg.clobber")
    assert finding.status is Status.FAIL
    assert finding.remedy is not None
    assert bool(finding.remedy.commands) is not locked
    assert ("out of the recipe" in finding.remedy.say) is locked


def test_pip_over_conda(tmp_path: Path) -> None:
    interpreter(tmp_path)
    site = site_of(tmp_path)
    (site / "pkg").mkdir()
    (site / "pkg" / "__init__.py").write_text("v = 1\n")
    conda_record(tmp_path, "pkg", "1.0", ["lib/python3.11/site-packages/pkg/__init__.py"])
    (site / "pkg" / "__init__.py").write_text("v = 2\n")
    dist(site, "pkg", "2.0", ["pkg/__init__.py"], installer="pip")
    (finding,) = verified(tmp_path)["pkg.clobber"]
    assert finding.status is Status.FAIL
    assert "pkg: conda says 1.0, pip installed 2.0 over it" in finding.evidence


def test_requirements(tmp_path: Path) -> None:
    """Markers are those of the target: a requirement for Linux or Windows is none here."""
    interpreter(tmp_path)
    site = site_of(tmp_path)
    dist(site, "numpy", "2.1.0")
    dist(
        site,
        "old",
        "1.0",
        requires=[
            "numpy<2",
            "absent>=1",
            "pywin32; sys_platform == 'win32'",
            "cuda; platform_machine == 'x86_64'",
            "x; extra == 'dev'",
        ],
    )
    (finding,) = verified(tmp_path)["pkg.metadata"]
    assert finding.evidence == (
        "old 1.0 requires numpy<2: 2.1.0 is installed",
        "old 1.0 requires absent>=1: not installed",
    )


@pytest.mark.parametrize(
    ("tensorflow", "keras", "status"),
    [
        ("2.15.0", "2.15.0", Status.PASS),
        ("2.15.0", "3.5.0", Status.FAIL),
        ("2.15.1", "2.14.0", Status.FAIL),
        ("2.16.2", "2.15.0", Status.FAIL),
        ("2.18.0", "3.5.0", Status.PASS),
    ],
)
def test_keras_match(tmp_path: Path, tensorflow: str, keras: str, status: Status) -> None:
    """TensorFlow 2.15 with Keras 3 gives no error at all: tf.keras silently is another Keras."""
    (tmp_path / "tensorflow").mkdir()
    dist(tmp_path, "tensorflow", tensorflow)
    dist(tmp_path, "keras", keras)
    assert statuses(verified(tmp_path), "keras.match") == [status]


def test_tensorflows_own_requirement_on_keras_counts(tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    dist(tmp_path, "tensorflow", "2.20.0", requires=["keras>=3.10.0"])
    dist(tmp_path, "keras", "3.5.0")
    assert "requires keras>=3.10.0" in verified(tmp_path)["keras.match"][0].title


@pytest.mark.parametrize(("host", "status"), [("libhost.dylib", Status.PASS), ("libhost-old.dylib", Status.FAIL)])
def test_metal_match_by_symbols(tmp_path: Path, host: str, status: Status) -> None:
    """A plug-in is looked at as TensorFlow loads it, whatever the versions are called."""
    put(host, tmp_path / "tensorflow" / "libhost.dylib")
    put("module.so", tmp_path / "tensorflow-plugins" / "libmetal_plugin.dylib")
    dist(tmp_path, "tensorflow", "2.18.1", ["tensorflow/libhost.dylib"])
    dist(tmp_path, "tensorflow-metal", "1.2.0", ["tensorflow-plugins/libmetal_plugin.dylib"])
    (finding,) = verified(tmp_path)["metal.match"]
    assert finding.status is status
    assert "tensorflow-metal 1.2.0" in finding.title
    assert "tensorflow 2.18.1" in finding.title
    assert any("_host_mul" in line for line in finding.evidence) == (status is Status.FAIL)


def plugin(site: Path, *, name: str, version: str, host: str, host_version: str) -> None:
    """A plug-in all of whose symbols are in its host, so that only facts can speak against the pair."""
    top, folder = {"tensorflow": ("tensorflow", "tensorflow-plugins"), "jaxlib": ("jaxlib", "jax_plugins/metal")}[host]
    put("libhost.dylib", site / top / "libhost.dylib")
    module = put("module.so", site / folder / "libplugin.dylib")
    module.write_bytes(module.read_bytes().replace(b"@loader_path/../host\0", b"@rpath/\0".ljust(21, b"\0")))
    dist(site, host, host_version, [f"{top}/libhost.dylib"])
    dist(site, name, version, [f"{folder}/libplugin.dylib"], requires=[host])


@pytest.mark.parametrize(
    ("versions", "status", "source"),
    [
        (("tensorflow-metal", "1.2.0", "tensorflow", "2.19.1"), Status.PASS, "made for TensorFlow 2.18"),
        (("tensorflow-metal", "1.2.0", "tensorflow", "2.21.0"), Status.FAIL, "pull requests 126360"),
        (("jax-metal", "0.1.1", "jaxlib", "0.4.34"), Status.PASS, "was made for jaxlib 0.4.34"),
        (("jax-metal", "0.1.1", "jaxlib", "0.4.36"), Status.PASS, "unproven: no fact says"),
        (("jax-metal", "0.1.1", "jaxlib", "0.7.2"), Status.FAIL, "jax-ml/jax#27146"),
        (("jax-metal", "0.1.1", "jaxlib", "not a version"), Status.PASS, "only a run on a Mac"),
    ],
)
def test_metal_match_by_facts(tmp_path: Path, versions: tuple[str, str, str, str], status: Status, source: str) -> None:
    """jax-metal 0.1.1 binds every symbol it needs in any jaxlib and works with few: only facts know."""
    name, version, host, host_version = versions
    plugin(tmp_path, name=name, version=version, host=host, host_version=host_version)
    (finding,) = verified(tmp_path)["metal.match"]
    assert finding.status is status
    assert any(source in line for line in finding.evidence), finding.evidence


@pytest.mark.parametrize(
    ("keras", "tensorflow", "metal", "status"),
    [
        ("3.6.0", "2.18.1", "1.2.0", Status.PASS),
        ("3.7.0", "2.18.1", "1.2.0", Status.WARN),
        ("2.15.0", "2.15.1", "1.1.0", Status.WARN),
    ],
)
def test_metal_that_computes_wrongly_with_this_keras(
    tmp_path: Path, keras: str, tensorflow: str, metal: str, status: Status
) -> None:
    """The pair loads and passes every symbol; on the Mac a Dense layer with relu is then wrong without a word."""
    plugin(tmp_path, name="tensorflow-metal", version=metal, host="tensorflow", host_version=tensorflow)
    dist(tmp_path, "keras", keras)
    (finding,) = verified(tmp_path)["metal.match"]
    assert finding.status is status
    assert any("tensorflow#92686" in line for line in finding.evidence) == (status is Status.WARN)
    assert bool(finding.remedy) == (status is Status.WARN)


def test_a_keras_that_facts_refuse_fails_with_its_source(tmp_path: Path) -> None:
    """The installed metadata is silent here, as it is for what was forced or rebuilt."""
    (tmp_path / "tensorflow").mkdir()
    dist(tmp_path, "tensorflow-cpu", "2.21.0")
    dist(tmp_path, "keras", "3.5.0")
    (finding,) = verified(tmp_path)["keras.match"]
    assert finding.status is Status.FAIL
    assert any(line.startswith("fact ") and "source: " in line for line in finding.evidence)


def test_the_remedy_for_an_old_keras_changes_it(tmp_path: Path) -> None:
    """`pip install 'keras>=3'` would leave the Keras 3.5.0 that is too old in place."""
    (tmp_path / "tensorflow").mkdir()
    dist(tmp_path, "tensorflow", "2.20.0", requires=["keras>=3.10.0"])
    dist(tmp_path, "keras", "3.5.0")
    assert "--upgrade 'keras>=3.10.0'" in str(verified(tmp_path)["keras.match"][0].remedy)


def test_recipe_with_gpu_but_no_plugin(tmp_path: Path) -> None:
    interpreter(tmp_path)
    stamped(tmp_path, Expectations(gpu=True, provider="metal"))
    assert statuses(verified(tmp_path), "metal.match") == [Status.FAIL]


@pytest.mark.parametrize(("floor", "status"), [("12.0", Status.PASS), ("11.0", Status.WARN)])
def test_macos_floor(tmp_path: Path, floor: str, status: Status) -> None:
    """Wheel tags understate what a binary needs (tensorflow-metal 0.5.1 says 12.0, its binary 13.0)."""
    interpreter(tmp_path)
    stamped(tmp_path, Expectations(macos=floor))
    assert statuses(verified(tmp_path), "link.macos-floor") == [status]


def test_blas_other_than_asked(tmp_path: Path) -> None:
    interpreter(tmp_path)
    stamped(tmp_path, Expectations(blas="newaccelerate"))
    site = site_of(tmp_path)
    module = put("module.so", site / "numpy" / "linalg" / "_umath_linalg.cpython-311-darwin.so")
    module.write_bytes(module.read_bytes().replace(b"@loader_path/../host\0", b"@loader_path\0".ljust(21, b"\0")))
    module.write_bytes(module.read_bytes().replace(b"libhost.dylib\0", b"libopenblas.0\0"))
    put("libhost.dylib", site / "numpy" / "linalg" / "libopenblas.0")
    dist(site, "numpy", "2.1.0")
    (finding,) = verified(tmp_path)["blas.vendor"]
    assert finding.status is Status.FAIL
    assert finding.title == "The recipe asks for newaccelerate, but numpy uses OpenBLAS."


@pytest.mark.parametrize(
    ("fixture", "asked", "status"),
    [
        ("accelerate-classic.so", "newaccelerate", Status.FAIL),
        ("accelerate-classic.so", "accelerate", Status.PASS),
        ("accelerate-new.so", "newaccelerate", Status.PASS),
        ("accelerate-new.so", "openblas", Status.FAIL),
        ("accelerate-new.so", "auto", Status.PASS),
    ],
)
def test_classic_accelerate_is_not_the_new_one(tmp_path: Path, fixture: str, asked: str, status: Status) -> None:
    interpreter(tmp_path)
    stamped(tmp_path, Expectations(blas=asked))
    put(fixture, site_of(tmp_path) / "numpy" / "linalg" / "_umath_linalg.cpython-311-darwin.so")
    dist(site_of(tmp_path), "numpy", "2.1.0")
    assert statuses(verified(tmp_path), "blas.vendor") == [status]


def test_an_empty_folder_skips_and_never_passes_packages(tmp_path: Path) -> None:
    found = verified(tmp_path)
    assert statuses(found, "pkg.metadata") == [Status.SKIP]
    assert statuses(found, "pkg.integrity") == [Status.SKIP]
    assert statuses(found, "sign.adhoc") == [Status.SKIP]


def test_drawing_is_one_self_contained_svg(tmp_path: Path) -> None:
    put("libhost.dylib", tmp_path / "one" / "libomp.dylib")
    module = put("module.so", tmp_path / "one" / "module.so")
    module.write_bytes(module.read_bytes().replace(b"libhost.dylib\0", b"libomp.dylib\0\0"))
    module.write_bytes(module.read_bytes().replace(b"@loader_path/../host\0", b"@loader_path\0".ljust(21, b"\0")))
    dist(tmp_path, "one<&>", "1.0", ["one/libomp.dylib", "one/module.so"])
    svg = drawing(Environment(tmp_path, subdir=Subdir.OSX_ARM64))
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert "one/libomp.dylib" in svg
    assert "href" not in svg
    assert "<&>" not in svg


def test_a_distribution_without_a_list_of_its_files_fails(tmp_path: Path) -> None:
    guest(tmp_path)
    (tmp_path / "guest-1.0.dist-info" / "RECORD").unlink()
    (finding,) = verified(tmp_path)["pkg.integrity"]
    assert finding.status is Status.FAIL
    assert "guest 1.0 has no RECORD" in finding.title


def test_an_import_package_that_nobody_has_is_what_deleted_metadata_leaves(tmp_path: Path) -> None:
    interpreter(tmp_path)
    guest(site_of(tmp_path))
    (site_of(tmp_path) / "orphan").mkdir()
    (site_of(tmp_path) / "orphan" / "__init__.py").write_text("")
    (finding,) = verified(tmp_path)["pkg.integrity"]
    assert finding.status is Status.WARN
    assert "lib/python3.11/site-packages/orphan" in finding.title
