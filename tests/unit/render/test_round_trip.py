"""For any recipe that loads, the rendered files mean exactly the plan: to YAML, and to conda-lock's own reader."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.errors import RecipeError, TemplateError, UnsatisfiableError
from builder.lock.condalock import import_whole
from builder.models import MisfitError, validated
from builder.names import MAPPING_FILE
from builder.plan.make import make_plans
from builder.plan.model import ChosenSpec, Plan
from builder.platforms import Subdir
from builder.recipe.model import Recipe
from builder.render.environment import render, render_plain
from builder.render.model import ENVIRONMENT_FILE, VIRTUAL_PACKAGES_FILE
from builder.render.templates import render_template, scalar

if TYPE_CHECKING:
    from builder.render.model import Rendered

#: Text that somebody may try to get into a file: ends of lines, selectors, comments, quotes, YAML's own characters.
_NASTY = st.sampled_from(
    (
        "\n",
        "\r",
        "\u2028",
        "\x85",
        "\x00",
        "\t",
        " ",
        "  - evil",
        "# [osx64]",
        "#",
        "'",
        '"',
        "`",
        "{{",
        "}}",
        "{%",
        "%}",
        "$",
        "${HOME}",
        "\\",
        ": ",
        ":",
        "&a",
        "*",
        "!",
        "|",
        ">",
        ">=1",
        "<3",
        "=",
        "==1.*",
        ",",
        "[extra]",
        ";",
        "@",
        "null",
        "true",
        "no",
        "1e5",
        "0x1",
        "1_000",
        "~",
        "-",
        "--",
        "numpy",
        "a",
        "2",
        "é",
        "\ud7ff",
        "%",
        "? ",
        "---",
    )
)
_TEXT = st.lists(_NASTY, min_size=1, max_size=5).map("".join)
_SPECS = _TEXT | st.builds("{}{}".format, st.sampled_from(["numpy", "scipy ", "pandas", "Null", "on", "y"]), _TEXT)


def _recipe(**fields: Any) -> Recipe | None:
    base = {"name": "mine", "platforms": ("osx-arm64", "linux-64"), "python": "3.12"}
    try:
        return validated(base | fields, Recipe)
    except MisfitError:
        return None


def _read(rendered: Rendered, file: str) -> tuple[list[str], list[str]]:
    data = yaml.safe_load(rendered.files[file])
    plain = [item for item in data["dependencies"] or () if isinstance(item, str)]
    pip = [line for item in data["dependencies"] or () if isinstance(item, dict) for line in item["pip"]]
    return plain, pip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    name=st.just("mine") | _TEXT,
    dependencies=st.lists(_SPECS, max_size=3),
    pypi=st.lists(_SPECS, max_size=3),
    channels=st.lists(_TEXT | st.just("conda-forge"), min_size=1, max_size=2),
    group=st.just("dev") | _TEXT,
)
def test_any_recipe_that_loads(
    name: str, dependencies: list[str], pypi: list[str], channels: list[str], group: str
) -> None:
    recipe = _recipe(
        name=name,
        dependencies=tuple(dependencies),
        pypi=tuple(pypi),
        channels=tuple(channels),
        groups={group: {"dependencies": tuple(dependencies[:1])}},
    )
    if recipe is None:
        return
    try:
        plans = make_plans(recipe)
    except (UnsatisfiableError, RecipeError):
        return
    rendered = render(plans)
    data = yaml.safe_load(rendered.files[ENVIRONMENT_FILE])
    assert data["name"] == recipe.name
    assert data["channels"] == [*recipe.channels, "nodefaults"]
    assert data["platforms"] == list(recipe.platforms) or set(data["platforms"]) == set(recipe.platforms)
    assert set(data) == {"name", "channels", "platforms", "dependencies"}
    for file in rendered.environment_files:
        wanted = "main" if file == ENVIRONMENT_FILE else group
        conda, pip = _read(rendered, file)
        lines = {line for specs in rendered.platforms for line in (*specs.conda, *specs.pip) if line.group == wanted}
        assert set(conda) == {line.text for line in lines if line.manager == "conda"}
        assert set(pip) == {line.text for line in lines if line.manager == "pip"}
    virtual = yaml.safe_load(rendered.files[VIRTUAL_PACKAGES_FILE])
    for specs in rendered.platforms:
        assert virtual["subdirs"][specs.subdir.value]["packages"] == dict(specs.virtual_packages)


@pytest.mark.parametrize(
    "text", ["null", "Null", "yes", "1.10", "0x10", "1e5", "2024-01-01", "~", "", " a", "a ", "a: b"]
)
@pytest.mark.parametrize("more", ["", "\n", "\x85", "#x", " #x", ":", "'", '"', "\\"])
def test_scalar_is_read_back_as_the_same_string(text: str, more: str) -> None:
    assert yaml.safe_load(f"- {scalar(text + more)}\n") == [text + more]
    assert "\n" not in scalar(text + more)


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | _TEXT)
def test_any_scalar(text: str) -> None:
    """JSON's escapes are YAML's, for every character."""
    assert yaml.safe_load(f"- {scalar(text)}\n") == [text]
    assert len(scalar(text).splitlines()) == 1 or text == ""


@pytest.mark.parametrize("value", [1, 1.5, None, True, ["a"], {"a": 1}])
def test_only_text_is_written(value: object) -> None:
    with pytest.raises(TypeError):
        scalar(value)


def _plans(**fields: Any) -> dict[Subdir, Plan]:
    recipe = _recipe(**fields)
    assert recipe is not None
    return make_plans(recipe)


def test_conda_lock_reads_what_was_planned(tmp_path: Path) -> None:
    """Selectors, groups and pip sections: conda-lock's own parser must see each platform's specs and no others."""
    rendered = render(
        _plans(
            dependencies=("numpy >=1.26,<3", {"conda": "scipy", "platforms": ("linux-64",)}, "Pillow"),
            pypi=("rich>=13", "requests[socks]>=2"),
            groups={"dev": {"dependencies": ("pytest",), "pypi": ("ruff>=0.5",)}},
        )
    )
    import_whole()
    from conda_lock.src_parser import make_lock_spec

    for file, text in rendered.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    files = [tmp_path / file for file in rendered.environment_files]
    specification = make_lock_spec(src_files=files, mapping_url=str(MAPPING_FILE))
    for specs in rendered.platforms:
        found = specification.dependencies[specs.subdir.value]
        read = {(dependency.manager, dependency.name, dependency.category) for dependency in found}
        assert read == {(line.manager, line.name.lower(), line.group) for line in (*specs.conda, *specs.pip)}
    assert [channel.url for channel in specification.channels] == ["conda-forge"]


def test_selectors_only_where_platforms_differ() -> None:
    text = render(_plans(dependencies=("numpy", {"conda": "scipy", "platforms": ("linux-64",)}))).files[
        ENVIRONMENT_FILE
    ]
    assert re.search(r"^  - numpy$", text, re.MULTILINE)
    assert re.search(r"^  - scipy  # \[linux64\]$", text, re.MULTILINE)
    assert re.search(r"^  - .*newaccelerate.*  # \[arm64\]$|^  - libblas .*# \[arm64\]$", text, re.MULTILINE)


def test_rendering_is_byte_stable() -> None:
    fields = {"dependencies": ("numpy", "scipy"), "groups": {"dev": {"dependencies": ("pytest",)}}}
    assert render(_plans(**fields)).files == render(_plans(**fields)).files


def test_plain_file_has_no_selectors() -> None:
    """`conda env create` would take a selector for a comment and every line for this platform."""
    plan = _plans(dependencies=("numpy", {"conda": "scipy", "platforms": ("linux-64",)}))[Subdir.OSX_ARM64]
    data = yaml.safe_load(render_plain(plan))
    assert "platforms" not in data
    assert "scipy" not in data["dependencies"]
    assert any(item.startswith("libblas ") for item in data["dependencies"])


def _evil(text: str) -> dict[Subdir, Plan]:
    """Plans with a spec that no recipe could hold: the last line of defence is the reading back."""
    spec = ChosenSpec(manager="conda", name="numpy", spec=text, reason="test")
    return {subdir: replace(plan, specs=(*plan.specs, spec)) for subdir, plan in _plans().items()}


@pytest.mark.parametrize("text", [">=1\n  - evil", ">=1 # [osx64]", '"', "{{ 7*7 }}", "'; - x", ": y"])
def test_spec_that_got_past_the_recipe(text: str) -> None:
    rendered = render(_evil(text))
    conda, _ = _read(rendered, ENVIRONMENT_FILE)
    assert f"numpy {text}" in conda
    assert "evil" not in conda


_ESCAPES = [
    "{{ ''.__class__.__mro__ }}",
    "{{ name.__init__.__globals__ }}",
    "{{ scalar.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ self.__init__.__globals__ }}",
    "{{ channels.append('x') }}",
    "{{ undefined_name }}",
    "{% include '../../pyproject.toml' %}",
    "{% include '/etc/passwd' %}",
    "{{ range(10) | list }}",
    "{{ 'a' * }}",
]


@pytest.mark.parametrize("template", _ESCAPES)
def test_template_cannot_leave_its_sandbox(tmp_path: Path, template: str) -> None:
    """A template from a colleague must not run code, change what it is given, or read other files."""
    (tmp_path / "x.j2").write_text(f"first line\n{template}\n")
    channels = ["conda-forge"]
    with pytest.raises(TemplateError) as caught:
        render_template(tmp_path, "x.j2", name="mine", channels=channels)
    assert caught.value.file is not None
    assert channels == ["conda-forge"]


@pytest.mark.parametrize("extra", ["  - evil\n", "  - {pip: [evil]}\n", "  - numpy\n: :\n", "  - 3.1\n", "  - [a]\n"])
def test_template_that_slips_something_in(tmp_path: Path, extra: str) -> None:
    shipped = Path(__file__).parents[3] / "templates"
    for file in shipped.iterdir():
        (tmp_path / file.name).write_text(file.read_text() + (extra if file.name == "environment.yml.j2" else ""))
    with pytest.raises(TemplateError):
        assert render(_plans(), templates=tmp_path).files


def test_missing_template(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="missing"):
        render_template(tmp_path, "x.j2")
