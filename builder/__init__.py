"""envbuild: machine-learning conda environments that are right for Apple silicon, locked and proven."""

__version__ = "0.1.0"
