"""The tables of the documentation, made from the facts; a test compares them with what is committed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from builder.compat.draw import markdown, svg
from builder.compat.tables import LEGEND, grids, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.compat.facts import Facts
    from builder.compat.tables import Grid

_INTRODUCTION: Final = """\
# What fits what on Apple silicon

This page is generated from the facts in `builder/compat/data/` (`python tools/measure.py docs`). Every fact names its
source, how it was established (*measured* here, *published* by others, or read from the packages' own *metadata*),
and when. `envbuild compat` shows the same tables, `envbuild compat explain tensorflow=2.18 tensorflow-metal=1.1.0`
answers for one combination, and `envbuild show RECIPE` says which fact each version of an environment rests on.

Nothing here was run on a Mac: *measured* means real arm64 wheels read on Linux (symbols, tags, metadata), or the
same release of TensorFlow run on linux-64. What a GPU computes, `envbuild verify` proves on the machine itself.

"""

_NOTES: Final = {
    "keras": """\
Each ✓ is a run of the functional suite in its own throw-away environment, on linux-64 with `tensorflow-cpu` of that
release: build, fit until the loss falls, predict, save and load (`.keras`, `.h5`, weights), `tf.data`, mixed
precision, a custom layer, `tf.function`, a subclassed model, convolution and recurrence.

Two things fail in **every** Keras 3 beside every TensorFlow, so no cell tells them apart: loading an `.h5` model that
was compiled with a loss given by name (`loss="mse"`), and training a model on after loading it from `.h5`.
Save as `.keras`, or compile again after loading.

Code that needs Keras 2 runs beside TensorFlow 2.16 and newer with `tf-keras` of TensorFlow's own minor and
`TF_USE_LEGACY_KERAS=1`; ask for `tf-keras` in a recipe and envbuild pins that minor.
""",
    "metal": """\
✗ by symbols: what `libmetal_plugin.dylib` binds from TensorFlow's libraries was compared with what the arm64 wheel
of that TensorFlow exports (re-exports count). tensorflow-metal declares no TensorFlow version, so pip installs any of
these pairs, and `import tensorflow` then ends in `Symbol not found` or `Library not loaded`.
""",
    "metal-keras": """\
tensorflow-metal from 1.0 on (and the Python 3.11 wheel of 0.8.0) fuses MatMul with BiasAdd inside graphs and computes
`relu(bias_add(matmul))` wrongly, silently. Keras 2 and Keras from 3.7 on use `tf.nn.bias_add`; Keras 3.0 to 3.6 do not.
envbuild chooses Keras 3.5 or 3.6 beside the plug-in; a pinned unsafe pair is planned with a warning and a numeric
check that must pass.
""",
    "numpy": """\
✓ is a run of the same suite with that NumPy; – is ruled out by TensorFlow's own metadata on PyPI. conda-forge's builds
of TensorFlow 2.18 and 2.19 leave the upper bound out, so NumPy releases above it were run too (see the evidence).
""",
    "torchvision": """\
Up to 0.28 the wheels of torchvision name one release of PyTorch each; 0.29 leaves the upper bound out, so what its
binaries bind was looked up in newer releases, too. torchaudio names no release since 2.11, and was looked up likewise.
""",
    "jax-metal": """\
What the vendor's table pairs, and what its metadata allows. jax-metal has had no release since 0.1.1.
""",
}


def documents(facts: Facts) -> dict[str, str]:
    """Path below `docs/` -> text: the page and one heat map per grid."""
    found = grids(facts)
    pages = {f"images/compat-{grid.name}.svg": svg(grid) for grid in found}
    pages["compatibility.md"] = (
        _INTRODUCTION + _legend() + "".join(map(_section, found)) + _releases(facts) + _blas(facts)
    )
    return pages


def _legend() -> str:
    return "\n".join(f"* {sign} {meaning}" for sign, meaning in LEGEND.values()) + "\n\n"


def _section(grid: Grid) -> str:
    image = f"![{grid.title}](images/compat-{grid.name}.svg)\n\n"
    lines = [f"* {places}: {statement}" for places, statement in _reasons(grid)]
    why = "\n<details><summary>Why not</summary>\n\n" + "\n".join(lines) + "\n\n</details>\n" if lines else ""
    return f"## {grid.title}\n\n{_NOTES[grid.name]}\n{image}{markdown(grid)}{why}\n"


def _reasons(grid: Grid) -> Iterator[tuple[str, str]]:
    """What stands against which pairs: one line for all that differ in nothing but the two versions."""
    found: dict[str, dict[str, set[str]]] = {}
    for (row, column), cell in grid.cells.items():
        if cell.state in ("fails", "unsafe"):
            statement = _of_any(_of_any(cell.statement, grid.row, row), grid.column, column)
            if statement.count("\0") < 2:  # a sentence about more than this pair
                statement = cell.statement
            statement = statement.replace("\0", "")
            found.setdefault(statement, {}).setdefault(row, set()).add(column)
    for statement, by_row in found.items():
        columns = {row: ", ".join(ranges(grid.columns, [one in by_row[row] for one in grid.columns])) for row in by_row}
        for told in dict.fromkeys(columns.values()):
            rows = ", ".join(ranges(grid.rows, [columns.get(row) == told for row in grid.rows]))
            yield f"{grid.row} {rows} × {grid.column} {told}", statement


def _of_any(statement: str, name: str, label: str) -> str:
    """The sentence without this version of `name`, and a mark where one was.

    A label is a minor where the sentence may name the release (2.18 and 2.18.1).
    """
    return re.sub(rf"\b{re.escape(name)} {re.escape(label)}(\.\d+)*\b", f"{name}\0", statement)


def _releases(facts: Facts) -> str:
    rows = ["## TensorFlow on a Mac with Apple silicon\n", "| TensorFlow | name on PyPI | Python | macOS | declares |"]
    rows.append("|---|---|---|---|---|")
    seen: set[tuple[int, ...]] = set()
    for release in facts.releases_of("tensorflow", "pypi"):
        build = release.build("osx-arm64")
        minor = Version(release.version).release[:2]
        if build is None or minor in seen:
            continue
        seen.add(minor)
        requires = "; ".join(build.requires).replace("|", "\\|")
        rows.append(
            f"| {release.version} | `{build.distribution}` | {', '.join(build.pythons)} | {build.macos} | {requires} |"
        )
    stubs = sorted(
        {text for release in facts.releases_of("tensorflow", "pypi") for name, text in release.stubs.items()
         if name.endswith("osx-arm64")}
    )  # fmt: skip
    rows += ["", "Wheels that hold nothing, which envbuild avoids:", "", *(f"* {text}" for text in stubs), ""]
    rows += [
        "conda-forge (CPU; as far as its records were seen):",
        "",
        "| TensorFlow | platform | Python |",
        "|---|---|---|",
    ]
    for release in facts.releases_of("tensorflow", "conda-forge"):
        for place, build in release.builds.items():
            rows.append(f"| {release.version} | {place} | {', '.join(build.pythons)} |")
    return "\n".join(rows) + "\n\n"


def _blas(facts: Facts) -> str:
    rows = ["## BLAS on Apple silicon\n", "| package | variant | build | macOS | what it is |", "|---|---|---|---|---|"]
    rows += [
        f"| {facts.display(entry.package)} {entry.versions} | {entry.variant} | `{entry.build}` | {entry.macos} | "
        f"{entry.statement} ({entry.source}) |"
        for entry in facts.blas
    ]
    return "\n".join(rows) + "\n"
