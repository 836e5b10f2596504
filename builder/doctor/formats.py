"""The formats that programs keep their settings in, read as from a stranger: no entities, no depth, no time for tricks.

Every reader gives the place of a value (its line) beside the value, because a diagnosis names it.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from xml.sax import SAXException, handler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from xml.sax.xmlreader import AttributesImpl, Locator

_XML_NODES: Final = 200_000
_XML_DEPTH: Final = 100
#: Most bytes of one row of an IDE's database.
_ROW_LIMIT: Final = 2_000_000
DATABASE_LIMIT: Final = 20_000_000
_DATABASE_SECONDS: Final = 1.0


class FormatError(ValueError):
    """A file that is not what its name says; the message is the reason, in a few words."""


# -- XML ---------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Node:
    """One XML element: its tag, attributes, first line (1-based) and children. Text is of no use here and left out."""

    tag: str
    attributes: Mapping[str, str]
    line: int
    children: list[Node] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    def all(self, tag: str) -> Iterator[Node]:
        """Every element below with that tag, in document order."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)

    def child(self, tag: str, **attributes: str) -> Node | None:
        """The first direct child with that tag and those attributes."""
        for child in self.children:
            if child.tag == tag and all(child.get(name) == value for name, value in attributes.items()):
                return child
        return None

    def component(self, name: str) -> Node | None:
        """JetBrains' `<component name="…">`, wherever it lies."""
        return next((node for node in self.all("component") if node.get("name") == name), None)


class _Builder(handler.ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node(tag="", attributes={}, line=0)
        self._stack = [self.root]
        self._count = 0
        self._where: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - SAX's name
        self._where = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        self._count += 1
        if self._count > _XML_NODES or len(self._stack) > _XML_DEPTH:
            raise FormatError("more or deeper elements than any IDE writes")
        line = self._where.getLineNumber() if self._where is not None else None
        node = Node(tag=name, attributes=dict(attrs.items()), line=line or 0)
        self._stack[-1].children.append(node)
        self._stack.append(node)

    def endElement(self, name: str) -> None:  # noqa: N802
        self._stack.pop()


def parse_xml(content: bytes) -> Node:
    """A node above the document's root. Raises FormatError; entities and external references are refused."""
    from defusedxml import DefusedXmlException
    from defusedxml.sax import parseString

    builder = _Builder()
    try:
        parseString(content, builder, forbid_dtd=True)
    except FormatError:
        raise
    except DefusedXmlException:
        raise FormatError("XML with a DTD or entities, which no IDE writes") from None
    except SAXException as error:
        line = getattr(error, "getLineNumber", lambda: None)()
        raise FormatError("not well-formed XML" + (f" (line {line})" if line else "")) from None
    except (ValueError, LookupError) as error:
        raise FormatError(f"not readable as XML ({error})") from None
    return builder.root


# -- property lists ----------------------------------------------------------------------------------------------


def parse_plist(content: bytes) -> dict[str, Any]:
    """The dictionary of a property list, in XML or binary; empty where it is another value. Raises FormatError."""
    import plistlib
    from xml.parsers.expat import ExpatError

    try:
        value = plistlib.loads(content)
    # plistlib lets through what it meets on the way: of XML, of an encoding that nobody knows, of values out of place.
    except (ExpatError, ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise FormatError(f"not a property list ({type(error).__name__})") from None
    return value if isinstance(value, dict) else {}


# -- JSON with comments ------------------------------------------------------------------------------------------

_JSONC: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_TRAILING: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')


@dataclass(frozen=True, kw_only=True)
class Document:
    """A parsed JSON file; `bare` is its text with comments blanked out, every character at its old place."""

    value: Any
    bare: str

    def line(self, key: str) -> int | None:
        """The line that holds `"key":`; None where it is not written out."""
        found = re.search(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", self.bare)
        return self.bare.count("\n", 0, found.start()) + 1 if found else None

    def line_of(self, key: str, value: object) -> int | None:
        """The line of `"key": value`, where several objects have that key; else the first line that has the key."""
        texts = (json.dumps(part, ensure_ascii=False) for part in (key, value))
        found = re.search(r"\s*:\s*\[?\s*".join(map(re.escape, texts)), self.bare)
        return self.bare.count("\n", 0, found.start()) + 1 if found else self.line(key)

    def get(self, key: str) -> Any:
        return self.value.get(key) if isinstance(self.value, dict) else None


def _blank(found: re.Match[str]) -> str:
    text = found[0]
    return text if text.startswith('"') else re.sub(r"[^\n]", " ", text)


def parse_jsonc(text: str) -> Document:
    """JSON as VS Code writes and reads it: comments, trailing commas, a byte order mark. Raises FormatError."""
    bare = _JSONC.sub(_blank, text.removeprefix("\ufeff"))
    strict = _TRAILING.sub(lambda found: found[1] or " ", bare)
    if not strict.strip():
        return Document(value={}, bare=bare)
    try:
        return Document(value=json.loads(strict), bare=bare)
    except RecursionError:
        raise FormatError("JSON nested deeper than any program writes") from None
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise FormatError("not valid JSON" + (f" (line {line})" if line else "")) from None


# -- SQLite ------------------------------------------------------------------------------------------------------


def vscode_row(path: Path, key: str) -> dict[str, Any] | None:
    """One row of VS Code's `ItemTable`, which must hold a JSON object; None where there is none.

    Only the named row is read: the others hold secrets of other extensions. The file is opened as one that nobody
    changes, so no lock is taken and no journal is written. Raises FormatError.
    """
    try:
        database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, timeout=0.5)
    except sqlite3.Error as error:
        raise FormatError(f"not readable as a database ({error})") from None
    end = time.monotonic() + _DATABASE_SECONDS
    database.set_progress_handler(lambda: int(time.monotonic() > end), 10_000)
    try:
        found = database.execute(
            "SELECT CAST(value AS BLOB) FROM ItemTable WHERE key = ? AND length(value) <= ? LIMIT 1", (key, _ROW_LIMIT)
        ).fetchone()
    except sqlite3.Error as error:
        raise FormatError(f"not readable as VS Code's database ({error})") from None
    except UnicodeDecodeError:  # of SQLite's message, which quotes the damaged schema
        raise FormatError("not readable as VS Code's database (malformed schema)") from None
    finally:
        database.close()
    if found is None or not isinstance(found[0], bytes):
        return None
    try:
        value = json.loads(found[0].decode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        raise FormatError(f"the row {key} is not JSON") from None
    return value if isinstance(value, dict) else None


# -- text --------------------------------------------------------------------------------------------------------

#: What could move a cursor, change a colour, or make one line look like two; bidirectional marks reorder a line.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def harmless(text: str) -> str:
    """`text` for a terminal: control characters are written out (`\\x1b`), so that no name can act on it."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def name_of(text: str) -> str:
    """A name inside a sentence: quoted where it holds more than one word or could be read as part of the sentence."""
    shown = harmless(text)
    if len(shown) > 80:
        shown = shown[:77] + "…"
    return shown if re.fullmatch(r"[\w.@+~/\\:-]+", shown) else f"“{shown}”"
