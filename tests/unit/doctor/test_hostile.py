"""Bad input: each is a skip with path and reason, within the time limit, and never a traceback or an alarm."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from builder.doctor.disk import CONFIG_LIMIT, Disk, home_aliases
from builder.doctor.examine import Patient, Request, examine
from builder.doctor.formats import FormatError, harmless, name_of, parse_jsonc, parse_plist, vscode_row
from builder.doctor.machine import from_json
from builder.doctor.model import Examination, Presence
from builder.doctor.text import Names, render
from tests.unit.doctor.homes import make_environment, write_row

MAC = {"system": "Darwin", "hardware": "arm64", "running": "arm64", "shell": "/bin/zsh"}
JETBRAINS = "Library/Application Support/JetBrains/DataSpell2025.3/options"
CODE = "Library/Application Support/Code/User"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "anna"
    make_environment(home, prefix="miniforge3/envs/ml", packages={"keras": "3.6.0"})
    (home / "mnist" / ".idea").mkdir(parents=True)
    (home / JETBRAINS).mkdir(parents=True)
    (home / CODE / "globalStorage").mkdir(parents=True)
    return home


def _examined(home: Path) -> Examination:
    patient = Patient(home=home, cwd=home, machine=from_json(MAC, where="test"))
    return examine(Request(project=home / "mnist", static=True), patient)


def _reasons(found: Examination) -> dict[str, str]:
    return {skip.path.name: skip.reason for skip in found.skips}


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><application>&c;</application>"""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LAUGHS, "XML with a DTD or entities, which no IDE writes"),
        (
            b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><application>&e;</application>',
            "XML with a DTD or entities, which no IDE writes",
        ),
        (b"<!DOCTYPE application><application/>", "XML with a DTD or entities, which no IDE writes"),
        (b'<!DOCTYPE x SYSTEM "x.dtd"><application/>', "XML with a DTD or entities, which no IDE writes"),
        (b"<application><component>", "not well-formed XML (line 1)"),
        (b"\xff\xfe\x00nonsense", "not well-formed XML (line 1)"),
        (b"<a>" * 2000, "more or deeper elements than any IDE writes"),
        (b'<?xml version="1.0" encoding="no-such"?><application/>', None),
        (b"", None),
    ],
)
def test_xml_of_a_stranger(home: Path, content: bytes, reason: str | None) -> None:
    (home / JETBRAINS / "jdk.table.xml").write_bytes(content)
    found = _examined(home)
    assert not found.problems
    assert "jdk.table.xml" in _reasons(found)
    if reason is not None:
        assert _reasons(found)["jdk.table.xml"] == reason


def test_a_huge_file_is_not_read(home: Path) -> None:
    with (home / JETBRAINS / "jdk.table.xml").open("wb") as stream:
        stream.truncate(50 * CONFIG_LIMIT)
    assert "more than the 2,000,000" in _reasons(_examined(home))["jdk.table.xml"]


def test_fifos_devices_and_loops_do_not_block(home: Path) -> None:
    os.mkfifo(home / JETBRAINS / "jdk.table.xml")
    os.mkfifo(home / "mnist" / ".idea" / "misc.xml")
    os.mkfifo(home / CODE / "globalStorage" / "state.vscdb")
    (home / ".zshrc").symlink_to(home / ".zshrc")
    (home / ".zprofile").symlink_to("/dev/zero")
    (home / "mnist" / "loop").symlink_to(home / "mnist")
    (home / "miniforge3" / "envs" / "loop").symlink_to("loop")
    begun = time.monotonic()
    found = _examined(home)
    assert time.monotonic() - begun < 5
    assert not found.problems
    assert _reasons(found)["jdk.table.xml"] == "not a regular file"


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\0" + b"\0" * 20, b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_database_that_is_none(home: Path, content: bytes) -> None:
    (home / CODE / "globalStorage" / "state.vscdb").write_bytes(content)
    found = _examined(home)
    assert not found.problems
    assert "state.vscdb" in _reasons(found)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"bplist00",
        b"<?xml version='1.0'?><plist><dict><key>a</key>",
        b"<?xml version='1.0' encoding='no-such'?><plist><dict/></plist>",
        b"<?xml version='1.0'?><plist></dict></plist>",
        b"<?xml version='1.0'?><plist><dict><integer>x</integer></dict></plist>",
        b"<?xml version='1.0'?><plist><data>!</data><key>x</key></plist>",
    ],
)
def test_a_property_list_that_is_none(content: bytes) -> None:
    with pytest.raises(FormatError, match="not a property list"):
        parse_plist(content)


