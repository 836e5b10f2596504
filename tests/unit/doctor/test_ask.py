"""`envbuild doctor --ask`: every text of tests/data/ask gets the answer that is expected of it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from builder import cli
from builder.checks.known_errors import table
from builder.doctor.ask import Answer, Installed, ask, read_environment, rendered
from tests.unit.checks.support import Tree

DATA = Path(__file__).parents[2] / "data" / "ask"
RECIPES = Path(__file__).parents[3] / "recipes"
FILES = ("known", "held-out", "held-out-2", "held-out-3", "held-out-4", "held-out-5", "others")

METAL = """\
tensorflow.python.framework.errors_impl.NotFoundError: dlopen(/Users/me/miniforge3/envs/tf/lib/python3.11/\
site-packages/tensorflow-plugins/libmetal_plugin.dylib, 0x0006): Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii
  Referenced from: <D2F4> /Users/me/miniforge3/envs/tf/lib/python3.11/site-packages/tensorflow-plugins/\
libmetal_plugin.dylib
  Expected in:     <2B24> /Users/me/miniforge3/envs/tf/lib/python3.11/site-packages/tensorflow/python/_pywrap.so
"""


def excerpts() -> list[Any]:
    return [
        pytest.param(item, id=f"{file}-{number}-{item['source']}")
        for file in FILES
        for number, item in enumerate(yaml.safe_load((DATA / f"{file}.yaml").read_text(encoding="utf-8")))
    ]


def installed(*, conda: tuple[str, ...] = (), **versions: str) -> Installed:
    return Installed(
        prefix="/Users/me/miniforge3/envs/tf",
        python="/Users/me/miniforge3/envs/tf/bin/python",
        python_version="3.11",
        subdir="osx-arm64",
        versions={name.replace("_", "-"): version for name, version in versions.items()},
        conda=frozenset(conda),
    )


# --- the corpus -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TypeError: ('Keyword argument not understood:', 'module')", "keras-file-older"),
        ("Process finished with exit code 132 (interrupted by signal 4: SIGILL)", "shell-illegal-instruction"),
    ],
)
def test_forms_that_programs_give_to_known_errors(text: str, expected: str) -> None:
    """A tuple as message (gmalivenko/onnx2keras#54), and PyCharm's words for what a shell calls illegal instruction."""
    assert ask(text).id == expected


def test_a_method_is_not_looked_for_among_the_operations() -> None:
    remedy = ask("AttributeError: module 'tensorflow.keras' has no attribute 'load_model'").remedy or ""
    assert "keras.models" in remedy


@pytest.mark.parametrize("item", excerpts())
def test_a_public_text_gets_the_answer_that_is_expected(item: dict[str, str]) -> None:
    answer = ask(item["text"])
    assert (answer.id or "none") == item["expect"]
    if item["expect"] == "none":
        assert answer.verdict == "unknown"
    elif item["expect"].startswith("harmless-"):
        assert answer.verdict == "harmless"
    else:
        assert answer.verdict == "known"
        assert answer.cause
        assert answer.remedy
        assert answer.sources
    # Whatever surrounds it, nothing of it may be lost.
    assert "\x00" not in rendered(answer)


def test_the_corpus_is_large_and_each_text_has_its_source() -> None:
    items = [param.values[0] for param in excerpts()]
    assert len(items) >= 120
    known = {entry.id for entry in table()} | {"none"}
    for item in items:
        assert item["expect"] in known
        assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+|(?:[\w-]+\.)+[a-z]+/\S+", item["source"]), item["source"]
    assert sum(item["expect"] == "none" for item in items) >= 15
    assert sum(item["expect"].startswith("harmless-") for item in items) >= 9


def test_an_answer_does_not_depend_on_what_stands_around_the_text() -> None:
    noise = "".join(f"2025-01-01 12:00:{second:02} INFO epoch {second} loss 0.12\n" for second in range(60))
    for param in excerpts():
        item = param.values[0]
        if item["expect"] not in ("none",) and not item["expect"].startswith("harmless-"):
            assert ask(noise + item["text"] + "\n" + noise).id == item["expect"], item["source"]


@pytest.mark.parametrize(
    "text",
    [
        "Everything works, thank you!",
        "Epoch 1/5\n1875/1875 [==============================] - 5s 2ms/step - loss: 0.2 - accuracy: 0.94",
        "import tensorflow as tf\nprint(tf.__version__)\n2.16.2",
        "Successfully installed numpy-1.26.4 tensorflow-2.16.2",
        "Collecting package metadata (current_repodata.json): done\nSolving environment: done",
        'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\nValueError: my own message',
        "ZeroDivisionError: division by zero",
        "KeyError: 'label'",
        "error: something else",
    ],
)
def test_what_is_no_known_error_gets_no_cause(text: str) -> None:
    answer = ask(text)
    assert answer.verdict == "unknown"
    assert answer.id is None
    assert answer.line
    assert "envbuild doctor" in answer.remedy


def test_of_an_unknown_traceback_the_exception_is_the_most_telling_line() -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nmy.OwnError: no such thing\nbye'
    assert ask(text).line == "my.OwnError: no such thing"


def test_an_unknown_error_after_harmless_lines_is_not_called_harmless() -> None:
    numa = "Could not identify NUMA node of platform GPU ID 0, defaulting to 0."
    assert ask(numa).verdict == "harmless"
    answer = ask(f"{numa}\nValueError: my own message")
    assert answer.verdict == "unknown"
    assert answer.line == "ValueError: my own message"
    assert [other.id for other in answer.harmless] == ["harmless-numa"]


def test_an_error_after_harmless_lines_is_the_answer() -> None:
    answer = ask(f"Could not identify NUMA node of platform GPU ID 0, defaulting to 0.\n{METAL}")
    assert answer.id == "metal-symbol"
    assert [other.id for other in answer.harmless] == ["harmless-numa"]


def test_no_text_is_no_error() -> None:
    assert ask(" \n\t ").verdict == "empty"
    assert "no text" in rendered(ask(""))


def test_a_message_that_a_terminal_wrapped_is_found() -> None:
    assert ask("RuntimeError: operator torchvision::nms\n  does not exist").id == "torchvision-nms"


def test_a_message_in_small_letters_is_found() -> None:
    assert ask("could not identify numa node of platform gpu id 0, defaulting to 0").id == "harmless-numa"


def test_what_is_in_the_text_is_put_into_the_answer() -> None:
    answer = ask(METAL)
    assert "tsl::internal::LogMessage::LogMessage(char const*, int, int)" in answer.cause
    answer = ask(
        "ImportError: dlopen(/p/lib/python3.11/site-packages/h5py/defs.cpython-311-darwin.so, 0x0002): tried: "
        "'/p/lib/python3.11/site-packages/h5py/defs.cpython-311-darwin.so' (mach-o file, but is an incompatible "
        "architecture (have 'x86_64', need 'arm64'))"
    )
    assert answer.id == "x86-file-in-arm-process"
    assert "defs.cpython-311-darwin.so (h5py)" in answer.cause
    assert "python -m pip install --force-reinstall h5py" in answer.remedy


# --- with an environment ----------------------------------------------------------------------------------------


def test_installed_versions_that_do_not_fit_are_named_and_those_that_do() -> None:
    answer = ask(METAL, environment=installed(tensorflow="2.18.0", tensorflow_metal="1.1.0", pip="24.0"))
    told = "\n".join(answer.environment)
    assert "has tensorflow-metal 1.1.0, with which this error is known" in told
    assert "tensorflow-metal 1.1.0 cannot load with TensorFlow 2.18" in told
    assert "tensorflow-metal 1.2.0 with TensorFlow 2.18.0" in told
    assert "/Users/me/miniforge3/envs/tf/bin/python -m pip uninstall -y tensorflow-metal" in answer.remedy


def test_installed_versions_that_contradict_the_error_are_told() -> None:
    text = "TypeError: Descriptors cannot be created directly."
    assert "with which this error is known" in ask(text, environment=installed(protobuf="4.25.3")).environment[0]
    assert "is not known" in ask(text, environment=installed(protobuf="3.20.3")).environment[0]
    assert "protobuf is not installed" in ask(text, environment=installed(numpy="2.0.0")).environment[0]


def test_a_module_that_is_missing_in_a_text_and_installed_here_means_another_python() -> None:
    text = "ModuleNotFoundError: No module named 'sklearn'"
    here = ask(text, environment=installed(scikit_learn="1.5.0"))
    assert "scikit-learn 1.5.0 is installed in /Users/me/miniforge3/envs/tf: another Python ran" in here.environment
    assert here.remedy.endswith("/Users/me/miniforge3/envs/tf/bin/python")
    missing = ask(text, environment=installed(numpy="2.0.0"))
    assert "scikit-learn is not installed in /Users/me/miniforge3/envs/tf" in missing.environment
    assert "install" in missing.remedy


def test_a_text_from_another_environment_is_told() -> None:
    other = METAL.replace("/Users/me/miniforge3/envs/tf/", "/Users/me/miniforge3/envs/old/")
    environment = installed(tensorflow="2.18.0", tensorflow_metal="1.1.0")
    told = ask(other, environment=environment).environment
    assert told[0] == "the text is from /Users/me/miniforge3/envs/old, not from /Users/me/miniforge3/envs/tf"
    assert "the text is from" not in " ".join(ask(METAL, environment=environment).environment)


def test_what_conda_installed_is_reinstalled_by_conda() -> None:
    text = (
        "dlopen(/p/lib/python3.11/site-packages/h5py/defs.cpython-311-darwin.so, 0x0002): tried: "
        "'/p/lib/python3.11/site-packages/h5py/defs.cpython-311-darwin.so' (mach-o file, but is an incompatible "
        "architecture (have 'x86_64', need 'arm64'))"
    )
    answer = ask(text, environment=installed(conda=("h5py",), h5py="3.11.0"))
    assert "conda install -p /Users/me/miniforge3/envs/tf --force-reinstall h5py" in answer.remedy
    assert "(h5py 3.11.0)" in answer.cause
    answer = ask(text, environment=installed(h5py="3.11.0"))
    assert "uv pip install --python /Users/me/miniforge3/envs/tf/bin/python --force-reinstall h5py" in answer.remedy


def test_versions_without_meaning_are_passed_over() -> None:
    assert ask(METAL, environment=installed(tensorflow="unknown", tensorflow_metal="1.1.0")).id == "metal-symbol"


def test_an_environment_is_read_from_its_files(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "env")
    tree.dist("tensorflow", "2.18.0")
    tree.dist("scikit-learn", "1.5.0")
    tree.conda("numpy", "2.0.2", "py312_0")
    environment = read_environment(tree.path)
    assert environment.versions == {"tensorflow": "2.18.0", "scikit-learn": "1.5.0", "numpy": "2.0.2"}
    assert environment.conda == {"numpy"}
    assert environment.python_version == "3.12"
    assert environment.subdir == "linux-64"
    assert environment.python == str((tmp_path / "env/bin/python").resolve())
    assert environment.rebuild is None
    assert read_environment(tmp_path / "nothing").versions == {}


def test_a_remedy_names_the_command_that_built_the_environment(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "env")
    tree.stamp()
    answer = ask("Illegal instruction: 4", environment=read_environment(tree.path))
    assert f"envbuild create ml-m1 -p {tree.path} --force" in answer.remedy
    assert "NAME" not in answer.remedy


# --- how it is said -----------------------------------------------------------------------------------------------


def test_an_answer_as_text() -> None:
    lines = rendered(ask(METAL, environment=installed(tensorflow="2.18.0", tensorflow_metal="1.1.0"))).splitlines()
    assert lines[0].startswith("Most likely cause: tensorflow-metal is built for another TensorFlow")
    assert lines[1].startswith("    tensorflow.python.framework.errors_impl.NotFoundError: dlopen(")
    assert any(line.startswith("What to do: ") for line in lines)
    assert any(line.startswith("Here: tensorflow-metal 1.1.0 cannot load") for line in lines)
    assert any(line.startswith("Source: https://") for line in lines)
    assert "Known error: metal-symbol (published)" in lines


def test_where_there_is_nothing_to_do_that_is_said_so() -> None:
    text = rendered(ask("OS X does not support NUMA - returning NUMA node zero"))
    assert text.startswith("Harmless: ")
    assert "What to do" not in text
    assert "\nNothing to do" in text


def test_other_known_errors_of_a_text_are_named_beside_the_answer() -> None:
    answer = ask(
        "RuntimeError: operator torchvision::nms does not exist\nTypeError: Descriptors cannot be created directly."
    )
    assert answer.id == "torchvision-nms"
    assert [other.id for other in answer.also] == ["protobuf-descriptors"]
    assert "Also in the text: protobuf is too new" in rendered(answer)


@pytest.mark.parametrize("text", [METAL, "", "KeyError: 'x'", "OS X does not support NUMA - returning NUMA node zero"])
def test_an_answer_is_json(text: str) -> None:
    answer = ask(text, environment=installed(tensorflow="2.18.0", tensorflow_metal="1.1.0"))
    read = json.loads(json.dumps(answer.to_json()))
    assert set(read) == set(Answer.__dataclass_fields__)
    assert read["verdict"] == answer.verdict


def commands() -> list[str]:
    said = "\n".join(entry.remedy for entry in table()) + "\n" + ask("KeyError: 'x'").remedy
    found = re.findall(r"`(envbuild [^`]+)`", said) + re.findall(r"\benvbuild create NAME --force", said)
    return sorted(set(found))


def test_every_envbuild_command_in_a_remedy_exists() -> None:
    """What a person is told to type must parse (`doctor` is tested where it is made)."""
    assert len(commands()) >= 5
    group = cli.cli
    assert isinstance(group, click.Group)
    for command in commands():
        _, verb, *words = command.replace("{prefix}", "/env").split()
        if verb == "doctor":
            continue
        loaded = group.get_command(click.Context(group), verb)
        assert loaded is not None, command
        if words:  # else the sentence only names the verb
            loaded.make_context(verb, words)
        for word in words:
            if word.endswith(("-m1", "-m1-metal")):
                assert (RECIPES / f"{word}.yaml").is_file(), command


# --- time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x" * 5_000_000,
        "a " * 2_000_000,
        "Error: failed not found\n" * 200_000,
        "\x1b[" * 2_000_000,
        "[a](http" * 500_000,
        "/a/b/site-packages/x/" * 200_000,
        "> " * 2_000_000,
        "\n" * 5_000_000 + "x",
        "dlopen(/p/a.so, 0x0002): tried: '/p/" * 100_000,
        "Traceback (most recent call last):\n" * 100_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    ask(text)
    assert time.process_time() - started < 5.0


def test_an_error_at_the_end_of_a_very_long_log_is_found() -> None:
    log = "2025-01-01 12:00:00 INFO epoch 3 loss 0.123 accuracy 0.9\n" * 230_000
    assert len(log) > 10_000_000
    assert ask(log + METAL).id == "metal-symbol"
