"""`envbuild` starts whatever the user's shell says to Python, and never ends in silence."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LAUNCHER = ROOT / "builder" / "cli" / "launcher.sh"


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """The launcher beside an entry point as installers write it."""
    try:
        importlib.metadata.distribution("envbuild")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("envbuild is not installed in this Python")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "envbuild-entry").write_text(f"#!{sys.executable}\nfrom builder.cli import main\n")
    return Path(shutil.copy(LAUNCHER, folder / "envbuild"))


def _run(
    program: Path, *arguments: str, cwd: Path | None = None, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, env=os.environ | (environ or {}), cwd=cwd
    )


def test_it_is_installed_as_envbuild() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    scripts = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-scripts"]
    assert scripts == {str(LAUNCHER.relative_to(ROOT)): "envbuild"}
    assert project["project"]["scripts"] == {"envbuild-entry": "builder.cli:main"}
    assert os.access(LAUNCHER, os.X_OK), "pip installs it as it is"


def test_variables_of_python_do_not_reach_envbuild(launcher: Path, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "sitecustomize.py").write_text("import sys\nsys.exit(0)\n")
    evil = str(tmp_path / "evil")
    # The last one counts in Python 3.11 with -E as well.
    for name, value in (("PYTHONHOME", "/nowhere"), ("PYTHONPATH", evil), ("PYTHONEXECUTABLE", "/nowhere")):
        told = _run(launcher, "--version", environ={name: value})
        assert (told.returncode, told.stdout[:17]) == (0, "envbuild, version"), (name, told.stderr)
        assert _run(launcher, "nonsense", environ={name: value}).returncode == 2, name


def test_a_package_in_the_working_directory_is_not_taken_for_envbuild(launcher: Path, tmp_path: Path) -> None:
    (tmp_path / "work" / "builder").mkdir(parents=True)
    (tmp_path / "work" / "builder" / "__init__.py").write_text("raise SystemExit(0)\n")
    assert "version" in _run(launcher, "--version", cwd=tmp_path / "work").stdout


def test_links_and_long_shebangs(launcher: Path, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "link").symlink_to(Path("..") / "bin" / "envbuild")
    (launcher.parent / "envbuild-entry").write_text(f"#!/bin/sh\n'''exec' '{sys.executable}' \"$0\" \"$@\"\n' '''\n")
    assert "version" in _run(tmp_path / "a b" / "link", "--version").stdout


def test_an_environment_of_uvx(launcher: Path) -> None:
    """It may be moved, so its entry points look for the Python beside themselves."""
    line = '\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")"/\'python\' "$0" "$@"'
    (launcher.parent / "envbuild-entry").write_text(f"#!/bin/sh\n{line}\n' '''\n")
    python = launcher.parent / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    assert "version" in _run(launcher, "--version").stdout


def test_options_in_the_shebang(launcher: Path) -> None:
    """As pipx writes it."""
    (launcher.parent / "envbuild-entry").write_text(f"#!{sys.executable} -E\n")
    assert "version" in _run(launcher, "--version").stdout


def test_without_its_python_it_says_so(launcher: Path) -> None:
    for entry in ("", "#!/no/such/python3\n"):
        (launcher.parent / "envbuild-entry").write_text(entry)
        told = _run(launcher, "--version")
        assert told.returncode == 2
        assert told.stderr.startswith("error: envbuild does not find the Python")
    (launcher.parent / "envbuild-entry").unlink()
    assert _run(launcher, "--version").returncode == 2


@pytest.mark.parametrize("arguments", [["list"], ["check"], ["show", "ml-m1"], ["verify", "/usr", "--static"]])
def test_a_deleted_working_directory_is_no_defect(launcher: Path, tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "gone").mkdir()
    script = f"cd '{tmp_path / 'gone'}' && rmdir ../gone && exec '{launcher}' \"$@\""
    told = subprocess.run(
        ["bash", "-c", script, "bash", *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2, told.stderr
    assert "working directory" in told.stderr
