"""Judging imports, TensorFlow's devices, and Keras from import to saved model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from builder.checks.numerics import wrong_numbers
from builder.checks.registry import Check
from builder.wording import plural

if TYPE_CHECKING:
    from builder.checks.judge import Case, Judge
    from builder.finding import Finding

CHECKS: Final = (
    Check(
        id="import.alone",
        area="frameworks",
        catches="A module that does not import in a fresh process.",
        otherwise="`ImportError`, `Symbol not found`, or the process dies without a word.",
    ),
    Check(
        id="import.together",
        area="frameworks",
        catches="Modules that import alone but not all in one process.",
        otherwise="`OMP: Error #15`, a crash in the second library that brings its own runtime.",
    ),
    Check(
        id="import.reversed",
        area="frameworks",
        catches="Modules that import in one order but not in the reverse one.",
        otherwise="A crash that comes and goes with the order of the import lines.",
    ),
    Check(
        id="import.used",
        area="frameworks",
        catches="Libraries that import together but die or fail when each computes something.",
        otherwise="`OMP: Error #15` or a hang at the first training, long after all imports succeeded.",
    ),
    Check(
        id="recipe.snippet",
        area="frameworks",
        catches="A snippet of the recipe's `verify:` section that raises or does not end.",
        otherwise="Whatever the team wrote it for.",
    ),
    Check(
        id="keras.backend",
        area="frameworks",
        catches="Keras computing with another framework than the environment is made for.",
        otherwise="Silence: the GPU is not used, and GradientTape sees objects it does not know.",
    ),
    Check(
        id="keras.versions",
        area="frameworks",
        catches="A Keras that the installed TensorFlow does not take, or whose files are of another version.",
        otherwise="`module 'tensorflow._api.v2.compat.v2.__internal__' has no attribute "
        "'register_load_context_function'`.",
    ),
    Check(
        id="tensorflow.devices",
        area="frameworks",
        catches="A GPU that is expected and missing, or fewer devices than the recipe asks for.",
        otherwise="Silence: training runs on the CPU.",
    ),
    Check(
        id="keras.build",
        area="frameworks",
        catches="Sequential, functional or custom-layer models that cannot be built.",
        otherwise="`AttributeError` or `ValueError` at the first layer, although `import keras` succeeded.",
    ),
    Check(
        id="keras.summary",
        area="frameworks",
        catches="model.summary() that fails or counts no parameters.",
        otherwise="An exception from the line everybody calls first.",
    ),
    Check(
        id="keras.fit",
        area="frameworks",
        catches="Training whose loss does not fall, becomes NaN, or disagrees with the predictions.",
        otherwise="Silence: a model that never learns (published for several versions of tensorflow-metal).",
    ),
    Check(
        id="keras.save",
        area="frameworks",
        catches="Models that do not survive saving and loading (.keras, .h5, SavedModel) with equal predictions.",
        otherwise="A trained model that cannot be loaded, or that predicts something else.",
    ),
    Check(
        id="keras.mixed-precision",
        area="frameworks",
        catches="mixed_float16 training that fails or gives NaN.",
        otherwise="NaN losses after hours of training.",
    ),
)

#: Modules whose `__version__` is the version of their distribution.
_TELL_THEIR_VERSION: Final = ("keras", "tensorflow", "numpy", "scipy", "pandas", "sklearn", "torch", "jax")

#: Largest difference between predictions before and after saving, relative to values of order one (float32).
_SAME_PREDICTIONS: Final = 1e-5

#: The loss after training must be below this part of the loss before. The task is linear and noiseless; on
#: linux-64 (TensorFlow 2.21, Keras 3.15) the six epochs reach 0.03.
_FALLEN: Final = 0.5


def judge_import(case: Case) -> Finding:
    """The module is the installed one, in the version its metadata says."""
    name, file = case.step.subject, case.facts["file"]
    version = case.facts["version"]
    place = (f"{file}",) if file else ()
    inside = file is None or Path(file).is_relative_to(case.context.prefix.path)
    if not inside and not Path(file).resolve().is_relative_to(case.context.prefix.path):
        return case.failed(
            f"{name} is imported from outside the environment.",
            *place,
            remedy=f"find what adds {Path(file).parent.parent} to sys.path (a .pth file?) and remove it",
        )
    dist = case.packages.modules.get(name)
    if name in _TELL_THEIR_VERSION and dist is not None and version and not _same(version, dist.version):
        owner = case.packages.module_owner(name)
        return case.failed(
            f"The files of {name} are {version}, but its metadata says {dist.version}.",
            *place,
            remedy=case.packages.reinstall(owner) if owner else case.packages.rebuild(),
        )
    took = f"{case.step.seconds:.1f} s"
    return case.passed(f"{name} {version} imports.".replace("  ", " "), *place, took)


def judge_backend(case: Case) -> Finding:
    """The backend is the framework's, and results really are its tensors."""
    backend, framework = case.facts["backend"], case.context.expectations.framework
    wanted = {"tensorflow": "tensorflow", "jax": "jax", "pytorch": "torch"}.get(framework or "none", backend)
    evidence = [f"keras.backend.backend(): {backend}", f"results are {case.facts['device_of_result']}"]
    if "tf_keras" in case.facts:
        evidence.append(f"tf.keras {case.facts['tf_keras']}, the same as keras: {case.facts['tf_keras_is_keras']}")
    real = case.facts["device_of_result"].partition(".")[0]
    belongs = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch", "numpy": "numpy"}.get(backend, real)
    if backend != wanted or not real.startswith(belongs):
        return case.failed(
            f"Keras computes with {backend}, but the environment is made for {framework}.",
            *evidence,
            remedy="remove what sets it inside the environment (KERAS_BACKEND in activation scripts)",
        )
    return case.passed(f"Keras computes with {backend}.", *evidence)


