"""Scripts that the environment's own Python runs (see `run.py`). Nothing here is imported by envbuild."""