def test_a_database_whose_schema_is_damaged(tmp_path: Path) -> None:
    """SQLite's message quotes it, and the message itself cannot be decoded then."""
    database = tmp_path / "state.vscdb"
    write_row(database, "ms-python.python", {"a": 1})
    content = database.read_bytes()
    assert b"TABLE ItemTable" in content
    database.write_bytes(content.replace(b"TABLE ItemTable", b"TABL\xff ItemTable"))
    with pytest.raises(FormatError, match="malformed"):
        vscode_row(database, "ms-python.python")


def test_only_the_named_row_is_read_and_a_damaged_one_is_a_reason(tmp_path: Path) -> None:
    database = tmp_path / "state.vscdb"
    write_row(database, "ms-python.python", {"a": 1})
    assert vscode_row(database, "ms-python.python") == {"a": 1}
    assert vscode_row(database, "nobody") is None
    import sqlite3

    connection = sqlite3.connect(database)
    connection.execute("INSERT INTO ItemTable VALUES ('broken', '{')")
    connection.commit()
    connection.close()
    with pytest.raises(FormatError, match="the row broken is not JSON"):
        vscode_row(database, "broken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.vscdb"]


def test_a_backup_stands_in_for_a_damaged_database(home: Path) -> None:
    state = home / CODE / "globalStorage"
    (state / "state.vscdb").write_bytes(b"damaged" * 200)
    value = {f"WORKSPACE_FOLDER_INTERPRETER_PATH_{home}/mnist": f"{home}/miniforge3/envs/ml/bin/python"}
    write_row(state / "other", "ms-python.python", value)
    (state / "other").rename(state / "state.vscdb.backup")
    assert [claim.who for claim in _examined(home).claims] == ["VS Code"]


@pytest.mark.parametrize("text", ["[" * 100_000, "{" * 5000 + "}" * 5000, "{'a': 1}", '{"a": 1} x', "\x00"])
def test_json_of_a_stranger(text: str) -> None:
    with pytest.raises(FormatError):
        parse_jsonc(text)


def test_json_with_comments_keeps_what_only_looks_like_one() -> None:
    document = parse_jsonc(
        '\ufeff{\n  // a, }\n  "url": "https://x/*y*/",\n  "list": [1, 2, ], /* , */\n  "end": ",}",\n}\n'
    )
    assert document.value == {"url": "https://x/*y*/", "list": [1, 2], "end": ",}"}
    assert document.line("list") == 4


def test_names_cannot_act_on_the_terminal(home: Path) -> None:
    name = "evil\x1b[2J\n<b>\u202e; No problem found"
    table = home / JETBRAINS / "jdk.table.xml"
    table.write_text('<application><component name="ProjectJdkTable"/></application>')
    (home / "mnist" / ".idea" / "misc.xml").write_text(
        '<project><component name="ProjectRootManager" project-jdk-type="Python SDK" '
        'project-jdk-name="evil&#10;&lt;b&gt;&#x202e;; No problem found"/></project>'
    )
    text = render(_examined(home), names=Names(home))
    assert "\u202e" not in text
    assert "“evil" in text.splitlines()[0]
    assert harmless(name) == "evil\\x1b[2J\\n<b>\\u202e; No problem found"
    assert name_of("ml-m1") == "ml-m1"
    assert name_of("two words") == "“two words”"


def test_paths_cannot_act_on_the_terminal_either(home: Path) -> None:
    odd = home / "p\x1b[2J\r\nMost likely cause: nothing"
    (odd / ".idea").mkdir(parents=True)
    (odd / ".idea" / "misc.xml").write_text(
        '<project><component name="ProjectRootManager" project-jdk-name="gone"/></project>'
    )
    (home / JETBRAINS / "jdk.table.xml").write_text('<application><component name="ProjectJdkTable"/></application>')
    patient = Patient(home=home, cwd=home, machine=from_json(MAC, where="test"))
    found = examine(Request(project=odd, static=True), patient)
    assert found.problems
    text = render(found, names=Names(home), verbose=True)
    assert "\x1b" not in text
    assert "\r" not in text
    assert not any(line.startswith("Most likely cause: nothing") for line in text.splitlines())


