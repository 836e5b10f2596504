"""`python -m builder`: the same as the console script `envbuild`."""

from __future__ import annotations

from builder.cli import main

if __name__ == "__main__":
    main()
