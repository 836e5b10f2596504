"""Jupyter: which kernel a notebook gets, and which Python that kernel starts.

Order of the places: JUPYTER_PATH, then the user's folder and the server's environment (the environment first where the
server runs in one), then the system's. A bare `python` in a kernelspec is the *server's* interpreter, never one of
PATH. Sources: jupyter_core's paths.py, jupyter_client's KernelManager.format_kernel_cmd.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from builder.doctor import stack
from builder.doctor.claims.project import IMPORT, KERAS_OF_TENSORFLOW
from builder.doctor.installed import distributions
from builder.doctor.model import Claim, Ide, Interpreter, Place, Presence
from builder.frameworks.keras import OVER_FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings

_BARE: Final = re.compile(r"python(?:\d(?:\.\d+)?)?")
_SERVERS: Final = ("jupyter-server", "notebook", "jupyterlab", "jupyter-core")
_MOST_NOTEBOOKS: Final = 30
_CHANGE: Final = "Kernel ▸ Change Kernel…"


@dataclass(frozen=True, kw_only=True)
class KernelSpec:
    """One `kernel.json`. `of_prefix` is the environment whose own folder it lies in, else None (the user's, or the
    system's)."""

    name: str
    file: Path
    argv: tuple[str, ...]
    env: dict[str, str]
    display: str
    language: str
    line: int | None
    of_prefix: Path | None


@dataclass(frozen=True, kw_only=True)
class _Notebook:
    """A notebook of the project: the kernel it names, where, and the frameworks it imports (None: not known)."""

    kernel: str
    place: Place
    uses: frozenset[str] | None


def read(around: Surroundings) -> list[Claim]:
    """A claim for each kernel that the project's notebooks name, or for the default one where there are none."""
    named: dict[str, list[_Notebook]] = {}
    for notebook in _notebooks(around):
        named.setdefault(notebook.kernel, []).append(notebook)
    return list(_wanted_claims(around, named)) + _other_claims(around, frozenset(named))


def _wanted_claims(around: Surroundings, named: Mapping[str, list[_Notebook]]) -> Iterator[Claim]:
    server, sure = server_environment(around)
    specs = _in_order(around, server)
    for name, books in named.items() or {"python3": []}.items():
        place = books[0].place if books else None
        spec = next((spec for spec in specs if spec.name == name), None)
        # A kernel of the user's own folder is the same whoever runs the server; one by a bare name is not.
        what = f"kernel {name}" if place is None else f"kernel {name} of {place.file.name}"
        if spec is not None:
            claim = _claim(around, spec, server, what, notebook=place, decisive=_counts(around, spec, place, sure=sure))
            yield replace(claim, uses=_uses(books))
        elif place is not None and not name.startswith("conda-env-") and not name.startswith("python"):
            yield Claim(
                ide=Ide.JUPYTER,
                who="Jupyter",
                what=what,
                written=name,
                decided_by=(place,),
                decisive=False,
                problem="no kernel of that name is installed; Jupyter asks for another",
                change=_CHANGE,
            )


def named(around: Surroundings) -> frozenset[str]:
    """The kernels that the project's notebooks name."""
    return frozenset(notebook.kernel for notebook in _notebooks(around))


def registered(around: Surroundings) -> frozenset[str]:
    """The kernels of the user's own folder."""
    return frozenset(spec.name for spec in _in_folder(around, user_folder(around) / "kernels", None))


def _uses(notebooks: Sequence[_Notebook]) -> frozenset[str] | None:
    """The frameworks that any of them imports; None where that is not known of all."""
    found: set[str] = set()
    for notebook in notebooks:
        if notebook.uses is None:
            return None
        found |= notebook.uses
    return frozenset(found) if notebooks else None


def _counts(around: Surroundings, spec: KernelSpec, notebook: Place | None, *, sure: bool) -> bool:
    """Whether a diagnosis may rest on a kernel: a notebook names it, or `--ide jupyter` asks for the default one.

    The default kernel of a server is whatever it runs in, and keeping JupyterLab in one environment and a registered
    kernel in another is the usual and healthy set-up: it counts only where nothing else would be started.
    """
    asked = around.asked is not None and Ide.JUPYTER in around.asked
    if spec.of_prefix is not None or _is_bare(spec):
        return (
            sure and asked and (notebook is not None or not _in_folder(around, user_folder(around) / "kernels", None))
        )
    return notebook is not None or asked


def _other_claims(around: Surroundings, named: frozenset[str]) -> list[Claim]:
    """The other kernels of the user's folder: shown, and judged by name where they are called like an environment."""
    server, _ = server_environment(around)
    wanted = named or {"python3"}
    # Where the notebooks name their kernels, nobody starts another one.
    asked = around.asked is not None and Ide.JUPYTER in around.asked and not named
    names = {environment.prefix.name for environment in around.survey.environments if environment.prefix is not None}
    return [
        _claim(around, spec, server, f"kernel {spec.name}", notebook=None, decisive=asked or spec.name in names)
        for spec in _in_folder(around, user_folder(around) / "kernels", None)
        if spec.name not in wanted
    ]


def _claim(
    around: Surroundings,
    spec: KernelSpec,
    server: Interpreter | None,
    what: str,
    *,
    notebook: Place | None,
    decisive: bool,
) -> Claim:
    interpreter, problem = _interpreter(around, spec, server)
    place = Place(file=spec.file, line=spec.line, key="argv")
    environ = {name: (value, Place(file=spec.file, key=f"env.{name}")) for name, value in spec.env.items()}
    return Claim(
        ide=Ide.JUPYTER,
        who="Jupyter",
        what=what,
        written=spec.argv[0] if spec.argv else "",
        decided_by=((notebook, place) if notebook is not None else (place,)),
        interpreter=interpreter,
        decisive=decisive and interpreter is not None,
        problem=problem,
        change=_CHANGE,
        variables=environ,
    )


def _is_bare(spec: KernelSpec) -> bool:
    return bool(spec.argv) and _BARE.fullmatch(spec.argv[0]) is not None


def _interpreter(
    around: Surroundings, spec: KernelSpec, server: Interpreter | None
) -> tuple[Interpreter | None, str | None]:
    """What a kernelspec starts; or None and why that cannot be told."""
    argv = spec.argv
    if not argv or (spec.language and spec.language.lower() != "python"):
        return None, "not a Python kernel"
    if "nb_conda_kernels.runner" in argv and len(argv) > argv.index("nb_conda_kernels.runner") + 2:
        # [python, -m, nb_conda_kernels.runner, conda's prefix, the environment's prefix, …]
        return around.environments.of_prefix(around.disk.place(argv[argv.index("nb_conda_kernels.runner") + 2])), None
    if argv[0].rpartition("/")[2] in ("conda", "mamba", "micromamba") and "run" in argv:
        for flag in ("-p", "--prefix"):
            if flag in argv[:-1]:
                return around.environments.of_prefix(around.disk.place(argv[argv.index(flag) + 1])), None
        return None, "started through `conda run`, by name"
    if _is_bare(spec):
        if spec.of_prefix is not None:
            return around.environments.of_prefix(spec.of_prefix), None
        return server, None if server is not None else "a bare `python`: the one of the server"
    if argv[0].startswith(("/", "~")):
        if not re.search(r"/(?:python|pypy|ipython)[\w.]*$", argv[0]):
            return None, f"started through {argv[0].rpartition('/')[2]}"
        return around.environments.of(around.disk.place(argv[0])), None
    return None, "a relative path: it depends on where the server was started"


# -- servers and places ------------------------------------------------------------------------------------------


def server_environment(around: Surroundings) -> tuple[Interpreter | None, bool]:
    """The environment whose Jupyter the user starts, and whether that is sure: the active one's if it has a server,
    the project's, else the only one that has."""
    found = [env for env in around.survey.environments if _serves(around, env)]
    environ = around.machine.environ
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(name):
            active = around.environments.of_prefix(around.disk.place(environ[name]))
            if any(active.prefix == env.prefix for env in found):
                return active, True
    if around.project is not None:
        for env in found:
            if env.prefix is not None and env.prefix.is_relative_to(around.project):
                return env, True
    return (found[0], True) if len(found) == 1 else (None, False)


def _serves(around: Surroundings, env: Interpreter) -> bool:
    """Whether a Jupyter server can be started there; by its kernelspec where no distribution has a record."""
    if env.prefix is None or any(env.version_of(name) for name in _SERVERS[:3]):
        return env.prefix is not None
    site = around.environments.site_packages(env.prefix)
    if site is not None and next(distributions(around.disk, site), None) is not None:
        return False
    return bool(around.disk.entries(env.prefix / "share" / "jupyter" / "kernels"))


def user_folder(around: Surroundings) -> Path:
    """jupyter_core's `jupyter_data_dir`."""
    given = around.machine.environ.get("JUPYTER_DATA_DIR")
    if given:
        return around.disk.place(given)
    if around.machine.is_mac:
        return around.disk.home / "Library" / "Jupyter"
    data = around.machine.environ.get("XDG_DATA_HOME")
    return (around.disk.place(data) if data else around.disk.home / ".local" / "share") / "jupyter"


def _in_order(around: Surroundings, server: Interpreter | None) -> list[KernelSpec]:
    environ = around.machine.environ
    found: list[KernelSpec] = []
    for entry in filter(None, environ.get("JUPYTER_PATH", "").split(":")):
        found += _in_folder(around, around.disk.place(entry) / "kernels", None)
    users = _in_folder(around, user_folder(around) / "kernels", None)
    own: list[KernelSpec] = []
    first = False
    if server is not None and server.prefix is not None:
        own = _in_folder(around, server.prefix / "share" / "jupyter" / "kernels", server.prefix)
        is_base = any(root.prefix == server.prefix for root in around.survey.condas)
        first = not is_base or environ.get("JUPYTER_PREFER_ENV_PATH", "").lower() in ("1", "true", "yes")
    found += [*own, *users] if first else [*users, *own]
    for folder in ("/usr/local/share/jupyter", "/usr/share/jupyter"):
        place = around.disk.place(folder)
        found += _in_folder(around, place / "kernels", None) if around.disk.known(place) else []
    return found + _in_folder(around, around.disk.home / ".ipython" / "kernels", None)


def _in_folder(around: Surroundings, folder: Path, prefix: Path | None) -> list[KernelSpec]:
    found = []
    for name in around.disk.entries(folder)[:200]:
        file = folder / name / "kernel.json"
        document = around.json(file)
        if document is None or not isinstance(document.value, dict):
            continue
        argv, env = document.get("argv"), document.get("env")
        found.append(
            KernelSpec(
                name=name.lower(),
                file=file,
                argv=tuple(str(word) for word in argv) if isinstance(argv, list) else (),
                env={str(key): str(value) for key, value in env.items()} if isinstance(env, dict) else {},
                display=str(document.get("display_name") or ""),
                language=str(document.get("language") or ""),
                line=_line_of_program(document.bare) or document.line("argv"),
                of_prefix=prefix,
            )
        )
    return found


def _line_of_program(bare: str) -> int | None:
    """The line of the first string after `"argv": [`."""
    found = re.search(r'"argv"\s*:\s*\[\s*(")', bare)
    return bare.count("\n", 0, found.start(1)) + 1 if found else None


def _notebooks(around: Surroundings) -> Iterator[_Notebook]:
    """The project's notebooks that name a kernel for Python. A notebook's `language_info` says nothing."""
    for file in notebooks(around):
        document = around.json(file) if around.disk.is_file(file) else None
        name = _kernel_name(document.value) if document is not None else None
        if name and document is not None:
            # The metadata stands at the end of the file: of several lines with "name" it is the one after kernelspec.
            start = document.bare.rfind('"kernelspec"')
            place = document.bare.find('"name"', start) if start >= 0 else -1
            line = document.bare.count("\n", 0, place) + 1 if place >= 0 else None
            yield _Notebook(
                kernel=name.lower(),
                place=Place(file=file, line=line, key="metadata.kernelspec.name"),
                uses=_imported(around, file.parent, document.bare),
            )


def _imported(around: Surroundings, folder: Path, code: str) -> frozenset[str] | None:
    """The frameworks that a notebook imports; None where it imports nothing, or the project's own modules, which may
    import anything."""
    imported = set(IMPORT.findall(code))
    own = (around.disk.presence(folder / name) for module in imported for name in (module, f"{module}.py"))
    if not imported or Presence.PRESENT in own:
        return None
    found = imported & set(stack.frameworks())
    return frozenset(found | {OVER_FRAMEWORKS}) if KERAS_OF_TENSORFLOW.search(code) else frozenset(found)


def _kernel_name(notebook: Any) -> str | None:
    metadata = notebook.get("metadata") if isinstance(notebook, dict) else None
    spec = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    name = spec.get("name") if isinstance(spec, dict) else None
    language = spec.get("language") if isinstance(spec, dict) else None
    if not isinstance(name, str) or language not in (None, "", "python"):
        return None
    return name if re.fullmatch(r"[\w.@+-]{1,100}", name) else None


def notebooks(around: Surroundings) -> list[Path]:
    """The project's notebooks: in its folder and one level below, a bounded number."""
    project, disk = around.project, around.disk
    if project is None:
        return []
    folders = [project] + [
        project / name for name in disk.entries(project) if not name.startswith(".") and name not in ("venv", "env")
    ]
    found: list[Path] = []
    for folder in folders[:60]:
        if folder is project or disk.is_dir(folder):
            found += [folder / name for name in disk.entries(folder) if name.endswith(".ipynb")]
    return found[:_MOST_NOTEBOOKS]
