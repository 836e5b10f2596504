"""Reading recipes: strict YAML, `extends`, and the errors that say where and what to write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from builder import yamlio
from builder.credentials import redact
from builder.errors import RecipeError
from builder.recipe.model import NAME_PATTERN, Recipe, RecipeFields, RecipeFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from builder.models import Key
    from builder.recipe.model import Objection

#: Lists that a child adds to instead of replacing: asking for more is what extending is for.
_ADDED: Final = ("dependencies", "pypi")
_MAX_CHAIN: Final = 10


def load_recipe(
    file: Path,
    *,
    find: Callable[[str], Path | None] | None = None,
    rules: Callable[[Recipe], Iterable[Objection]] | None = None,
) -> Recipe:
    """The recipe in `file`, with everything it extends applied.

    `find` gives the file of the recipe that `extends` names; by default it is looked for beside `file`. `rules` are
    what the rooms above know about contradictions in a recipe (`builder.frameworks.rules.objections`).
    Raises RecipeError with file and line.
    """
    look = find or (lambda name: _sibling(file, name))
    document = yamlio.load(file, error=RecipeError)
    if not isinstance(document.data, dict):
        raise RecipeError("a recipe is a mapping of fields", file=file, line=1, hint="begin with `name: …`")
    _check_name(document)
    merged = _merged(document, look, (file.stem,))
    written = yamlio.validate(merged, RecipeFile, error=RecipeError)
    places = {
        path: f"{place.name}:{line}" for path, (place, line) in ((path, merged.place(path)) for path in merged.lines)
    }
    recipe = Recipe(**{name: getattr(written, name) for name in RecipeFields.__struct_fields__}, places=places)
    _check_consistency(recipe, merged)
    for objection in rules(recipe) if rules is not None else ():
        where, line = merged.place(objection.path)
        raise RecipeError(objection.message, file=where, line=line, hint=objection.hint)
    return recipe


def ancestry(file: Path, *, find: Callable[[str], Path | None]) -> tuple[str, ...]:
    """The names of the recipes that the one in `file` builds on, nearest first, as far as they can be followed.

    Raises RecipeError for a file that cannot be read.
    """
    names: list[str] = []
    following: Path | None = file
    while following is not None and len(names) <= _MAX_CHAIN:
        data = yamlio.load(following, error=RecipeError).data
        name = data.get("extends") if isinstance(data, dict) else None
        if not isinstance(name, str):
            break
        names.append(name)
        following = find(name)
    return tuple(names)


def _sibling(file: Path, name: str) -> Path | None:
    candidate = file.parent / f"{name}.yaml"
    return candidate if candidate.is_file() else None


def _check_name(document: yamlio.Document) -> None:
    file, name = document.file, document.data.get("name")
    if isinstance(name, str) and re.fullmatch(NAME_PATTERN, name) and name != file.stem:
        raise RecipeError(
            f"`name: {name}` differs from the file's name {file.name!r}",
            file=file,
            line=document.line(("name",)),
            hint=f"write `name: {file.stem}`, or rename the file to {name}.yaml",
        )


def _merged(document: yamlio.Document, find: Callable[[str], Path | None], chain: tuple[str, ...]) -> yamlio.Document:
    """`document` over what it extends."""
    parent_name = document.data.get("extends")
    if parent_name is None:
        return document
    line = document.line(("extends",))
    if not isinstance(parent_name, str):
        raise RecipeError("`extends` takes the name of one recipe", file=document.file, line=line)
    if parent_name in chain or len(chain) > _MAX_CHAIN:
        raise RecipeError(
            f"`extends` goes in a circle: {' → '.join((*chain, parent_name))}", file=document.file, line=line
        )
    # A name is looked up, never used as a path: "../x" is no name of a recipe.
    parent_file = find(parent_name) if re.fullmatch(NAME_PATTERN, parent_name) else None
    if parent_file is None:
        raise RecipeError(
            f"`extends: {redact(parent_name)}` names no recipe",
            file=document.file,
            line=line,
            hint="see `envbuild list`",
        )
    parent = yamlio.load(parent_file, error=RecipeError)
    if not isinstance(parent.data, dict):
        raise RecipeError("a recipe is a mapping of fields", file=parent_file, line=1)
    _check_name(parent)
    # Each file must be right by itself, so that an error is reported in the file that holds it.
    base = _merged(parent, find, (*chain, parent_name))
    yamlio.validate(base, RecipeFile, error=RecipeError)
    return _overlay(base, document)


def _overlay(base: yamlio.Document, child: yamlio.Document) -> yamlio.Document:
    """The child's fields over those of the base; each value keeps the file and line where it was written."""
    data: dict[str, Any] = {
        key: value for key, value in base.data.items() if key not in ("name", "description", "extends")
    }
    added: dict[str, int] = {}
    replaced: set[str] = set()
    for key, value in child.data.items():
        inherited = data.get(key)
        if key in _ADDED and isinstance(inherited, list) and isinstance(value, list):
            data[key] = [*inherited, *value]
            added[key] = len(inherited)
        elif isinstance(inherited, dict) and isinstance(value, dict):
            data[key] = {**inherited, **value}
        else:
            data[key] = value
            replaced.add(key)
    merged = yamlio.Document(file=child.file, data=data)
    for path, line in base.lines.items():
        if path and path[0] in data and path[0] not in replaced:
            _place(merged, path, base, path, line)
    for path, line in child.lines.items():
        moved = path
        if len(path) > 1 and path[0] in added and isinstance(path[1], int):
            # The base's items stand before the child's.
            moved = (path[0], path[1] + added[str(path[0])], *path[2:])
        _place(merged, moved, child, path, line)
    return merged


def _place(merged: yamlio.Document, path: Key, source: yamlio.Document, written: Key, line: int) -> None:
    merged.lines[path] = line
    merged.files[path] = source.files.get(written, source.file)
    merged.written.pop(path, None)
    if written in source.written:
        merged.written[path] = source.written[written]


def _check_consistency(recipe: Recipe, document: yamlio.Document) -> None:
    """Contradictions between fields, which no single field's type can see."""

    def refuse(message: str, path: Key, hint: str) -> RecipeError:
        file, line = document.place(path)
        return RecipeError(message, file=file, line=line, hint=hint)

    if recipe.blas in ("accelerate", "newaccelerate") and not any(subdir.is_osx for subdir in recipe.subdirs):
        raise refuse(f"`blas: {recipe.blas}` exists on macOS only", ("blas",), "write `blas: auto`")
    if "main" in recipe.groups:
        raise refuse("`main` is the name of the packages outside all groups", ("groups", "main"), "choose another name")
