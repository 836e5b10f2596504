"""`import`: the recipe is written beside its schema, read back first, and never over another."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.errors import UsageError
from builder.operations.importing import ImportRequest, import_recipe
from builder.platforms import Subdir
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_becomes_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text("name: Our Models\ndependencies: [python=3.12, numpy, appnope]\n")
    here = workspace(tmp_path, root=tmp_path)
    done = import_recipe(here, ImportRequest(source="environment.yml", platforms=(Subdir.LINUX_64,)))
    assert done.file == tmp_path / "recipes" / "our-models.yaml"
    assert (tmp_path / "recipes" / "recipe.schema.json").is_file()
    recipe = here.project.recipe("our-models")
    assert (recipe.python, recipe.dependencies, recipe.platforms) == ("3.12.*", ("numpy",), ("linux-64",))
    assert [one.what for one in done.left] == ["appnope"]
    assert done.assumed == ("channels: conda-forge",)
    with pytest.raises(UsageError, match="exists already"):
        import_recipe(here, ImportRequest(source="environment.yml"))
    assert import_recipe(here, ImportRequest(source="environment.yml", dry_run=True)).written is False


@pytest.mark.parametrize(
    ("source", "name", "reason"),
    [
        ("gone.yml", None, "no such file"),
        ("nowhere", None, "nowhere"),
        ("environment.yml", "Not A Name", "is not a name for a recipe"),
        (".", None, "is no environment"),
    ],
)
def test_refused(tmp_path: Path, source: str, name: str | None, reason: str) -> None:
    (tmp_path / "environment.yml").write_text("dependencies: [numpy]\n")
    with pytest.raises(UsageError, match=reason):
        import_recipe(workspace(tmp_path, root=tmp_path), ImportRequest(source=source, name=name))
    assert not (tmp_path / "recipes").exists()


def test_a_venv(tmp_path: Path) -> None:
    """What pip and uv note as requested; without such notes what nothing else needs."""
    prefix = tmp_path / "envs" / "old"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    site = next(prefix.glob("lib/python3*/site-packages"))
    for name, requires, more in (("keras", "ml-dtypes", "REQUESTED"), ("ml-dtypes", "", ""), ("own", "", "REQUESTED")):
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
        (info / "RECORD").write_text("")
        if more:
            (info / more).write_text("")
    (site / "own-1.0.dist-info" / "direct_url.json").write_text(
        json.dumps({"url": "https://me:secret@host.example/own-1.0-py3-none-any.whl", "archive_info": {}})
    )
    here = workspace(tmp_path, root=tmp_path)
    done = import_recipe(here, ImportRequest(source=str(prefix)))
    assert here.project.recipe("old").pypi == ("keras==1.0",)
    told = {one.what: one.reason for one in done.left}
    assert "not from an index" in told["own 1.0"]
    assert "1 distributions that were brought in" in told
    assert "secret" not in done.text
    for file in site.glob("*/REQUESTED"):
        file.unlink()
    again = import_recipe(here, ImportRequest(source=str(prefix), name="again"))
    assert "ml-dtypes" not in again.text


def test_a_conda_environment(tmp_path: Path) -> None:
    """What its history says was asked for, in the spelling of whoever asked; not what that brought in."""
    meta = tmp_path / "envs" / "vision" / "conda-meta"
    meta.mkdir(parents=True)
    (meta / "history").write_text(
        "==> 2026-01-01 00:00:00 <==\n# cmd: conda create -n vision python=3.11 numpy tqdm\n"
        "+conda-forge/osx-arm64::numpy-1.26.4-py311_0\n# update specs: ['python=3.11', 'numpy', 'tqdm']\n"
        "==> 2026-01-02 00:00:00 <==\n# cmd: conda remove tqdm\n-conda-forge/noarch::tqdm-4.66-py_0\n"
        "# remove specs: ['tqdm']\n"
        "==> 2026-01-03 00:00:00 <==\n# cmd: conda install numpy>=1.26 -c bioconda\n"
        "# update specs: ['numpy[version=\">=1.26\"]']\n"
    )
    for name, version, subdir in (("python", "3.11.9", "osx-arm64"), ("numpy", "1.26.4", "osx-arm64"),
                                  ("openssl", "3.3.0", "osx-arm64"), ("tzdata", "2026a", "noarch")):  # fmt: skip
        file = f"{name}-{version}-0"
        record = {
            "name": name, "version": version, "build": "0", "subdir": subdir, "depends": [], "files": [],
            "channel": "https://conda.anaconda.org/conda-forge",
            "url": f"https://me:secret@conda.anaconda.org/conda-forge/{subdir}/{file}.conda",
        }  # fmt: skip
        (meta / f"{file}.json").write_text(json.dumps(record))
    here = workspace(tmp_path, root=tmp_path)
    done = import_recipe(here, ImportRequest(source=str(meta.parent)))
    recipe = here.project.recipe("vision")
    assert (recipe.python, recipe.dependencies, recipe.platforms) == ("3.11.*", ("numpy >=1.26",), ("osx-arm64",))
    assert "2 packages that were brought in" in [one.what for one in done.left]
    assert "secret" not in str(done)


def test_what_the_verb_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.txt").write_text("numpy>=1.26\n-e .\n")
    assert run(cli, ["import", "requirements.txt", "--name", "ours", "--project", "."]) == 0
    said = capsys.readouterr().out
    assert "not carried over:\n  requirements.txt:2: -e .: is code in development" in said
    assert "next: `envbuild lock ours`" in said
    assert run(cli, ["import", "requirements.txt", "--dry-run", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["not_carried_over"][0]["place"] == "requirements.txt:2"
    assert result["written"] is False
