"""Keras: computes with one of the frameworks, and is exercised from its import to a saved model wherever it is."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from builder.finding import Remedy
from builder.frameworks import keras_match, keras_settings
from builder.frameworks.judging import wrong_numbers
from builder.frameworks.keras_settings import BACKENDS, backend_of
from builder.frameworks.model import Claim, Library, Probe

if TYPE_CHECKING:
    from builder.finding import Finding
    from builder.frameworks.case import Case, Has

#: The package that may sit on top of any framework: what `framework.keras` of a recipe is about.
OVER_FRAMEWORKS: Final = "keras"
#: Keras 2 beside Keras 3.
LEGACY: Final = "tf-keras"

#: Largest difference between predictions before and after saving, relative to values of order one (float32).
_SAME_PREDICTIONS: Final = 1e-5

#: The loss after training must be below this part of the loss before. The task is linear and noiseless; on
#: linux-64 (TensorFlow 2.21, Keras 3.15) the six epochs reach 0.03.
_FALLEN: Final = 0.5


def judge_backend(case: Case) -> Finding:
    """The backend is the framework's, and results really are its tensors."""
    backend, framework = case.facts["backend"], case.expectations.framework
    wanted = backend_of(framework) or backend
    evidence = [f"keras.backend.backend(): {backend}", f"results are {case.facts['device_of_result']}"]
    if "tf_keras" in case.facts:
        evidence.append(f"tf.keras {case.facts['tf_keras']}, the same as keras: {case.facts['tf_keras_is_keras']}")
    real = case.facts["device_of_result"].partition(".")[0]
    belongs = backend if backend in BACKENDS else real
    if backend != wanted or not real.startswith(belongs):
        return case.failed(
            f"Keras computes with {backend}, but the environment is made for {framework}.",
            *evidence,
            remedy=Remedy(
                "Remove what sets it inside the environment: KERAS_BACKEND in an activation script or a .pth file."
            ),
        )
    return case.passed(f"Keras computes with {backend}.", *evidence)


def judge_versions(case: Case) -> Finding:
    """Keras is a version that TensorFlow's metadata allows."""
    facts = case.facts
    keras = facts["keras"]
    if keras is None:
        return case.skipped("Keras has no metadata, so its version is not known.")
    if "tensorflow" not in facts:
        return case.passed(f"Keras {keras} is installed, without TensorFlow, so there is nothing it must match.")
    tensorflow = f"TensorFlow {facts['tensorflow']}"
    evidence = (
        f"keras {keras}",
        f"{facts['distribution']} {facts['tensorflow']} requires {', '.join(facts['requires']) or 'no keras'}",
    )
    for line in facts["requires"]:
        if not _allows(line, keras):
            specifier = line.partition(";")[0].strip()
            failed = case.failed(
                f"Keras {keras} is not compatible with {tensorflow}, which needs {specifier}.",
                *evidence,
                remedy=case.repair.fitting("keras", str(Requirement(line).specifier)),
            )
            return replace(failed, about=frozenset((OVER_FRAMEWORKS, str(facts["distribution"]))))
    return case.passed(f"Keras {keras} is compatible with {tensorflow}.", *evidence)


def _allows(requirement: str, version: str) -> bool:
    """Whether a Requires-Dist line lets `version` in; unparseable or not applicable lines let everything in."""
    try:
        parsed = Requirement(requirement)
        if parsed.name != "keras" or (parsed.marker is not None and "extra" in str(parsed.marker)):
            return True
        return parsed.specifier.contains(version, prereleases=True)
    except (InvalidRequirement, InvalidVersion):
        return True


def judge_build(case: Case) -> Finding:
    return case.passed(f"A {case.subject} model is built.", f"{case.facts['parameters']} parameters")


def judge_summary(case: Case) -> Finding:
    if case.facts["lines"] < 3 or not case.facts["parameters"]:
        return case.failed(
            "model.summary() prints nothing of the model.",
            str(case.facts),
            remedy=case.repair.restore_module("keras"),
        )
    return case.passed("model.summary() shows the model.", f"{case.facts['lines']} lines")


def judge_fit(case: Case) -> Finding:
    """The loss is finite, falls, and is what the predictions give by hand."""
    facts, kind = case.facts, case.subject
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


