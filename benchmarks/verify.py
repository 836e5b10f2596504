"""`envbuild verify` of an environment beside bare reads and runs of it, in one run: time, memory, ratios of medians.

    python benchmarks/verify.py PREFIX [--runs N] [--import NAME]…

PREFIX is an environment that envbuild made and that passes. What only reads is held against a process that hashes its
files by hashlib; with `--import` (tensorflow, keras) what also runs against one process that imports these modules by
the environment's own Python, the least that any proof of it takes, and where Keras is among them against a script of
what everybody does with it: build a small model, train it, save it, load it, predict.
Memory is that of the largest process: of the levels that run something, the library under test. Figures of one run are
in docs/verification.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from measured import Command, compare

ROOT = Path(__file__).parent.parent

HASHED = """
import hashlib, os, sys
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            with open(path, "rb") as stream:
                hashlib.file_digest(stream, "sha256")
"""

MODEL = """
import keras, numpy, sys
rows = numpy.random.default_rng(1).standard_normal((256, 8)).astype("float32")
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")
model.fit(rows, rows.sum(axis=1), epochs=6, verbose=0)
model.save(sys.argv[1])
keras.models.load_model(sys.argv[1]).predict(rows, verbose=0)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--import", dest="modules", action="append", default=[], metavar="NAME")
    arguments = parser.parse_args()
    prefix = str(arguments.prefix.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        records = Path(scratch) / "envbuild" / "verified"
        environ = os.environ | {"XDG_DATA_HOME": scratch, "KERAS_HOME": scratch, "PYTHONPATH": str(ROOT)}

        def verify(*options: str, first: bool = False) -> Command:
            return Command(
                arguments=[sys.executable, "-P", "-m", "builder", "verify", prefix, "--quiet", *options],
                cwd=Path(scratch),
                environ=environ,
                before=(lambda: shutil.rmtree(records, ignore_errors=True)) if first else None,
            )

        def bare(code: str, *words: str) -> Command:
            python = f"{prefix}/bin/python"
            return Command(arguments=[python, "-I", "-c", code, *words], cwd=Path(scratch), environ=environ)

        reading = {
            "hashlib hashes every file": Command(arguments=[sys.executable, "-c", HASHED, prefix]),
            "verify --static, for the first time": verify("--static", first=True),
            "verify --static, with nothing changed": verify("--static"),
        }
        compare(reading, runs=arguments.runs)
        if arguments.modules:
            running = {f"import {', '.join(arguments.modules)}": bare(f"import {', '.join(arguments.modules)}")}
            if "keras" in arguments.modules:
                running["a model built, trained, saved, loaded"] = bare(MODEL, f"{scratch}/model.keras")
            running |= {
                "verify --quick": verify("--quick"),
                "verify, for the first time": verify(first=True),
                "verify, with nothing changed": verify(),
            }
            compare(running, runs=arguments.runs)


if __name__ == "__main__":
    main()
