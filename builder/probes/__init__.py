"""The programs that the environment's own Python runs, and the harness that runs them."""