def test_an_unreadable_folder_is_a_skip(home: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (home / JETBRAINS).chmod(0)
    try:
        assert not _examined(home).problems
    finally:
        (home / JETBRAINS).chmod(0o700)


def test_after_the_deadline_nothing_more_is_read(home: Path) -> None:
    ticks = iter(range(0, 100_000, 10))
    patient = Patient(home=home, cwd=home, machine=from_json(MAC, where="test"), clock=lambda: float(next(ticks)))
    found = examine(Request(project=home / "mnist", static=True), patient)
    assert not found.problems


def test_a_kernel_of_odd_shapes(home: Path) -> None:
    kernels = home / "Library" / "Jupyter" / "kernels"
    for number, argv in enumerate([[], ["./python"], "python", [None], ["/bin/bash", "-lc", "python"], [["python"]]]):
        (kernels / f"k{number}").mkdir(parents=True)
        (kernels / f"k{number}" / "kernel.json").write_text(json.dumps({"argv": argv, "language": "python"}))
    (kernels / "list").mkdir()
    (kernels / "list" / "kernel.json").write_text("[1]")
    assert not _examined(home).problems


# -- the disk of another machine ---------------------------------------------------------------------------------


def _disk(home: Path, *, aliases: tuple[str, ...] = ()) -> Disk:
    return Disk(home=home, project=None, clock=time.monotonic, foreign=True, aliases=aliases)


def test_what_lies_outside_a_foreign_home_is_not_known(home: Path) -> None:
    disk = _disk(home)
    assert disk.presence(Path("/usr/bin/env")) is Presence.UNKNOWN
    assert disk.presence(Path("/opt/homebrew/bin/python3")) is Presence.UNKNOWN
    assert disk.presence(home / "nothing") is Presence.GONE
    assert disk.presence(disk.place("/Users/anna/miniforge3")) is Presence.PRESENT
    assert disk.presence(disk.place("/Users/anna/gone")) is Presence.GONE


def test_a_home_that_was_renamed_is_not_taken_for_this_one(home: Path) -> None:
    disk = _disk(home, aliases=("/Users/anna",))
    assert disk.presence(disk.place("/Users/old/miniforge3")) is Presence.GONE


def test_the_name_of_a_home_comes_from_its_variables() -> None:
    home = Path("/tmp/case")
    assert home_aliases(home, {"HOME": "/Users/joe"}) == ("/Users/joe",)
    assert home_aliases(home, {"PATH": "/home/linuxbrew/bin:/Users/joe/bin"}) == ("/Users/joe",)
    assert home_aliases(home, {"PATH": "/usr/bin"}) == ()


def test_a_whole_tree_stands_for_the_root(tmp_path: Path) -> None:
    home = tmp_path / "Users" / "anna"
    (tmp_path / "opt" / "homebrew" / "bin").mkdir(parents=True)
    home.mkdir(parents=True)
    disk = _disk(home)
    assert disk.place("/opt/homebrew/bin") == tmp_path / "opt" / "homebrew" / "bin"
    assert disk.place("/Users/anna/x") == home / "x"
    assert disk.show(tmp_path / "opt" / "homebrew") == "/opt/homebrew"


NEWER_READERS = (
    "mnist/.vscode/launch.json",
    "mnist/x.code-workspace",
    "mnist/mise.toml",
    "mnist/.tool-versions",
    "mnist/.jupyter/desktop-settings.json",
    "Library/jupyterlab-desktop/settings.json",
    f"{CODE}/globalStorage/storage.json",
    f"{CODE}/workspaceStorage/ab/workspace.json",
    ".spyder-py3/config/transient.ini",
)


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe",
        b"[" * 100_000,
        b'{"configurations": [1, {"type": [], "request": 1}, {"type": "python", "request": "launch", "python": [1]}]}',
        b'{"folders": [{"path": "\\u0000"}, {"path": 7}, 7], "launch": [], "settings": 3}',
        b'{"windowsState": {"lastActiveWindow": [], "openedWindows": [{"folder": 1, "workspaceIdentifier": 2}]}}',
        b'{"folder": "file:///%00", "workspace": ["file:///x"], "pythonPath": "/\\u0000"}',
        b'[tools]\npython = [[["3"]]]\n',
        b"python\n[main_interpreter]\nexecutable = /\x00x\n",
        None,
    ],
)
def test_the_newer_readers_take_anything(home: Path, content: bytes | None) -> None:
    """`None`: a FIFO, which never answers."""
    (home / ".spyder-py3" / "config").mkdir(parents=True)
    (home / ".spyder-py3" / "config" / "spyder.ini").write_text("[main_interpreter]\ndefault = False\n")
    kernel = home / "Library/Jupyter/kernels/python3/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text('{"argv": ["/Users/anna/.local/share/mise/shims/python"]}')
    for name in NEWER_READERS:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            os.mkfifo(home / name)
        else:
            (home / name).write_bytes(content)
    assert not _examined(home).problems
