"""What the user's own settings do to an environment, told apart from the environment itself."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from builder.checks import user
from builder.checks.runs import Results, UserImports
from builder.finding import Status
from builder.frameworks import keras_settings
from builder.probes.harness import Step
from tests.unit.checks.support import outcome

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Finding
    from tests.unit.checks.support import Tree


SETTINGS = ("process.user-site", "process.pythonpath", "process.working-directory")


@pytest.fixture
def keras_tree(tree: Tree) -> Tree:
    tree.dist("keras", "3.15.1", "keras/__init__.py")
    tree.dist("tensorflow", "2.21.0", "tensorflow/__init__.py")
    return tree


def settings(tree: Tree, **options: Any) -> Finding:
    chosen = tree.subject(**options)
    return keras_settings.settings(chosen)[0]


def write_keras_json(folder: Path, **content: Any) -> None:
    folder.mkdir(parents=True)
    (folder / "keras.json").write_text(json.dumps(content))


def test_no_settings_and_default_settings_are_no_alarm(keras_tree: Tree, tmp_path: Path) -> None:
    """Keras writes a keras.json with its defaults at its first import."""
    untouched = settings(keras_tree, home=tmp_path, framework="tensorflow")
    assert untouched.status is Status.PASS
    assert "own default" in untouched.evidence[0]
    write_keras_json(
        tmp_path / ".keras", backend="tensorflow", floatx="float32", image_data_format="channels_last", epsilon=1e-7
    )
    assert settings(keras_tree, home=tmp_path, framework="tensorflow").status is Status.PASS


@pytest.mark.parametrize(("backend", "says"), [("theano", "does not exist"), ("jax", "jax is not installed")])
def test_a_backend_in_keras_json_that_cannot_work_fails(
    keras_tree: Tree, tmp_path: Path, backend: str, says: str
) -> None:
    write_keras_json(tmp_path / ".keras", backend=backend)
    finding = settings(keras_tree, home=tmp_path, framework="tensorflow")
    assert finding.status is Status.FAIL
    assert says in finding.title
    assert str(tmp_path / ".keras" / "keras.json") in str(finding.remedy)


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        ("{nope", Status.WARN, "not JSON"),
        ("[1]", Status.FAIL, "not a JSON object"),
        ('{"floatx": "float99"}', Status.FAIL, '"floatx": "float99" is none of float32, float16, float64'),
        ('{"image_data_format": ["channels_last"]}', Status.FAIL, "is none of channels_last, channels_first"),
        ('{"epsilon": 1}', Status.FAIL, '"epsilon": 1 is not a float'),
    ],
)
def test_a_keras_json_that_keras_ignores_or_dies_of(
    keras_tree: Tree, tmp_path: Path, content: str, status: Status, says: str
) -> None:
    """Measured with Keras 3.15: what is no JSON is passed over, and a value that it does not know ends its import."""
    write_keras_json(tmp_path / ".keras")
    (tmp_path / ".keras" / "keras.json").write_text(content)
    finding = settings(keras_tree, home=tmp_path, framework="tensorflow")
    assert finding.status is status
    assert says in finding.evidence[0]
    assert finding.remedy is not None
    assert finding.remedy.commands


def test_a_pipe_for_keras_json_is_not_waited_for(keras_tree: Tree, tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    os.mkfifo(tmp_path / ".keras" / "keras.json")
    finding = settings(keras_tree, home=tmp_path, framework="tensorflow")
    assert (finding.status, "a pipe" in finding.evidence[0]) == (Status.FAIL, True)


def test_the_variable_comes_before_the_file(keras_tree: Tree, tmp_path: Path) -> None:
    """Order of Keras 3: KERAS_BACKEND, keras.json, tensorflow."""
    write_keras_json(tmp_path / ".keras", backend="theano")
    environ = {"KERAS_BACKEND": "tensorflow"}
    assert settings(keras_tree, home=tmp_path, environ=environ, framework="tensorflow").status is Status.PASS


def test_keras_home_moves_the_file(keras_tree: Tree, tmp_path: Path) -> None:
    write_keras_json(tmp_path / "elsewhere", backend="theano")
    environ = {"KERAS_HOME": str(tmp_path / "elsewhere")}
    assert settings(keras_tree, home=tmp_path, environ=environ).status is Status.FAIL


def test_another_installed_backend_fails_only_where_a_recipe_says_otherwise(keras_tree: Tree) -> None:
    """Without a stamp nobody has said which backend is meant: it is a warning."""
    keras_tree.dist("jax", "0.10", "jax/__init__.py")
    environ = {"KERAS_BACKEND": "jax"}
    assert settings(keras_tree, environ=environ, framework="tensorflow").status is Status.WARN
    keras_tree.stamp(framework="tensorflow")
    assert settings(keras_tree, environ=environ, framework="tensorflow").status is Status.FAIL
    assert settings(keras_tree, environ=environ, framework="jax").status is Status.PASS


def test_half_precision_for_all_programs_is_a_warning(keras_tree: Tree, tmp_path: Path) -> None:
    write_keras_json(tmp_path / ".keras", floatx="float16")
    assert settings(keras_tree, home=tmp_path).status is Status.WARN


def test_legacy_keras_without_tf_keras_fails(keras_tree: Tree) -> None:
    finding = settings(keras_tree, environ={"TF_USE_LEGACY_KERAS": "1"})
    assert finding.status is Status.FAIL
    assert "tf-keras" in finding.title


def test_each_place_outside_is_told_by_its_name(tree: Tree, tmp_path: Path) -> None:
    """User site, PYTHONPATH and working directory need three different remedies."""
    user_site = tmp_path / "local" / "site-packages"
    subject = tree.subject(environ={"PYTHONPATH": str(tmp_path / "path")}, framework="tensorflow", imports=("numpy",))
    inside = {name: str(tree.site / name / "__init__.py") for name in ("numpy", "keras", "tensorflow", "six")}
    origins = inside | {
        "numpy": str(user_site / "numpy" / "__init__.py"),
        "keras": str(tree.path / "work" / "keras.py"),
        "six": str(tmp_path / "path" / "six.py"),
    }
    case = tree.case("process.user-site", subject=subject, origins=origins, user_site=str(user_site))
    findings = {check: user.judge_as_user(check, case, {"origins": inside}) for check in SETTINGS}
    assert findings["process.user-site"].status is Status.FAIL
    assert findings["process.working-directory"].status is Status.FAIL
    assert str(tree.path / "work" / "keras.py") in str(findings["process.working-directory"].remedy)
    assert findings["process.pythonpath"].status is Status.WARN  # six is nothing the recipe asks for


def test_a_module_of_the_standard_library_is_never_replaced_on_purpose(tree: Tree) -> None:
    """No recipe asks for `random`, and half of all packages import it."""
    case = tree.case("process.user-site", origins={"random": str(tree.path / "work" / "random.py")}, user_site="")
    finding = user.judge_as_user("process.working-directory", case, {"origins": {}})
    assert finding.status is Status.FAIL
    assert finding.title.endswith(": random")


def test_what_an_import_fails_by_is_not_told_twice(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = tree.subject(environ={"DYLD_LIBRARY_PATH": "/x", "LD_PRELOAD": "/y"})
    started = outcome(Step(check="process.user-site", subject="", how="done"))
    failed = UserImports(outcome=outcome(), culprits=("DYLD_LIBRARY_PATH",))
    results = Results(interpreter=started, as_user=started, user_imports=failed)
    monkeypatch.setattr(subject, "runs", SimpleNamespace(results=results))
    (found,) = user._variables(subject)
    assert "LD_PRELOAD" in str(found)
    assert "DYLD_LIBRARY_PATH" not in str(found)


@pytest.mark.parametrize("hung", [False, True])
def test_a_python_that_hangs_is_not_one_that_does_not_start(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, hung: bool
) -> None:
    subject = tree.subject(environ={"PYTHONSTARTUP": "/x", "PYTHONMALLOC": "nonsense"})
    silent = replace(outcome(finished=False), timed_out=hung)
    results = Results(interpreter=silent, as_user=silent, stoppers=("PYTHONMALLOC",))
    monkeypatch.setattr(subject, "runs", SimpleNamespace(results=results))
    (found,) = user._variables(subject)
    assert found.title.startswith("Python hangs with" if hung else "Python does not start with")
    assert found.title.endswith(": PYTHONMALLOC=nonsense")


def test_variables_that_load_other_libraries_are_a_warning(tree: Tree) -> None:
    assert user.risky_variables({}).status is Status.PASS
    finding = user.risky_variables({"DYLD_LIBRARY_PATH": "/x", "KMP_DUPLICATE_LIB_OK": "TRUE"})
    assert finding.status is Status.WARN
    assert "unset DYLD_LIBRARY_PATH KMP_DUPLICATE_LIB_OK" in str(finding.remedy)


def test_a_user_site_that_adds_packages_is_a_warning(tree: Tree) -> None:
    """`import x` works here and nowhere else: the lock does not know it."""
    facts: dict[str, Any] = {"origins": {}, "user_site": "/home/u/.local/lib", "user_site_holds": ["rich-15.0"]}
    case = tree.case("process.user-site", **facts)
    finding = user.judge_as_user("process.user-site", case, {"origins": {}})
    assert finding.status is Status.WARN
    assert "rich-15.0" in finding.evidence


def test_imports_that_never_ran_are_no_pass(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sitecustomize on PYTHONPATH that exits with 0 leaves nothing that failed, and nothing that was looked at."""
    unstarted = outcome(finished=False)
    subject = tree.subject()
    results = Results(interpreter=unstarted, user_imports=UserImports(outcome=unstarted))
    monkeypatch.setattr(subject, "runs", SimpleNamespace(results=results))
    (found,) = user._imports(subject)
    assert found.status is Status.SKIP
    assert "Nothing was imported" in found.title
