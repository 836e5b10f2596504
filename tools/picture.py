"""The picture of a report that the README shows: the head of its page, as Chromium draws it, in few colours.

    envbuild verify ml-m1 --html report.html
    python tools/picture.py report.html docs/images/report.png

Wants Chromium, and the extra `docs`. The home folder in the page is shown as `/home/you`.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

#: In pixels: as wide as GitHub shows a README, and as high as an opened area needs.
_WIDTH, _HEIGHT = 900, 912
_COLOURS: Final = 32
_SHOWN_HOME: Final = "/home/you"
#: The area that is unfolded.
_OPENED: Final = "Linking"
_BROWSERS: Final = ("chromium", "google-chrome", "chrome")


def _page(report: Path, home: Path) -> str:
    """The page with its home folder renamed and one area unfolded."""
    folded = f'<details class="area"><summary><b>{_OPENED}</b>'
    text = report.read_text(encoding="utf-8")
    if folded not in text:
        raise SystemExit(f"{report} is no report of a verification: it has no area {_OPENED}")
    return text.replace(str(home), _SHOWN_HOME).replace(folded, folded.replace("<details", "<details open"))


def picture(report: Path, target: Path, *, home: Path) -> None:
    """Draw the head of `report` into `target`, a PNG file."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise SystemExit("there is no Chromium here; install it, and run this again")
    with tempfile.TemporaryDirectory() as folder:
        page, drawn = Path(folder) / "page.html", Path(folder) / "page.png"
        page.write_text(_page(report, home), encoding="utf-8")
        subprocess.run(
            [
                browser,
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                f"--user-data-dir={folder}/profile",
                f"--window-size={_WIDTH},{_HEIGHT}",
                f"--screenshot={drawn}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )
        images = importlib.import_module("PIL.Image")
        images.open(drawn).quantize(_COLOURS, dither=images.Dither.NONE).save(target, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report", type=Path, help="what `envbuild verify --html` wrote")
    parser.add_argument("target", type=Path, help="the PNG file to write")
    parser.add_argument("--home", type=Path, default=Path.home(), help="the folder shown as /home/you")
    options = parser.parse_args()
    picture(options.report, options.target, home=options.home)


if __name__ == "__main__":
    main()
