"""What of a file may leave the machine: only what the doctor reads in it, at the line where it stands.

Everything else (tokens, commands, code, other programs' settings) is left out. A file of a kind that is not known here
is left out whole.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import quoteattr

from builder.doctor import stack
from builder.doctor.claims.project import IMPORT, KERAS_OF_TENSORFLOW
from builder.doctor.claims.shells import WATCHED, closes, opens, tells
from builder.doctor.formats import FormatError, parse_jsonc, parse_xml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.doctor.formats import Document, Node

#: Components of JetBrains' files that are read.
_COMPONENTS: Final = frozenset(
    {
        "ProjectJdkTable", "ProjectRootManager", "NewModuleRootManager", "RunManager", "RecentProjectsManager",
        "ProjectModuleManager", "ProjectRunConfigurationManager", "RecentDirectoryProjectsManager", "FacetManager",
    }
)  # fmt: skip
#: `<option>` values that are read; of all others only the name is kept.
_OPTIONS: Final = frozenset(
    {
        "SDK_HOME",
        "SDK_NAME",
        "IS_MODULE_SDK",
        "lastOpenedProject",
        "lastProjectPath",
        "activationTimestamp",
        "projectOpenTimestamp",
    }
)
_SETTINGS: Final = re.compile(
    r"python\.(?:defaultInterpreterPath|pythonPath|useEnvironmentsExtension|envFile)|python-envs\.(?:pythonProjects|defaultEnvManager)"
    r"|terminal\.integrated\.(?:defaultProfile|profiles|env)\.(?:osx|linux)|settings|folders|folder|profileAssociations"
    r"|argv|display_name|language|env|env_vars|backend|floatx|image_data_format|subdir"
    r"|pythonPath|workspace|configuration|launch|windowsState"
)
#: Of a launch configuration, what is read.
_LAUNCH: Final = ("name", "type", "request", "program", "python", "pythonPath", "env", "envFile")
#: What may stand in a URL and opens a door: a name and password, and Anaconda's `/t/TOKEN/`.
_PASSWORD: Final = re.compile(r"(?<=://)[^/@\s]+@")
_TOKEN: Final = re.compile(r"(?<=/t/)[^/\s]+(?=/)")
#: Of a conda-lock.yml, who made it and when.
_MAKER: Final = re.compile(r"\s*(?:git_user_name|git_user_email|git_sha|creat\w*|author\w*):")


def redacted(path: Path, text: str) -> str | None:
    """`text` of the file `path` with only what the doctor reads in it; None for a kind of file it does not know."""
    for pattern, reduce in _KINDS:
        if re.search(pattern, str(path)):
            try:
                return reduce(text)
            except FormatError:
                return None
    return None


# -- lines -------------------------------------------------------------------------------------------------------


def _lines(keep: Callable[[str], str | None]) -> Callable[[str], str]:
    """A reducer that keeps the lines `keep` gives back and leaves the others empty: no line changes its number."""
    return lambda text: "".join(f"{keep(line) or ''}\n" for line in text.splitlines())


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return _lines(lambda line: line if compiled.match(line) else None)


def _start_up(line: str) -> str | None:
    """A line of a shell's start-up file. Of conditions and functions only their shape is kept."""
    stripped = line.strip()
    if re.match(r"# (?:>>>|<<<) \w+ initialize (?:>>>|<<<)", stripped) or tells(stripped):
        return line
    if opens(stripped):
        return "if false; then"
    if closes(stripped):
        return "fi"
    return "else" if stripped == "else" else None


