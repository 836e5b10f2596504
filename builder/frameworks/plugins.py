"""Does a GPU plug-in load into the installed framework, and compute rightly with it? By symbols and by facts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.compat.installed import Known, known_about
from builder.finding import Finding, Remedy, Status
from builder.frameworks import registry
from builder.frameworks.model import Claim
from builder.wording import capital

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.dyld import Process
    from builder.frameworks.case import Inspection
    from builder.frameworks.model import Framework


def match(inspection: Inspection) -> Iterator[Finding]:
    if not inspection.is_mac:
        return
    folders = "|".join(re.escape(plugin.folder) for plugin in registry.gpu_plugins())
    pattern = re.compile(rf"(^|/)({folders})/.*\.(dylib|so)$")
    plugins = [process for process in inspection.processes if pattern.search(process.entry.rel)]
    stamp = inspection.environment.stamp
    if not plugins:
        wanted = stamp is not None and stamp.expectations.gpu
        yield Finding(
            check="metal.match",
            status=Status.FAIL if wanted else Status.SKIP,
            title="The recipe asks for the Mac's GPU, but no plug-in is installed"
            if wanted
            else "No GPU plug-in is installed",
            remedy=Remedy("Install the plug-in of the version that is compatible; `envbuild compat` lists the pairs.")
            if wanted
            else None,
        )
    for process in plugins:
        yield _plugin(inspection, process)


def _plugin(inspection: Inspection, process: Process) -> Finding:
    """By symbols whether it loads, by facts whether it works: each can refuse, neither overrules the other."""
    entry = process.entry
    package = inspection.packages.described(entry.rel)
    unbound = inspection.unbound(process)
    facts = _plugin_facts(inspection, inspection.packages.owner(entry.rel))
    hosts = [inspection.packages.described(binary.rel) for binary, _ in process.images.values() if binary is not entry]
    host = next(iter(dict.fromkeys(hosts)), None) or _host(inspection)
    told = tuple(line for _, line, _ in (*facts.refused, *facts.unsafe))
    known = next((remedy for _, _, remedy in (*facts.refused, *facts.unsafe) if remedy), None)
    if unbound or facts.refused:
        title = f"{package} cannot load into {host}" if unbound else f"{package} does not work: {facts.refused[0][0]}"
        out = inspection.repair.uninstall(inspection.packages.owner(entry.rel))
        return Finding(
            check="metal.match",
            status=Status.FAIL,
            title=title,
            evidence=(entry.rel, *unbound, *(sentence for sentence, _, _ in facts.refused if unbound), *told),
            remedy=Remedy(
                f"{capital(known or 'take a compatible pair (`envbuild compat` lists them)')}, or remove the plug-in "
                "and compute on the CPU.",
                out.commands,
            ),
        )
    what = f"{len(entry.imports):,} symbols" if inspection.looks_up_symbols else "its libraries"
    loads = f"{package} loads into {host}: {what} found"
    if facts.unsafe:
        proof = inspection.repair.full_proof
        return Finding(
            check="metal.match",
            status=Status.WARN,
            title=f"{package} is known to give wrong results, silently, with the Keras or host that is installed",
            evidence=(entry.rel, loads, facts.unsafe[0][0], *told),
            remedy=Remedy(
                f"{capital(known)}; until then, run {proof} on the Mac." if known else f"Run {proof} on the Mac."
            ),
        )
    return Finding(
        check="metal.match",
        status=Status.PASS,
        title=loads,
        evidence=(entry.rel, "whether its results are right only a run on a Mac can tell", *facts.lines),
    )


def _plugin_facts(inspection: Inspection, owner: str) -> Known:
    """The plug-in with its framework and, as they take part in what the GPU computes, with the framework's partners."""
    environment = inspection.environment
    plugin = environment.distribution(owner)
    framework = next((entry for entry in _with_plugin() if entry.plugin and entry.plugin.name == owner), None)
    if plugin is None or framework is None:
        return Known()
    host = next(filter(None, map(environment.distribution, framework.distributions)), None)
    others = (host, *map(environment.distribution, framework.partners))
    pairs = [(plugin, dist) for dist in others if dist is not None]
    return known_about(environment, pairs, python=inspection.python_minor)


def _host(inspection: Inspection) -> str:
    names = (name for framework in _with_plugin() for name in framework.distributions)
    host = next(filter(None, map(inspection.environment.distribution, names)), None)
    return f"{host.name} {host.version}" if host is not None else "the framework, which is not installed here"


def _with_plugin() -> tuple[Framework, ...]:
    return tuple(framework for framework in registry.all_frameworks() if framework.plugin is not None)


CLAIMS: Final = (
    Claim(
        id="metal.match",
        area="frameworks",
        catches="A GPU plug-in (tensorflow-metal, jax-metal) that cannot load into the installed framework, or that "
        "is known to compute wrongly with it or its Keras.",
        otherwise="`import tensorflow` fails: NotFoundError: dlopen(…/libmetal_plugin.dylib): Symbol not found: …",
        match=match,
    ),
)