def judge_versions(case: Case) -> Finding:
    """Keras is a version that TensorFlow's metadata allows."""
    facts = case.facts
    keras = facts["keras"]
    if keras is None:
        return case.skipped("Keras has no metadata, so its version is not known.")
    if "tensorflow" not in facts:
        return case.passed(f"Keras {keras} is installed, and no TensorFlow that would have to fit it.")
    tensorflow = f"TensorFlow {facts['tensorflow']}"
    evidence = (
        f"keras {keras}",
        f"{facts['distribution']} {facts['tensorflow']} requires {', '.join(facts['requires']) or 'no keras'}",
    )
    for line in facts["requires"]:
        if not _allows(line, keras):
            specifier = line.partition(";")[0].strip()
            locked = case.packages.locked_version("keras")
            return case.failed(
                f"Keras {keras} does not fit {tensorflow}, which needs {specifier}.",
                *evidence,
                remedy=case.packages.install(f"keras=={locked}" if locked and _allows(line, locked) else specifier),
            )
    return case.passed(f"Keras {keras} fits {tensorflow}.", *evidence)


def _same(left: str, right: str) -> bool:
    try:
        return Version(left).public == Version(right).public
    except InvalidVersion:
        return left == right


def _allows(requirement: str, version: str) -> bool:
    """Whether a Requires-Dist line lets `version` in; unparseable or not applicable lines let everything in."""
    try:
        parsed = Requirement(requirement)
        if parsed.name != "keras" or (parsed.marker is not None and "extra" in str(parsed.marker)):
            return True
        return parsed.specifier.contains(version, prereleases=True)
    except (InvalidRequirement, InvalidVersion):
        return True


def judge_devices(case: Case) -> Finding:
    """As many devices of each kind as expected; a GPU is needed only where the recipe wants one."""
    kinds = case.facts["kinds"]
    wanted = dict(case.context.expectations.devices)
    if case.context.expectations.gpu and case.context.subdir.is_osx:
        wanted.setdefault("GPU", 1)
    wanted.setdefault("CPU", 1)
    evidence = (*case.facts["devices"], *(f"{key}: {value}" for key, value in case.facts["build"].items()))
    for kind, number in wanted.items():
        have = kinds.count(kind)
        if have < number:
            return case.failed(
                f"TensorFlow sees {plural(have, kind)}, {number} expected.",
                *evidence,
                remedy="check that tensorflow-metal is installed and fits this TensorFlow: envbuild compat metal"
                if kind == "GPU"
                else case.packages.rebuild(),
            )
    return case.passed(
        "TensorFlow sees " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))) + ".", *evidence
    )


