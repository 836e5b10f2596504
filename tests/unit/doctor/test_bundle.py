"""A bundle is judged elsewhere as the home it comes from, holds no secret, and cannot write outside its folder."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from builder.doctor.bundle import Bundle, collect, load, unpack
from builder.doctor.examine import examine
from builder.doctor.redact import redacted
from builder.doctor.text import Names, render
from builder.errors import UsageError
from tests.unit.doctor.homes import build, case_names

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", case_names())
def test_a_bundle_gets_the_same_answer(name: str, tmp_path: Path) -> None:
    home = build(name, tmp_path / "here")
    bundle = Bundle(data=json.loads(collect(home.request(), home.patient()).text()))
    request, patient = unpack(bundle, tmp_path / "there", clock=time.monotonic)
    found = examine(request, patient)
    names = Names(patient.home, aliases=found.home_names, root=found.root)
    before = examine(home.request(), home.patient())
    assert render(found, names=names).splitlines()[0] == home.expected["first"]
    assert [problem.check for problem in found.problems] == [problem.check for problem in before.problems]
    places = [[place.line for place in problem.decided_by] for problem in found.problems]
    assert places == [[place.line for place in problem.decided_by] for problem in before.problems]
    text = bundle.text()
    for secret in ("hunter2", "abc123", "anna", "vincent", "praful", "gilles"):
        assert secret not in text


@pytest.mark.parametrize(
    ("path", "text", "secret"),
    [
        ("/h/.zshrc", 'export OPENAI_API_KEY=sk-1\nexport KERAS_BACKEND=jax\n[ -n "$tok" ] && curl x\n', "sk-1"),
        ("/h/.zshrc", "if [ $SECRET = s3cret ]; then\n  export CONDA_SUBDIR=osx-64\nfi\n", "s3cret"),
        ("/h/.zshrc", "export KERAS_BACKEND=jax; export TOKEN=t0ken\n", "t0ken"),
        ("/h/p/.env", "API_TOKEN=t0ken\nPYTHONPATH=src\n", "t0ken"),
        ("/h/.condarc", "channels:\n  - https://conda.example.org/t/t0ken/x\n", "t0ken"),
        ("/h/s/settings.json", '{"python.defaultInterpreterPath": "a/b", "github.token": "t0ken"}', "t0ken"),
        ("/h/s/settings.json", '{"terminal.integrated.env.osx": {"TOKEN": "t0ken", "PYTHONPATH": "x"}}', "t0ken"),
        ("/h/k/kernel.json", '{"argv": ["python"], "env": {"TOKEN": "t0ken"}}', "t0ken"),
        (
            "/h/p/.idea/workspace.xml",
            '<project><component name="Tasks"><x v="t0ken"/></component><component name="RunManager"><configuration>'
            '<option name="PARAMETERS" value="--key t0ken"/><envs><env name="KEY" value="t0ken"/></envs>'
            "</configuration></component></project>",
            "t0ken",
        ),
        (
            "/h/p/p.iml",
            '<module><component name="FacetManager"><facet type="web"><configuration key="t0ken"/></facet></component>'
            "</module>",
            "t0ken",
        ),
        ("/h/p/train.py", 'import keras\nTOKEN = "t0ken"\n', "t0ken"),
        ("/h/p/a.ipynb", '{"cells": [{"source": ["import keras\\n", "t0ken"]}], "metadata": {}}', "t0ken"),
        ("/h/p/pyproject.toml", 'token = "t0ken"\ndependencies = ["keras"]\n', "t0ken"),
        ("/h/.config/pip/pip.conf", "[global]\nindex-url = https://me:t0ken@x.org\ntarget = /opt/x\n", "t0ken"),
        ("/h/p/uv.toml", '[[index]]\nurl = "https://me:t0ken@x.org"\n[pip]\nsystem = true\n', "t0ken"),
        ("/h/p/uv.lock", '[[package]]\nname = "keras"\nsource = { registry = "https://t0ken@x.org" }\n', "t0ken"),
        ("/h/p/conda-lock.yml", "  url: https://conda.anaconda.org/t/t0ken/me/linux-64/x-1-0.conda\n", "t0ken"),
        ("/h/p/conda-lock.yml", "  url: https://me:t0ken@conda.example.org/x-1-0.conda\n", "t0ken"),
        ("/h/p/conda-lock.yml", "  custom_metadata:\n    git_user_email: t0ken@example.org\n", "t0ken"),
        ("/h/p/mise.toml", '[env]\nTOKEN = "t0ken"\n[tools]\npython = "3.12"\n', "t0ken"),
        (
            "/h/p/.vscode/launch.json",
            '{"configurations": [{"type": "debugpy", "args": ["t0ken"], "env": {"TOKEN": "t0ken"}, "python": "/x"}]}',
            "t0ken",
        ),
        (
            "/h/globalStorage/storage.json",
            '{"telemetry": "t0ken", "windowsState": {"lastActiveWindow": {"ui": "t0ken"}}}',
            "t0ken",
        ),
        ("/h/config/transient.ini", "[main_interpreter]\nexecutable = /x/python\n[x]\npath_history = t0ken\n", "t0ken"),
        ("/h/config/spyder.ini", "[main_interpreter]\ndefault = False\n[ssh]\npassword = t0ken\n", "t0ken"),
    ],
)
def test_secrets_stay_behind(path: str, text: str, secret: str) -> None:
    from pathlib import Path

    kept = redacted(Path(path), text)
    assert kept is not None
    assert secret not in kept


@pytest.mark.parametrize(
    ("path", "text", "kept"),
    [
        ("/h/.config/pip/pip.conf", "[global]\nindex-url = x\ntarget = /opt/x\n", "target = /opt/x"),
        ("/h/p/uv.toml", "[pip]\nsystem = true\n", "system = true"),
        ("/h/p/uv.lock", '[[package]]\nname = "keras"\nversion = "3.9.0"\n', 'version = "3.9.0"'),
        ("/h/p/conda-lock.yml", "- name: keras\n  version: 3.9.0\n", "version: 3.9.0"),
    ],
)
def test_what_is_judged_comes_along(path: str, text: str, kept: str) -> None:
    from pathlib import Path

    assert kept in (redacted(Path(path), text) or "")


def test_the_lock_is_judged_elsewhere_too(tmp_path: Path) -> None:
    home = build("healthy-mac-macros", tmp_path / "here")
    lock = home.path / "w" / "net" / "uv.lock"
    lock.write_text('version = 1\n\n[[package]]\nname = "keras"\nversion = "3.9.0"\n')
    bundle = Bundle(data=json.loads(collect(home.request(), home.patient()).text()))
    found = examine(*unpack(bundle, tmp_path / "there", clock=time.monotonic))
    assert any("keras 3.6.0 instead of 3.9.0" in note.sentence for note in found.notes)


def test_unknown_files_stay_behind_whole(tmp_path: Path) -> None:
    assert redacted(tmp_path / "id_rsa", "-----BEGIN") is None


def _valid(tmp_path: Path) -> dict[str, Any]:
    home = build("mac-keras-json", tmp_path / "here")
    return collect(home.request(), home.patient()).data


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("files", {"/../../escaped": "x"}),
        ("files", {"relative": "x"}),
        ("binaries", {"/bin/x": "not base64!"}),
        ("rows", {"/../x.vscdb": {}}),
        ("links", {"/../../link": "/etc"}),
        ("folders", ["/../x"]),
        # What no disk can hold.
        ("links", {"/x": ""}),
        ("files", {"/x": "1", "/x/y": "2"}),
        ("files", {f"/{'long' * 100}": "1"}),
        ("files", {"/\ud800": "1"}),
        ("files", {"/Users": "where the home belongs"}),
        ("rows", {"/x.vscdb": {"\ud800": 1}}),
        ("ides", ["emacs"]),
    ],
)
def test_a_bundle_of_no_machine_is_refused_and_leaves_its_folder_never(key: str, value: object, tmp_path: Path) -> None:
    data = _valid(tmp_path) | {key: value}
    with pytest.raises(UsageError):
        unpack(Bundle(data=data), tmp_path / "there", clock=time.monotonic)
    assert {path.name for path in tmp_path.iterdir()} <= {"here", "there"}


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    data = _valid(tmp_path) | {"links": {"/Users/user/x": str(outside)}, "files": {"/Users/user/x/evil": "1"}}
    unpack(Bundle(data=data), tmp_path / "there", clock=time.monotonic)
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"envbuild_bundle": 2}', '{"envbuild_bundle": 1, "files": []}', "[" * 10**5]
)
def test_a_file_that_is_no_bundle(text: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(UsageError, match=r"b\.json"):
        load(tmp_path / "b.json")
