"""Judges: the same facts must always lead to the same finding, here with facts of machines we do not have."""

from __future__ import annotations

import math
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from builder.checks import blas, imports, openmp, process
from builder.checks.catalogue import catalogue
from builder.checks.failures import failure
from builder.checks.runs import Ran, Results
from builder.environment.stamp import StampedPackage
from builder.finding import Finding, Status
from builder.frameworks import keras, pytorch, registry, tensorflow
from builder.frameworks.judging import known_answer
from builder.frameworks.keras import judge_versions
from builder.platforms import Subdir
from builder.probes.harness import Step
from builder.probes.schedule import Task
from tests.unit.checks.support import outcome

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.checks.support import Tree

JUDGES: dict[str, Any] = {claim.id: claim.judge for claim in registry.claims() if claim.judge is not None}

NATIVE: dict[str, Any] = {
    "executable": "/env/bin/python",
    "implementation": "CPython",
    "version": "3.12.1",
    "machine": "arm64",
    "platform": "macosx-14.0-arm64",
    "translated": False,
}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, Status.PASS),
        ({"platform": "macosx-10.9-universal2"}, Status.PASS),
        ({"machine": "x86_64", "platform": "macosx-10.9-universal2", "translated": True}, Status.FAIL),
        ({"machine": "x86_64", "platform": "macosx-10.9-x86_64", "translated": False}, Status.FAIL),
        ({"platform": "macosx-11.0-x86_64"}, Status.FAIL),
    ],
)
def test_interpreter_on_a_mac(tree: Tree, changed: dict[str, Any], status: Status) -> None:
    """An x86_64 interpreter on Apple silicon only shows itself by slowness where Rosetta knows AVX."""
    subject = tree.subject(subdir=Subdir.OSX_ARM64)
    finding = process.judge_interpreter(tree.case("process.interpreter", subject=subject, **(NATIVE | changed)))
    assert finding.status is status
    if changed.get("translated"):
        assert "Rosetta" in finding.title


def test_gpu_is_required_only_where_it_is_asked_for(tree: Tree) -> None:
    facts: dict[str, Any] = {"devices": ["/physical_device:CPU:0"], "kinds": ["CPU"], "build": {}}
    mac = tree.subject(subdir=Subdir.OSX_ARM64, gpu=True)
    assert tensorflow.judge_devices(tree.case("tensorflow.devices", subject=mac, **facts)).status is Status.FAIL
    linux = tree.subject(gpu=True)  # tensorflow-metal is a matter of macOS alone
    assert tensorflow.judge_devices(tree.case("tensorflow.devices", subject=linux, **facts)).status is Status.PASS
    two = tree.subject(devices={"CPU": 2})
    assert tensorflow.judge_devices(tree.case("tensorflow.devices", subject=two, **facts)).status is Status.FAIL


@pytest.mark.parametrize(
    ("losses", "after", "by_hand", "says"),
    [
        ([4.0, 1.0, 0.1], 0.1, 0.1, None),
        ([4.0, 4.0, 4.0], 4.0, 4.0, "does not fall"),
        ([4.0, math.nan, math.nan], math.nan, math.nan, "NaN"),
        ([4.0, 1.0, 0.1], 0.1, 0.9, "disagree"),
    ],
)
def test_training_that_does_not_learn_fails(
    tree: Tree, losses: list[float], after: float, by_hand: float, says: str | None
) -> None:
    case = tree.case("keras.fit", "sequential", losses=losses, before=4.0, after=after, by_hand=by_hand)
    finding = keras.judge_fit(case)
    assert finding.status is (Status.PASS if says is None else Status.FAIL)
    assert says is None or says in finding.title


@pytest.mark.parametrize(
    ("difference", "status"), [(0.0, Status.PASS), (1e-7, Status.PASS), (1e-2, Status.FAIL), (math.nan, Status.FAIL)]
)
def test_a_model_must_predict_the_same_after_loading(tree: Tree, difference: float, status: Status) -> None:
    """NaN compares as unequal to everything, and as not greater than any tolerance."""
    assert keras.judge_save(tree.case("keras.save", "sequential.keras", difference=difference)).status is status


@pytest.mark.parametrize(("difference", "status"), [(0.0, Status.PASS), (1e-7, Status.FAIL), (math.nan, Status.FAIL)])
def test_a_state_dict_is_kept_to_the_bit(tree: Tree, difference: float, status: Status) -> None:
    assert pytorch.judge_save(tree.case("torch.save", difference=difference)).status is status


