"""What every verb owes its user: one JSON object, an exit code that means something, and a quick `--help`."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from builder import errors
from builder.cli import VERBS, cli
from builder.cli.ending import EXIT_INTERNAL
from builder.cli.session import Output, Session, run, verb

ROOT = Path(__file__).parents[3]


def _verb(output: Output | BaseException) -> object:
    @verb("try")
    def command(_session: Session) -> Output:
        """A verb."""
        if isinstance(output, BaseException):
            raise output
        return output

    return command


def _run(output: Output | BaseException, *arguments: str) -> int:
    return run(_verb(output), arguments)  # type: ignore[arg-type]


ERRORS = [
    (errors.UsageError("m"), 2, "usage"),
    (errors.RecipeError("m", file="r.yaml", line=3), 2, "recipe"),
    (errors.LockfileError("m"), 2, "lockfile"),
    (errors.StaleLockError("m"), 1, "stale-lock"),
    (errors.ChecksFailedError("m"), 1, "checks-failed"),
    (errors.UnsatisfiableError("m"), 3, "unsatisfiable"),
    (errors.SourceUnreachableError("m"), 4, "unreachable"),
    (errors.BuildError("m"), 5, "build"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (RuntimeError("boom"), EXIT_INTERNAL, "error"),
    (RecursionError("deep"), EXIT_INTERNAL, "error"),
]


@pytest.mark.parametrize(("error", "code", "name"), ERRORS, ids=lambda value: str(value))
def test_errors(capsys: pytest.CaptureFixture[str], error: BaseException, code: int, name: str) -> None:
    assert _run(error) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.lstrip("\n").startswith("error: ")
    assert _run(error, "--json") == code
    shown = capsys.readouterr()
    envelope = json.loads(shown.out)
    assert list(envelope) == ["envbuild", "command", "status", "result", "errors"]
    assert envelope["envbuild"] == 1
    assert envelope["status"] == ("failed" if code == 1 else "error")
    assert envelope["result"] == {}
    (told,) = envelope["errors"]
    assert list(told) == ["code", "message", "hint"]
    assert told["code"] == name
    assert shown.err.strip() == ""


def test_result(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(result={"a": 1}, text="done")
    assert _run(output) == 0
    assert capsys.readouterr().out == "done\n"
    assert _run(output, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "envbuild": 1,
        "command": "try",
        "status": "ok",
        "result": {"a": 1},
        "errors": [],
    }


def test_result_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(result={"a": 1}, text="seen", exit_code=1, errors=(errors.StaleLockError("old", hint="lock"),))
    assert _run(output) == 1
    shown = capsys.readouterr()
    assert shown.out == "seen\n"
    assert "old" in shown.err
    assert "lock" in shown.err
    assert _run(output, "--json") == 1
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["status"], envelope["result"]) == ("failed", {"a": 1})
    assert envelope["errors"] == [{"code": "stale-lock", "message": "old", "hint": "lock"}]


def test_the_gravest_error_decides_the_exit_code() -> None:
    several = (errors.StaleLockError("old"), errors.BuildError("full"), errors.UsageError("wrong"))
    assert _run(Output(result={}, errors=several)) == errors.BuildError.exit_code == 5
    assert _run(Output(result={})) == 0
    assert _run(Output(result={}, errors=several, exit_code=1)) == 1


def test_place_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    _run(errors.RecipeError("wrong", file="r.yaml", line=3, hint="write it"))
    assert capsys.readouterr().err == "error: r.yaml:3: wrong\n  fix: write it\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("arguments", [["--no-color"], []])
def test_no_colours_on_a_terminal_that_wants_none(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """click colours by itself; it knows neither our option nor NO_COLOR."""
    coloured = _Terminal()
    monkeypatch.setattr(sys, "stderr", coloured)
    monkeypatch.delenv("NO_COLOR", raising=False)
    error = errors.UsageError("m", hint="h")
    _run(error)
    assert "\x1b[" in coloured.getvalue()
    plain = _Terminal()
    monkeypatch.setattr(sys, "stderr", plain)
    if not arguments:
        monkeypatch.setenv("NO_COLOR", "1")
    _run(error, *arguments)
    _run(Output(result={}, exit_code=1, errors=(error,)), *arguments)
    Session(verb="try", color=False).warn("w")
    assert plain.getvalue() == "error: m\n  fix: h\n" * 2 + "warning: w\n"


def test_tables_end_without_spaces_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table("a", "b", box=None)
    table.add_row("1", "a longer cell")
    _run(Output(result={}, text=table))
    lines = capsys.readouterr().out.split("\n")
    assert [line.split() for line in lines] == [["a", "b"], ["1", "a", "longer", "cell"], []]
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("terminal", [True, False])
def test_texts_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    """Names of files and messages of recipes come from anybody; what they hold is shown, and does nothing."""
    from rich.table import Table

    evil = "\x1b]0;owned\x07\x1b[2Jname\r\x9b31m\u202etxt [/] [bold]kept[/bold]"
    table = Table("a")
    table.add_row(evil)
    error = errors.UsageError(evil, hint=evil)
    stdout, stderr = (_Terminal(), _Terminal()) if terminal else (io.StringIO(), io.StringIO())
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.delenv("NO_COLOR", raising=False)
    for text in (evil, table):
        _run(Output(result={}, text=text, exit_code=1, errors=(error,)))
    _run(error)
    session = Session(verb="try", verbose=True)
    session.warn(evil)
    session.note(evil)
    session.detail(evil)
    if terminal:
        session.progress.update("task", evil)
        session.progress.done("task", evil)
        session.close()
    for stream in (stdout, stderr):
        shown = stream.getvalue()
        assert not re.search("\x1b]|\x1b\\[2J|\x9b|\x07|\r[^\n\x1b]|\u202e", shown)
        assert "\\x1b]0;owned" in shown
        assert "[/] [bold]kept[/bold]" in shown


def test_defect_shows_its_traceback_with_verbose_only(capsys: pytest.CaptureFixture[str]) -> None:
    _run(RuntimeError("boom"))
    assert "Traceback" not in capsys.readouterr().err
    _run(RuntimeError("boom"), "--verbose")
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["create"], ["create", "a", "--nonsense"], ["create", "a", "--platform", "win-64"], ["--nope"]],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], as_json: bool) -> None:
    assert run(cli, [*arguments, "--json"] if as_json else arguments) == 2
    shown = capsys.readouterr()
    if as_json:
        assert json.loads(shown.out)["errors"][0]["code"] == "usage"
    else:
        assert shown.err.startswith("error: ")


def test_misspelt_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["crate"]) == 2
    assert "Did you mean 'create'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", VERBS)
def test_help_of_every_verb(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each explains itself with examples."""
    assert run(cli, [name, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert f"envbuild {name}" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert run(cli, ["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "_ENVBUILD_COMPLETE" in script
    if shell == "bash":
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)  # noqa: S607
        assert checked.returncode == 0, checked.stderr


def _python(code: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": os.environ.get("HOME", "/")} | environ,
        cwd=ROOT,
    )


def test_completion_knows_verbs_and_recipes() -> None:
    complete = "from builder.cli import main; main()"
    environ = {"_ENVBUILD_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    verbs = _python(complete, COMP_WORDS="envbuild cr", **environ)
    assert "create" in verbs.stdout, verbs.stderr
    recipes = _python(complete, COMP_WORDS="envbuild create ml", **(environ | {"COMP_CWORD": "2"}))
    assert "ml-m1" in recipes.stdout, recipes.stderr


_BASH = """
eval "$(envbuild completion bash 2>/dev/null)"
COMP_WORDS=({words} "{begun}") COMP_CWORD={place}
_envbuild_completion envbuild
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an environment of two programs, and with the command itself."""
    programs = tmp_path / ".conda" / "envs" / "mine" / "bin"
    programs.mkdir(parents=True)
    (programs.parent / "conda-meta").mkdir()
    for name, mode in (("python", 0o755), ("jupyter", 0o755), ("notes", 0o644)):
        (programs / name).touch(mode)
    command = tmp_path / "envbuild"
    command.write_text(
        f'#!{sys.executable}\nimport sys\nsys.argv[0] = "envbuild"\nfrom builder.cli import main\nmain()\n'
    )
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "begun", "offered"),
    [
        ("envbuild run mine", "", {"python", "jupyter"}),
        ("envbuild run mine --", "ju", {"jupyter"}),
        ("envbuild run mine python", "-", {""}),
        ("envbuild run elsewhere", "py", {""}),
        ("envbuild compat", "e", {"explain"}),
        ("envbuild compat explain", "e", {""}),
        ("envbuild compat explain", "ker", {"keras"}),
    ],
)
def test_completion_in_bash(home: Path, words: str, begun: str, offered: set[str]) -> None:
    """The programs of the environment that was typed, and only before there is one; what `compat` can do."""
    script = _BASH.format(words=words, begun=begun, place=len(words.split()))
    environ = {"PATH": f"{home}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(home)}
    ended = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
        env=environ,
        cwd=home,
    )
    assert set(ended.stdout.splitlines()) == offered, ended.stderr


#: How many modules `envbuild --help` may import beyond those of a bare Python with click. It answers at once because
#: it imports almost nothing; the number may only go down.
_BUDGET = 32
_HEAVY = ("rattler", "conda_lock", "msgspec", "rich", "jinja2", "yaml", "packaging", "filelock", "asyncio", "tempfile")


def test_help_imports_almost_nothing() -> None:
    bare = _python("import click, sys; print(len(sys.modules))")
    code = (
        "import sys\nfrom builder.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(chr(10).join(sys.modules), file=sys.stderr)"
    )
    shown = _python(code, "--help")
    assert "create" in shown.stdout
    modules = shown.stderr.split()
    assert not [name for name in modules if name.split(".")[0] in _HEAVY]
    assert len(modules) - int(bare.stdout) <= _BUDGET, len(modules) - int(bare.stdout)


@pytest.mark.parametrize("output", ["> /dev/full", ">&-", "2>&-"])
@pytest.mark.parametrize("option", ["", "--json"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written(output: str, option: str) -> None:
    """A full disk is nobody's defect, and a stream that was closed on purpose no failure."""
    shell = f"exec '{sys.executable}' -m builder list {option} {output}"
    run = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S607
    assert run.returncode == (errors.BuildError.exit_code if "full" in output else 0), run.stderr
    assert "Traceback" not in run.stderr
    if "full" in output and not option:
        assert run.stderr.startswith("error: No space left on device")


def test_broken_pipe() -> None:
    """`envbuild list | head -1` must not end in a traceback."""
    run = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m builder list --json | head -c 1"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"},
        cwd=ROOT,
    )
    assert run.stderr == ""


_WHO_IGNORES = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL)
from builder.cli import cli
from builder.cli.session import run
run(cli, ["--version"])
print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)
"""


@pytest.mark.parametrize(("started", "ignored"), [("nohup", "True"), ("plainly", "False")])
def test_nohup_is_respected(started: str, ignored: str) -> None:
    """`nohup envbuild create …` goes on when the terminal closes, which is what it was started with nohup for."""
    assert _python(_WHO_IGNORES, started).stdout.split()[-1] == ignored
