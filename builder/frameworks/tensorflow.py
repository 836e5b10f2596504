"""TensorFlow: decides the Keras beside it, and reaches the Mac's GPU through Apple's plug-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.finding import Remedy
from builder.frameworks.judging import known_answer, tolerance, wrong_numbers
from builder.frameworks.model import Claim, Framework, Plugin, Probe
from builder.wording import plural

if TYPE_CHECKING:
    from builder.finding import Finding
    from builder.frameworks.case import Case

#: Operation by operation the two devices may round differently; after 20 steps of training by this much.
_SAME_LOSSES: Final = 0.02


def judge_devices(case: Case) -> Finding:
    """As many devices of each kind as expected; a GPU is needed only where the recipe wants one."""
    kinds = case.facts["kinds"]
    wanted = dict(case.expectations.devices)
    if case.expectations.gpu and case.subdir.is_osx:
        wanted.setdefault("GPU", 1)
    wanted.setdefault("CPU", 1)
    evidence = (*case.facts["devices"], *(f"{key}: {value}" for key, value in case.facts["build"].items()))
    for kind, number in wanted.items():
        have = kinds.count(kind)
        if have < number:
            return case.failed(
                f"TensorFlow sees {plural(have, kind)}, {number} expected.",
                *evidence,
                remedy=Remedy(
                    "Install the tensorflow-metal that is compatible: `envbuild compat tensorflow-metal` lists them."
                )
                if kind == "GPU"
                else case.repair.rebuild(),
            )
    return case.passed(
        "TensorFlow sees " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds))) + ".", *evidence
    )


def judge_device(case: Case) -> Finding | None:
    """The same operation on CPU and GPU."""
    error, allowed = case.facts["error"], tolerance(case, case.facts["dtype"])
    if error <= allowed:
        return None
    return case.failed(
        f"{case.subject} gives different results on GPU and CPU.",
        f"relative error {error:.3g}, allowed {allowed:.3g} ({case.facts['dtype']})",
        remedy=wrong_numbers(case, "tensorflow"),
    )


def judge_random(case: Case) -> Finding:
    """Draws and dropout masks differ, seeds repeat, and the rates are near what was asked for."""
    facts = case.facts
    wrong = [
        text
        for holds, text in (
            (facts["draws_differ"], "tf.random.uniform gives the same numbers at every call"),
            (facts["dropouts_differ"], "Dropout drops the same units at every call"),
            (facts["seeds_repeat"], "the same seed gives different numbers"),
            (facts["scaled"], "Dropout does not scale what it keeps"),
            (abs(facts["mean"] - 0.5) < 0.1, f"the mean of uniform numbers is {facts['mean']:.3f}"),
            (abs(facts["kept"] - 0.5) < 0.1, f"Dropout(0.5) keeps {facts['kept']:.0%}"),
        )
        if not holds
    ]
    if wrong:
        return case.failed(
            f"Random numbers on the {case.subject} are wrong.", *wrong, remedy=wrong_numbers(case, "tensorflow")
        )
    return case.passed(f"Random numbers and dropout on the {case.subject} are as they should be.")


def judge_training(case: Case) -> Finding:
    """The same training on each device: the loss falls, and stays beside the CPU's."""
    evidence = tuple(
        f"{device}: " + " ".join(f"{loss:.4g}" for loss in losses[::4]) for device, losses in case.facts.items()
    )
    cpu = case.facts["CPU"]
    for device, losses in case.facts.items():
        if not losses[-1] < 0.95 * losses[0]:  # NaN, too, has not fallen
            return case.failed(
                f"Training on the {device} does not lower the loss.",
                *evidence,
                remedy=wrong_numbers(case, "tensorflow"),
            )
        if abs(losses[-1] - cpu[-1]) > _SAME_LOSSES * abs(cpu[0]):
            return case.failed(
                f"Training on the {device} and on the CPU drift apart.",
                *evidence,
                remedy=wrong_numbers(case, "tensorflow"),
            )
    return case.passed(
        "A convolutional network learns" + (", the same on all devices." if len(evidence) > 1 else "."), *evidence
    )


FRAMEWORK: Final = Framework(
    name="tensorflow",
    title="TensorFlow",
    precedence=1,
    aliases=("tf",),
    modules=("tensorflow", "keras"),
    imports=("tensorflow", "keras"),
    main="tensorflow",
    conda="tensorflow",
    conda_base="tensorflow-base",
    conda_build="cpu_py{py}*",
    # On a Mac both names were used: tensorflow-macos up to 2.15.
    distributions=("tensorflow-macos", "tensorflow", "tensorflow-cpu", "tensorflow-intel"),
    libraries=r"libtensorflow_(framework|cc)\..*|_pywrap_tensorflow_internal\.so",
    partners=("keras",),
    plugin=Plugin(name="tensorflow-metal", folder="tensorflow-plugins", host="tensorflow"),
    parity=("tensorflow", "tensorflow-cpu", "keras"),
    keras_backend="tensorflow",
    # Only one of the projects `tensorflow` and `tensorflow-cpu` may be installed, and these name the first.
    requires_main=(
        "tf-keras",
        "tensorflow-hub",
        "tensorflow-text",
        "tensorflow-decision-forests",
        "keras-hub",
        "keras-nlp",
    ),
    follows_minor=("tf-keras",),
    # Two copies of the same C++ symbols (protobuf, absl, libstdc++).
    clashes=("torch", "pyarrow"),
    probes=(
        Probe(script="tensorflow_ops", module="tensorflow", doing="TensorFlow's operations against known answers"),
    ),
    claims=(
        Claim(
            id="tensorflow.devices",
            area="frameworks",
            catches="A GPU that is expected and missing, or fewer devices than the recipe asks for.",
            otherwise="Silence: training runs on the CPU.",
            judge=judge_devices,
        ),
        Claim(
            id="numerics.tensorflow",
            area="numerics",
            catches="Wrong results of TensorFlow's operations on any device against known answers.",
            otherwise="Silence: wrong numbers "
            "(tensorflow-metal: #92686, #57204, #51499, #71577 of tensorflow/tensorflow).",
            judge=lambda case: known_answer(case, module="tensorflow"),
        ),
        Claim(
            id="numerics.device",
            area="numerics",
            catches="An operation whose result on the GPU is another than on the CPU.",
            otherwise="Silence: models that train on one machine and not on another.",
            judge=judge_device,
        ),
        Claim(
            id="numerics.random",
            area="numerics",
            catches="Random numbers or dropout masks that are the same at every call, or seeds that do not repeat.",
            otherwise="Silence: dropout that always drops the same units (tensorflow#53505, tf-keras#541).",
            judge=judge_random,
        ),
        Claim(
            id="numerics.training",
            area="numerics",
            catches="Training whose losses differ between CPU and GPU, or do not fall.",
            otherwise="Silence: a lower accuracy on the GPU, or a loss that explodes (keras#21668).",
            judge=judge_training,
        ),
    ),
)
