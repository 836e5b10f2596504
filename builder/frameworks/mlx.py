"""MLX: Apple's own framework, for Apple silicon alone."""

from __future__ import annotations

from typing import Final

from builder.frameworks.judging import standard_claims
from builder.frameworks.model import Framework, Probe
from builder.platforms import Subdir

FRAMEWORK: Final = Framework(
    name="mlx",
    title="MLX",
    precedence=4,
    modules=("mlx.core",),
    imports=("mlx.core",),
    main="mlx",
    conda="mlx",
    distributions=("mlx",),
    libraries=r"libmlx\.(dylib|so)",
    parity=("mlx",),
    platforms=(Subdir.OSX_ARM64,),
    open_above=True,
    gpu="MLX is made for the Mac's GPU",
    tells_version=False,
    probes=(Probe(script="mlx_ops", module="mlx.core", doing="MLX: known answers, training"),),
    claims=standard_claims(title="MLX", module="mlx"),
)
