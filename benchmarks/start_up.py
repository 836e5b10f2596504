"""How long `envbuild run` takes over the command itself: wall time and processor time, the best of some runs.

    python benchmarks/start_up.py ENVIRONMENT [RUNS]

ENVIRONMENT is the name or path of an environment. A machine that does something else meanwhile shows in the wall time;
the processor time hardly changes. The aim is 0.15 s.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time


def measure(command: list[str], runs: int) -> tuple[float, float]:
    """(seconds by the clock, seconds of the processor) of the best run."""
    wall, processor = [], []
    for _ in range(runs):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(wall), min(processor)


def main() -> None:
    """Print one line for the command alone, for `run`, and for the difference."""
    environment, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    alone = measure(["/bin/sh", "-c", "exit 0"], runs)
    run = measure([sys.executable, "-m", "builder", "run", environment, "/bin/sh", "-c", "exit 0"], runs)
    for name, (wall, processor) in {
        "command alone": alone,
        "envbuild run": run,
        "over it": (run[0] - alone[0], run[1] - alone[1]),
    }.items():
        print(f"{name:<14} {wall:6.3f} s by the clock, {processor:6.3f} s of the processor")


if __name__ == "__main__":
    main()