def judge_build(case: Case) -> Finding:
    return case.passed(f"A {case.step.subject} model is built.", f"{case.facts['parameters']} parameters")


def judge_summary(case: Case) -> Finding:
    if case.facts["lines"] < 3 or not case.facts["parameters"]:
        return case.failed(
            "model.summary() prints nothing of the model.", str(case.facts), remedy=_reinstall(case, "keras")
        )
    return case.passed("model.summary() shows the model.", f"{case.facts['lines']} lines")


def judge_fit(case: Case) -> Finding:
    """The loss is finite, falls, and is what the predictions give by hand."""
    facts, kind = case.facts, case.step.subject
    evidence = (
        "loss by epoch: " + " ".join(f"{loss:.4g}" for loss in facts["losses"]),
        f"evaluate before {facts['before']:.4g}, after {facts['after']:.4g}, from predictions {facts['by_hand']:.4g}",
    )
    numbers = [*facts["losses"], facts["before"], facts["after"], facts["by_hand"]]
    if not all(math.isfinite(number) for number in numbers):
        return case.failed(
            f"Training a {kind} model gives NaN or infinity.", *evidence, remedy=wrong_numbers(case, "tensorflow")
        )
    if facts["after"] > _FALLEN * facts["before"]:
        return case.failed(
            f"The loss of a {kind} model does not fall: {facts['before']:.3g} to {facts['after']:.3g}.",
            *evidence,
            remedy=wrong_numbers(case, "tensorflow"),
        )
    if abs(facts["after"] - facts["by_hand"]) > 1e-3 * max(1.0, facts["before"]):
        return case.failed(
            f"evaluate and predict of a {kind} model disagree.", *evidence, remedy=wrong_numbers(case, "tensorflow")
        )
    return case.passed(f"A {kind} model learns: loss {facts['before']:.3g} to {facts['after']:.3g}.", *evidence)


def _reinstall(case: Case, module: str) -> str:
    owner = case.packages.module_owner(module)
    return case.packages.reinstall(owner) if owner else case.packages.rebuild()


def judge_save(case: Case) -> Finding:
    difference = case.facts["difference"]
    if not difference <= _SAME_PREDICTIONS:  # NaN, too, is not the same
        return case.failed(
            f"A model loaded from {case.step.subject} predicts something else.",
            f"largest difference {difference:.3g}",
            remedy=_reinstall(case, "keras"),
        )
    return case.passed(
        f"A model saved as {case.step.subject} predicts the same after loading.", f"largest difference {difference:.3g}"
    )


def judge_mixed(case: Case) -> Finding:
    losses: list[Any] = case.facts["losses"]
    evidence = ("loss by epoch: " + " ".join(f"{loss:.4g}" for loss in losses), f"dtype {case.facts['compute_dtype']}")
    if case.facts["compute_dtype"] != "float16" or not case.facts["finite"] or not losses[-1] < losses[0]:
        return case.failed(
            "Training in mixed precision goes wrong.", *evidence, remedy=wrong_numbers(case, "tensorflow")
        )
    return case.passed("Training in mixed precision works.", *evidence)


JUDGES: Final[dict[str, Judge]] = {
    "import.alone": judge_import,
    "import.together": judge_import,
    "import.reversed": judge_import,
    "import.used": lambda case: case.passed(f"{case.step.subject} computes beside the others."),
    "recipe.snippet": lambda case: case.passed(f"{case.step.subject} runs.", f"{case.step.seconds:.1f} s"),
    "keras.backend": judge_backend,
    "keras.versions": judge_versions,
    "tensorflow.devices": judge_devices,
    "keras.build": judge_build,
    "keras.summary": judge_summary,
    "keras.fit": judge_fit,
    "keras.save": judge_save,
    "keras.mixed-precision": judge_mixed,
}
