"""Every way a recipe can be wrong: file, line, field, and what to write."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import RecipeError
from builder.frameworks.rules import objections
from builder.recipe.load import load_recipe

ROOT = Path(__file__).parents[3]
GOOD = """\
name: mine
platforms: [osx-arm64, linux-64]
python: "3.12"
framework:
  name: tensorflow
dependencies:
  - numpy >=1.26
  - conda: matplotlib-base
    pypi: matplotlib
groups:
  dev:
    pypi: ["pytest>=8"]
"""

# what to replace in GOOD, by what; the line, part of the message, part of the hint ("" where there need be none)
REFUSED = {
    "unknown field": ("python:", "pyhton:", 3, "unknown field `pyhton`", "did you mean `python`?"),
    "unknown nested field": (
        "  name: tensorflow",
        "  nam: tensorflow",
        5,
        "unknown field `framework.nam`",
        "did you mean `name`?",
    ),
    "key twice": (
        "framework:",
        'python: "3.11"\nframework:',
        4,
        "`python` is given twice (first on line 3)",
        "keep one",
    ),
    "version as a float": ('"3.12"', "3.10", 3, "`python: 3.10` is read by YAML as the number 3.1", 'python: "3.10"'),
    "version as an integer": ('"3.12"', "3", 3, "`python: 3` is read by YAML as the number 3", 'python: "3"'),
    "macOS as a float": (
        'python: "3.12"',
        'python: "3.12"\nmacos: 14.0',
        4,
        "`macos: 14.0` is read by YAML as the number 14.0",
        'macos: "14.0"',
    ),
    "yes as a version": ('"3.12"', "yes", 3, "`python: yes` is read by YAML as yes/no", 'python: "yes"'),
    "a date as a version": (
        '"3.12"',
        "2024-01-01",
        3,
        "`python: 2024-01-01` is read by YAML as the date",
        'python: "2024-01-01"',
    ),
    "not a version": ('"3.12"', '"three"', 3, "'three' is not a version range", ""),
    "missing": ('python: "3.12"\n', "", 1, "the field `python` is missing", "add `python:`"),
    "missing nested": ("  name: tensorflow", "  gpu: true", 4, "the field `framework.name` is missing", "add `name:`"),
    "tab": ("  name: tensorflow", "\tname: tensorflow", 5, "a tab in the indentation", "two spaces"),
    "name with a path": (
        "name: mine",
        "name: ../mine",
        1,
        "`name` has a value that is not allowed: '../mine'",
        "lower-case",
    ),
    "absolute name": ("name: mine", "name: /etc/mine", 1, "not allowed: '/etc/mine'", "lower-case"),
    "name of another file": (
        "name: mine",
        "name: yours",
        1,
        "`name: yours` differs from the file's name 'mine.yaml'",
        "name: mine",
    ),
    "name with a newline": (
        "name: mine",
        'name: "mine\\nchannels: [evil]"',
        1,
        "`name` has a value that is not allowed",
        "",
    ),
    "name with a newline at the end": (
        "name: mine",
        'name: "mine\\n"',
        1,
        "`name` has a value that is not allowed",
        "",
    ),
    "text for a list": (
        "platforms: [osx-arm64, linux-64]",
        "platforms: osx-arm64",
        2,
        "`platforms` must be a list",
        "[osx-arm64]",
    ),
    "a word for a choice": (
        "framework:",
        "parity: yes\nframework:",
        4,
        "`parity`: 'yes' is none of 'full' or 'none'",
        "",
    ),
    "a field of another mapping": (
        "framework:",
        "gpu: true\nframework:",
        4,
        "unknown field `gpu`",
        "under `framework:`",
    ),
    "no module": ("framework:", "verify: {imports: [1x]}\nframework:", 4, "`verify.imports`", "what Python imports"),
    "a device that is none": (
        "framework:",
        "verify: {devices: {TPU: 1}}\nframework:",
        4,
        "`verify.devices.TPU`",
        "CPU, GPU",
    ),
    "a number in quotes": (
        "framework:",
        "verify: {devices: {GPU: '1'}}\nframework:",
        4,
        "must be a whole number, not '1'",
        "without quotes",
    ),
    "no platform": ("platforms: [osx-arm64, linux-64]", "platforms: []", 2, "`platforms`", ""),
    "unknown platform": ("linux-64]", "win-64]", 2, "`platforms`: 'win-64' is none of", ""),
    "noarch platform": ("linux-64]", "noarch]", 2, "`platforms`: 'noarch' is none of", ""),
    "text for a mapping": (
        "framework:\n  name: tensorflow",
        "framework: tensorflow",
        4,
        "`framework` must be a mapping of fields, not 'tensorflow'",
        "",
    ),
    "unknown framework": (
        "name: tensorflow",
        "name: theano",
        5,
        "no framework called 'theano'",
        "use one of tensorflow, pytorch",
    ),
    "URL as a requirement": ('"pytest>=8"', '"pytest @ https://example.org/x.whl"', 12, "names a URL", ""),
    "malformed requirement": ('"pytest>=8"', '"pytest>>8"', 12, "is not a requirement", ""),
    "malformed spec": ("numpy >=1.26", "numpy (1.26)", 7, "is not a match spec", ""),
    "spec with a marker": (
        "- numpy >=1.26",
        "- \"numpy; sys_platform == 'darwin'\"",
        7,
        "holds a character",
        "",
    ),
    "spec with another marker": ("numpy >=1.26", "numpy; python_version > 3", 7, "{conda: numpy, platforms:", ""),
    "spec with a channel": (
        "numpy >=1.26",
        "conda-forge::numpy >=1.26",
        7,
        "write 'numpy >=1.26', and conda-forge",
        "",
    ),
    "spec with brackets": ("numpy >=1.26", "numpy[version=>=1.26]", 7, "write 'numpy >=1.26'", ""),
    "spec with extras": ("numpy >=1.26", "requests[socks]", 7, "extras belong under `pypi:`", ""),
    "spec without a version": ("numpy >=1.26", "numpy >=", 7, "'>=' is not a version range", ""),
    "spec with a regular expression": ("numpy >=1.26", "numpy =1.*.2", 7, "is not a version range", ""),
    "an option of pip": ("numpy >=1.26", "-r requirements.txt", 7, "an option or a path of pip", ""),
    "a list of pip": ("numpy >=1.26", "pip: [keras]", 7, "write them under `pypi:`", ""),
    "conda's spelling for PyPI": ('"pytest>=8"', '"pytest=8"', 12, "write 'pytest==8' or 'pytest==8.*'", ""),
    "PyPI with a channel": ('"pytest>=8"', '"conda-forge::pytest"', 12, "write 'pytest'", ""),
    "alternatives of Python": ('"3.12"', '"3.11|3.12"', 3, "alternatives (`|`) are not supported here", ""),
    "spec with a selector": ("numpy >=1.26", '"numpy # [osx64]"', 7, "holds a character", ""),
    "spec with a newline": ("numpy >=1.26", '"numpy\\n  - evil"', 7, "holds a character", ""),
    "spec with a newline at the end": ("numpy >=1.26", '"numpy\\n"', 7, "holds a character", ""),
    "spec with a Unicode newline": ("numpy >=1.26", '"numpy\\u2028- evil"', 7, "holds a character", ""),
    "spec with a template": ("numpy >=1.26", "\"numpy {{ ''.__class__ }}\"", 7, "holds a character", ""),
    "requirement with a selector": ('"pytest>=8"', '"pytest>=8 # [osx64]"', 12, "holds a character", ""),
    "requirement with a variable": ('"pytest>=8"', "\"pytest>=8; x=='${HOME}'\"", 12, "holds a character", ""),
    "channel with a password": (
        "framework:",
        'channels: ["https://me:pw@example.org/c"]\nframework:',
        4,
        "must not hold credentials",
        "",
    ),
    "channel with a token": (
        "framework:",
        'channels: ["https://example.org/t/tk-1/c"]\nframework:',
        4,
        "must not hold credentials",
        "",
    ),
    "channel with a user": (
        "framework:",
        'channels: ["https://me:${PW}@example.org/c"]\nframework:',
        4,
        "must not hold credentials",
        "",
    ),
    "channel with a variable for its host": (
        "framework:",
        'channels: ["https://${HOST}/c"]\nframework:',
        4,
        "where only a user, a password or a token may be one",
        "",
    ),
    "channel that would tell everybody": (
        "framework:",
        'channels: ["http://${ME}:${PW}@example.org/c"]\nframework:',
        4,
        "write https://",
        "",
    ),
    "channel with a newline": ("framework:", 'channels: ["a\\n  - evil"]\nframework:', 4, "is not a channel", ""),
    "empty dependency": (
        "  - conda: matplotlib-base\n    pypi: matplotlib",
        "  - platforms: [linux-64]",
        8,
        "give `conda:` or `pypi:` or both",
        "",
    ),
    "empty item": ("- numpy >=1.26", "-", 7, "`dependencies`", ""),
    "group called main": (
        "  dev:",
        "  main:",
        11,
        "`main` is the name of the packages outside all groups",
        "another name",
    ),
    "group with a path": ("  dev:", "  ../dev:", 11, "groups", ""),
    "anchor": (
        "platforms: [osx-arm64, linux-64]",
        "platforms: &p [linux-64]\nchannels: *p",
        2,
        "anchors and aliases",
        "in full",
    ),
    "merge key": ("framework:", "<<: {macos: '1'}\nframework:", 4, "merge keys are not supported", "extends"),
    "tag": ('"3.12"', '!version "3.12"', 3, "the tag !version is not supported", "plain value"),
    "Python tag": ('"3.12"', "!!python/name:os.system x", 3, "unreadable value", ""),
    "wrong tag": ('"3.12"', "!!bool maybe", 3, "unreadable value 'maybe'", ""),
    "key that is a list": ("framework:", "? [a]\n: b\nframework:", 4, "a key must be a plain word", ""),
    "two documents": ("framework:", "---\nframework:", 4, "not valid YAML", ""),
    "unclosed": ("[osx-arm64, linux-64]", "[osx-arm64, linux-64", 3, "not valid YAML", ""),
    "extends itself": ("framework:", "extends: mine\nframework:", 4, "goes in a circle: mine → mine", ""),
    "extends a path": ("framework:", "extends: ../mine\nframework:", 4, "names no recipe", "envbuild list"),
    "extends what no file can be called": (
        "framework:",
        f"extends: {'x' * 5_000}\nframework:",
        4,
        "names no recipe",
        "",
    ),
    "extends nothing known": (
        "framework:",
        "extends: nowhere\nframework:",
        4,
        "`extends: nowhere` names no recipe",
        "envbuild list",
    ),
    "extends a list": ("framework:", "extends: [a]\nframework:", 4, "takes the name of one recipe", ""),
    "mlx on Linux": ("name: tensorflow", "name: mlx", 2, "MLX exists on osx-arm64 only", "[osx-arm64]"),
    "metal for PyTorch": ("name: tensorflow", "name: pytorch\n  provider: metal", 6, "not for pytorch", "conda-forge"),
    "version without framework": (
        "name: tensorflow",
        "name: none\n  version: '2'",
        4,
        "no framework",
        "name: tensorflow",
    ),
    "accelerate on Linux only": (
        "[osx-arm64, linux-64]",
        "[linux-64]\nblas: accelerate",
        3,
        "exists on macOS only",
        "blas: auto",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(tmp_path: Path, case: str) -> None:
    old, new, line, message, hint = REFUSED[case]
    assert GOOD.count(old) == 1, "the case must change exactly one place"
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_recipe(file, rules=objections)
    assert message in caught.value.plain
    assert hint in (caught.value.hint or "")
    assert caught.value.file == str(file)
    assert caught.value.line == line, caught.value.message


@pytest.mark.parametrize(
    "written",
    [
        "channels: https://me:PLANTED@conda.example/x",
        "channels: {a: 'https://me:PLANTED@conda.example/x'}",
        "channels: [[https://conda.example/t/PLANTED/x]]",
        "framework: https://me:PLANTED@conda.example/x",
        "blas: https://me:PLANTED@conda.example/x",
        "pypi: ['six @ https://me:PLANTED@index.example/six.whl']",
        "pypi: six @ https://me:PLANTED@index.example/six.whl",
        "dependencies: ['https://me:PLANTED@conda.example/x::numpy']",
        "verify: {imports: ['https://me:PLANTED@conda.example']}",
        "groups: {'https://me:PLANTED@conda.example': {}}",
        "extends: https://me:PLANTED@conda.example/x",
        "'https://me:PLANTED@conda.example/x': 1",
        "macos: !!int https://me:PLANTED@conda.example/x",
    ],
)
def test_no_error_repeats_a_password(tmp_path: Path, written: str) -> None:
    """Wherever in a recipe it stands: what is wrong there is told before anything looks for credentials."""
    file = tmp_path / "mine.yaml"
    file.write_text(f'name: mine\npython: "3.12"\nplatforms: [linux-64]\n{written}\n')
    with pytest.raises(RecipeError) as caught:
        load_recipe(file, rules=objections)
    assert "PLANTED" not in f"{caught.value.message} {caught.value.hint}"
    assert "***" in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.line == 4


def test_good(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    assert load_recipe(file).groups["dev"].pypi == ("pytest>=8",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"# only a comment\n", "empty"),
        (b"- a\n- b\n", "a recipe is a mapping of fields"),
        (b"just text", "a recipe is a mapping of fields"),
        (b"name: \xff\n", "not UTF-8"),
        (b"name: a\x00b\n", "a control character"),
        (b"x" * 1_000_001, "larger than"),
        (b"a: " + b"[" * 400_000, "nested deeper"),
        (b"- " * 400_000 + b"a", "nested deeper"),
        (b"{a: " * 200_000, "nested deeper"),
        ("\n".join(" " * depth + "a:" for depth in range(200)).encode(), "nested deeper"),
        (b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors and aliases"),
    ],
    ids=lambda value: value[:20].decode(errors="replace") if isinstance(value, bytes) else value,
)
def test_bytes_that_are_no_recipe(tmp_path: Path, content: bytes, message: str) -> None:
    """Nested brackets without end took the whole process down inside libyaml; aliases grow without bound."""
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_recipe(file, rules=objections)


def test_folder_and_missing_file(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "nowhere.yaml"):
        with pytest.raises(RecipeError, match="cannot be read"):
            load_recipe(file)


def test_a_pipe_is_no_recipe(tmp_path: Path) -> None:
    """Opening one waits for a writer, who may never come."""
    os.mkfifo(tmp_path / "mine.yaml")
    with pytest.raises(RecipeError, match="a pipe"):
        load_recipe(tmp_path / "mine.yaml")


def test_error_is_reported_in_the_file_that_holds_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("name: base\nplatforms: [linux-64]\npython: 3.10\n")
    (tmp_path / "mine.yaml").write_text("name: mine\nextends: base\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "mine.yaml")
    assert caught.value.file == str(tmp_path / "base.yaml")
    assert caught.value.line == 3


def test_line_in_a_list_that_extends(tmp_path: Path) -> None:
    """The child's items come after the parent's; the line must still be the child's."""
    (tmp_path / "base.yaml").write_text(
        'name: base\nplatforms: [linux-64]\npython: "3.12"\ndependencies:\n  - numpy\n  - scipy\n'
    )
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nextends: base\ndependencies:\n  - pandas\n  - 3.5\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(file, rules=objections)
    assert (caught.value.file, caught.value.line) == (str(file), 5), caught.value.message


