"""`envbuild lock --all` of many recipes beside as many runs of `envbuild lock`. Prints CPU and wall time, and ratios.

    python benchmarks/lock_all.py CHANNEL [--recipes COUNT] [--jobs N]... [--alone COUNT]

CHANNEL is a folder or URL with conda-forge's metadata. The recipes are made up: scientific Python for two platforms,
each with two more packages of its own. Of the runs that lock one recipe each, COUNT are measured and the rest
reckoned. What `check` then takes for all of them is measured as well, for the first time and for the second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from itertools import combinations, islice
from pathlib import Path

from measured import Command, Run, run

MORE = (
    "altair", "bokeh", "boto3", "click", "colorama", "cython", "dask", "flask", "h5py", "httpx", "humanize", "jinja2",
    "joblib", "lxml", "networkx", "numba", "openpyxl", "orjson", "pillow", "plotly", "pyarrow", "pydantic", "requests",
    "rich", "seaborn", "sqlalchemy", "statsmodels", "sympy", "tqdm", "xarray",
)  # fmt: skip
ENVBUILD = (sys.executable, "-m", "builder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("channel")
    parser.add_argument("--recipes", type=int, default=200)
    parser.add_argument("--jobs", type=int, action="append", default=[])
    parser.add_argument("--alone", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch) / "project"
        names = make(project, arguments.recipes)
        environ = os.environ | {"XDG_DATA_HOME": f"{scratch}/data"}
        mirror = ("--mirror", f"conda-forge={arguments.channel}")

        def command(*words: str) -> Run:
            return run(Command(arguments=(*ENVBUILD, *words), cwd=project, environ=environ))

        command("lock", names[0], *mirror)  # unpacks the channel's metadata, once
        shutil.rmtree(project / "environments")
        runs = [command("lock", name, *mirror) for name in names[: arguments.alone]]
        scale = len(names) / len(runs)
        alone = Run(
            cpu=sum(one.cpu for one in runs) * scale,
            wall=sum(one.wall for one in runs) * scale,
            memory=max(one.memory for one in runs),
        )
        tell(f"lock, {len(names)} times (reckoned from {len(runs)})", alone, alone)
        for jobs in arguments.jobs or [1, 2]:
            shutil.rmtree(project / "environments")
            tell(f"lock --all --jobs {jobs}", command("lock", "--all", "--jobs", str(jobs), *mirror), alone)
        tell("lock --all, nothing changed", command("lock", "--all", *mirror), alone)
        shutil.rmtree(Path(scratch) / "data")
        tell("check, nothing known", command("check"), alone)
        tell("check, again", command("check"), alone)


def make(project: Path, count: int) -> list[str]:
    """The names of `count` recipes, each written into the project."""
    (project / "recipes").mkdir(parents=True)
    names = []
    for number, (one, other) in enumerate(islice(combinations(MORE, 2), count)):
        names.append(f"team-{number:03}")
        text = f"name: {names[-1]}\nextends: data-m1\ndependencies: [{one}, {other}]\n"
        (project / "recipes" / f"{names[-1]}.yaml").write_text(text)
    return names


def tell(what: str, measured: Run, against: Run) -> None:
    times = f"{measured.cpu:8.1f} s CPU  {measured.wall:8.1f} s  {measured.memory:6.0f} MB"
    print(
        f"{what:45} {times}  {measured.cpu / against.cpu:5.2f} x CPU  {measured.wall / against.wall:5.2f} x", flush=True
    )


if __name__ == "__main__":
    main()