def test_wrong_numbers_on_metal_point_at_the_plugin(tree: Tree) -> None:
    """relu(bias_add(matmul)) wrong by tens of units is no damaged file: reinstalling would heal nothing."""
    subject = tree.subject(subdir=Subdir.OSX_ARM64, provider="metal", gpu=True)
    case = tree.case("numerics.device", "Dense", subject=subject, error=12.0, dtype="float32")
    finding = tensorflow.judge_device(case)
    assert finding is not None
    assert finding.status is Status.FAIL
    assert "different results on GPU and CPU" in finding.title
    assert "envbuild compat" in str(finding.remedy)


def test_tolerances_of_the_recipe_count(tree: Tree) -> None:
    facts: dict[str, Any] = {"error": 1e-3, "dtype": "float32"}
    assert known_answer(tree.case("numerics.numpy", "svd", **facts), module="numpy") is not None
    loose = tree.subject(tolerances={"float32": 1e-2})
    assert known_answer(tree.case("numerics.numpy", "svd", subject=loose, **facts), module="numpy") is None


def test_devices_that_drift_apart_in_training_fail(tree: Tree) -> None:
    good = [1.0 - 0.04 * step for step in range(20)]
    apart = [1.0 - 0.02 * step for step in range(20)]
    assert tensorflow.judge_training(tree.case("numerics.training", CPU=good, GPU=good)).status is Status.PASS
    assert tensorflow.judge_training(tree.case("numerics.training", CPU=good, GPU=apart)).status is Status.FAIL
    exploding = [1.0, *([math.nan] * 19)]
    assert tensorflow.judge_training(tree.case("numerics.training", CPU=good, GPU=exploding)).status is Status.FAIL


@pytest.mark.parametrize(
    "wrong",
    [{"draws_differ": False}, {"dropouts_differ": False}, {"seeds_repeat": False}, {"kept": 0.9}, {"mean": 0.1}],
)
def test_random_numbers_that_repeat_fail(tree: Tree, wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "draws_differ": True,
        "dropouts_differ": True,
        "seeds_repeat": True,
        "scaled": True,
        "mean": 0.5,
        "kept": 0.5,
    }
    assert tensorflow.judge_random(tree.case("numerics.random", "GPU", **right)).status is Status.PASS
    assert tensorflow.judge_random(tree.case("numerics.random", "GPU", **(right | wrong))).status is Status.FAIL


def test_openmp_mixtures(tree: Tree) -> None:
    """Two LLVM runtimes abort; a GNU one beside them is a warning; several GNU ones get along."""
    tree.dist("scikit-learn", "1.0", "scikit_learn.libs/libgomp-1.so")
    tree.dist("torch", "2.0", "torch/lib/libomp.dylib", "torch/lib/libgomp-2.so")
    tree.conda("llvm-openmp", "19", "h0", "lib/libomp.dylib")
    (tree.path / "lib" / "libomp.dylib").write_text("x")
    gnu, other_gnu = tree.site / "scikit_learn.libs/libgomp-1.so", tree.site / "torch/lib/libgomp-2.so"
    torch, conda = tree.site / "torch/lib/libomp.dylib", tree.path / "lib/libomp.dylib"

    def status(*images: object) -> Status:
        return openmp.judge_loaded(tree.case("openmp.loaded", images=[str(image) for image in images])).status

    assert status() is Status.PASS
    assert status(gnu) is Status.PASS
    assert status(gnu, other_gnu) is Status.PASS
    assert status(gnu, torch) is Status.WARN
    assert status(conda, torch) is Status.FAIL
    finding = openmp.judge_loaded(tree.case("openmp.loaded", images=[str(conda), str(torch)]))
    assert any("llvm-openmp 19" in line for line in finding.evidence)
    assert any("torch 2.0" in line for line in finding.evidence)


def test_an_openmp_runtime_of_no_package_is_to_be_removed(tree: Tree) -> None:
    tree.dist("scikit-learn", "1.0", "scikit_learn.libs/libgomp-1.so")
    stray = tree.path / "lib" / "libiomp5.so"
    stray.write_text("")
    images = [str(tree.site / "scikit_learn.libs/libgomp-1.so"), str(stray)]
    finding = openmp.judge_loaded(tree.case("openmp.loaded", images=images))
    assert finding.status is Status.FAIL
    assert finding.remedy is not None
    assert finding.remedy.commands == (f"mv -- {stray} {stray}.set-aside",)


