"""Judging PyTorch, JAX and MLX."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from builder.checks.numerics import judge_known_answer, judge_workers, wrong_numbers
from builder.checks.registry import Check

if TYPE_CHECKING:
    from builder.checks.judge import Case, Judge
    from builder.finding import Finding

_LIBRARIES: Final = {"torch": "PyTorch", "jax": "JAX", "mlx": "MLX"}

CHECKS: Final = (
    *(
        check
        for module, name in _LIBRARIES.items()
        for check in (
            Check(
                id=f"{module}.devices",
                area="frameworks",
                catches=f"A GPU that {name} is expected to use and does not see.",
                otherwise="Silence: training runs on the CPU.",
            ),
            Check(
                id=f"numerics.{module}",
                area="numerics",
                catches=f"Wrong results of {name}'s operations on any device against known answers.",
                otherwise="Silence: wrong numbers.",
            ),
            Check(
                id=f"{module}.fit",
                area="frameworks",
                catches=f"A training in {name} whose loss does not fall.",
                otherwise="Silence: a model that never learns.",
            ),
        )
    ),
    Check(
        id="torch.save",
        area="frameworks",
        catches="A state_dict that does not survive saving and loading.",
        otherwise="A trained model that cannot be loaded, or that predicts something else.",
    ),
    Check(
        id="torch.loader",
        area="frameworks",
        catches="DataLoader workers that hang, crash or lose data when forked or spawned.",
        otherwise="A training that stops at its first batch, without a message.",
    ),
)


def judge_devices(case: Case) -> Finding:
    """A GPU where one is expected: MPS for PyTorch, METAL for JAX, the default device for MLX."""
    module = case.step.check.partition(".")[0]
    facts = case.facts
    gpu = bool(facts.get("mps") or facts.get("cuda") or facts.get("metal"))
    gpu = gpu or any(not device.startswith("cpu") for device in facts.get("devices", ()))
    evidence = tuple(f"{key}: {value}" for key, value in facts.items())
    wanted = case.context.expectations.devices.get("GPU", 0) > 0
    wanted = wanted or (case.context.expectations.gpu and case.context.subdir.is_osx)
    if wanted and not gpu:
        return case.failed(
            f"{_LIBRARIES[module]} sees no GPU, although the recipe asks for one.",
            *evidence,
            remedy="check the versions (`envbuild compat`) and that the machine has a GPU that macOS lets it use",
        )
    return case.passed(f"{_LIBRARIES[module]} sees " + ("a GPU." if gpu else "the CPU only."), *evidence)


def judge_fit(case: Case) -> Finding:
    """The loss of a linear, noiseless task is finite and falls to less than a tenth."""
    module = case.step.check.partition(".")[0]
    losses: list[Any] = case.facts["losses"]
    evidence = "loss: " + " ".join(f"{loss:.4g}" for loss in losses)
    where = case.step.subject
    if not all(math.isfinite(loss) for loss in losses) or losses[-1] > 0.1 * losses[0]:
        return case.failed(
            f"{_LIBRARIES[module]} does not learn on {where}.", evidence, remedy=wrong_numbers(case, module)
        )
    return case.passed(f"{_LIBRARIES[module]} learns on {where}.", evidence)


def judge_save(case: Case) -> Finding:
    difference = case.facts["difference"]
    if difference != 0.0:
        return case.failed(
            "A loaded PyTorch model predicts something else.",
            f"largest difference {difference:.3g}",
            remedy=wrong_numbers(case, "torch"),
        )
    return case.passed("A saved PyTorch model predicts the same after loading.")


JUDGES: Final[dict[str, Judge]] = {
    "torch.save": judge_save,
    "torch.loader": judge_workers,
    **{f"{module}.devices": judge_devices for module in _LIBRARIES},
    **{f"{module}.fit": judge_fit for module in _LIBRARIES},
    **{f"numerics.{module}": judge_known_answer for module in _LIBRARIES},
}
