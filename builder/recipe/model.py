"""The recipe: what a team asks for, before any version is chosen."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NamedTuple

from packaging.version import InvalidVersion, Version
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    StringConstraints,
    Tag,
    model_validator,
)

from builder.credentials import has_credentials, named_credentials, without_credentials
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


def _number(value: object) -> object:
    """YAML 1.1 takes `1e-3` for text, since it has no dot; people and YAML 1.2 take it for a number."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value):
        return float(value)
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


Name = Annotated[str, StringConstraints(pattern=rf"^{NAME_PATTERN}$")]
VersionRange = Annotated[str, AfterValidator(_check_range)]
VersionText = Annotated[str, AfterValidator(_check_version)]
CondaSpec = Annotated[str, AfterValidator(conda_spec)]
PypiRequirement = Annotated[str, AfterValidator(requirement)]
ChannelName = Annotated[str, AfterValidator(check_channel)]
Tolerance = Annotated[float, BeforeValidator(_number), Field(ge=0, allow_inf_nan=False)]
TargetSubdir = Literal["osx-arm64", "osx-64", "linux-64", "linux-aarch64"]

#: Which names there are, `builder.frameworks` knows.
FrameworkName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
Provider = Literal["conda-forge", "metal", "pypi", "auto"]
Blas = Literal["accelerate", "newaccelerate", "openblas", "auto"]


class Model(BaseModel):
    """Strict and frozen: unknown keys, coerced types and later changes are refused."""

    # Built on first use: each class builds all that it holds, and most runs need only the outermost one.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Framework(Model):
    """The machine-learning framework and where it comes from."""

    name: FrameworkName = Field(description="Which framework the environment is for.")
    provider: Provider = Field(
        default="auto",
        description=(
            "conda-forge: everything from conda-forge. pypi: the framework and what links NumPy from PyPI over a "
            "conda Python, for releases and Pythons that conda-forge does not have. metal: the same with Apple's GPU "
            "plug-in. "
            "auto: metal where `gpu` is asked for and the plug-in fits, else conda-forge, else pypi."
        ),
    )
    version: VersionRange | None = Field(
        default=None, description="Versions you accept, e.g. '2.19' or '>=2.16,<2.19'."
    )
    keras: VersionRange | None = Field(
        default=None, description="Keras versions you accept (TensorFlow, JAX, PyTorch)."
    )
    plugin: VersionRange | None = Field(
        default=None, description="Versions of tensorflow-metal or jax-metal you accept."
    )
    gpu: bool = Field(default=False, description="Whether the Mac's GPU is wanted; decides what `auto` means.")
    unproven: Literal["avoid", "allow"] = Field(
        default="avoid",
        description="allow: take the newest release that exists, even if no fact says that it works with its partners.",
    )


class Dependency(Model):
    """A dependency whose name differs between conda and PyPI, or that is not for every platform."""

    conda: CondaSpec | None = Field(default=None, description="Match spec, e.g. 'matplotlib-base >=3.8'.")
    pypi: PypiRequirement | None = Field(
        default=None, description="Requirement used where the package comes from PyPI."
    )
    platforms: tuple[TargetSubdir, ...] = Field(
        default=(), description="Only on these platforms; default: all.", strict=False
    )

    @model_validator(mode="before")
    @classmethod
    def _no_pip_list(cls, value: object) -> object:
        if isinstance(value, dict) and "pip" in value:
            raise ValueError(
                "packages of PyPI have a field of their own: write them under `pypi:`, not in a list under `pip:`"
            )
        return value

    @model_validator(mode="after")
    def _one_name_at_least(self) -> Dependency:
        if self.conda is None and self.pypi is None:
            raise ValueError("give `conda:` or `pypi:` or both")
        return self

    def applies_to(self, subdir: Subdir) -> bool:
        return not self.platforms or subdir.value in self.platforms


# Told apart by shape, so that an error speaks of the one that was written and not of both.
CondaDependency = Annotated[
    Annotated[CondaSpec, Tag("text")] | Annotated[Dependency, Tag("mapping")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict | Dependency) else "text"),
]


