"""What the user's own settings make of Keras: KERAS_BACKEND, TF_USE_LEGACY_KERAS, keras.json."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.files import open_regular
from builder.finding import Finding, Remedy, Status
from builder.frameworks import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.frameworks.case import UserSettings
#: Keras' back-ends and the module that each needs.
BACKENDS: Final[dict[str, str]] = {
    "tensorflow": "tensorflow",
    "jax": "jax",
    "torch": "torch",
    "numpy": "jax",  # Keras' numpy backend imports jax too (measured, Keras 3.15 on linux-64)
    "openvino": "openvino",
}
#: What Keras computes with where nothing says otherwise (keras/src/backend/config.py).
_DEFAULT: Final = "tensorflow"
#: The values that Keras takes for a setting, its default first. With others it raises when it is imported.
_TAKEN: Final[dict[str, tuple[str, ...]]] = {
    "floatx": ("float32", "float16", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}
_NO_JSON: Final = "not JSON"
#: Of a file of four settings.
_MOST: Final = 1 << 20


def backend_of(framework: str | None) -> str | None:
    """The back-end that an environment made for a framework is meant to have; None where it makes no difference."""
    return registry.known_framework(framework).keras_backend


def keras_json(user: UserSettings) -> Path:
    """The file Keras reads its settings from: `$KERAS_HOME/keras.json`, else `~/.keras/keras.json`."""
    home = user.environ.get("KERAS_HOME")
    return (Path(home) if home else user.home / ".keras") / "keras.json"


def settings(user: UserSettings) -> list[Finding]:
    """Which Keras and which backend the user's own settings lead to, and by which of them.

    Order as in Keras 3 (keras/src/backend/config.py): KERAS_BACKEND, then keras.json, then `tensorflow`.
    """
    if not user.has("keras"):
        return []
    findings = _backend_setting(user)
    legacy = user.environ.get("TF_USE_LEGACY_KERAS", "").lower()
    if legacy in ("1", "true") and user.has("tensorflow"):
        missing = not user.has("tf_keras")
        findings.append(
            Finding(
                check="keras.settings",
                status=Status.FAIL if missing else Status.WARN,
                title="TF_USE_LEGACY_KERAS makes tf.keras the old tf-keras"
                + (", which is not installed." if missing else ", so tf.keras and keras do not mix."),
                evidence=(f"TF_USE_LEGACY_KERAS={user.environ['TF_USE_LEGACY_KERAS']}",),
                remedy=Remedy("Unset TF_USE_LEGACY_KERAS.", ("unset TF_USE_LEGACY_KERAS",)),
            )
        )
    if not findings:
        findings.append(
            Finding(
                check="keras.settings",
                status=Status.PASS,
                title="Your settings leave Keras as the recipe has it.",
                evidence=(_why(user),),
            )
        )
    return findings


def _why(user: UserSettings) -> str:
    """Where Keras takes its backend from."""
    if variable := user.environ.get("KERAS_BACKEND"):
        return f"backend {variable}, from KERAS_BACKEND"
    file = keras_json(user)
    backend = _read_keras_json(file)[0].get("backend")
    return f"backend {backend}, from {file}" if backend else "backend tensorflow, Keras' own default"


def _backend_setting(user: UserSettings) -> list[Finding]:
    file = keras_json(user)
    settings, problem = _read_keras_json(file)
    ignored = problem is not None and problem.startswith(_NO_JSON)
    problem = problem or _refused(settings)
    if problem is not None:
        return [
            Finding(
                check="keras.settings",
                status=Status.WARN if ignored else Status.FAIL,
                title="keras.json is not JSON, and Keras ignores it."
                if ignored
                else "Keras does not import because of what is in keras.json.",
                evidence=(f"{file}: {problem}",),
                remedy=Remedy(f"Move {file} out of the way: Keras writes a new one.", (_aside(file),)),
            )
        ]
    findings: list[Finding] = []
    variable = user.environ.get("KERAS_BACKEND")
    backend = variable or settings.get("backend")
    if isinstance(backend, str) and _is_keras_3(user):
        source = f"KERAS_BACKEND={variable}" if variable else f'{file}: "backend": "{backend}"'
        cure = (
            Remedy("Unset KERAS_BACKEND.", ("unset KERAS_BACKEND",))
            if variable
            else Remedy(f'Set "backend" to "{_wanted(user)}" in {file}, or let Keras write a new one.', (_aside(file),))
        )
        findings.extend(_judge_backend(backend, source=source, cure=cure, user=user))
    for key, (usual, *_) in _TAKEN.items():
        if settings.get(key, usual) != usual:
            findings.append(
                Finding(
                    check="keras.settings",
                    status=Status.WARN,
                    title=f"keras.json changes {key} to {settings[key]!r} for every program.",
                    evidence=(f'{file}: "{key}": "{settings[key]}"',),
                    remedy=Remedy(f'Set "{key}" to "{usual}" in {file}, unless you mean it.'),
                )
            )
    return findings


def _refused(settings: Mapping[str, Any]) -> str | None:
    """The setting at which Keras raises when it is imported; None where there is none."""
    for key, taken in _TAKEN.items():
        if settings.get(key, taken[0]) not in taken:
            return f'"{key}": {json.dumps(settings[key])} is none of {", ".join(taken)}'
    if not isinstance(settings.get("epsilon", 1e-7), float):
        return f'"epsilon": {json.dumps(settings["epsilon"])} is not a float'
    return None


def _judge_backend(backend: str, *, source: str, cure: Remedy, user: UserSettings) -> list[Finding]:
    module = BACKENDS.get(backend)
    framework = user.expectations.framework
    if module is None:
        title, status = f"Keras is told to use the backend {backend!r}, which does not exist.", Status.FAIL
    elif not user.has(module):
        title, status = f"Keras is told to use the backend {backend!r}, but {module} is not installed.", Status.FAIL
    elif backend != (backend_of(framework) or backend):
        # Without a stamp nobody has said which backend is meant, and another one may be on purpose.
        status = Status.FAIL if user.environment.stamp is not None else Status.WARN
        title = f"Keras uses the backend {backend!r}, but the environment is made for {framework}."
    else:
        return []
    return [Finding(check="keras.settings", status=status, title=title, evidence=(source,), remedy=cure)]


def _aside(file: Path) -> str:
    return shlex.join(("mv", "--", str(file), f"{file}.set-aside"))


def _wanted(user: UserSettings) -> str:
    return backend_of(user.expectations.framework) or _DEFAULT


def _is_keras_3(user: UserSettings) -> bool:
    dist = user.environment.distribution("keras")
    return dist is None or not dist.version.startswith(("0.", "1.", "2."))


def _read_keras_json(file: Path) -> tuple[dict[str, Any], str | None]:
    try:
        with open_regular(file) as stream:
            settings = json.loads(stream.read(_MOST).decode())
    except FileNotFoundError:
        return {}, None
    except OSError as error:
        return {}, str(error.strerror)
    except (ValueError, RecursionError) as error:
        return {}, f"{_NO_JSON}: {error}"
    return (settings, None) if isinstance(settings, dict) else ({}, "not a JSON object")
