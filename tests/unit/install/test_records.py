"""Records of conda packages as they are written."""

from __future__ import annotations

import json

from builder.install.records import written


def test_a_record_is_written_as_python_indents_it() -> None:
    """Also what no other reader of JSON takes: half a surrogate pair, in a package's own metadata."""
    record = {"name": "größe", "paths": [{"_path": 'a"\\b', "size": 10**30}], "files": [], "license": None, "x": 1.5}
    for text in ("", "\u2028", "\ud800"):
        told = record | {"summary": text}
        assert written(told).decode() == json.dumps(told, indent=1) + "\n"
