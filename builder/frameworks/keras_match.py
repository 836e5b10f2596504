"""Does the installed Keras belong to the installed TensorFlow? By metadata and facts; nothing is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from builder.compat.installed import known_about
from builder.finding import Finding, Remedy, Status
from builder.frameworks import registry
from builder.wording import capital

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.frameworks.case import Inspection, Repair


def match(inspection: Inspection) -> Iterator[Finding]:
    environment = inspection.environment
    host = tensorflow_of(environment)
    keras, legacy = environment.distribution("keras"), environment.distribution("tf-keras")
    if host is None:
        yield Finding(check="keras.match", status=Status.SKIP, title="TensorFlow is not installed from a wheel here")
        return
    try:
        version = Version(host.version)
        if keras is not None:
            Version(keras.version)
    except InvalidVersion:
        yield Finding(
            check="keras.match",
            status=Status.SKIP,
            title=f"{host.name} or Keras has no readable version: {host.version}",
        )
        return
    evidence = [f"{dist.name} {dist.version}" for dist in (host, keras, legacy) if dist is not None]
    minor = f"{version.major}.{version.minor}"
    reasons = [
        *([] if keras is None else _keras_reasons(host, version, keras)),
        *(
            []
            if legacy is None or legacy.version.startswith(f"{minor}.")
            else [f"tf-keras {legacy.version} is for TensorFlow {'.'.join(legacy.version.split('.')[:2])}, not {minor}"]
        ),
    ]
    facts = known_about(
        environment,
        [(host, dist) for dist in (keras, legacy) if dist is not None],
        python=inspection.python_minor,
    )
    # The requirement as TensorFlow words it and the fact made of the same metadata are one reason.
    told = [sentence for sentence, _, _ in facts.refused]
    reasons = [*reasons, *(told if not reasons else [])]
    lines = [line for _, line, _ in (*facts.refused, *facts.unsafe)]
    if reasons:
        yield Finding(
            check="keras.match",
            status=Status.FAIL,
            title=f"Keras is not compatible with {host.name} {host.version}: {reasons[0]}",
            evidence=(*evidence, *reasons[1:], *lines),
            remedy=_keras_remedy(inspection.repair, host, version, reasons),
            about=frozenset(dist.name for dist in (host, keras, legacy) if dist is not None),
        )
    elif keras is None:
        alone = environment.python is None
        yield Finding(
            check="keras.match",
            status=Status.SKIP if alone else Status.FAIL,
            title="The folder holds TensorFlow without Keras"
            if alone
            else f"{host.name} {host.version} is installed without Keras",
            evidence=tuple(evidence),
            remedy=None if alone else _keras_remedy(inspection.repair, host, version, reasons),
        )
    elif facts.unsafe:
        cause, _, remedy = facts.unsafe[0]
        yield Finding(
            check="keras.match",
            status=Status.WARN,
            title=f"Keras {keras.version} is known to give wrong results with {host.name} {host.version}",
            evidence=(*evidence, cause, *lines),
            remedy=Remedy(capital(remedy)) if remedy else None,
        )
    else:
        yield Finding(
            check="keras.match",
            status=Status.PASS,
            title=f"Keras {keras.version} is compatible with {host.name} {host.version}",
            evidence=(*evidence, *facts.lines),
        )


def tensorflow_of(environment: Environment) -> Distribution | None:
    """The distribution that holds the `tensorflow` package, under whichever name it was installed."""
    found = (environment.distribution(name) for name in registry.framework("tensorflow").distributions)
    return next((dist for dist in found if dist and environment.has_module("tensorflow", beside=dist)), None)


def _keras_remedy(repair: Repair, host: Distribution, version: Version, reasons: list[str]) -> Remedy:
    """The Keras that the lock has, where that is compatible; else one that is."""
    minor = f"{version.major}.{version.minor}"
    if reasons and all(reason.startswith("tf-keras") for reason in reasons):
        return repair.fitting("tf-keras", f"=={minor}.*")
    declared = [str(specifier) for specifier in _required(host)]
    bounds = ",".join(declared) if declared else ">=3" if version >= Version("2.16") else f"=={minor}.*"
    return repair.fitting("keras", bounds)


def _required(host: Distribution) -> SpecifierSet:
    """What TensorFlow's own metadata says about Keras; empty where it says nothing."""
    found = SpecifierSet()
    for requirement in host.requirements():
        if requirement.name == "keras":
            found &= requirement.specifier
    return found


def _keras_reasons(host: Distribution, version: Version, keras: Distribution) -> list[str]:
    """Why this Keras does not fit: by TensorFlow's own metadata, and by the rule that holds where it says too little.

    Up to 2.15 TensorFlow and Keras were released together, minor by minor; 2.16 moved to Keras 3 (release notes).
    """
    reasons = []
    required = _required(host)
    if not required.contains(keras.version, prereleases=True):
        reasons.append(f"it requires keras{required}, and {keras.version} is installed")
    major, _, rest = keras.version.partition(".")
    if version >= Version("2.16") and major == "2" and not reasons:
        reasons.append(f"TensorFlow 2.16 and newer need Keras 3, and {keras.version} is installed")
    if (
        version < Version("2.16")
        and f"{major}.{rest.partition('.')[0]}" != f"{version.major}.{version.minor}"
        and not reasons
    ):
        reasons.append(f"up to 2.15 both have the same minor version, and {keras.version} is installed")
    return reasons
