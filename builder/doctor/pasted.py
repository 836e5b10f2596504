"""A text that a person pastes: read within limits, and freed of what terminals, notebooks and web pages add."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks.known_errors import distribution
from builder.doctor import stack
from builder.errors import UsageError

if TYPE_CHECKING:
    from typing import TextIO

    from builder.checks.known_errors import System

#: Characters that are looked at: of a longer text the first and the last half of that.
MOST: Final = 10_000_000

#: Up to this length a text is looked at a second time without its line breaks.
_MOST_TO_JOIN: Final = 200_000
#: In a longer text, what is repeated over and over is left out.
_MOST_WHOLE: Final = 300_000
#: So many lines around one that is not a repetition are kept: more than any pattern looks at.
_CONTEXT: Final = 80
#: The system is told from so many characters of a text's beginning and end.
_END: Final = 200_000
#: A path that is given instead of a text is no longer than that.
_LONGEST_PATH: Final = 1_000

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]{0,20}[ -/]{0,5}[@-~]|\][^\x07\x1b]{0,300}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\u00ad]")
_QUOTED: Final = re.compile(r"^(?:> ?){1,5}", re.MULTILINE)
#: What VS Code makes of paths in a notebook's output when it is copied.
_EDITOR_LINK: Final = re.compile(r"\[([^\[\]\n]{1,400})\]\([^()\s]{1,800}\)")
_DRAWN: Final = re.compile(r"[│╰╭─×└├┃━➤❯]")
_SPACES: Final = re.compile(r"\s+")
_NO_DIGITS: Final = str.maketrans("", "", "0123456789")

_PLAIN: Final = {
    "\r\n": "\n",
    "\r": "\n",
    "\u00a0": " ",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2010": "-",
    "\u2011": "-",
}

_CLUES: Final[tuple[tuple[System, re.Pattern[str]], ...]] = (
    ("windows", re.compile(r"\b[A-Za-z]:\\{1,2}\w|WinError|\bwin-64\b|win_amd64|DLL load failed|\.pyd\b|PS [A-Z]:\\")),
    (
        "osx",
        re.compile(
            r"/Users/|\.dylib\b|-darwin\.so|\bdlopen\(|\bmacOS\b|\bMac ?OS\b|macosx_|\bosx-(?:arm64|64)\b|mach-o|"
            r"/opt/homebrew|zsh: |\bMETAL\b|\bMPS\b|tensorflow-metal|Apple M\d|\bM[1-4]\b|\bobjc\[|\bdyld"
        ),
    ),
    (
        "linux",
        re.compile(r"/home/|-linux-gnu|\blinux-(?:64|aarch64)\b|manylinux|\.so\.\d|\bUbuntu\b|core dumped|\bGLIBC"),
    ),
)

_EXCEPTION: Final = re.compile(
    r"^(?:E {1,9})?(?:[\w.]{1,120}\.)?\w{0,60}(?:Error|Exception|Exit|Interrupt|Timeout|Failure)\b(?:: [^\n]{0,600}|)$",
    re.MULTILINE,
)
_ERROR_LINE: Final = re.compile(
    r"^[^\n]{0,80}?(?:\b(?:ERROR|FATAL|CRITICAL|fatal|error|critical)\b(?:\[\w{1,20}\])?: ?|"
    r"terminating due to |panic: )[^\n]{1,600}$",
    re.MULTILINE,
)
_COMPLAINT: Final = re.compile(
    r"^[^\n]{0,300}?\b(?:[Ff]ailed|[Cc]annot|[Cc]an't|[Cc]ould not|[Uu]nable|not found|denied|[Ii]nvalid|[Nn]o such|"
    r"refused|[Aa]borted|crash\w{0,3}|killed|incompatible|missing|unsupported|not supported)\b[^\n]{0,300}$",
    re.MULTILINE,
)
_LOG_OF_INFORMATION: Final = re.compile(r"^(?:\d{4}-\d\d-\d\d [\d:.]{8,20}: |)[IW]\d{0,4} ")

_INSTALLED: Final = re.compile(r"(?:site|dist)-packages[/\\]{1,2}(?P<top>[A-Za-z_][\w-]{0,60})")
_PREFIX: Final = re.compile(r"(?P<prefix>/[^\s'\"():,<>]{1,300})/lib/python3\.\d{1,2}/")

#: Packages whose frames stand in a traceback whoever is to blame.
_BYSTANDERS: Final = frozenset(
    {"IPython", "_pytest", "ipykernel", "ipykernel_launcher", "numpy", "pip", "pluggy", "pytest", "spyder_kernels",
     "tornado", "traitlets"}
)  # fmt: skip


def given(argument: str, *, stdin: TextIO) -> str:
    """The text that `--ask` is given: standard input for `-`, a file's content for its path, else the argument itself.

    Raises UsageError for a path that is no regular file or cannot be read.
    """
    if argument == "-":
        return stdin.read(MOST)
    path = Path(argument)
    try:
        is_path = 0 < len(argument) <= _LONGEST_PATH and "\n" not in argument and path.exists()
    except (OSError, ValueError):
        is_path = False
    if not is_path:
        return argument
    if not path.is_file():
        raise UsageError("it is not a file", file=path, hint="give a file, `-` for standard input, or the text itself")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            content = file.read(MOST // 2 if size > MOST else MOST)
            if size > MOST:
                file.seek(size - MOST // 2)
                content += b"\n" + file.read(MOST // 2)
    except OSError as error:
        raise UsageError(f"it cannot be read: {error.strerror}", file=path) from error
    return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace")


def clean(text: str) -> str:
    """The text as the program printed it: no escapes, no `> ` of mails, no links that editors put in, plain quotes."""
    if len(text) > MOST:
        text = text[: MOST // 2] + "\n" + text[-MOST // 2 :]
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    for typographic, plain in _PLAIN.items():
        if typographic in text:
            text = text.replace(typographic, plain)
    text = _CONTROL.sub("", text)
    if any(entity in text for entity in ("&#39;", "&quot;", "&lt;", "&gt;", "&amp;")):
        text = html.unescape(text)
    # One line of JSON or of a log, with the breaks written out.
    if text.count("\\n") > text.count("\n"):
        text = text.replace("\\n", "\n").replace('\\"', '"').replace("\\t", "\t")
    if "vscode-resource" in text or "](http" in text:
        text = _EDITOR_LINK.sub(r"\1", text)
    if "\n>" in text or text.startswith(">"):
        text = _QUOTED.sub("", text)
    return text.strip()


def thinned(text: str) -> str:
    """A long log without the lines that only repeat earlier ones but for their numbers, far from any that does not.

    Every known text is looked for in what is left, which of a log of training is little.
    """
    if len(text) <= _MOST_WHOLE:
        return text
    lines = text.split("\n")
    patterns = text.translate(_NO_DIGITS).split("\n")
    seen: set[str] = set()
    kept: list[str] = []
    done = 0
    for number, pattern in enumerate(patterns):
        if pattern not in seen:
            seen.add(pattern)
            kept += lines[max(done, number - _CONTEXT) : number + _CONTEXT]
            done = max(done, number + _CONTEXT)
    return "\n".join(kept)


def joined(text: str) -> str | None:
    """The text on one line, for messages that a terminal or a mail has wrapped; None where it is too long for that."""
    if len(text) > _MOST_TO_JOIN:
        return None
    return _SPACES.sub(" ", _DRAWN.sub(" ", text))


def systems(text: str) -> frozenset[System]:
    """The operating systems that the text can be from; all of them where nothing tells."""
    ends = text if len(text) <= 2 * _END else f"{text[:_END]}\n{text[-_END:]}"
    found = frozenset(system for system, clues in _CLUES if clues.search(ends))
    return found or frozenset({"osx", "linux", "windows"})


def telling_line(text: str) -> tuple[str, bool]:
    """The line that says most, and whether it reports a failure: the last exception, else the first complaint."""
    exceptions = _EXCEPTION.findall(text)
    if exceptions:
        return exceptions[-1].strip(), True
    for pattern in (_ERROR_LINE, _COMPLAINT):
        for match in pattern.finditer(text):
            line = match[0].strip()
            if not _LOG_OF_INFORMATION.match(line):
                return line, True
    lines = [line.strip() for line in text[-4_000:].splitlines() if line.strip()]
    return (lines[-1] if lines else ""), False


def package(text: str) -> str | None:
    """The distribution whose file stands last in a text, not counting those that stand in every traceback."""
    tops = [match["top"].removesuffix(".libs") for match in _INSTALLED.finditer(text[-200_000:])]
    for top in reversed(tops):
        if top not in _BYSTANDERS:
            return stack.folders().get(top) or distribution(top)
    return None


def prefix(text: str) -> str | None:
    """The environment (its folder) that the first path in a text is of."""
    place = text.find("/lib/python3.")
    match = _PREFIX.search(text, max(0, place - 300), place + 40) if place >= 0 else None
    return match["prefix"] if match else None
