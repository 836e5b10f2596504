"""Deliberate damage to real environments: it must be found, named, and healed by doing literally what is said."""
