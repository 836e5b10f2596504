"""The rules one by one, on homes made for them: what must be said, and the nearest thing that must not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from builder.doctor.examine import Patient, Request, examine
from builder.doctor.machine import from_json
from builder.doctor.model import Examination, Ide, Kind, Presence
from tests.unit.doctor.homes import binary, make_application, make_environment, write_row

if TYPE_CHECKING:
    from pathlib import Path

MAC: dict[str, Any] = {"system": "Darwin", "hardware": "arm64", "running": "arm64", "shell": "/bin/zsh"}
LINUX: dict[str, Any] = {"system": "Linux", "hardware": "x86_64", "running": "x86_64", "shell": "/bin/bash"}
KERAS = {"keras": "3.6.0", "tensorflow": "2.16.2", "numpy": "1.26.4"}
CODE = "Library/Application Support/Code/User"
PYCHARM = "Library/Application Support/JetBrains/PyCharm2025.1/options"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "anna"
    make_environment(home, prefix="miniforge3", conda=True)
    make_environment(home, prefix="miniforge3/envs/ml", packages=KERAS)
    (home / "p").mkdir()
    return home


def _examined(
    home: Path, *ides: str, machine: dict[str, Any] = MAC, project: str | None = "p", **env: str
) -> Examination:
    request = Request(
        project=home / project if project else None, ides=frozenset(map(Ide, ides)) if ides else None, static=True
    )
    patient = Patient(home=home, cwd=home, machine=from_json(machine | {"env": env}, where="test"))
    return examine(request, patient)


def _said(found: Examination) -> list[tuple[str, str]]:
    return [(problem.check, problem.sentence) for problem in found.problems]


def _checks(found: Examination) -> list[str]:
    return [problem.check for problem in found.problems]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _table(*entries: tuple[str, str]) -> str:
    jdks = "".join(
        f'<jdk version="2"><name value="{name}"/><type value="Python SDK"/><homePath value="{home}"/></jdk>'
        for name, home in entries
    )
    return f'<application><component name="ProjectJdkTable">{jdks}</component></application>'


def _misc(name: str, kind: str = "Python SDK") -> str:
    return (
        f'<project><component name="ProjectRootManager" project-jdk-name="{name}" project-jdk-type="{kind}"/></project>'
    )


# -- E: variables ------------------------------------------------------------------------------------------------


def test_a_library_of_the_same_name_before_the_environments_own(home: Path) -> None:
    _write(home / "miniforge3/envs/ml/lib/libhdf5.310.dylib", "")
    _write(home / "hdf5/lib/libhdf5.310.dylib", "")
    found = _examined(home, DYLD_LIBRARY_PATH="/Users/anna/hdf5/lib")
    assert _checks(found) == ["env.variables"]
    assert "libhdf5.310.dylib are then taken from ~/hdf5/lib" in found.problems[0].sentence


def test_other_libraries_do_no_harm(home: Path) -> None:
    _write(home / "cuda/lib/libcudart.so.12", "")
    assert not _examined(home, machine=LINUX, LD_LIBRARY_PATH=f"/usr/lib:{home}/cuda/lib").problems
    assert not _examined(home, DYLD_FALLBACK_LIBRARY_PATH="/usr/local/lib").problems


def test_intel_homebrews_libraries_on_apple_silicon(home: Path) -> None:
    assert _checks(_examined(home, DYLD_LIBRARY_PATH="/usr/local/lib")) == ["env.variables"]
    assert not _examined(home, machine=MAC | {"hardware": "x86_64"}, DYLD_LIBRARY_PATH="/usr/local/lib").problems


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("/usr/local/lib/python3.9/site-packages", True),
        ("/usr/local/lib/python3.11/site-packages", False),
        ("$HOME/gone/python3.9/site-packages", False),
        ("src:/Users/anna/p/lib", False),
        ("$PYTHONPATH:/Users/anna/p", False),
        ("/Users/anna/other", True),
        ("", False),
    ],
)
def test_pythonpath(home: Path, value: str, problem: bool) -> None:
    _write(home / "other/numpy/__init__.py", "")
    _write(home / "p/lib/tools.py", "")
    assert (_checks(_examined(home, PYTHONPATH=value)) == ["env.pythonpath"]) is problem


@pytest.mark.parametrize(
    ("settings", "environ", "problem"),
    [
        ({"backend": "theano"}, {}, True),
        ({"backend": "jax"}, {}, True),
        ({"backend": "tensorflow"}, {}, False),
        ({"floatx": "float32"}, {}, False),
        ({"backend": "theano"}, {"KERAS_BACKEND": "tensorflow"}, False),
        ({}, {"KERAS_BACKEND": "torch"}, True),
        ([], {}, False),
    ],
)
def test_keras_backend(home: Path, settings: object, environ: dict[str, Any], problem: bool) -> None:
    _write(home / ".keras/keras.json", json.dumps(settings))
    assert (_checks(_examined(home, **environ)) == ["keras.settings"]) is problem


def test_keras_2_does_not_read_the_backend(tmp_path: Path) -> None:
    make_environment(tmp_path, prefix="miniforge3/envs/ml", packages={"keras": "2.15.0", "tensorflow": "2.15.1"})
    _write(tmp_path / ".keras/keras.json", '{"backend": "theano"}')
    assert not _examined(tmp_path, project=None).problems


def test_legacy_keras_that_is_not_there(home: Path) -> None:
    assert _checks(_examined(home, TF_USE_LEGACY_KERAS="1")) == ["keras.settings"]
    assert not _examined(home, TF_USE_LEGACY_KERAS="0").problems


def test_a_script_named_like_a_package(home: Path) -> None:
    _write(home / "p/keras.py", "import keras\n")
    assert _checks(_examined(home)) == ["env.working-directory"]
    (home / "p/keras.py").rename(home / "p/torch.py")
    assert not _examined(home).problems


def test_the_user_site_counts_for_its_own_python_only(home: Path) -> None:
    _write(home / ".local/lib/python3.9/site-packages/numpy-2.0.0.dist-info/METADATA", "")
    assert not _examined(home).problems
    _write(home / ".local/lib/python3.11/site-packages/numpy-1.26.4.dist-info/METADATA", "")
    assert not _examined(home).problems
    _write(home / ".local/lib/python3.11/site-packages/keras-2.9.0.dist-info/METADATA", "")
    assert _checks(_examined(home)) == ["env.user-site"]
    assert not _examined(home, PYTHONNOUSERSITE="1").problems


# -- C: architectures --------------------------------------------------------------------------------------------


def test_an_intel_conda_is_the_cause_of_its_intel_environments(tmp_path: Path) -> None:
    make_environment(tmp_path, prefix="miniconda3", arch="x86_64", conda=True)
    make_environment(tmp_path, prefix="miniconda3/envs/ml", arch="x86_64", packages=KERAS)
    _write(tmp_path / ".zshrc", '. "$HOME/miniconda3/etc/profile.d/conda.sh"\n')
    found = _examined(tmp_path, project=None)
    assert _checks(found) == ["env.subdir"]
    assert any("is an Intel installation" in line for line in found.problems[0].evidence)
    assert not _examined(tmp_path, machine=MAC | {"hardware": "x86_64"}, project=None).problems
    assert not _examined(tmp_path, machine={"system": "Darwin"}, project=None).problems


def test_a_translated_terminal_matters_for_a_universal_python(tmp_path: Path) -> None:
    make_environment(tmp_path, prefix="v", kind="venv", arch=["x86_64", "arm64"], packages=KERAS)
    machine = MAC | {"translated": True, "running": "x86_64"}
    assert _checks(_examined(tmp_path, machine=machine, project=None, VIRTUAL_ENV=str(tmp_path / "v"))) == [
        "machine.translated"
    ]
    make_environment(tmp_path, prefix="w", kind="venv", packages=KERAS)
    assert not _examined(tmp_path, machine=machine, project=None, VIRTUAL_ENV=str(tmp_path / "w")).problems


def test_a_universal_application_is_native(home: Path) -> None:
    make_application(home, name="PyCharm", arch=["x86_64", "arm64"], identifier="com.jetbrains.pycharm")
    _write(home / PYCHARM / "jdk.table.xml", _table(("ml", "$USER_HOME$/miniforge3/envs/ml/bin/python")))
    _write(home / "p/.idea/misc.xml", _misc("ml"))
    assert not _examined(home, "pycharm").problems
    (home / "Applications/PyCharm.app/Contents/MacOS/main").write_bytes(binary("x86_64"))
    assert _checks(_examined(home, "pycharm")) == ["ide.translated"]


# -- A and B: JetBrains ------------------------------------------------------------------------------------------


def test_a_name_with_a_slip_gets_the_nearest(home: Path) -> None:
    _write(home / PYCHARM / "jdk.table.xml", _table(("ml-env", "$USER_HOME$/miniforge3/envs/ml/bin/python")))
    _write(home / "p/.idea/misc.xml", _misc("ml-enw"))
    found = _examined(home, "pycharm")
    assert _checks(found) == ["ide.name-unknown"]
    assert "the nearest is “ml-env”" in found.problems[0].evidence


def test_an_interpreter_of_another_language_is_none_of_ours(home: Path) -> None:
    _write(home / PYCHARM / "jdk.table.xml", _table(("17", "/Library/Java/17")))
    _write(home / "p/.idea/misc.xml", _misc("corretto-17", "JavaSDK"))
    assert not _examined(home, "pycharm").problems


def test_a_module_wins_over_its_project_and_a_facet_counts(home: Path) -> None:
    entries = (("ml", "$USER_HOME$/miniforge3/envs/ml/bin/python"), ("base", "$USER_HOME$/miniforge3/bin/python"))
    _write(home / PYCHARM / "jdk.table.xml", _table(*entries))
    _write(home / "p/.idea/misc.xml", _misc("ml"))
    _write(home / "p/.idea/p.iml", '<module><orderEntry type="jdk" jdkName="base" jdkType="Python SDK"/></module>')
    assert _checks(_examined(home, "pycharm")) == ["ide.interpreter"]
    facet = '<facet type="Python" name="Python"><configuration sdkName="base"/></facet>'
    _write(home / "p/.idea/p.iml", f'<module><component name="FacetManager">{facet}</component></module>')
    assert _checks(_examined(home, "pycharm")) == ["ide.interpreter"]
    _write(home / "p/.idea/p.iml", '<module><orderEntry type="inheritedJdk"/></module>')
    assert not _examined(home, "pycharm").problems


@pytest.mark.parametrize("remote", ["ssh://me@host:22/usr/bin/python3", "docker://image/python", "sftp://x/y"])
def test_a_remote_interpreter_is_not_gone(home: Path, remote: str) -> None:
    _write(home / PYCHARM / "jdk.table.xml", _table(("remote", remote)))
    _write(home / "p/.idea/misc.xml", _misc("remote"))
    assert not _examined(home, "pycharm").problems


def test_two_programs_with_one_wrong_interpreter_are_one_cause(home: Path) -> None:
    _write(home / PYCHARM / "jdk.table.xml", _table(("base", "$USER_HOME$/miniforge3/bin/python")))
    _write(home / "p/.idea/misc.xml", _misc("base"))
    _write(home / "p/.vscode/settings.json", '{"python.defaultInterpreterPath": "~/miniforge3/bin/python"}')
    (home / CODE).mkdir(parents=True)
    found = _examined(home)
    assert _checks(found) == ["ide.interpreter"]
    assert any(line.startswith("VS Code too: ~/p/.vscode/settings.json:1") for line in found.problems[0].evidence)


# -- A: VS Code --------------------------------------------------------------------------------------------------


def test_a_named_profile_has_its_own_pick(home: Path) -> None:
    storage = {"profileAssociations": {"workspaces": {f"file://{home}/p": "-5a1b"}}}
    _write(home / CODE / "globalStorage/storage.json", json.dumps(storage))
    key = "WORKSPACE_FOLDER_INTERPRETER_PATH_/Users/anna/p"
    write_row(
        home / CODE / "globalStorage/state.vscdb",
        "ms-python.python",
        {key: "/Users/anna/miniforge3/envs/ml/bin/python"},
    )
    assert not _examined(home, "vscode").problems
    profile = home / CODE / "profiles/-5a1b/globalStorage/state.vscdb"
    write_row(profile, "ms-python.python", {key: "/Users/anna/miniforge3/bin/python"})
    found = _examined(home, "vscode")
    assert _checks(found) == ["ide.interpreter"]
    assert found.problems[0].decided_by[0].file == profile


@pytest.mark.parametrize("value", ["python", "", 3, None, ["x"]])
def test_a_pick_that_is_none_leaves_the_setting(home: Path, value: object) -> None:
    key = "WORKSPACE_FOLDER_INTERPRETER_PATH_/Users/anna/p"
    write_row(home / CODE / "globalStorage/state.vscdb", "ms-python.python", {key: value})
    _write(home / "p/.vscode/settings.json", '{"python.defaultInterpreterPath": "${userHome}/miniforge3"}')
    assert _checks(_examined(home, "vscode")) == ["ide.interpreter"]


@pytest.mark.parametrize("value", ["python3", "${command:x}/python", "${env:NOTHING}/bin/python", 7])
def test_a_setting_that_no_file_can_tell(home: Path, value: object) -> None:
    (home / CODE).mkdir(parents=True)
    _write(home / "p/.vscode/settings.json", json.dumps({"python.defaultInterpreterPath": value}))
    assert not _examined(home, "vscode").problems


def test_a_dead_setting_with_an_environment_in_the_folder(home: Path) -> None:
    (home / CODE).mkdir(parents=True)
    make_environment(home, prefix="p/.venv", kind="venv", packages=KERAS)
    _write(home / "p/.vscode/settings.json", '{"python.defaultInterpreterPath": "/Users/bob/venv/bin/python"}')
    found = _examined(home, "vscode")
    assert not found.problems
    assert any("does not exist" in note.sentence for note in found.notes)


def test_a_manager_without_a_stored_pick_is_not_guessed(home: Path) -> None:
    _write(home / ".vscode/extensions/ms-python.vscode-python-envs-1.37.0/package.json", "{}")
    settings = {
        "python.useEnvironmentsExtension": True,
        "python-envs.defaultEnvManager": "ms-python.python:system",
        "python.defaultInterpreterPath": "~/miniforge3/bin/python",
    }
    _write(home / CODE / "settings.json", json.dumps(settings))
    assert not _examined(home, "vscode").problems


# -- what is meant -----------------------------------------------------------------------------------------------


def test_the_projects_own_name_for_its_environment(home: Path) -> None:
    make_environment(home, prefix="miniforge3/envs/new", packages=KERAS)
    _write(home / "p/environment.yml", "name: new\ndependencies: [keras]\n")
    found = _examined(home, CONDA_PREFIX="/Users/anna/miniforge3/envs/ml")
    assert found.meant is not None
    assert found.meant.interpreter.prefix == home / "miniforge3/envs/new"


def test_base_that_is_always_active_is_not_meant(home: Path) -> None:
    found = _examined(home, CONDA_PREFIX="/Users/anna/miniforge3")
    assert found.meant is not None
    assert found.meant.interpreter.prefix == home / "miniforge3/envs/ml"


def test_an_active_environment_that_cannot_be_seen_is_left_alone(home: Path) -> None:
    _write(home / PYCHARM / "jdk.table.xml", _table(("tf", "/opt/anaconda3/envs/tf/bin/python")))
    _write(home / "p/.idea/misc.xml", _misc("tf"))
    assert not _examined(home, CONDA_PREFIX="/opt/anaconda3/envs/tf").problems
    assert not _examined(home).problems


def test_another_framework_is_asked_about_where_the_project_uses_it(home: Path) -> None:
    make_environment(home, prefix="miniforge3/envs/torch", packages={"torch": "2.5.1"})
    _write(home / "p/train.py", "import torch\n")
    _write(home / "p/.vscode/settings.json", '{"python.defaultInterpreterPath": "~/miniforge3/envs/torch/bin/python"}')
    (home / CODE).mkdir(parents=True)
    found = _examined(home)
    assert (found.wanted, _said(found)) == ("torch", [])


# -- shells ------------------------------------------------------------------------------------------------------


def _new_shell(home: Path) -> str | None:
    found = _examined(home, project=None)
    return next((claim.written for claim in found.claims if claim.who == "new shell"), None)


def test_sourced_files_are_read_where_they_are_sourced(home: Path) -> None:
    make_environment(home, prefix="miniconda3", conda=True)
    _write(home / "dotfiles/conda.zsh", '. "/Users/anna/miniconda3/etc/profile.d/conda.sh"\n')
    _write(home / ".zshrc", "source ~/dotfiles/conda.zsh # mine\nsource ~/.zshrc\n")
    assert _new_shell(home) == str(home / "miniconda3")
    _write(home / ".zshrc", '[ -f ~/x ] && source "$HOME/dotfiles/conda.zsh"\n. ~/miniforge3/etc/profile.d/conda.sh\n')
    assert _new_shell(home) == str(home / "miniforge3")


def test_the_last_conda_that_is_there_wins(home: Path) -> None:
    _write(home / ".zshrc", ". ~/miniforge3/etc/profile.d/conda.sh\n. ~/anaconda3/etc/profile.d/conda.sh\n")
    assert _new_shell(home) == str(home / "miniforge3")


def test_what_a_condition_or_a_function_decides_is_not_taken_for_sure(home: Path) -> None:
    body = "export PYTHONPATH=/usr/local/lib/python3.9/site-packages\n"
    _write(home / ".zshrc", f'if [ "$(arch)" = i386 ]; then\n{body}fi\nold() {{\n{body}}}\n')
    assert not _examined(home).problems
    _write(home / ".zshrc", f"if true; then :; fi\n{body}")
    assert _checks(_examined(home)) == ["env.pythonpath"]
    _write(home / ".zshrc", f"{body}unset PYTHONPATH\n")
    assert not _examined(home).problems
    _write(home / ".zshrc", f"# {body}")
    assert not _examined(home).problems


def test_bash_reads_one_profile_and_zsh_none_of_them(home: Path) -> None:
    _write(home / ".profile", "export KERAS_BACKEND=jax\n")
    _write(home / ".bash_profile", "export EDITOR=vi\n")
    assert not _examined(home, machine=MAC | {"shell": "/bin/bash"}).problems
    assert not _examined(home).problems
    (home / ".bash_profile").unlink()
    assert _checks(_examined(home, machine=MAC | {"shell": "/bin/bash"})) == ["keras.settings"]


def test_two_condas_under_a_condition_have_no_winner(home: Path) -> None:
    make_environment(home, prefix="miniconda3", conda=True)
    one, other = (f". ~/{name}/etc/profile.d/conda.sh\n" for name in ("miniforge3", "miniconda3"))
    _write(home / ".zshrc", f'if [ "$(arch)" = arm64 ]; then\n{one}else\n{other}fi\n')
    assert _new_shell(home) is None


def test_a_name_that_one_of_two_ides_knows_is_no_problem(home: Path) -> None:
    _write(home / PYCHARM / "jdk.table.xml", _table(("ml", "$USER_HOME$/miniforge3/envs/ml/bin/python")))
    _write(home / PYCHARM.replace("PyCharm", "DataSpell") / "jdk.table.xml", _table(("x", "/usr/bin/python3")))
    _write(home / "p/.idea/misc.xml", _misc("ml"))
    assert not _examined(home).problems
    assert _checks(_examined(home, "dataspell")) == ["ide.name-unknown"]


def test_a_link_to_a_python_elsewhere_is_not_gone(home: Path) -> None:
    make_environment(home, prefix="p/.venv", kind="venv", packages=KERAS, link="/opt/homebrew/bin/python3.11")
    found = _examined(home)
    assert found.meant is not None
    assert (found.meant.interpreter.presence, found.meant.interpreter.kind) == (Presence.PRESENT, Kind.VENV)


def test_what_a_new_shell_activates(home: Path) -> None:
    make_environment(home, prefix="miniforge3/envs/old", packages={"numpy": "1.26.4"})
    text = ". ~/miniforge3/etc/profile.d/conda.sh\nconda activate old\n"
    _write(home / ".zshrc", text)
    assert _checks(_examined(home)) == ["shell.conda"]
    # Whoever works in the right one already, or whose IDE does, is not stopped by it.
    assert not _examined(home, "pycharm").problems
    _write(home / PYCHARM / "jdk.table.xml", _table(("ml", "$USER_HOME$/miniforge3/envs/ml/bin/python")))
    _write(home / "p/.idea/misc.xml", _misc("ml"))
    assert not _examined(home).problems
    (home / "p/.idea/misc.xml").unlink()
    _write(home / ".zshrc", text.replace("old", "ml"))
    assert not _examined(home).problems


def test_the_only_kernel_is_judged_when_jupyter_is_asked_about(home: Path) -> None:
    kernel = {"argv": ["/Users/anna/miniforge3/bin/python", "-m", "ipykernel_launcher"], "language": "python"}
    _write(home / "Library/Jupyter/kernels/keras/kernel.json", json.dumps(kernel))
    assert _checks(_examined(home, "jupyter")) == ["jupyter.kernel"]
    assert not _examined(home).problems


def test_a_linux_binary_says_nothing_about_a_mac(tmp_path: Path) -> None:
    make_environment(tmp_path, prefix="miniforge3/envs/ml", arch="elf-x86_64", packages=KERAS, subdir="osx-arm64")
    assert not _examined(tmp_path, project=None).problems


def test_the_platform_comes_from_the_history_where_no_record_has_it(tmp_path: Path) -> None:
    root = make_environment(tmp_path, prefix="miniforge3/envs/ml", packages=KERAS, interpreter=False)
    _write(root / "bin/python", "#!/bin/sh\n")
    (root / "conda-meta/python-3.11.9-h0_0.json").write_text("{}")
    _write(root / "conda-meta/history", "==> 2024 <==\n+conda-forge/osx-64::python-3.11.9-h0_0_cpython\n")
    assert _checks(_examined(tmp_path, project=None)) == ["env.subdir"]


def test_a_machine_of_which_nothing_is_said(home: Path) -> None:
    (home / CODE).mkdir(parents=True)
    _write(home / "p/.vscode/settings.json", '{"python.defaultInterpreterPath": "~/miniforge3/bin/python"}')
    assert _checks(_examined(home, "vscode", machine={})) == ["ide.interpreter"]


def test_a_binary_of_another_system_in_an_environment_that_is_whole(tmp_path: Path) -> None:
    root = make_environment(tmp_path, prefix="v", kind="venv", arch="elf-x86_64", packages=KERAS)
    (root / "bin/python3.11").write_bytes(binary("elf-x86_64", padding=10_000))
    site = root / "lib/python3.11/site-packages"
    record = site / "numpy-1.26.4.dist-info/RECORD"
    record.write_text(record.read_text() + "numpy/core/_umath.so,,\n")
    (site / "numpy/core").mkdir()
    (site / "numpy/core/_umath.so").write_bytes(binary("elf-x86_64"))
    assert not [
        check
        for check in _checks(_examined(tmp_path, machine=LINUX, project=None, VIRTUAL_ENV=str(root)))
        if check == "env.subdir"
    ]
    (site / "numpy/core/_umath.so").write_bytes(binary("arm64"))
    found = _examined(tmp_path, machine=LINUX, project=None, VIRTUAL_ENV=str(root))
    assert _checks(found) == ["env.subdir"]
    assert "numpy 1.26.4: numpy/core/_umath.so is a macOS binary (arm64)" in found.problems[0].sentence
