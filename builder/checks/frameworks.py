"""Frameworks: do Keras and the GPU plug-ins fit their host? By facts, symbols and metadata; nothing is imported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from builder.binaries.demangle import shown
from builder.checks.known_pairs import Verdict, verdict
from builder.checks.registry import Check
from builder.checks.survey import Scope
from builder.finding import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.dyld import Process
    from builder.checks.survey import Survey
    from builder.environment.prefix import Dist, Prefix

CHECKS: Final = (
    Check(
        id="keras.match",
        area="frameworks",
        catches="A Keras or tf-keras that does not belong to the installed TensorFlow.",
        otherwise="AttributeError: module 'tensorflow._api.v2.compat.v2.__internal__' has no attribute "
        "'register_load_context_function'; or tf.keras silently being another Keras.",
    ),
    Check(
        id="metal.match",
        area="frameworks",
        catches="A GPU plug-in (tensorflow-metal, jax-metal) that cannot load into the installed framework, or that "
        "is known to compute wrongly with it or its Keras.",
        otherwise="`import tensorflow` fails: NotFoundError: dlopen(…/libmetal_plugin.dylib): Symbol not found: …",
    ),
)

#: The distributions that hold the `tensorflow` package; on a Mac both names were used (tensorflow-macos up to 2.15).
_TENSORFLOW: Final = ("tensorflow-macos", "tensorflow", "tensorflow-cpu", "tensorflow-intel")
_PLUGIN: Final = re.compile(r"(^|/)(tensorflow-plugins|jax_plugins)/.*\.(dylib|so)$")


def check(survey: Survey) -> Iterator[Finding]:
    yield from _keras(survey)
    if survey.is_mac:
        yield from _metal(survey)


def _keras(survey: Survey) -> Iterator[Finding]:
    prefix = survey.prefix
    host = _tensorflow(prefix)
    keras, legacy = prefix.dist("keras"), prefix.dist("tf-keras")
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
    facts = verdict(prefix, [(host, dist) for dist in (keras, legacy) if dist is not None])
    # The requirement as TensorFlow words it and the fact made of the same metadata are one reason.
    told = [sentence for sentence, _, _ in facts.refused]
    reasons = [*reasons, *(told if not reasons else [])]
    lines = [line for _, line, _ in (*facts.refused, *facts.unsafe)]
    if reasons:
        yield Finding(
            check="keras.match",
            status=Status.FAIL,
            title=f"Keras does not fit {host.name} {host.version}: {reasons[0]}",
            evidence=(*evidence, *reasons[1:], *lines),
            remedy=next((remedy for _, _, remedy in facts.refused if remedy), None)
            or _keras_remedy(host, version, reasons),
        )
    elif keras is None:
        alone = prefix.python is None
        yield Finding(
            check="keras.match",
            status=Status.SKIP if alone else Status.FAIL,
            title="The folder holds TensorFlow without Keras"
            if alone
            else f"{host.name} {host.version} is installed without Keras",
            evidence=tuple(evidence),
            remedy=None if alone else "Install keras: tf.keras is a separate package.",
        )
    elif facts.unsafe:
        cause, _, remedy = facts.unsafe[0]
        yield Finding(
            check="keras.match",
            status=Status.WARN,
            title=f"Keras {keras.version} is known to compute wrongly with {host.name} {host.version}",
            evidence=(*evidence, cause, *lines),
            remedy=remedy,
        )
    else:
        yield Finding(
            check="keras.match",
            status=Status.PASS,
            title=f"Keras {keras.version} is one that {host.name} {host.version} accepts",
            evidence=(*evidence, *facts.lines),
        )


def _tensorflow(prefix: Prefix) -> Dist | None:
    found = (prefix.dist(name) for name in _TENSORFLOW)
    return next((dist for dist in found if dist is not None and (dist.path.parent / "tensorflow").is_dir()), None)


def _keras_remedy(host: Dist, version: Version, reasons: list[str]) -> str:
    """A command that changes what is installed: `keras>=3` alone leaves a Keras 3 that is too old where it is."""
    minor = f"{version.major}.{version.minor}"
    if all(reason.startswith("tf-keras") for reason in reasons):
        return f"Install the tf-keras of this TensorFlow: python -m pip install 'tf-keras=={minor}.*'"
    declared = [str(specifier) for specifier in _required(host)]
    bounds = ",".join(declared) if declared else ">=3" if version >= Version("2.16") else f"=={minor}.*"
    return f"Install the Keras of this TensorFlow: python -m pip install --upgrade 'keras{bounds}'"


def _required(host: Dist) -> SpecifierSet:
    """What TensorFlow's own metadata says about Keras; empty where it says nothing."""
    found = SpecifierSet()
    for line in (host.read("METADATA") or "").split("\n\n", 1)[0].splitlines():
        if re.match(r"Requires-Dist:\s*keras\b(?!-)", line):
            try:
                requirement = Requirement(line.partition(":")[2].strip())
            except InvalidRequirement:
                continue
            found &= requirement.specifier
    return found


