"""What summaries of packages cost: bytes read, seconds and memory, for archives that environments share.

    python benchmarks/summaries.py ARCHIVES... [--channel COUNT]
    python benchmarks/summaries.py FOLDERS...

Reads every archive once into a fresh store, then takes them all from the store and links them, each step in a process
of its own. With `--channel` a last line says what so many packages would take, from the averages here. Folders hold
the archives of one environment each, which are read one environment after the other into one store, and each into a
store of its own.

Measured on two busy cores, 2026-11-24:

- everything to be fetched, of a lock of 358 packages for osx-arm64 and 359 for linux-64 (TensorFlow, SciPy, pandas,
  spaCy and what they require; 2,359 binaries): 7.4 minutes of waiting, of which 53 s are computing; summaries 16 MB;
- two platforms of 250 packages (with PyTorch and Qt; 3,206 binaries, 350,000 symbols looked up), nothing to be read:
  2.4 s of computing and 293 MB where all is linked, as after an update; what it was before, in the same run: 3.3 to
  4.1 s, 735 MB;
- the same again, with nothing changed: 0.33 s and 47 MB, because the proof is kept;
- on paper: 25,000 packages (an assumption: the newest build of each on conda-forge that a Mac can have) at the 74 ms
  and 22 KB of the first line are half an hour of one core and 0.6 GB;
- ten environments for osx-arm64 that share NumPy, SciPy, pandas, scikit-learn and Matplotlib, each with one more of
  PyTorch, TensorFlow, JAX, XGBoost, LightGBM, OpenCV, Arrow, Polars, spaCy and statsmodels: 101 of their 283 archives
  are different, and 702 of 1,284 MB are read, in 13.2 s of computing instead of 29.0 s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read(archives: list[Path], folder: Path) -> dict[str, float]:
    """Summarize every archive into the store."""
    from builder.binaries.summary_sources import source_of
    from builder.binaries.summary_store import SummaryStore

    store = SummaryStore(folder)
    hashes = {path: digest(path) for path in archives}
    started = time.perf_counter()
    images = 0
    for path in archives:
        summary = store.summary(hashes[path], source_of(path))
        images += len(summary.mach_o) + len(summary.elf)
    kept = sum(path.stat().st_size for path in folder.rglob("*.summary"))
    return {"seconds": time.perf_counter() - started, "read": store.reads, "images": images, "kept": kept}


def link(archives: list[Path], folder: Path) -> dict[str, float]:
    """Take them from the store, and link them as one Mac's environment."""
    from builder.binaries.dyld import Linker
    from builder.binaries.summary_linking import Layout
    from builder.binaries.summary_store import SummaryStore
    from builder.binaries.symbols import Binder

    store = SummaryStore(folder)
    hashes = [digest(path) for path in archives]
    started = time.perf_counter()
    packages = [summary for value in hashes if (summary := store.get(value)) is not None]
    loaded = time.perf_counter()
    layout = Layout(packages, python="3.11", arch="arm64", plugin_hosts={"tensorflow-plugins": "tensorflow"})
    linker = Linker(layout.inventory, layout.owners, main=layout.main)
    processes = [linker.process(binary) for binary in layout.inventory.binaries if binary.serves]
    binder = Binder(layout.inventory, layout.owners, linker)
    missing = len(binder.check(processes))
    return {
        "seconds": time.perf_counter() - started,
        "load": loaded - started,
        "symbols": binder.tally.checked,
        "missing": missing,
    }


def growth(environments: list[list[Path]], *, shared: bool) -> list[tuple[int, int, float]]:
    """Packages read, bytes of their archives and seconds of computing for each environment."""
    from builder.binaries.summary_sources import source_of
    from builder.binaries.summary_store import SummaryStore

    hashes = {path: digest(path) for archives in environments for path in archives}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for number, archives in enumerate(environments):
            store = SummaryStore(Path(folder) / ("shared" if shared else str(number)))
            began, size = time.process_time(), 0
            for path in archives:
                if store.get(hashes[path]) is None:
                    store.summary(hashes[path], source_of(path))
                    size += path.stat().st_size
            found.append((store.reads, size, time.process_time() - began))
    return found


def tell_growth(folders: list[Path]) -> None:
    environments = [sorted(path for path in folder.iterdir() if path.is_file()) for folder in folders]
    rows = {
        "one store": growth(environments, shared=True),
        "a store for each": growth(environments, shared=False),
    }
    for name, row in rows.items():
        reads, sizes, seconds = zip(*row, strict=True)
        each = " ".join(f"{one:.1f}" for one in seconds)
        print(f"{name:16} {sum(reads):5} read, {sum(sizes) / 1e6:6,.0f} MB, {sum(seconds):6.1f} s ({each})")


def child(step: str, archives: list[Path], folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--store", str(folder), *map(str, archives)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, nargs="+")
    parser.add_argument("--channel", type=int, default=0, metavar="COUNT", help="packages of a whole channel")
    parser.add_argument("--step", choices=("read", "link"), help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        measured = {"read": read, "link": link}[arguments.step](arguments.archives, arguments.store)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
        print(json.dumps(measured | {"megabytes": peak}))
        return
    if all(path.is_dir() for path in arguments.archives):
        tell_growth(arguments.archives)
        return
    size = sum(path.stat().st_size for path in arguments.archives)
    count = len(arguments.archives)
    with tempfile.TemporaryDirectory() as folder:
        first = child("read", arguments.archives, Path(folder))
        again = child("read", arguments.archives, Path(folder))
        linked = child("link", arguments.archives, Path(folder))
    kept = first["kept"]
    print(f"{count} archives, {size / 1e6:,.0f} MB, {first['images']:.0f} images; summaries {kept / 1e6:.2f} MB")
    print(f"{'':34} {'seconds':>8} {'MB of memory':>13}")
    print(f"{'read and kept':34} {first['seconds']:8.2f} {first['megabytes']:13.0f}")
    print(f"{'asked again':34} {again['seconds']:8.2f} {again['megabytes']:13.0f}")
    print(f"{'loaded and linked':34} {linked['seconds']:8.2f} {linked['megabytes']:13.0f}")
    print(f"{linked['symbols']:,.0f} symbols looked up, {linked['missing']:.0f} processes that lack one")
    if arguments.channel:
        share = arguments.channel / count
        hours = first["seconds"] * share / 3600
        print(f"{arguments.channel:,} packages like these: {kept * share / 1e9:.1f} GB, {hours:.0f} hours of one core")


if __name__ == "__main__":
    main()
