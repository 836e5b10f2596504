"""JupyterLab Desktop: the Python its server runs, of the folder's settings, else of the user's, else its bundled one.

Source: jupyterlab/jupyterlab-desktop, src/main/config/settings.ts (`pythonPath`, overridable for a working directory).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.doctor.claims import jupyter
from builder.doctor.model import Claim, Ide, Place

if TYPE_CHECKING:
    from builder.doctor.claims.common import Surroundings

_KEY: Final = "pythonPath"
WHO: Final = "JupyterLab Desktop"


def read(around: Surroundings) -> list[Claim]:
    """The claim of its server, where a Python is set; it decides where no notebook names a kernel of its own."""
    home = around.disk.home
    folder = home / "Library" if around.machine.is_mac else around.settings_root
    files = [folder / "jupyterlab-desktop" / "settings.json"]
    if around.project is not None:
        files.insert(0, around.project / ".jupyter" / "desktop-settings.json")
    for file in files:
        document = around.json(file)
        written = document.get(_KEY) if document is not None else None
        if document is None or not isinstance(written, str) or not written.startswith(("/", "~")):
            continue
        return [_claim(around, written, Place(file=file, line=document.line(_KEY), key=_KEY))]
    return []


def _claim(around: Surroundings, written: str, place: Place) -> Claim:
    arch, why, _ = around.application("JupyterLab")
    return Claim(
        ide=Ide.JUPYTER,
        who=WHO,
        what="server",
        written=written,
        decided_by=(place,),
        interpreter=around.environments.of(around.disk.place(written)),
        decisive=_starts_kernels(around),
        change="click the environment's name at the top right of its window",
        app_arch=arch,
        app_why=why,
    )


def _starts_kernels(around: Surroundings) -> bool:
    """Whether notebooks run in its own Python: none of them names a kernel that the user has registered."""
    registered = jupyter.registered(around)
    return not registered & jupyter.named(around)