def test_tolerances_as_people_write_them(tmp_path: Path) -> None:
    """YAML 1.1 reads `1e-3`, which has no dot, as text."""
    file = tmp_path / "mine.yaml"
    file.write_text(f"{GOOD}verify:\n  tolerances: {{float32: 1e-3, float64: 1.5e-6, float16: 1}}\n")
    assert load_recipe(file).verify.tolerances == {"float32": 1e-3, "float64": 1.5e-6, "float16": 1.0}
    for wrong in ("wide", "-1e-3", ".inf", ".nan", "1e999"):
        file.write_text(f"{GOOD}verify:\n  tolerances: {{float32: {wrong}}}\n")
        with pytest.raises(RecipeError, match=r"verify\.tolerances\.float32"):
            load_recipe(file)


def test_more_dependencies_than_anybody_has_are_refused_at_once(tmp_path: Path) -> None:
    """50,000 of them took 25 s; the limit is said with the place."""
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD.replace("  - numpy >=1.26\n", "".join(f"  - package{n}\n" for n in range(50_000))))
    begun = time.monotonic()
    with pytest.raises(RecipeError, match="50,001 entries; at most 2,000") as caught:
        load_recipe(file)
    assert caught.value.line == 6
    assert time.monotonic() - begun < 10


def test_circle_of_several(tmp_path: Path) -> None:
    for name, parent in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nextends: {parent}\n")
    with pytest.raises(RecipeError, match="a → b → c → a"):
        load_recipe(tmp_path / "a.yaml")


_PIECES = st.sampled_from(
    (
        "name: mine",
        "python:",
        "3.10",
        "platforms:",
        "[linux-64]",
        "- ",
        "  ",
        "\n",
        "\t",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "#",
        "&a ",
        "*a",
        "!!bool ",
        "!!int ",
        "!!timestamp ",
        "!!binary ",
        "'",
        '"',
        "|",
        ">",
        "?",
        "%",
        "@",
        "`",
        "---\n",
        "framework:",
        "dependencies:",
        "extends: x",
        "\u2028",
        "\x85",
        "é",
        "\x00",
        "<<",
        "~",
        "1e5",
        "0x",
        "-",
        "groups:",
    )
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(_PIECES, max_size=30))
def test_anything_else_is_an_error_with_a_place(tmp_path_factory: pytest.TempPathFactory, pieces: list[str]) -> None:
    """Whatever people write: a recipe or a RecipeError that names the file, never another exception."""
    file = tmp_path_factory.getbasetemp() / "mine.yaml"
    file.write_text("".join(pieces), encoding="utf-8")
    error = None
    try:
        load_recipe(file)
    except RecipeError as caught:
        error = caught
    assert error is None or (error.file is not None and "\n" not in error.plain)
