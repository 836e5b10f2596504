"""PyTorch: reaches the Mac's GPU by itself, so nothing needs to be plugged in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.frameworks.judging import judge_workers, standard_claims, wrong_numbers
from builder.frameworks.model import Claim, Framework, Probe

if TYPE_CHECKING:
    from builder.finding import Finding
    from builder.frameworks.case import Case


def judge_save(case: Case) -> Finding:
    """A state_dict that was saved and loaded gives bit for bit the same predictions."""
    difference = case.facts["difference"]
    if difference != 0.0:  # NaN, too, is not the same
        return case.failed(
            "A loaded PyTorch model predicts something else.",
            f"largest difference {difference:.3g}",
            remedy=wrong_numbers(case, "torch"),
        )
    return case.passed("A saved PyTorch model predicts the same after loading.")


FRAMEWORK: Final = Framework(
    name="pytorch",
    title="PyTorch",
    precedence=2,
    aliases=("torch",),
    modules=("torch",),
    imports=("torch",),
    main="torch",
    conda="pytorch",
    conda_build="cpu_*",
    distributions=("torch",),
    libraries=r"lib(torch(_cpu|_python|_global_deps)?|c10|shm)\.(dylib|so)",
    parity=("pytorch", "torch"),
    companions=("torchvision", "torchaudio", "lightning", "pytorch-lightning", "torchmetrics"),
    gpu="PyTorch reaches the Mac's GPU by itself (MPS)",
    keras_backend="torch",
    probes=(Probe(script="torch_ops", module="torch", doing="PyTorch: known answers, training, worker processes"),),
    # Two OpenMP runtimes (pytorch#78490, xgboost#1715), or two copies of the same C++ symbols (protobuf, libstdc++).
    clashes=("tensorflow", "sklearn", "xgboost", "lightgbm", "pyarrow"),
    claims=(
        *standard_claims(title="PyTorch", module="torch"),
        Claim(
            id="torch.save",
            area="frameworks",
            catches="A state_dict that does not survive saving and loading.",
            otherwise="A trained model that cannot be loaded, or that predicts something else.",
            judge=judge_save,
        ),
        Claim(
            id="torch.loader",
            area="frameworks",
            catches="DataLoader workers that hang, crash or lose data when forked or spawned.",
            otherwise="A training that stops at its first batch, without a message.",
            judge=judge_workers,
        ),
    ),
)