def _variable(line: str) -> str | None:
    found = re.match(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=", line)
    return line if found and found[1] in WATCHED else None


def _source(line: str) -> str | None:
    """Imports, and nothing else of somebody's code."""
    if KERAS_OF_TENSORFLOW.search(line):
        return "import keras"
    return "".join(f"import {name};" for name in IMPORT.findall(line)) or None


def _condarc(line: str) -> str | None:
    """The platform and the folders of environments; of other keys only that they begin."""
    said = re.sub(r"\s+#.*$", "", line)
    if re.match(r"(?:subdir|platform|envs_dirs|envs_path):|\s*-\s*[/~$]", said):
        return said
    return said if re.match(r"[a-z_]+:\s*$", said) else None


def _dependency(line: str) -> str | None:
    if re.match(r"name\s*[:=]\s*[\w\"'.+-]+\s*$", line):
        return line
    return " ".join(stack.declared(line)) or None


def _conda_lock(line: str) -> str | None:
    return None if _MAKER.match(line) else _TOKEN.sub("removed", _PASSWORD.sub("", line))


# -- JSON --------------------------------------------------------------------------------------------------------


def _json(text: str) -> str:
    """Only the keys that are read, each at its old line."""
    document = parse_jsonc(text)
    if not isinstance(document.value, dict):
        return "{}"
    kept = {key: _value(key, value) for key, value in document.value.items() if _SETTINGS.fullmatch(key)}
    return _at_their_lines(kept, document)


def _value(key: str, value: Any) -> Any:
    if key in ("env", "env_vars") or key.startswith("terminal.integrated.env."):
        return {name: item for name, item in value.items() if name in WATCHED} if isinstance(value, dict) else {}
    if key == "windowsState":
        return _windows(value)
    if key == "launch" and isinstance(value, dict):
        return {"configurations": [*map(_configuration, _objects(value.get("configurations")))]}
    if key == "settings" and isinstance(value, dict):
        return {name: _value(name, item) for name, item in value.items() if _SETTINGS.fullmatch(name)}
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _windows(value: Any) -> dict[str, Any]:
    """Of the windows that are open only what they show."""
    windows = value if isinstance(value, dict) else {}

    def shown(window: dict[str, Any]) -> dict[str, Any]:
        return {key: window[key] for key in ("folder", "workspaceIdentifier") if key in window}

    return {
        "openedWindows": [*map(shown, _objects(windows.get("openedWindows")))],
        "lastActiveWindow": next((shown(window) for window in _objects([windows.get("lastActiveWindow")])), {}),
    }


def _configuration(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: _value(key, entry[key]) for key in _LAUNCH if key in entry}


def _launches(text: str) -> str:
    """launch.json: each configuration at the line of its interpreter."""
    document = parse_jsonc(text)
    out, line = '{"configurations": [', 1
    for number, entry in enumerate(_objects(document.get("configurations"))):
        key = next((key for key in ("python", "pythonPath") if key in entry), None)
        target = (document.line_of(key, entry[key]) if key else None) or line
        out += ("," if number else "") + "\n" * max(0, target - line)
        line = max(line, target)
        out += json.dumps(_configuration(entry), ensure_ascii=False)
    return out + "]}\n"


def _at_their_lines(values: dict[str, Any], document: Document) -> str:
    return _object(values, document, 1)[0] + "\n"


def _object(values: dict[str, Any], document: Document, line: int) -> tuple[str, int]:
    """The text of an object that begins in `line`, each key at its old line, and the line it ends in."""
    out = "{"
    order = sorted(values, key=lambda key: document.line(key) or 0)
    for number, key in enumerate(order):
        target = document.line(key) or line
        out += "\n" * max(0, target - line)
        line = max(line, target)
        value = json.dumps(values[key], ensure_ascii=False)
        if key == "settings" and isinstance(values[key], dict):
            value, line = _object(values[key], document, line)
        elif key == "argv" and value.startswith("["):
            # The program's own line is the one that is named.
            found = re.search(r'"argv"\s*:\s*\[(\s*)', document.bare)
            gap = "\n" * (found[1].count("\n") if found else 0)
            value, line = f"[{gap}{value[1:]}", line + len(gap)
        comma = "," if number + 1 < len(order) else ""
        out += f"{json.dumps(key)}: {value}{comma}"
    return out + "}", line


def _notebook(text: str) -> str:
    """The kernel's name at its line, and what the cells import."""
    document = parse_jsonc(text)
    metadata = document.value.get("metadata") if isinstance(document.value, dict) else None
    spec = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    name = spec.get("name") if isinstance(spec, dict) else None
    imports = "; ".join(f"import {module}" for module in dict.fromkeys(IMPORT.findall(text)))
    if KERAS_OF_TENSORFLOW.search(text):
        imports += "; import keras"
    start = document.bare.rfind('"kernelspec"')
    place = document.bare.find('"name"', start) if start >= 0 else -1
    line = document.bare.count("\n", 0, place) if place >= 0 else 0
    spec_text = json.dumps({"name": name, "language": "python"}) if isinstance(name, str) else "{}"
    cells = json.dumps([{"source": [imports]}])
    return f'{{"cells": {cells}, ' + "\n" * line + f'"metadata": {{"kernelspec": {spec_text}}}}}\n'


# -- XML ---------------------------------------------------------------------------------------------------------


def _xml(text: str) -> str:
    """The components that are read, every element at its old line, with values that say nothing here left out."""
    writer = _Writer()
    for child in parse_xml(text.encode("utf-8")).children:
        writer.element(child, inside=False)
    return writer.text + "\n"


class _Writer:
    def __init__(self) -> None:
        self.text = ""
        self._line = 1

    def element(self, node: Node, *, inside: bool) -> None:
        if node.tag == "component":
            inside = node.get("name") in _COMPONENTS
            if not inside:
                return
        if node.tag == "facet" and node.get("type") not in ("Python", "django"):
            return
        self.text += "\n" * max(0, node.line - self._line)
        self._line = max(self._line, node.line)
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in _attributes(node, inside=inside).items())
        self.text += f"<{node.tag}{attributes}>"
        for child in node.children:
            if child.tag not in ("roots", "frame", "method", "sourceFolder", "excludeFolder"):
                self.element(child, inside=inside)
        self.text += f"</{node.tag}>"