def judge_save(case: Case) -> Finding:
    difference = case.facts["difference"]
    if not difference <= _SAME_PREDICTIONS:  # NaN, too, is not the same
        return case.failed(
            f"A model loaded from {case.subject} predicts something else.",
            f"largest difference {difference:.3g}",
            remedy=case.repair.restore_module("keras"),
        )
    return case.passed(
        f"A model saved as {case.subject} predicts the same after loading.", f"largest difference {difference:.3g}"
    )


def judge_mixed(case: Case) -> Finding:
    losses: list[Any] = case.facts["losses"]
    evidence = ("loss by epoch: " + " ".join(f"{loss:.4g}" for loss in losses), f"dtype {case.facts['compute_dtype']}")
    if case.facts["compute_dtype"] != "float16" or not case.facts["finite"] or not losses[-1] < losses[0]:
        return case.failed(
            "Training in mixed precision goes wrong.", *evidence, remedy=wrong_numbers(case, "tensorflow")
        )
    return case.passed("Training in mixed precision works.", *evidence)


def _answers(has: Has, quick: bool) -> tuple[tuple[str, str], ...]:
    answers = [("keras.versions", ""), ("import.alone", "keras"), ("keras.backend", "")]
    if has("tensorflow"):
        answers.append(("tensorflow.devices", ""))
    answers += [("keras.build", "sequential"), ("keras.summary", ""), ("keras.fit", "sequential")]
    answers.append(("keras.save", "sequential.keras"))
    if not quick:
        for kind in ("functional", "custom"):
            answers += [("keras.build", kind), ("keras.fit", kind), ("keras.save", f"{kind}.keras")]
        answers += [("keras.save", "sequential.h5"), ("keras.mixed-precision", "")]
    return tuple(answers)


LIBRARY: Final = Library(
    name="keras",
    title="Keras",
    modules=("keras",),
    probes=(
        Probe(
            script="keras_model",
            module="keras",
            doing="Keras: build, train, save, load",
            answers=_answers,
            quick=True,
            settles=("tensorflow",),
        ),
    ),
    claims=(
        Claim(
            id="keras.backend",
            area="frameworks",
            catches="Keras computing with another framework than the environment is made for.",
            otherwise="Silence: the GPU is not used, and GradientTape sees objects it does not know.",
            judge=judge_backend,
        ),
        Claim(
            id="keras.versions",
            area="frameworks",
            catches="A Keras that the installed TensorFlow does not take, or whose files are of another version.",
            otherwise="`module 'tensorflow._api.v2.compat.v2.__internal__' has no attribute "
            "'register_load_context_function'`.",
            judge=judge_versions,
        ),
        Claim(
            id="keras.build",
            area="frameworks",
            catches="Sequential, functional or custom-layer models that cannot be built.",
            otherwise="`AttributeError` or `ValueError` at the first layer, although `import keras` succeeded.",
            judge=judge_build,
        ),
        Claim(
            id="keras.summary",
            area="frameworks",
            catches="model.summary() that fails or counts no parameters.",
            otherwise="An exception from the line everybody calls first.",
            judge=judge_summary,
        ),
        Claim(
            id="keras.fit",
            area="frameworks",
            catches="Training whose loss does not fall, becomes NaN, or disagrees with the predictions.",
            otherwise="Silence: a model that never learns (published for several versions of tensorflow-metal).",
            judge=judge_fit,
        ),
        Claim(
            id="keras.save",
            area="frameworks",
            catches="Models that do not survive saving and loading (.keras, .h5, SavedModel) with equal predictions.",
            otherwise="A trained model that cannot be loaded, or that predicts something else.",
            judge=judge_save,
        ),
        Claim(
            id="keras.mixed-precision",
            area="frameworks",
            catches="mixed_float16 training that fails or gives NaN.",
            otherwise="NaN losses after hours of training.",
            judge=judge_mixed,
        ),
        Claim(
            id="keras.match",
            area="frameworks",
            catches="A Keras or tf-keras that does not belong to the installed TensorFlow.",
            otherwise="AttributeError: module 'tensorflow._api.v2.compat.v2.__internal__' has no attribute "
            "'register_load_context_function'; or tf.keras silently being another Keras.",
            match=keras_match.match,
        ),
        Claim(
            id="keras.settings",
            area="user",
            catches="KERAS_BACKEND, TF_USE_LEGACY_KERAS or keras.json making Keras another one than the recipe's.",
            otherwise="`No module named 'jax'` from `import keras`, an unused GPU, or models that mix two frameworks.",
            settings=keras_settings.settings,
        ),
    ),
)
