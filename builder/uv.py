"""Running uv: the one that came with envbuild, with the user's and the project's own configuration and no other.

uv looks for `uv.toml` and `pyproject.toml` from its working directory upwards, and what it finds decides where packages
come from. In a scratch folder below the system's temporary one, any user of the machine could have left one on that
way. So uv is run in the project's folder where that has a configuration of its own, and otherwise in a
scratch folder that holds an empty `uv.toml`, where the search ends. The user's own configuration file counts in both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import tomllib
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from builder.credentials import redact
from builder.errors import SourceUnreachableError
from builder.leash import Leash
from builder.platforms import Subdir
from builder.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: uv's names of the platforms. Those of Linux are completed with the manylinux level.
_PLATFORMS: Final = {
    Subdir.OSX_ARM64: "aarch64-apple-darwin",
    Subdir.OSX_64: "x86_64-apple-darwin",
    Subdir.LINUX_64: "x86_64-manylinux_2_{minor}",
    Subdir.LINUX_AARCH64: "aarch64-manylinux_2_{minor}",
}
#: The manylinux levels uv knows (`uv pip compile --help`, 0.13), the newest first.
_MANYLINUX: Final = (*range(40, 30, -1), 28, 17)
#: What uv says when the index, and not the resolution, is the trouble.
_UNREACHABLE: Final = re.compile(
    r"error sending request|failed to fetch|dns error|connection refused|timed out|network connectivity"
    r"|could not connect|status code: 5\d\d",
    re.IGNORECASE,
)
#: What uv says when the index asks who we are, or refuses us.
_UNAUTHORISED: Final = re.compile(r"\b40[13] (?:unauthorized|forbidden)|status code: 40[13]", re.IGNORECASE)
#: What uv says of a package that no index has, or none in that version.
_NOT_OFFERED: Final = re.compile(
    r"Because (?P<name>\S+) was not found in the (?:package registry|provided package locations)"
    r"|there (?:is|are) no versions? of (?P<versioned>[A-Za-z0-9._-]+?)(?:==\S+)?(?:[,\s]|$)"
)
#: How uv marks the reason that it gives below its first line.
_CAUSE: Final = re.compile(r"^ *(?:cause:|╰─▶) ")
_HOST: Final = re.compile(r"https?://([^/\s`'\"]+)")
#: Variables of the user's shell that say which environment uv works on and how, which is for envbuild to say.
#: Those that say where packages come from (indexes, cache, proxies, certificates, credentials) are kept.
IGNORED_VARIABLES: Final = frozenset(
    (
        "CONDA_PREFIX",
        "PYTHONEXECUTABLE",
        "PYTHONHOME",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "UV_BREAK_SYSTEM_PACKAGES",
        "UV_BUILD_CONSTRAINT",
        "UV_COMPILE_BYTECODE",
        "UV_CONSTRAINT",
        "UV_EXCLUDE",
        "UV_LINK_MODE",
        "UV_NO_BINARY",
        "UV_OVERRIDE",
        "UV_PREFIX",
        "UV_PROJECT",
        "UV_PYTHON",
        "UV_REQUIRE_HASHES",
        "UV_SYSTEM_PYTHON",
        "UV_TARGET",
        "UV_WORKING_DIR",
        "UV_WORKING_DIRECTORY",
    )
)


def bundled_uv() -> str:
    """The uv that was installed with envbuild."""
    import uv

    return os.fspath(uv.find_uv_bin())


@dataclass(frozen=True, kw_only=True)
class Uv:
    """How uv is run. `environ` is the user's environment, `project` the folder whose own configuration counts."""

    environ: Mapping[str, str]
    project: Path | None = None
    executable: str = ""
    """Default: the uv that came with envbuild."""

    def command(self, *arguments: str) -> list[str]:
        return [self.executable or bundled_uv(), *arguments]

    def environment(self, *, macos: str | None = None) -> dict[str, str]:
        """The environment to run uv with. `macos` is the oldest macOS of the target, which uv takes from there."""
        kept = {name: value for name, value in self.environ.items() if name not in IGNORED_VARIABLES}
        kept["UV_PYTHON_DOWNLOADS"] = "never"
        if macos is not None:
            kept["MACOSX_DEPLOYMENT_TARGET"] = macos
        return kept

    @contextlib.contextmanager
    def scratch(self) -> Iterator[tuple[Path, Path]]:
        """A new folder for files that uv is to read, and the folder to run it in (see above)."""
        with scratch("envbuild-pypi-") as folder:
            (folder / "uv.toml").touch()
            own = self.project is not None and _has_configuration(self.project)
            yield folder, self.project if own and self.project is not None else folder

    @property
    def cache(self) -> Path:
        """Where uv keeps what it has fetched. Source: uv's documentation of its cache directory."""
        given, base = self.environ.get("UV_CACHE_DIR"), self.environ.get("XDG_CACHE_HOME")
        home = Path(self.environ.get("HOME") or "/")
        return Path(given) if given else (Path(base) if base else home / ".cache") / "uv"

    async def run(
        self, arguments: Sequence[str], *, cwd: Path, macos: str | None = None, given: bytes | None = None
    ) -> str:
        """Run uv, which reads `given`, and give what it prints. Raises as `run_program`."""
        command = self.command(*arguments)
        return await run_program(command, cwd=cwd, environ=self.environment(macos=macos), given=given)

    @property
    def config_files(self) -> tuple[Path, ...]:
        """The files that uv reads its settings from, those that count more first; not all need be there.

        Source: uv's documentation of its configuration files. What counts for a whole machine is not among them.
        """
        if self.environ.get("UV_NO_CONFIG"):
            return ()
        if given := self.environ.get("UV_CONFIG_FILE"):
            return (Path(given),)
        own = (self.project / "uv.toml", self.project / "pyproject.toml") if self.project is not None else ()
        base, home = self.environ.get("XDG_CONFIG_HOME"), self.environ.get("HOME") or "/"
        return (*own, (Path(base) if base else Path(home) / ".config") / "uv" / "uv.toml")


