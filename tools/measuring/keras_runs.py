"""Keras × TensorFlow by running: one throw-away environment per pair, and a record of what the suite did in it.

A pair is run only when its exact versions have no record yet, so running again after a release measures what
is new and nothing else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from builder.errors import BuildError, SourceUnreachableError
from tools.measuring import keras_suite
from tools.measuring.write import write_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

#: Versions recorded beside the pair: what a failure is usually due to.
COMPANIONS: Final = ("numpy", "protobuf", "h5py", "ml-dtypes", "optree", "tensorboard")
SUITE: Final = Path(keras_suite.__file__)
RUN_SECONDS: Final = 600


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Exact versions to run together, and the Python minor to run them on."""

    tensorflow: str
    keras: str
    python: str
    overrides: tuple[str, ...] = ()
    """Requirements that replace what is declared, to see what happens outside the metadata: `numpy==2.4.6`."""
    subject: str = "keras"
    """What a failure is laid on: `keras`, `numpy`, or `resolution` (a fresh install as a whole)."""
    legacy: str | None = None
    """Version of tf-keras to run as tf.keras (TF_USE_LEGACY_KERAS=1)."""
    steps: tuple[str, ...] = ()
    """Steps to run, for old releases that lack some of them; empty: the whole suite."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What happened to one pair. `failed` maps a step of the suite to its error; empty: everything held."""

    pair: Pair
    python: str
    date: str
    companions: dict[str, str] = field(default_factory=dict)
    passed: tuple[str, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)
    refused: str | None = None
    """The resolver's reason when the metadata does not allow the pair: nothing was run."""

    def to_yaml(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "host": self.pair.tensorflow,
            "partner": self.pair.keras,
            "python": self.python,
            **({"overrides": list(self.pair.overrides)} if self.pair.overrides else {}),
            **({"subject": self.pair.subject} if self.pair.subject != "keras" else {}),
            **({"legacy": self.pair.legacy} if self.pair.legacy else {}),
            "date": self.date,
            "companions": dict(sorted(self.companions.items())),
        }
        if self.refused is not None:
            return record | {"result": "refused", "reason": self.refused}
        return record | {
            "result": "pass" if self.ok else "fail",
            "passed": list(self.passed),
            "failed": dict(self.failed),
        }

    @property
    def ok(self) -> bool:
        """Every step held that says something about the pair."""
        return self.refused is None and not set(self.failed) - set(keras_suite.NOTED)


def _uv(*arguments: str, stdin: str | None = None, uv: str = "uv") -> subprocess.CompletedProcess[str]:
    return subprocess.run([uv, *arguments], input=stdin, capture_output=True, text=True, check=False)


def resolve(pair: Pair, *, uv: str = "uv") -> tuple[str, str | None]:
    """The pair's full requirements as resolved today, or the resolver's reason why there are none."""
    wanted = [f"tensorflow-cpu=={pair.tensorflow}", f"keras=={pair.keras}"]
    if pair.legacy is not None:
        wanted.append(f"tf-keras=={pair.legacy}")
    arguments = [
        "pip", "compile", "-", "--python-version", pair.python, "--no-header", "--no-annotate", "--quiet",
        "--only-binary", ":all:", "--no-python-downloads",
    ]  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as overrides:
        overrides.write("\n".join(pair.overrides))
        overrides.flush()
        if pair.overrides:
            arguments += ["--override", overrides.name]
        done = _uv(*arguments, stdin="\n".join(wanted), uv=uv)
    if done.returncode == 0:
        return done.stdout, None
    reason = " ".join(done.stderr.split())
    if "fetch" in reason.lower() and "unsatisfiable" not in reason.lower():
        raise SourceUnreachableError(f"the package index did not answer: {reason[:300]}")
    return "", reason


def _versions(requirements: str) -> dict[str, str]:
    pins = (line.split(";")[0].strip().split("==") for line in requirements.splitlines() if "==" in line)
    return {name: version for name, version in pins if name in COMPANIONS}


def interpret(lines: Iterable[str], *, returncode: int) -> tuple[tuple[str, ...], dict[str, str], dict[str, str]]:
    """Read the suite's JSON lines: steps passed, steps failed with their errors, versions it saw."""
    passed: list[str] = []
    failed: dict[str, str] = {}
    seen: dict[str, str] = {}
    running: str | None = None
    for line in lines:
        if not line.startswith("{"):
            continue
        message = json.loads(line)
        if "start" in message:
            running = message["start"]
        elif message["error"] is None:
            passed.append(message["step"])
            seen |= {key: message[key] for key in ("tensorflow", "keras") if key in message}
            running = None
        else:
            failed[message["step"]] = message["error"]
            running = None
    if running is not None:
        failed[running] = f"the process ended with status {returncode} during this step"
    return tuple(passed), failed, seen