def test_accelerate_is_required_where_the_recipe_wants_it(tree: Tree) -> None:
    accelerate = "/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate"
    openblas = str(tree.site / "numpy/.dylibs/libscipy_openblas64_.dylib")
    subject = tree.subject(subdir=Subdir.OSX_ARM64, blas="newaccelerate")
    wrong = blas.judge_loaded(tree.case("blas.loaded", subject=subject, images=[openblas]))
    right = blas.judge_loaded(tree.case("blas.loaded", subject=subject, images=[accelerate]))
    mixed = blas.judge_loaded(tree.case("blas.loaded", subject=subject, images=[accelerate, openblas]))
    assert (wrong.status, right.status, mixed.status) == (Status.FAIL, Status.PASS, Status.WARN)


def test_slow_products_warn_beside_what_the_machine_can_do(tree: Tree) -> None:
    def status(**facts: Any) -> Status:
        return blas.judge_rate(tree.case("blas.rate", cpus=8, **facts)).status

    assert status(numpy=300.0, accelerate=1300.0) is Status.WARN
    assert status(numpy=1200.0, accelerate=1300.0) is Status.PASS
    assert status(numpy=1.0, einsum=20.0) is Status.WARN
    assert status(numpy=60.0, einsum=20.0) is Status.PASS  # two cores, both busy with something else
    assert status(numpy=1.0) is Status.PASS  # with nothing to compare with it is a number


@pytest.mark.parametrize(
    ("subdir", "library", "locked", "says"),
    [
        (Subdir.LINUX_64, "lib/libcblas.so.3.9.0", True, "Write `libblas * *openblas` among its dependencies into"),
        (Subdir.LINUX_64, "lib/libcblas.so.3.9.0", False, "Have conda take another BLAS: `libblas=*=*openblas`."),
        # It is there and fast elsewhere: another one would be no faster.
        (Subdir.LINUX_64, "lib/libopenblasp-r0.3.30.so", True, "Build the environment again from its lock."),
        (Subdir.LINUX_64, "lib/libmkl_rt.so.2", True, "Build the environment again from its lock."),
        (
            Subdir.OSX_ARM64,
            "lib/libopenblas.0.dylib",
            True,
            "Write `blas: accelerate` into the recipe ml: `envbuild",
        ),
        (Subdir.OSX_ARM64, "lib/libblas_reexport.dylib", True, "Build the environment again from its lock."),
    ],
)
def test_the_remedy_of_slow_products_fits_the_library_that_is_loaded(
    tree: Tree, subdir: Subdir, library: str, locked: bool, says: str
) -> None:
    tree.dist("numpy", "2.3.0", "numpy/__init__.py", installer="conda")
    files = ("numpy/__init__.py", "numpy-2.3.0.dist-info/METADATA")
    tree.conda("numpy", "2.3.0", "py312", *(f"lib/python3.12/site-packages/{file}" for file in files))
    tree.conda("libblas", "3.9.0", "0", library)
    if locked:
        tree.stamp(recipe="ml")
    beside = {"accelerate": 1300.0} if subdir.is_osx else {"einsum": 20.0}
    facts: dict[str, Any] = {"numpy": 1.0, "images": ["/usr/lib/libc.so", str(tree.path / library)], **beside}
    finding = blas.judge_rate(tree.case("blas.rate", subject=tree.subject(subdir=subdir), **facts))
    assert finding.remedy is not None
    assert finding.remedy.say.startswith(says)
    assert library in finding.evidence[1]


def test_a_wheel_of_numpy_without_a_blas_is_replaced_by_one_with_it(tree: Tree) -> None:
    tree.dist("numpy", "2.3.0", "numpy/__init__.py")
    finding = blas.judge_rate(tree.case("blas.rate", numpy=1.0, einsum=20.0, images=["/usr/lib/libc.so"]))
    assert finding.remedy is not None
    assert finding.remedy.say == "Take a wheel of NumPy from PyPI, which brings OpenBLAS, instead of this one."


@pytest.mark.parametrize(
    ("requires", "keras", "status"),
    [
        (["keras>=3.12.0"], "3.15.1", Status.PASS),
        (["keras>=3.12.0"], "2.15.0", Status.FAIL),
        (["keras<2.16,>=2.15.0"], "3.5.0", Status.FAIL),
        (["keras>=99; extra == 'x'"], "3.5.0", Status.PASS),
        ([], "3.5.0", Status.PASS),
    ],
)
def test_keras_must_be_one_that_tensorflow_takes(tree: Tree, requires: list[str], keras: str, status: Status) -> None:
    """TensorFlow 2.15 with Keras 3 raises nothing: `tf.keras` silently is another library."""
    facts: dict[str, Any] = {"keras": keras, "tensorflow": "2.21.0", "distribution": "tensorflow", "requires": requires}
    finding = judge_versions(tree.case("keras.versions", **facts))
    assert finding.status is status
    if status is Status.FAIL:
        assert requires[0] in str(finding.remedy)


