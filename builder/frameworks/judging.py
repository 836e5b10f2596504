"""Judges that the frameworks share: known answers, losses that fall, devices, worker processes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from builder.finding import Remedy
from builder.frameworks.model import Claim

if TYPE_CHECKING:
    from builder.finding import Finding
    from builder.frameworks.case import Case, Judge

#: Relative errors accepted, several times what correct libraries reach on the sizes used (measured: OpenBLAS
#: on linux-64 stays below 3e-6, 2e-14), and orders of magnitude below what the published bugs give.
TOLERANCES: Final[dict[str, float]] = {"float16": 5e-2, "bfloat16": 2e-1, "float32": 2e-4, "float64": 1e-10}


def tolerance(case: Case, dtype: str) -> float:
    """The recipe's relative tolerance for a dtype, else the default."""
    return case.expectations.tolerances.get(dtype, TOLERANCES[dtype])


def wrong_numbers(case: Case, module: str) -> Remedy:
    """What to do about a library that computes wrongly: another pair with a GPU plug-in, else sound files."""
    if case.expectations.gpu and case.subdir.is_osx:
        return Remedy(
            "The GPU plug-in gives wrong results with these versions: take a safe pair (`envbuild compat` lists them), "
            "or hide the GPU with tf.config.set_visible_devices([], 'GPU')."
        )
    return case.repair.restore_module(module)


def known_answer(case: Case, *, module: str) -> Finding | None:
    """Only wrong numbers are findings of their own; a summary of the whole probe says what was right."""
    error, allowed = case.facts["error"], tolerance(case, case.facts["dtype"])
    if error <= allowed:
        return None
    evidence = f"relative error {error:.3g}, allowed {allowed:.3g} ({case.facts['dtype']})"
    return case.failed(f"{module} computes {case.subject} incorrectly.", evidence, remedy=wrong_numbers(case, module))


def judge_workers(case: Case) -> Finding:
    """Worker processes compute what their parent computes."""
    method = case.subject
    if not case.facts["equal"]:
        return case.failed(
            f"Worker processes started by {method} compute something else than their parent.",
            remedy=wrong_numbers(case, "numpy"),
        )
    default = (f"default here: {case.facts['default']}",) if "default" in case.facts else ()
    return case.passed(f"Worker processes can be started by {method}.", *default)


def wants_gpu(case: Case) -> bool:
    """Whether the recipe asks for a GPU on this platform, by its devices or by `gpu: true`."""
    expected = case.expectations
    return expected.devices.get("GPU", 0) > 0 or (expected.gpu and case.subdir.is_osx)


def _devices(title: str) -> Judge:
    """A GPU where one is expected: MPS for PyTorch, METAL for JAX, the default device for MLX."""

    def judge(case: Case) -> Finding:
        facts = case.facts
        gpu = bool(facts.get("mps") or facts.get("cuda") or facts.get("metal"))
        gpu = gpu or any(not device.startswith("cpu") for device in facts.get("devices", ()))
        evidence = tuple(f"{key}: {value}" for key, value in facts.items())
        if wants_gpu(case) and not gpu:
            return case.failed(
                f"{title} sees no GPU, although the recipe asks for one.",
                *evidence,
                remedy=Remedy("Check the versions (`envbuild compat`), and that macOS shows the GPU."),
            )
        return case.passed(f"{title} sees " + ("a GPU." if gpu else "the CPU only."), *evidence)

    return judge


def _fit(title: str, module: str) -> Judge:
    """The loss of a linear, noiseless task is finite and falls to less than a tenth."""

    def judge(case: Case) -> Finding:
        losses: list[Any] = case.facts["losses"]
        evidence = "loss: " + " ".join(f"{loss:.4g}" for loss in losses)
        if not all(math.isfinite(loss) for loss in losses) or losses[-1] > 0.1 * losses[0]:
            return case.failed(
                f"{title} does not learn on {case.subject}.", evidence, remedy=wrong_numbers(case, module)
            )
        return case.passed(f"{title} learns on {case.subject}.", evidence)

    return judge


def standard_claims(*, title: str, module: str) -> tuple[Claim, ...]:
    """What is claimed of every array library with its own devices: it sees them, computes rightly, and learns.

    Its probe reports steps called `MODULE.devices` (facts: `devices`, or `mps`, `cuda`, `metal`), `numerics.MODULE`
    (`error`, `dtype`) and `MODULE.fit` (`losses`).
    """
    return (
        Claim(
            id=f"{module}.devices",
            area="frameworks",
            catches=f"A GPU that {title} is expected to use and does not see.",
            otherwise="Silence: training runs on the CPU.",
            judge=_devices(title),
        ),
        Claim(
            id=f"numerics.{module}",
            area="numerics",
            catches=f"Wrong results of {title}'s operations on any device against known answers.",
            otherwise="Silence: wrong numbers.",
            judge=lambda case: known_answer(case, module=module),
        ),
        Claim(
            id=f"{module}.fit",
            area="frameworks",
            catches=f"A training in {title} whose loss does not fall.",
            otherwise="Silence: a model that never learns.",
            judge=_fit(title, module),
        ),
    )
