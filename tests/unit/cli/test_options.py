"""Values of shared options."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest

from builder.cli.options import exclude_newer_option


@click.command()
@exclude_newer_option
def _command(exclude_newer: datetime | None) -> datetime | None:
    return exclude_newer


def _parsed(text: str) -> object:
    return _command.main(["--exclude-newer", text], standalone_mode=False)


def test_a_day_counts_to_its_end() -> None:
    assert _parsed("2026-01-31") == datetime(2026, 2, 1, tzinfo=UTC)
    assert _parsed("2026-01-31T12:00:00Z") == datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-02-30", "soon", "9999-12-31", "2026-01-31T12:00:00", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        _parsed(text)
