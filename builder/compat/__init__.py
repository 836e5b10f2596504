"""Compatibility facts as data, each with its source → the versions that fit, or why none do."""
