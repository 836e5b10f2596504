"""The template engine: sandboxed, strict about names, and safe against text that would end a YAML scalar."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from builder.errors import TemplateError

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import Environment

#: Plain scalars that YAML reads back as the same string; everything else is quoted.
_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./:+-]*(?: [A-Za-z0-9_.*+<>=!,|~-]+)*")
#: What a double-quoted scalar does not hold as it is: quote, backslash, and all but printable ASCII.
_ESCAPED: Final = re.compile(r"[^ !#-\[\]-~]")
_NOT_STRINGS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"})


def scalar(value: object) -> str:
    """`value` as one YAML scalar on one line, quoted where YAML would read anything but the same string."""
    if not isinstance(value, str):
        raise TypeError(f"a template wrote a {type(value).__name__} where text belongs")
    plain = _PLAIN.fullmatch(value) and ": " not in value and not value.endswith(":")
    return value if plain and value.lower() not in _NOT_STRINGS else f'"{_ESCAPED.sub(_escape, value)}"'


def _escape(match: re.Match[str]) -> str:
    # Not JSON's escapes: of characters beyond U+FFFF it makes two surrogates, which YAML keeps as two.
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def render_template(folder: Path, template: str, **values: Any) -> str:
    """Render one file of `templates/`. Raises TemplateError with the template's file and line."""
    import jinja2

    try:
        return _environment(folder).get_template(template).render(**values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(error.message or "syntax error", file=folder / template, line=error.lineno) from None
    except jinja2.TemplateNotFound:
        raise TemplateError("the template is missing", file=folder / template, hint="reinstall envbuild") from None
    except (jinja2.TemplateError, TypeError, ArithmeticError) as error:
        raise TemplateError(f"cannot be rendered: {error}", file=folder / template, line=_line(error)) from None


@cache
def _environment(folder: Path) -> Environment:
    """What reads the templates of a folder. It keeps them compiled, and looks at a file's time each time it is used."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["scalar"] = scalar
    environment.globals.clear()
    return environment


def _line(error: BaseException) -> int | None:
    """The template line an exception passed through last; Jinja2 rewrites tracebacks to template lines."""
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.endswith(".j2"):
            line = step.tb_lineno
        step = step.tb_next
    return line