async def run_program(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], given: bytes | None = None
) -> str:
    """Run uv, or a program that uv would run. Gives what it prints.

    Raises UvFailure; killed, and waited for, when this is cancelled.
    """
    with Leash() as leash:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            process_group=leash.group,
        )
        try:
            output, messages = await process.communicate(given)
        except BaseException:
            # With the programs it has started.
            leash.send(signal.SIGKILL)
            # To the end of its pipes, or the loop would close over them.
            await process.communicate()
            raise
    if process.returncode:
        raise UvFailure(
            messages.decode(errors="replace").strip()
            or f"{Path(command[0]).name} ended with exit code {process.returncode}"
        )
    return output.decode()


class UvFailure(Exception):  # noqa: N818 - never shown: whoever runs uv says what it means
    """uv ended with an error; its messages are the reason, without credentials."""

    def __init__(self, messages: str) -> None:
        self.reason = _reason(redact(messages))
        super().__init__(self.reason)


def _reason(messages: str) -> str:
    """uv's messages as the end of a sentence of ours: without its own `error:`, and without what that sentence says."""
    text = messages.strip().removeprefix("error: ")
    lines = text.splitlines()
    if len(lines) > 1 and lines[0].startswith("No solution found when resolving dependencies"):
        text = dedent("\n".join(_CAUSE.sub(lambda found: " " * len(found[0]), line, count=1) for line in lines[1:]))
    return text.strip()


def is_unreachable(messages: str) -> bool:
    """Whether uv's messages say that an index could not be reached."""
    return _UNREACHABLE.search(messages) is not None


def how_to_reach(messages: str) -> str:
    """What to do about an index that could not be reached, by uv's messages."""
    if "certificate" in messages:
        return (
            "the index is signed by an authority that uv does not know, perhaps a company's: set UV_SYSTEM_CERTS=1 to "
            "trust those of the system, or SSL_CERT_FILE to a file with its certificate"
        )
    return "check the network, or the index that uv is configured for (UV_DEFAULT_INDEX, UV_INDEX, uv.toml)"


def is_unauthorised(messages: str) -> bool:
    """Whether uv's messages say that an index wants credentials, or other ones."""
    return _UNAUTHORISED.search(messages) is not None


def not_offered(messages: str, *, at_all: bool = False) -> str | None:
    """The package that uv's messages say no index offers, or (without `at_all`) not in the version asked for."""
    found = _NOT_OFFERED.search(messages)
    if found is None:
        return None
    name: str | None = found["name"]
    return name if at_all else name or found["versioned"]


def unknown_index(name: str, url: str, *, reason: str) -> SourceUnreachableError:
    """The error for a package that was locked from an index which uv is not configured for here.

    `url` is the locked one: it names the host, and holds no credentials.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return SourceUnreachableError(
        f"{name} was locked from {host}, and no index that uv is configured for offers it:\n{reason}",
        hint=f"name that index to uv, as whoever made the lock did: set UV_INDEX={parts.scheme}://{host}/…, or add it "
        f"to the project's uv.toml (`[[index]]` with its `url`); for credentials, `uv auth login {host}`",
    )


def refused_credentials(reason: str) -> SourceUnreachableError:
    """The error for an index that wants credentials, or other ones."""
    host = _HOST.search(reason)
    where = host[1].rpartition("@")[2] if host is not None else "the index"
    return SourceUnreachableError(
        f"{where} wants credentials, or refuses those it was given:\n{reason}",
        hint=f"`uv auth login {where}` keeps them for uv; ~/.netrc and the keyring work as well",
    )


def platform_name(subdir: Subdir, *, glibc_minor: int = 17) -> str:
    """uv's `--python-platform` for a subdir; on Linux for the newest manylinux level that glibc 2.x allows."""
    level = next((level for level in _MANYLINUX if level <= glibc_minor), _MANYLINUX[-1])
    return _PLATFORMS[subdir].format(minor=level)


def _has_configuration(folder: Path) -> bool:
    if (folder / "uv.toml").is_file():
        return True
    try:
        pyproject = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError:
        return False
    except ValueError:
        # Whatever it was to say: uv will name the line.
        return True
    tool = pyproject.get("tool")
    return isinstance(tool, dict) and "uv" in tool
