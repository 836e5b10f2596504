"""No framework: scientific Python alone."""

from __future__ import annotations

from typing import Final

from builder.frameworks.model import Framework

FRAMEWORK: Final = Framework(name="none", title="no framework", precedence=1000)