def test_a_module_from_outside_the_environment_fails(tree: Tree) -> None:
    outside = imports.judge_import(tree.case("import.alone", "numpy", file="/opt/x/numpy/__init__.py", version="1"))
    assert outside.status is Status.FAIL
    tree.dist("numpy", "2.1.0", "numpy/__init__.py")
    file = str(tree.site / "numpy/__init__.py")
    other = imports.judge_import(tree.case("import.alone", "numpy", file=file, version="1.26.4"))
    assert other.status is Status.FAIL
    assert "2.1.0" in other.title
    local = imports.judge_import(tree.case("import.alone", "numpy", file=file, version="2.1.0+cpu"))
    assert local.status is Status.PASS


def test_mps_is_required_where_the_recipe_wants_a_gpu(tree: Tree) -> None:
    subject = tree.subject(subdir=Subdir.OSX_ARM64, gpu=True)
    without = JUDGES["torch.devices"](tree.case("torch.devices", subject=subject, mps=False, cuda=False))
    with_it = JUDGES["torch.devices"](tree.case("torch.devices", subject=subject, mps=True, cuda=False))
    jax = JUDGES["jax.devices"](tree.case("jax.devices", subject=subject, devices=["METAL:0"]))
    found = [finding and finding.status for finding in (without, with_it, jax)]
    assert found == [Status.FAIL, Status.PASS, Status.PASS]


@pytest.mark.parametrize("by", ["zz-leak.pth", None])
def test_another_environments_packages_on_the_path_are_named(tree: Tree, tmp_path: Path, by: str | None) -> None:
    """A `.pth` file, or `--system-site-packages`: imports succeed with packages that no lock names."""
    other = tmp_path / "other" / "lib" / "python3.11" / "site-packages"
    sources = tmp_path / "project" / "src"
    other.mkdir(parents=True)
    sources.mkdir(parents=True)
    if by is not None:
        (tree.site / by).write_text(f"import sys\n{other}\n")
    told: dict[str, Any] = {
        "executable": str(tree.path / "bin" / "python"),
        "prefix": str(tree.path),
        "base_prefix": str(tree.path),
    }
    sound = tree.case("process.prefix", path=[str(tree.site), str(sources)], **told)
    assert process.judge_prefix(sound).status is Status.PASS
    finding = process.judge_prefix(tree.case("process.prefix", path=[str(tree.site), str(other)], **told))
    assert finding.status is Status.WARN
    assert str(other) in finding.title
    assert (by or "--system-site-packages") in str(finding.remedy)


def test_a_file_that_is_nobodys_is_removed_and_no_package_reinstalled(tree: Tree, tmp_path: Path) -> None:
    """Reinstalling the package that imports a strange h5py.py would heal nothing."""
    tree.dist("keras", "3.5.0", "keras/__init__.py")
    stranger = tmp_path / "elsewhere" / "h5py.py"
    frame = f'  File "{tree.site}/keras/__init__.py", line 1, in <module>\n    import h5py\n'

    def remedy(*files: Path) -> str:
        text = "Traceback (most recent call last):\n" + frame
        text += "".join(f'  File "{file}", line 1, in <module>\n' for file in files) + "RuntimeError: no\n"
        step = Step(check="import.alone", subject="keras", how="raised", facts={}, error=text, message="no")
        return str(failure(step, outcome(step), tree.subject()).remedy)

    assert remedy(stranger).startswith(f"{stranger} is not part of the environment")
    assert remedy().startswith("Reinstall keras")


