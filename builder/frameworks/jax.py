"""JAX: decided by jaxlib's builds, with jax beside it and Apple's plug-in for the Mac's GPU."""

from __future__ import annotations

from typing import Final

from builder.frameworks.judging import standard_claims
from builder.frameworks.model import Framework, Plugin, Probe

FRAMEWORK: Final = Framework(
    name="jax",
    title="JAX",
    precedence=3,
    modules=("jax",),
    imports=("jax",),
    main="jaxlib",
    version_of="jax",
    conda="jaxlib",
    conda_build="cpu_*",
    distributions=("jaxlib",),
    partners=("jax",),
    plugin=Plugin(name="jax-metal", folder="jax_plugins", host="jaxlib"),
    parity=("jax", "jaxlib"),
    companions=("flax", "optax", "equinox"),
    keras_backend="jax",
    probes=(Probe(script="jax_ops", module="jax", doing="JAX: known answers, training"),),
    claims=standard_claims(title="JAX", module="jax"),
)
