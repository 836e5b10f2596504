"""The claims of one JetBrains IDE: from an interpreter's name to its entry in `jdk.table.xml`, and how to change it.

The `homePath` of an entry counts. Flavour, version and name are not reliable and never judged. Sources: the IDEs' own
files in public repositories, and intellij-community (PythonSdkAdditionalData, PyCondaEnvIdentity, CondaEnvSdkFlavor).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.doctor.claims.jetbrains_settings import Product, sdk_table
from builder.doctor.model import Claim, Ide, Interpreter, Place, Presence

if TYPE_CHECKING:
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.claims.jetbrains_settings import Sdk


@dataclass(frozen=True)
class Claims:
    """What every claim of one product shares."""

    around: Surroundings
    product: Product

    def claim(
        self,
        *,
        what: str,
        written: str,
        decided_by: tuple[Place, ...],
        interpreter: Interpreter | None = None,
        decisive: bool = True,
        problem: str | None = None,
        overruled: str | None = None,
        conda: Interpreter | None = None,
        variables: dict[str, tuple[str, Place]] | None = None,
    ) -> Claim:
        settings = "Settings" if self.around.machine.is_mac else "File ▸ Settings"
        if what.startswith("run configuration"):
            change = f"Run ▸ Edit Configurations… ▸ {what.removeprefix('run configuration ')} ▸ Python interpreter"
        elif self.product.ide is Ide.INTELLIJ:
            change = "File ▸ Project Structure… ▸ Project ▸ SDK"
        elif self.product.ide is Ide.DATASPELL and what.startswith(("attached", "workspace")):
            change = f"{settings} ▸ Python ▸ Python Interpreter (of the directory)"
        else:
            change = f"{settings} ▸ {self._python()} ▸ Python Interpreter"
        return Claim(
            ide=self.product.ide,
            who=self.product.who.strip(),
            what=what,
            written=written,
            decided_by=decided_by,
            interpreter=interpreter,
            decisive=decisive and self.product.uses_project,
            problem=problem,
            overruled=overruled,
            change=change,
            conda=conda,
            app_arch=self.product.app_arch,
            app_why=self.product.app_why,
            variables=variables or {},
            choices=tuple((sdk.name, self.around.disk.place(sdk.home)) for sdk in self.product.sdks.values()),
        )

    def _python(self) -> str:
        """The settings page: it was called after the project until 2025.1, and is under Python since."""
        numbers = [int(part) for part in self.product.version.split(".") if part.isdigit()]
        return "Python" if numbers >= [2025, 1] else "Project"


def macro(around: Surroundings, text: str, project: Path, *, module: Path | None = None) -> Path:
    text = text.removeprefix("file://").replace("$PROJECT_DIR$", str(project))
    if module is not None:
        text = text.replace("$MODULE_DIR$", str(module))
    return around.disk.place(text, base=project)


def sdk_claim(
    around: Surroundings, product: Product, *, name: str, place: Place, what: str, decisive: bool = True
) -> Claim:
    """The claim behind a name: its entry of the table, or that there is none."""
    sdk = _find(around, product, name)
    common = Claims(around, product)
    if sdk is None:
        return common.claim(
            what=what,
            written=name,
            decided_by=(place,),
            decisive=decisive and product.has_table,
            problem=_why_unknown(around, product, name),
        )
    if sdk.elsewhere:
        return common.claim(
            what=what,
            written=sdk.home,
            decided_by=(place, sdk.place),
            decisive=False,
            overruled="a remote interpreter, which is not on this machine",
        )
    stored = product.stored_conda if sdk.is_conda and sdk.conda is None else None
    written, conda_place = stored or (sdk.conda, sdk.conda_place)
    conda = _conda_executable(around, written)
    return common.claim(
        what=what,
        written=sdk.home,
        decided_by=(place, sdk.place, *((conda_place,) if _gone(conda) and conda_place else ())),
        decisive=decisive,
        interpreter=around.environments.of(around.disk.place(sdk.home)),
        conda=conda,
    )


def _gone(conda: Interpreter | None) -> bool:
    return conda is not None and conda.presence is Presence.GONE


def _conda_executable(around: Surroundings, written: str | None) -> Interpreter | None:
    if written is None or not written.startswith(("/", "~", "$")):
        return None
    path = around.disk.place(written)
    presence = around.disk.presence(path)
    if presence is Presence.GONE and path.parent.name in ("bin", "condabin"):
        # It is the conda that is there or gone, not one of its two doors.
        root = path.parent.parent
        installed = any(name.startswith("conda-") for name in around.disk.entries(root / "conda-meta"))
        doors = (root / folder / path.name for folder in ("bin", "condabin"))
        if installed or any(around.disk.presence(door) is Presence.PRESENT for door in doors):
            presence = Presence.PRESENT
    return Interpreter(path=path, presence=presence)


def _find(around: Surroundings, product: Product, name: str) -> Sdk | None:
    """The entry of that name; a name that is a path may be written with the home's macro."""
    if name in product.sdks:
        return product.sdks[name]
    if "/" in name:
        place = around.disk.place(name)
        return next(
            (sdk for title, sdk in product.sdks.items() if "/" in title and around.disk.place(title) == place), None
        )
    return None


def _why_unknown(around: Surroundings, product: Product, name: str) -> str:
    for folder in reversed(product.older):
        table = sdk_table(around, folder / "options" / "jdk.table.xml")
        if name in table:
            return f"{folder.name} has it, {product.folder.name} does not"
    import difflib

    close = difflib.get_close_matches(name, product.sdks, n=1)
    return f"the nearest is “{close[0]}”" if close else "its list of interpreters has no such name"