def test_a_package_that_lost_a_file_is_one_finding_with_what_needs_it(tree: Tree) -> None:
    """One deleted file of h5py made several findings, and the remedies of some were about Keras."""
    from builder.checks.causes import gathered

    tree.dist("h5py", "3.14.0", "h5py/__init__.py", "h5py/_hl/files.py")
    tree.dist("keras", "3.5.0", "keras/__init__.py")
    (tree.site / "h5py/_hl/files.py").unlink()

    def told(check: str, subject: str, module: str, error: str) -> Finding:
        frame = f'  File "{tree.site}/{module}/__init__.py", line 1, in <module>'
        text = f"Traceback (most recent call last):\n{frame}\n{error}\n"
        step = Step(check=check, subject=subject, how="raised", facts={}, error=text, message=error)
        return failure(step, outcome(step), tree.subject())

    (one,) = gathered(
        [
            told("import.together", "h5py", "h5py", "ModuleNotFoundError: No module named 'h5py._hl.files'"),
            told(
                "keras.save", "a.keras", "keras", "ImportError: This requires the h5py module. Use `pip install h5py`"
            ),
            told(
                "keras.save", "b.keras", "keras", "ImportError: This requires the h5py module. Use `pip install h5py`"
            ),
            told("keras.save", "a.h5", "keras", "ImportError: h5 format requires h5py. Could not import h5py."),
        ]
    )
    assert one.title == "Importing h5py fails: a file of h5py 3.14.0 is gone."
    assert one.evidence[0].endswith("site-packages/h5py/_hl/files.py: missing")
    assert one.remedy is not None
    assert one.remedy.say.startswith("Reinstall h5py")
    saved = [line for line in one.evidence if line.startswith("so keras.save failed")]
    assert [line.endswith("(and 1 more).") for line in saved] == [True, False], "what is said twice is said once"


def test_a_package_that_is_said_to_be_missing_may_lack_something_itself(tree: Tree) -> None:
    """Keras says that optree is not installed; it is, and cannot be imported without typing_extensions."""
    from builder.checks.causes import gathered

    for name, needs in (("keras", "optree"), ("optree", "Typing_Extensions"), ("typing-extensions", "")):
        tree.dist(name, "1.0", f"{name.replace('-', '_')}.py")
        metadata = tree.site / f"{name.replace('-', '_')}-1.0.dist-info" / "METADATA"
        metadata.write_text(metadata.read_text().replace("\n\n", f"\nRequires-Dist: {needs}\n\n" if needs else "\n\n"))
    (tree.site / "typing_extensions.py").unlink()
    error = "ImportError: To use Keras, you need to have `optree` installed."
    step = Step(check="import.alone", subject="keras", how="raised", facts={}, error=error, message=error)
    subject = tree.subject()
    integrity = next(check for check in catalogue() if check.id == "pkg.integrity")
    (one,) = gathered([failure(step, outcome(step), subject), *integrity.run(subject)])
    assert "typing_extensions.py" in one.title


def test_a_module_that_is_recorded_and_gone_is_the_cause_of_what_misses_another(tree: Tree) -> None:
    """Where no file was compared (the quick level): who says that optree is missing follows from what optree lacks."""
    from builder.checks.causes import gathered

    for name, needs in (
        ("keras", "optree"),
        ("optree", "typing-extensions"),
        ("typing-extensions", ""),
        ("ipykernel", ""),
    ):
        tree.dist(name, "1.0", f"{name.replace('-', '_')}.py")
        metadata = tree.site / f"{name.replace('-', '_')}-1.0.dist-info" / "METADATA"
        metadata.write_text(metadata.read_text().replace("\n\n", f"\nRequires-Dist: {needs}\n\n" if needs else "\n\n"))
    (tree.site / "typing_extensions.py").unlink()

    def told(check: str, module: str, error: str) -> Finding:
        text = f'Traceback (most recent call last):\n  File "{tree.site}/{module}.py", line 3, in a\n{error}'
        step = Step(check=check, subject=module, how="raised", facts={}, error=text, message=error)
        return failure(step, outcome(step), tree.subject())

    absent = "ModuleNotFoundError: No module named 'typing_extensions'"
    (one,) = gathered(
        [
            told("import.alone", "keras", "ImportError: To use Keras, you need to have `optree` installed."),
            told("import.together", "ipykernel", absent),
            told("import.reversed", "optree", absent),
        ]
    )
    assert one.title == "Importing ipykernel fails: a file of typing-extensions 1.0 is gone."
    assert one.evidence[0].endswith("site-packages/typing_extensions.py: missing")
    assert one.remedy is not None
    assert one.remedy.say == "Reinstall typing-extensions."
    assert sum(line.startswith("so import.") for line in one.evidence) == 2


