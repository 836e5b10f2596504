"""The recipe: what a team asks for, before any version is chosen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta
from packaging.version import InvalidVersion, Version

from builder.credentials import has_credentials, named_credentials, without_credentials
from builder.models import Check, Key, Model, dotted, matching
from builder.platforms import TARGETS, Subdir
from builder.recipe.specs import conda_spec, requirement, specifier_set

NAME_PATTERN: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
#: What no name of a channel may hold: it would end a YAML scalar, a line or a selector.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029#{}\[\]\"'`$\\]")
#: What may stand for a user and a password in a channel's URL.
_VARIABLES: Final = r"(?:\$\{\w+\}:)?\$\{\w+\}"
#: More is no environment of people's; it is refused at once, so that nothing behind it has to be quick with it.
MOST_DEPENDENCIES: Final = 2_000


def _check_range(text: str) -> str:
    specifier_set(text)
    return text


def _check_version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion:
        raise ValueError(f"{text!r} is not a version; write for instance '14.0'") from None
    return text


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a number that is not infinite")
    return value


def check_channel(text: str) -> str:
    """`text` if it may name a channel. Raises ValueError, which never repeats a credential.

    Its user, password or token may be variables, `https://${ACME_USER}:${ACME_TOKEN}@conda.example/ours`. The user must
    not be written out: conda-lock puts any variable of the environment that happens to have its value in its place.
    """
    named = named_credentials(text)
    if has_credentials(text) or re.search(r"//[^/]*@", re.sub(rf"//{_VARIABLES}@", "//", text)):
        raise ValueError(
            "a channel URL must not hold credentials; name variables in their place (${USER}:${TOKEN}@, or "
            "/t/${TOKEN}/), or put them into the keyring or ~/.netrc"
        )
    rest = without_credentials(text) if named else text
    if "$" in rest:
        raise ValueError(
            f"{text!r} names a variable where only a user, a password or a token may be one, written ${{NAME}}"
        )
    if named and not re.match(r"https://|http://(?:localhost|127\.0\.0\.1|\[::1\])(?=[:/])", rest):
        raise ValueError(f"{text!r} would send credentials unprotected; write https://")
    if _UNSAFE.search(rest) or not re.fullmatch(r"[A-Za-z0-9_./:%~+-]+", rest):
        raise ValueError(f"{text!r} is not a channel name or URL")
    return text


Name = Annotated[
    str,
    matching(NAME_PATTERN, hint="use lower-case letters, digits, '.', '_' and '-', beginning with a letter or digit"),
]
ModuleName = Annotated[str, matching(r"[A-Za-z_][\w.]*", hint="write what Python imports, for instance `sklearn.svm`")]
VersionRange = Annotated[str, Check(_check_range)]
VersionText = Annotated[str, Check(_check_version)]
CondaSpec = Annotated[str, Check(conda_spec)]
PypiRequirement = Annotated[str, Check(requirement)]
ChannelName = Annotated[str, Check(check_channel)]
Tolerance = Annotated[float, Meta(ge=0), Check(_finite)]
TargetSubdir = Literal["osx-arm64", "osx-64", "linux-64", "linux-aarch64"]

#: Which names there are, `builder.frameworks` knows.
FrameworkName = Annotated[str, matching(r"[a-z][a-z0-9_-]{0,40}")]
Provider = Literal["conda-forge", "metal", "pypi", "auto"]
Blas = Literal["accelerate", "newaccelerate", "openblas", "auto"]
DeviceKind = Literal["CPU", "GPU"]
FloatType = Literal["float16", "bfloat16", "float32", "float64"]


def _only(names: Any) -> dict[str, Any]:
    """What JSON Schema says of a mapping whose keys are of this Literal; msgspec leaves it out."""
    return {"propertyNames": {"enum": list(get_args(names))}}


class Framework(Model):
    """The machine-learning framework and where it comes from."""

    name: Annotated[FrameworkName, Meta(description="Which framework the environment is for.")]
    provider: Annotated[
        Provider,
        Meta(
            description="conda-forge: everything from conda-forge. pypi: the framework and what links NumPy from PyPI "
            "over a conda Python, for releases and Pythons that conda-forge does not have. metal: the same with "
            "Apple's GPU plug-in. auto: metal where `gpu` is asked for and the plug-in fits, else conda-forge, else "
            "pypi."
        ),
    ] = "auto"
    version: Annotated[VersionRange | None, Meta(description="Versions you accept, e.g. '2.19' or '>=2.16,<2.19'.")] = (
        None
    )
    keras: Annotated[VersionRange | None, Meta(description="Keras versions you accept (TensorFlow, JAX, PyTorch).")] = (
        None
    )
    plugin: Annotated[
        VersionRange | None, Meta(description="Versions of tensorflow-metal or jax-metal you accept.")
    ] = None
    gpu: Annotated[bool, Meta(description="Whether the Mac's GPU is wanted; decides what `auto` means.")] = False
    unproven: Annotated[
        Literal["avoid", "allow"],
        Meta(
            description="allow: take the newest release that exists, even if no fact says that it works with its "
            "partners."
        ),
    ] = "avoid"


class Dependency(Model):
    """A dependency whose name differs between conda and PyPI, or that is not for every platform."""

    conda: Annotated[CondaSpec | None, Meta(description="Match spec, e.g. 'matplotlib-base >=3.8'.")] = None
    pypi: Annotated[PypiRequirement | None, Meta(description="Requirement used where the package comes from PyPI.")] = (
        None
    )
    platforms: Annotated[tuple[TargetSubdir, ...], Meta(description="Only on these platforms; default: all.")] = ()

    foreign: ClassVar = {
        "pip": "packages of PyPI have a field of their own: write them under `pypi:`, not in a list under `pip:`"
    }

    def check_fields(self) -> None:
        if self.conda is None and self.pypi is None:
            raise ValueError("give `conda:` or `pypi:` or both")

    def applies_to(self, subdir: Subdir) -> bool:
        return not self.platforms or subdir.value in self.platforms


CondaDependency = CondaSpec | Dependency


class Group(Model):
    """Optional dependencies, installed with `--group NAME`; conda-lock calls it a category."""

    dependencies: Annotated[tuple[CondaDependency, ...], Meta(max_length=MOST_DEPENDENCIES)] = ()
    pypi: Annotated[tuple[PypiRequirement, ...], Meta(max_length=MOST_DEPENDENCIES)] = ()


class Verification(Model):
    """What to check beyond the standard suite."""

    imports: Annotated[
        tuple[ModuleName, ...],
        Meta(description="Modules that must import, each alone and all together."),
    ] = ()
    snippets: Annotated[tuple[str, ...], Meta(description="Python statements that must run without an exception.")] = ()
    devices: Annotated[
        dict[DeviceKind, int],
        Meta(description="How many devices of each kind the framework must list.", extra_json_schema=_only(DeviceKind)),
    ] = msgspec.field(default_factory=dict)
    tolerances: Annotated[
        dict[FloatType, Tolerance],
        Meta(
            description="Relative tolerances that replace the defaults of the numeric checks.",
            extra_json_schema=_only(FloatType),
        ),
    ] = msgspec.field(default_factory=dict)


class Objection(NamedTuple):
    """Something a recipe contradicts itself in: the field's path, what is wrong with it, and what to write."""

    path: Key
    message: str
    hint: str


