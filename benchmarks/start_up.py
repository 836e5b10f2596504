"""How long `envbuild run` takes over the command itself. Prints medians and ratios.

    python benchmarks/start_up.py ENVIRONMENT [--runs N]

ENVIRONMENT is the name or path of an environment. The aim is 0.15 s by the clock.
"""

from __future__ import annotations

import argparse
import sys

from measured import Command, compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment")
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    command = ["/bin/sh", "-c", "exit 0"]
    medians = compare(
        {
            "command alone": Command(arguments=command),
            "envbuild run": Command(
                arguments=[sys.executable, "-m", "builder", "run", arguments.environment, *command]
            ),
        },
        runs=arguments.runs,
    )
    alone, run = medians.values()
    print(f"over it: {run.cpu - alone.cpu:.3f} s CPU, {run.wall - alone.wall:.3f} s by the clock")


if __name__ == "__main__":
    main()