def _keras_reasons(host: Dist, version: Version, keras: Dist) -> list[str]:
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


def _metal(survey: Survey) -> Iterator[Finding]:
    plugins = [process for process in survey.processes if _PLUGIN.search(process.entry.rel)]
    stamp = survey.prefix.stamp
    if not plugins:
        wanted = stamp is not None and stamp.expectations.gpu and stamp.expectations.provider == "metal"
        yield Finding(
            check="metal.match",
            status=Status.FAIL if wanted else Status.SKIP,
            title="The recipe asks for the Mac's GPU, but no plug-in is installed"
            if wanted
            else "No GPU plug-in is installed",
            remedy="Install tensorflow-metal of the version that fits; `envbuild compat` lists the pairs."
            if wanted
            else None,
        )
    for process in plugins:
        yield _plugin(survey, process)


def _plugin(survey: Survey, process: Process) -> Finding:
    """By symbols whether it loads, by facts whether it works: each can refuse, neither overrules the other."""
    entry = process.entry
    package = survey.packages.described(entry.rel)
    unbound = _unbound(survey, process)
    facts = _plugin_facts(survey.prefix, survey.packages.owner(entry.rel))
    hosts = [survey.packages.described(binary.rel) for binary, _ in process.images.values() if binary is not entry]
    host = next(iter(dict.fromkeys(hosts)), None) or _host(survey)
    told = tuple(line for _, line, _ in (*facts.refused, *facts.unsafe))
    known = next((remedy for _, _, remedy in (*facts.refused, *facts.unsafe) if remedy), None)
    if unbound or facts.refused:
        title = f"{package} cannot load into {host}" if unbound else f"{package} does not work: {facts.refused[0][0]}"
        out = f"python -m pip uninstall {survey.packages.owner(entry.rel)}"
        return Finding(
            check="metal.match",
            status=Status.FAIL,
            title=title,
            evidence=(entry.rel, *unbound, *(sentence for sentence, _, _ in facts.refused if unbound), *told),
            remedy=f"{known[:1].upper()}{known[1:]}, or remove the plug-in: {out}"
            if known
            else f"Take the pair that fits (`envbuild compat` lists them), or remove the plug-in: {out}",
        )
    what = f"{len(entry.imports):,} symbols" if survey.scope is Scope.FULL else "its libraries"
    loads = f"{package} loads into {host}: {what} found"
    if facts.unsafe:
        return Finding(
            check="metal.match",
            status=Status.WARN,
            title=f"{package} is known to compute wrongly, without a word, beside the Keras or host that is installed",
            evidence=(entry.rel, loads, facts.unsafe[0][0], *told),
            remedy=f"{known[:1].upper()}{known[1:]}; until then, run `envbuild verify NAME --full` on the Mac"
            if known
            else "Run `envbuild verify NAME --full` on the Mac.",
        )
    return Finding(
        check="metal.match",
        status=Status.PASS,
        title=loads,
        evidence=(entry.rel, "whether its results are right only a run on a Mac can tell", *facts.lines),
    )


def _plugin_facts(prefix: Prefix, owner: str) -> Verdict:
    """The plug-in with its framework and, as it takes part in what the GPU computes, with Keras."""
    plugin = prefix.dist(owner)
    host = prefix.dist("jaxlib") if owner.startswith("jax") else _tensorflow(prefix)
    keras = None if owner.startswith("jax") else prefix.dist("keras")
    return verdict(prefix, [(plugin, dist) for dist in (host, keras) if plugin is not None and dist is not None])


def _unbound(survey: Survey, process: Process) -> list[str]:
    """What dyld would miss."""
    entry = process.entry
    lines = [
        f"Library not loaded: {item.resolution.name}"
        for item in survey.missing_libraries
        if item.process is process or item.image is entry
    ]
    if lines or survey.scope is not Scope.FULL:
        return lines
    missing = [item for other, items in survey.missing_symbols if other is process for item in items]
    for item in sorted(missing, key=lambda item: item.position)[:10]:
        place = f"expected in {item.expected.rel}" if item.expected else "looked up in every loaded library"
        kind = "symbol not found in flat namespace" if item.how == "flat" else "Symbol not found"
        lines.append(f"{kind}: {shown(item.symbol)}, {place}")
    if entry.rel in survey.binder.damaged:
        lines.append(f"its symbols cannot be read: {survey.binder.damaged[entry.rel]}")
    return lines


def _host(survey: Survey) -> str:
    for name in (*_TENSORFLOW, "jaxlib"):
        dist = survey.prefix.dist(name)
        if dist is not None:
            return f"{name} {dist.version}"
    return "the framework, which is not installed here"
