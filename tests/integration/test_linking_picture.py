"""The picture of the linking, in a real browser: a library is chosen, a name in its picture is clicked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from builder.checks.survey import Survey
from builder.environment.environment import Environment
from builder.platforms import Subdir
from builder.report.linking import linking
from tests.unit.checks.trees import dist, put

if TYPE_CHECKING:
    from pathlib import Path

_BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
#: No width has room for it.
_LONG = "a_folder_whose_name_is_WIDER_than_MOST" * 3
_CLICKS = """<script>addEventListener("load", function () {
  var picture = document.getElementById("linking-picture"), seen = [];
  function look() {
    var entry = picture.closest("details");
    seen.push({ entry: entry.dataset.name, lines: picture.querySelectorAll("path").length,
      cut: [...picture.querySelectorAll("text")].filter(beyond).length,
      names: [...picture.querySelectorAll("text")].map((one) => one.firstChild.data) });
  }
  function beyond(text) {
    var box = text.getBoundingClientRect(), whole = picture.getBoundingClientRect();
    return box.left < whole.left || box.right > whole.right;
  }
  function click(element) { element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })); }
  function later() { return new Promise((done) => setTimeout(() => { look(); done(); }, 100)); }
  var host = document.querySelector('[data-name="host/libhost.dylib"] > summary');
  click(host);
  later()
    .then(() => { click(picture.querySelector("a")); return later(); })
    .then(() => { click(host); click(host); return later(); })
    .then(() => { click(picture.querySelector("a")); return later(); })
    .then(() => { document.title = JSON.stringify(seen); });
});</script>"""


@pytest.mark.skipif(_BROWSER is None, reason="there is no Chromium here")
@pytest.mark.heavy
@pytest.mark.parametrize("width", [1200, 358])
def test_who_loads_a_library_is_followed_from_name_to_name(tmp_path: Path, width: int) -> None:
    """Where the address is there already, too: the last click leads to the module once more."""
    site = tmp_path / "site"
    put("libhost.dylib", site / "host" / "libhost.dylib")
    put("module.so", site / "guest" / _LONG / "module.so")
    dist(site, "host", "1.0", ["host/libhost.dylib"])
    dist(site, "guest", "1.0", [f"guest/{_LONG}/module.so"], requires=["host"])
    page = tmp_path / "page.html"
    body = linking(Survey(Environment(site, subdir=Subdir.OSX_ARM64)))
    page.write_text(f'<!doctype html><title></title><body style="width: {width}px">{body}{_CLICKS}')
    command = [str(_BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--window-size=1280,900", "--virtual-time-budget=3000", "--dump-dom", page.as_uri()]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    title = re.search(r"<title>(.*?)</title>", shown, re.DOTALL)
    assert title is not None
    assert title[1], shown[-2000:]
    host, module, again, back = json.loads(title[1])
    assert host["entry"] == again["entry"] == "host/libhost.dylib"
    assert host["names"][0].endswith("module.so")
    assert host == again
    assert module["entry"] == f"guest/{_LONG}/module.so"
    assert "host/libhost.dylib" in module["names"]
    assert module == back
    assert module["lines"] >= 1
    assert [look["cut"] for look in (host, module)] == [0, 0]
