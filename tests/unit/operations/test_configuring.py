"""What `config show` tells of the project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.operations.configuring import show_config
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_variables_that_channels_name(tmp_path: Path) -> None:
    """Their names, whether they are set and for which hosts, with file and line; never what they are set to."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    base = (
        "name: base\npython: '3.12'\nplatforms: [linux-64]\nchannels:\n  - conda-forge\n"
        "  - https://${ACME_USER}:${ACME_TOKEN}@conda.acme.example/ours\n"
    )
    (recipes / "base.yaml").write_text(base)
    (recipes / "child.yaml").write_text("name: child\nextends: base\ndependencies: [six]\n")
    (recipes / "other.yaml").write_text(
        "name: other\npython: '3.12'\nplatforms: [linux-64]\nchannels:\n  - https://other.example/t/${ACME_TOKEN}/c\n"
    )
    (recipes / "broken.yaml").write_text("name: [\n")

    here = workspace(tmp_path, root=tmp_path, environ={"ACME_TOKEN": "planted-secret"})
    settings = {one.name: one for one in show_config(here) if one.area == "credentials"}

    token, user = settings["$ACME_TOKEN"], settings["$ACME_USER"]
    assert token.value == "set; for conda.acme.example and other.example"
    assert token.source == f"{recipes}/base.yaml:6 and {recipes}/other.yaml:5"
    assert (user.value, user.source) == ("NOT set; for conda.acme.example", f"{recipes}/base.yaml:6")
    assert settings["channels of broken"].value == "not known: see `envbuild check broken`"
    assert "planted-secret" not in str(settings)