def test_a_namespace_package_whose_folder_is_gone(tree: Tree) -> None:
    tree.dist("protobuf", "5.0", "google/protobuf/message.py")
    error = "ModuleNotFoundError: No module named 'google'"
    step = Step(check="import.alone", subject="keras", how="raised", facts={}, error=error, message=error)
    assert "a file of protobuf" not in failure(step, outcome(step), tree.subject()).title
    shutil.rmtree(tree.site / "google")
    assert failure(step, outcome(step), tree.subject()).title.endswith("a file of protobuf 5.0 is gone.")


def test_a_compiled_module_that_is_recorded_and_gone(tree: Tree) -> None:
    tree.dist("cffi", "1.0", "_cffi_backend.cpython-312-darwin.so")
    (tree.site / "_cffi_backend.cpython-312-darwin.so").unlink()
    error = "ModuleNotFoundError: No module named '_cffi_backend'"
    step = Step(check="import.alone", subject="zmq", how="raised", facts={}, error=error, message=error)
    assert failure(step, outcome(step), tree.subject()).title.endswith("a file of cffi 1.0 is gone.")


def test_what_misses_a_package_that_is_locked_and_gone_follows_from_that(tree: Tree) -> None:
    from builder.checks.causes import gathered

    tree.dist("six", "1.0", "six.py")
    tree.stamp(*(StampedPackage(name=name, version="1.0", manager="pip") for name in ("six", "typing-extensions")))
    error = "ModuleNotFoundError: No module named 'typing_extensions'"
    step = Step(check="import.alone", subject="typing_extensions", how="raised", facts={}, error=error, message=error)
    subject = tree.subject()
    locked = next(check for check in catalogue() if check.id == "pkg.locked")
    (one,) = gathered([failure(step, outcome(step), subject), *locked.run(subject)])
    assert "typing-extensions is not installed, locked 1.0" in one.title


@pytest.mark.parametrize(
    "error",
    [
        "ImportError: This requires the six module.",
        "ImportError: cannot import name 'text' from 'six' (SITE/six.py)",
    ],
)
def test_whose_a_missing_name_is_and_what_is_needed_and_gone(tree: Tree, error: str) -> None:
    from builder.checks.failures import concerned

    if "SITE" in error:
        tree.dist("six", "1.0", "six.py")
    else:
        tree.stamp(StampedPackage(name="six", version="1.0", manager="pip"))
    error = error.replace("SITE", str(tree.site))
    assert "six" in concerned(error, tree.subject(), error=error)


def test_what_a_check_of_another_version_than_locked_meets_follows_from_that(tree: Tree) -> None:
    """An older Keras: by metadata, by its own word, and by an argument that it does not know yet."""
    from builder.checks.causes import gathered

    tree.dist("keras", "3.4.0", "keras/__init__.py")
    tree.stamp(StampedPackage(name="keras", version="3.15.1", manager="pip", sha256="b" * 64))
    step = Step(
        check="keras.save",
        subject="SavedModel",
        how="raised",
        error='  File "/somewhere/probe.py", line 1, in f\nTypeError: unexpected keyword argument',
    )
    versions = Step(
        check="keras.versions",
        subject="",
        how="done",
        facts={"keras": "3.4.0", "tensorflow": "2.21.0", "distribution": "tensorflow-cpu", "requires": ["keras>=3.12"]},
    )
    task = Task(probe="keras_model", answers=(), limit=9.0, doing="running it")
    subject = tree.subject()
    results = Results(interpreter=outcome(probe="process"), probes=(Ran(task=task, outcome=outcome(step, versions)),))
    subject.__dict__["runs"] = SimpleNamespace(results=results)
    ids = ("pkg.locked", "keras.versions", "keras.save")
    found = [one for check in catalogue() if check.id in ids for one in check.run(subject)]
    (one,) = gathered(found)
    assert "keras is 3.4.0, locked 3.15.1" in one.title
    assert sum(line.startswith(("so keras.versions failed", "so keras.save failed")) for line in one.evidence) == 2


def test_a_crash_is_about_the_compiled_modules_that_were_loaded(tree: Tree) -> None:
    """So that it follows from the one of them that was damaged."""
    tree.dist("numpy", "2.0", "numpy/__init__.py")
    step = Step(check="numerics.numpy", subject="", how="unfinished")

    def about(said: str) -> frozenset[str]:
        return failure(step, outcome(step, returncode=-6, finished=False, stderr=said), tree.subject()).about

    said = "Fatal Python error: Aborted\n\nExtension modules: numpy._core._x, numpy.random._y, other (total: 3)\n"
    assert "numpy" in about(said)
    assert "numpy" not in about("Segmentation fault")