def _attributes(node: Node, *, inside: bool) -> dict[str, str]:
    attributes = dict(node.attributes)
    if not inside:
        return {name: value for name, value in attributes.items() if name in ("version", "type")}
    silent = (node.tag == "option" and node.get("name") not in _OPTIONS) or (
        node.tag == "env" and node.get("name") not in WATCHED
    )
    if silent and "value" in attributes:
        attributes["value"] = ""
    attributes.pop("frameTitle", None)
    return attributes


#: What a path looks like → how its text is reduced. The first that fits counts.
_KINDS: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    (r"options/(?:other|conda_packages)\.xml$", _matching(r".*(?:PYCHARM_CONDA_FULL_LOCAL_PATH|PREFERRED_CONDA_PATH)")),
    (r"\.(?:xml|iml)$", _xml),
    (r"\.ipynb$", _notebook),
    (r"/launch\.json$", _launches),
    (r"conda-meta/state$|\.code-workspace$|\.json$", _json),
    (r"/\.?(?:conda|mamba)rc$|/condarc\.d/[^/]+\.ya?ml$", _lines(_condarc)),
    (r"\.env(?:rc|\.[\w-]+)?$", _lines(_variable)),
    (r"/(?:\.?mise(?:\.local)?\.toml|mise/config\.toml)$", _matching(r"\[|\s*python\s*=")),
    (r"/\.tool-versions$", _matching(r"python\s")),
    (r"/pip\.conf$", _matching(r"\[|\s*(?:target|prefix|root|user)\s*[=:]")),
    (r"/uv\.toml$", _matching(r"\[|\s*(?:target|prefix|system|break-system-packages|python)\s*=")),
    (r"/uv\.lock$", _matching(r"\[\[package\]\]|name = |version = ")),
    (r"/conda-lock\.yml$", _lines(_conda_lock)),
    (
        r"/\.(?:zshrc|zshenv|zprofile|zlogin|bashrc|bash_profile|bash_login|profile)$|\.(?:fish|zsh|bash|sh)$|rc$",
        _lines(_start_up),
    ),
    (r"/(?:environments\.txt|\.python-version|version|pyvenv\.cfg)$", _matching(r".")),
    (r"/RECORD$", _matching(r"\"?(?:\w+/){1,3}__init__\.py|\"?\w+/.*\.(?:so|dylib)")),
    (r"(?:spyder|transient)\.ini$", _matching(r"\[|default =|custom =|custom_interpreter =|executable =")),
    (
        r"/(?:environment\.ya?ml|requirements\.txt|pyproject\.toml|setup\.py|setup\.cfg|Pipfile|pixi\.toml)$",
        _lines(_dependency),
    ),
    (r"\.py$", _lines(_source)),
)
