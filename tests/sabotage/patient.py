"""A real environment that may be damaged, and the user who runs envbuild on it in a shell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).parents[2]
_RECIPE: Final = """\
name: small
platforms: [{platform}]
python: "{minor}"
pypi: [numpy, six]
"""


@dataclass(kw_only=True)
class Patient:
    """`prefix` is the environment, as `envbuild create` built it; `folder` holds the user's home and project."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    """What a case adds to the user's shell."""
    name: str = "small"
    minor: str = f"{sys.version_info.major}.{sys.version_info.minor}"
    """Of the environment's Python."""
    prefix: Path = Path()

    def __post_init__(self) -> None:
        self.prefix = self.folder / "envs" / self.name
        self.home.mkdir(parents=True, exist_ok=True)
        self.work.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def work(self) -> Path:
        """The user's working directory, in the project."""
        return self.project / "work"

    @property
    def site(self) -> Path:
        return self.prefix / "lib" / f"python{self.minor}" / "site-packages"

    @property
    def user_site(self) -> Path:
        return self.home / ".local" / "lib" / f"python{self.minor}" / "site-packages"

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    def build(self, platform: str) -> None:
        """Make the project and the environment."""
        (self.project / "recipes").mkdir(parents=True, exist_ok=True)
        (self.project / "recipes" / "small.yaml").write_text(_RECIPE.format(platform=platform, minor=self.minor))
        self.shell(f"envbuild create small --source pypi -p {self.prefix}").check_returncode()

    def restored(self, pristine: Path) -> Patient:
        """The same again, undamaged. Dates are kept: compiled files belong to their sources by them."""
        for folder in (self.folder / "envs", self.home, self.work):
            shutil.rmtree(folder, ignore_errors=True)
        self.environ.clear()
        self.__post_init__()
        copied(pristine, self.prefix)
        return self

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script as the user would type it, in the user's working directory."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        # The program as it is installed: what it starts with is part of what must withstand the user's settings.
        shutil.copy(REPOSITORY / "builder" / "cli" / "launcher.sh", bin_folder / "envbuild")
        (bin_folder / "envbuild-entry").write_text(f"#!{sys.executable}\n")
        environ = {
            "HOME": str(self.home),
            "PATH": f"{bin_folder}:/usr/bin:/bin",
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            **{name: os.environ[name] for name in os.environ if name.startswith(("UV_", "SSL_", "HTTP", "http"))},
        }
        return subprocess.run(
            ["/bin/sh", "-e", "-c", script],
            cwd=self.work,
            env=environ | self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def verify(self, *commands: str, options: str = "") -> Report:
        """What `envbuild verify` says, after `commands` in the same shell."""
        done = self.shell("\n".join((*commands, f"envbuild verify '{self.prefix}' {options} --json")))
        return Report(done)


def copied(source: Path, target: Path) -> None:
    """A copy with dates and links as they are; quickly where the file system can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["/bin/cp", "-a", "--reflink=auto", "-T", str(source), str(target)], check=True)


class Report:
    """The findings of one `envbuild verify --json`."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        start = done.stdout.rfind('{\n "envbuild"')
        assert done.returncode in (0, 1), f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert start >= 0, f"{done.stdout[-5000:]}\n{done.stderr[-3000:]}"
        result: dict[str, Any] = json.loads(done.stdout[start:])["result"]
        self.seconds: float = result["seconds"]
        self.findings: list[dict[str, Any]] = result["findings"]

    def status(self, *statuses: str) -> list[dict[str, Any]]:
        return [finding for finding in self.findings if finding["status"] in statuses]

    @property
    def bad(self) -> list[dict[str, Any]]:
        return self.status("fail", "warn")

    def __str__(self) -> str:
        """What is not right, for a test that fails."""
        return "\n".join(
            f"{finding['status']} {finding['check']}: {finding['title']}\n    "
            + "\n    ".join(finding["evidence"])
            + f"\n    fix: {finding['remedy']}"
            for finding in self.bad
        )