class RecipeFields(Model):
    """What a recipe says."""

    name: Annotated[Name, Meta(description="The environment's name; the same as the file's.")]
    description: Annotated[str, Meta(description="One line for `envbuild list`.")] = ""
    platforms: Annotated[
        tuple[TargetSubdir, ...], Meta(min_length=1, description="Platforms of the team; the lock holds all of them.")
    ]
    channels: Annotated[
        tuple[ChannelName, ...],
        Meta(
            min_length=1,
            description="Channels, the first one has the highest priority. A private one names variables for its "
            "credentials: `https://${USER}:${TOKEN}@HOST/NAME` or `https://HOST/t/${TOKEN}/NAME`.",
        ),
    ] = ("conda-forge",)
    python: Annotated[VersionRange, Meta(description="Python versions, quoted: '3.12' or '>=3.11,<3.13'.")]
    macos: Annotated[VersionText, Meta(description="Oldest macOS of the team, quoted; becomes `__osx`.")] = "14.0"
    framework: Annotated[Framework, Meta(description="Framework and its provider.")] = Framework(name="none")
    blas: Annotated[Blas, Meta(description="BLAS on macOS; auto: the newest Accelerate the floor allows.")] = "auto"
    parity: Annotated[
        Literal["full", "none"],
        Meta(description="full: the same Python, framework, Keras and NumPy on every platform."),
    ] = "full"
    dependencies: Annotated[
        tuple[CondaDependency, ...],
        Meta(max_length=MOST_DEPENDENCIES, description="Further packages, from conda unless the source is PyPI."),
    ] = ()
    pypi: Annotated[
        tuple[PypiRequirement, ...],
        Meta(max_length=MOST_DEPENDENCIES, description="Further packages that come from PyPI in any case."),
    ] = ()
    groups: Annotated[dict[Name, Group], Meta(description="Optional groups of dependencies.")] = msgspec.field(
        default_factory=dict
    )
    verify: Annotated[Verification, Meta(description="Checks beyond the standard suite.")] = Verification()


class RecipeFile(RecipeFields):
    """One recipe file as written: `extends` is still a name. Basis of the JSON Schema for editors."""

    extends: Annotated[Name | None, Meta(description="Another recipe that this one builds on.")] = None


class Recipe(RecipeFields):
    """A recipe after `extends` has been applied: the input of every later stage."""

    places: Mapping[Key, str] = msgspec.field(default_factory=dict)
    """Path of a field → `FILE:LINE`, for a recipe that was read from files."""

    @property
    def subdirs(self) -> tuple[Subdir, ...]:
        return tuple(subdir for subdir in TARGETS if subdir.value in self.platforms)

    def where(self, *path: str | int) -> str:
        """Where a field or a list's item was written, for messages: `our-models.yaml:12`, in whichever file that is.

        The field's own name where the recipe was not read from a file.
        """
        return self.places.get(path) or dotted(path)

    def written(self) -> dict[str, object]:
        """What it says, as plain data: what differs from the defaults, and nothing of where that was written."""
        data: dict[str, object] = msgspec.to_builtins(self.replaced(places={}))
        return data