def run_pair(pair: Pair, *, environment: Path, today: date, uv: str = "uv") -> Run:
    """Make `environment` hold exactly the pair's resolution (created on first use) and run the suite in it."""
    requirements, refusal = resolve(pair, uv=uv)
    if refusal is not None:
        return Run(pair=pair, python=pair.python, date=today.isoformat(), refused=refusal[:600])
    if not environment.exists():
        made = _uv("venv", "--no-python-downloads", "--python", pair.python, str(environment), uv=uv)
        if made.returncode != 0:
            raise BuildError(f"uv could not make an environment: {made.stderr.strip()}")
    python = environment / "bin" / "python"
    synced = _uv("pip", "sync", "-", "--python", str(python), "--only-binary", ":all:", stdin=requirements, uv=uv)
    if synced.returncode != 0:
        raise SourceUnreachableError(f"uv could not install {pair}: {synced.stderr.strip()[-600:]}")
    version = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as home:
        # Its own copy: tf.function reads source files again while it runs.
        suite = shutil.copy(SUITE, home)
        # A clean HOME, so that nobody's keras.json decides the backend.
        try:
            done = subprocess.run(
                [python, "-I", suite, *pair.steps],
                capture_output=True, text=True, check=False, timeout=RUN_SECONDS, cwd=home,
                env={
                    "HOME": home, "PATH": "/usr/bin:/bin", "KERAS_BACKEND": "tensorflow",
                    **({"TF_USE_LEGACY_KERAS": "1"} if pair.legacy else {}),
                },
            )  # fmt: skip
            output, status = done.stdout, done.returncode
        except subprocess.TimeoutExpired as expired:
            output, status = (expired.stdout or b"").decode("utf-8", "replace"), -9
    passed, failed, seen = interpret(output.splitlines(), returncode=status)
    if seen and (seen["tensorflow"], seen["keras"]) != (pair.tensorflow, pair.keras):
        failed["versions"] = f"imported TensorFlow {seen['tensorflow']} and Keras {seen['keras']}"
    return Run(
        pair=pair,
        python=version,
        date=today.isoformat(),
        companions=_versions(requirements),
        passed=passed,
        failed=failed,
    )


def load(file: Path) -> list[dict[str, Any]]:
    """The records of an earlier measurement, or none."""
    if not file.exists():
        return []
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return list(document["runs"])


def _identity(record: dict[str, Any]) -> tuple[str, str, str, tuple[str, ...], str | None]:
    python = ".".join(record["python"].split(".")[:2])
    return record["host"], record["partner"], python, tuple(record.get("overrides", ())), record.get("legacy")


def _key(record: dict[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(".") if part.isdigit())

    return numbers(record["host"]), numbers(record["partner"])


def store(file: Path, records: Iterable[dict[str, Any]], *, header: dict[str, Any]) -> None:
    """Write all records, sorted, atomically."""
    write_facts(file, header | {"runs": sorted(records, key=_key)})


def measure(
    pairs: Iterable[Pair],
    *,
    file: Path,
    workdir: Path,
    today: date,
    header: dict[str, Any],
    uv: str = "uv",
    tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> int:
    """Run every pair that has no record yet; give the number of pairs run."""
    records = load(file)
    done = {_identity(record) for record in records}
    count = 0
    environment: Path | None = None
    held: str | None = None
    for pair in pairs:
        if (pair.tensorflow, pair.keras, pair.python, pair.overrides, pair.legacy) in done:
            continue
        if held != pair.tensorflow and environment is not None:
            shutil.rmtree(environment, ignore_errors=True)
        held, environment = pair.tensorflow, workdir / f"tf-{pair.tensorflow}-{pair.python}"
        run = run_pair(pair, environment=environment, today=today, uv=uv)
        records.append(run.to_yaml())
        store(file, records, header=header)
        count += 1
        outcome = "refused" if run.refused else ("pass" if run.ok else "FAIL")
        if run.failed:
            outcome += f" ({', '.join(run.failed)})"
        tell(f"TensorFlow {pair.tensorflow} Keras {pair.keras}: {outcome}")
    if environment is not None:
        shutil.rmtree(environment, ignore_errors=True)
    return count
