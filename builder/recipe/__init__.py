"""YAML text → `Recipe`."""
