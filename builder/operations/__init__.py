"""The use cases, one module each: what every command of `envbuild` does, as functions for scripts."""