class Group(Model):
    """Optional dependencies, installed with `--group NAME`; conda-lock calls it a category."""

    dependencies: tuple[CondaDependency, ...] = Field(default=(), max_length=MOST_DEPENDENCIES, strict=False)
    pypi: tuple[PypiRequirement, ...] = Field(default=(), max_length=MOST_DEPENDENCIES, strict=False)


class Verification(Model):
    """What to check beyond the standard suite."""

    imports: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*$")], ...] = Field(
        default=(), description="Modules that must import, each alone and all together.", strict=False
    )
    snippets: tuple[str, ...] = Field(
        default=(), description="Python statements that must run without an exception.", strict=False
    )
    devices: dict[Literal["CPU", "GPU"], int] = Field(
        default_factory=dict, description="How many devices of each kind the framework must list."
    )
    tolerances: dict[Literal["float16", "bfloat16", "float32", "float64"], Tolerance] = Field(
        default_factory=dict, description="Relative tolerances that replace the defaults of the numeric checks."
    )


class Objection(NamedTuple):
    """Something a recipe contradicts itself in: the field's path, what is wrong with it, and what to write."""

    path: tuple[str | int, ...]
    message: str
    hint: str


class Recipe(Model):
    """A recipe after `extends` has been applied: the input of every later stage."""

    name: Name = Field(description="The environment's name; the same as the file's.")
    description: str = Field(default="", description="One line for `envbuild list`.")
    platforms: tuple[TargetSubdir, ...] = Field(
        min_length=1, description="Platforms of the team; the lock holds all of them.", strict=False
    )
    channels: tuple[ChannelName, ...] = Field(
        default=("conda-forge",),
        min_length=1,
        description=(
            "Channels, the first one has the highest priority. A private one names variables for its credentials: "
            "`https://${USER}:${TOKEN}@HOST/NAME` or `https://HOST/t/${TOKEN}/NAME`."
        ),
        strict=False,
    )
    python: VersionRange = Field(description="Python versions, quoted: '3.12' or '>=3.11,<3.13'.")
    macos: VersionText = Field(default="14.0", description="Oldest macOS of the team, quoted; becomes `__osx`.")
    framework: Framework = Field(default=Framework(name="none"), description="Framework and its provider.")
    blas: Blas = Field(default="auto", description="BLAS on macOS; auto: the newest Accelerate the floor allows.")
    parity: Literal["full", "none"] = Field(
        default="full", description="full: the same Python, framework, Keras and NumPy on every platform."
    )
    dependencies: tuple[CondaDependency, ...] = Field(
        default=(),
        max_length=MOST_DEPENDENCIES,
        description="Further packages, from conda unless the source is PyPI.",
        strict=False,
    )
    pypi: tuple[PypiRequirement, ...] = Field(
        default=(),
        max_length=MOST_DEPENDENCIES,
        description="Further packages that come from PyPI in any case.",
        strict=False,
    )
    groups: dict[Name, Group] = Field(default_factory=dict, description="Optional groups of dependencies.")
    verify: Verification = Field(default=Verification(), description="Checks beyond the standard suite.")

    @property
    def subdirs(self) -> tuple[Subdir, ...]:
        return tuple(subdir for subdir in TARGETS if subdir.value in self.platforms)

    #: Path of a field → `FILE:LINE`, for a recipe that was read from files.
    _places: dict[tuple[str | int, ...], str] = PrivateAttr(default_factory=dict)

    def where(self, *path: str | int) -> str:
        """Where a field or a list's item was written, for messages: `our-models.yaml:12`, in whichever file that is.

        The field's own name where the recipe was not read from a file.
        """
        if path in self._places:
            return self._places[path]
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")

    def written_at(self, places: dict[tuple[str | int, ...], str]) -> Recipe:
        """The same recipe, knowing where it was written."""
        recipe = self.model_copy()
        recipe._places = places
        return recipe
