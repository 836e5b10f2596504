"""The house stays as it was built: rooms use what is below them, and the machine is asked in one place."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import builder

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(builder.__file__).parent

#: The rooms from the top (docs/architecture.md). A room may use the rooms on lines below its own.
FLOORS: Final = (
    ("cli",),
    ("operations",),
    ("workspace", "project", "config"),
    ("doctor", "report"),
    ("checks",),
    ("probes",),
    ("install", "channel", "exports", "importing"),
    ("lock",),
    ("render",),
    ("plan",),
    ("frameworks",),
    ("compat", "recipe"),
    ("environment",),
    ("binaries",),
)
_FLOOR: Final = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
_GROUND: Final = len(FLOORS)

#: Where the machine is asked: the workspace, and what runs before there is one.
READERS: Final = frozenset({"workspace", "cli", "cli.session"})


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE).with_suffix("")
        # The probes run in the environment's own Python, which is not ours.
        if relative.parts[:2] == ("probes", "scripts") or "_shipped" in relative.parts:
            continue
        parts = relative.parts[:-1] if relative.name == "__init__" else relative.parts
        yield ".".join(parts), ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _floor(module: str) -> int:
    return _FLOOR.get(module.partition(".")[0], _GROUND)


def _imports(tree: ast.Module) -> Iterator[str]:
    """Modules of ours that are imported when the code runs; what only type checkers see is left out."""
    unseen = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "builder":
            inside = node.module.removeprefix("builder").removeprefix(".")
            yield from [inside] if inside else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name[8:] for alias in node.names if alias.name.startswith("builder."))


def _wrong_imports() -> set[tuple[str, str]]:
    wrong = set()
    for module, tree in _modules():
        for imported in _imports(tree):
            room, other = module.partition(".")[0], imported.partition(".")[0]
            if room == other or not module or not imported or module == "__main__":
                continue
            if _floor(module) == _floor(imported) == _GROUND or {room, other} <= set(FLOORS[2]):
                continue
            if _floor(module) >= _floor(imported):
                wrong.add((module, imported))
    return wrong


def test_rooms_use_only_what_is_below_them() -> None:
    """Also beside: `install` knows nothing of `channel`, `compat` nothing of `recipe`."""
    assert sorted(_wrong_imports()) == []


_FORBIDDEN_ATTRIBUTES: Final = frozenset(
    {"environ", "environb", "getenv", "getcwd", "getcwdb", "expanduser", "expandvars", "abspath"}
)


def _readings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute | ast.Call):
            owner = ast.unparse(node.value)
            if (owner in ("os", "os.path") and node.attr in _FORBIDDEN_ATTRIBUTES) or (
                owner in ("Path", "pathlib.Path") and node.attr in ("home", "cwd")
            ):
                yield node.lineno, f"{owner}.{node.attr}"
            elif node.attr == "expanduser":
                yield node.lineno, ".expanduser"
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "os.path"):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in _FORBIDDEN_ATTRIBUTES)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, name) for name in names if name.partition(".")[0] == "platformdirs")
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "host_subdir"
            and not (node.args or node.keywords)
        ):
            yield node.lineno, "host_subdir()"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "absolute"
            and not node.args
        ):
            yield node.lineno, ".absolute()"


def test_the_machine_is_asked_in_one_place() -> None:
    """Everything below the workspace is given the environment, home and working directory that it works with."""
    found = {module: list(_readings(tree)) for module, tree in _modules()}
    reading = {module for module, readings in found.items() if readings}
    told = {module: found[module] for module in sorted(reading - READERS)}
    assert told == {}
    assert reading >= READERS - {"cli"}, "the test no longer sees what it forbids"


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['HOME']",
        "from os import environ",
        "from pathlib import Path\nPath.home()",
        "import pathlib\npathlib.Path.cwd()",
        "import os\nos.path.expanduser('~')",
        "path.expanduser()",
        "import platformdirs",
        "from platformdirs import user_data_path",
        "host_subdir()",
        "Path('a').absolute()",
    ],
)
def test_every_way_to_ask_is_seen(code: str) -> None:
    assert list(_readings(ast.parse(code)))


def test_every_room_has_a_floor() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders - _FLOOR.keys() == set()


def test_nothing_is_raised_where_a_group_is_handled() -> None:
    """Python before 3.11.4 wraps what an `except*` block raises in another group, whatever it handled."""
    raising = [
        f"{module}:{inner.lineno}"
        for module, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.TryStar)
        for handler in node.handlers
        for inner in ast.walk(handler)
        if isinstance(inner, ast.Raise)
    ]
    assert raising == []
