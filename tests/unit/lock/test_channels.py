"""Channels, mirrors, and the freshness of a lock."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import zstandard

from builder.errors import SourceUnreachableError, UsageError
from builder.lock.channels import Mirrors, canonical_url, network_reason

if TYPE_CHECKING:
    from pathlib import Path

FORGE = "https://conda.anaconda.org/conda-forge"


@pytest.mark.parametrize(
    ("channel", "url"),
    [
        ("conda-forge", FORGE),
        ("conda-forge/label/rc", f"{FORGE}/label/rc"),
        (f"{FORGE}/", FORGE),
        ("https://example.org/c", "https://example.org/c"),
        ("file:///a/b/", "file:///a/b"),
    ],
)
def test_canonical_url(channel: str, url: str) -> None:
    assert canonical_url(channel) == url


def _channel(folder: Path, *, packed: bool = False) -> Path:
    for subdir in ("noarch", "linux-64"):
        (folder / subdir).mkdir(parents=True)
        text = f'{{"info": {{"subdir": "{subdir}"}}, "packages": {{}}}}\n'.encode()
        if packed:
            (folder / subdir / "repodata.json.zst").write_bytes(zstandard.ZstdCompressor().compress(text))
        else:
            (folder / subdir / "repodata.json").write_bytes(text)
    return folder


def test_there_and_back(tmp_path: Path) -> None:
    """What is fetched from the mirror is named as what it stands for, and only that."""
    mirror = _channel(tmp_path / "mirror")
    mirrors = Mirrors.parse({"conda-forge": str(mirror)}, unpack_dir=tmp_path / "unpacked")
    url = f"{FORGE}/linux-64/a-1-0.conda"
    assert mirrors.fetch_url(url) == f"{mirror.as_uri()}/linux-64/a-1-0.conda"
    assert mirrors.canonical(mirrors.fetch_url(url)) == url
    for other in (f"{FORGE}-evil/linux-64/a-1-0.conda", "https://example.org/a"):
        assert mirrors.fetch_url(other) == other
        assert mirrors.canonical(other) == other


def test_packed_metadata_is_unpacked_once(tmp_path: Path) -> None:
    """A published channel has repodata.json.zst only; a file:// channel is read uncompressed."""
    mirror = _channel(tmp_path / "mirror", packed=True)
    parsed = [Mirrors.parse({"c": str(mirror)}, unpack_dir=tmp_path / "unpacked") for _ in range(2)]
    assert parsed[0] == parsed[1]
    (twin,) = (tmp_path / "unpacked").iterdir()
    assert "linux-64" in (twin / "linux-64" / "repodata.json").read_text()
    assert sorted(path.name for path in twin.rglob("*") if path.is_file()) == ["repodata.json"] * 2
    assert not (mirror / "linux-64" / "repodata.json").exists(), "the mirror itself is not written to"


@pytest.mark.parametrize("packed", [False, True])
def test_packages_are_taken_from_the_mirror_itself(tmp_path: Path, packed: bool) -> None:
    """The unpacked twin of a mirror holds metadata only; packages looked for there would never be found."""
    mirror = _channel(tmp_path / "mirror", packed=packed)
    mirrors = Mirrors.parse({"conda-forge": str(mirror)}, unpack_dir=tmp_path / "unpacked")
    assert mirrors.package_url(f"{FORGE}/linux-64/a-1-0.conda") == f"{mirror.as_uri()}/linux-64/a-1-0.conda"
    remote = Mirrors.parse({"conda-forge": "https://one.example/c/"}, unpack_dir=tmp_path / "unpacked")
    assert remote.package_url(f"{FORGE}/linux-64/a-1-0.conda") == "https://one.example/c/linux-64/a-1-0.conda"


def test_changed_metadata_is_unpacked_again(tmp_path: Path) -> None:
    mirror = _channel(tmp_path / "mirror", packed=True)
    first = Mirrors.parse({"c": str(mirror)}, unpack_dir=tmp_path / "unpacked")
    (mirror / "noarch" / "repodata.json.zst").write_bytes(zstandard.ZstdCompressor().compress(b"{}"))
    assert Mirrors.parse({"c": str(mirror)}, unpack_dir=tmp_path / "unpacked") != first


def test_damaged_metadata(tmp_path: Path) -> None:
    mirror = _channel(tmp_path / "mirror", packed=True)
    packed = mirror / "noarch" / "repodata.json.zst"
    packed.write_bytes(packed.read_bytes()[:-4])
    with pytest.raises(SourceUnreachableError, match="is cut off"):
        Mirrors.parse({"c": str(mirror)}, unpack_dir=tmp_path / "unpacked")
    packed.write_bytes(b"no zstd")
    with pytest.raises(SourceUnreachableError, match="cannot be unpacked"):
        Mirrors.parse({"c": str(mirror)}, unpack_dir=tmp_path / "unpacked")


def test_places_that_are_no_channel(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for place in (str(tmp_path / "empty"), str(tmp_path / "nowhere")):
        with pytest.raises(UsageError):
            Mirrors.parse({"c": place}, unpack_dir=tmp_path / "unpacked")
    with pytest.raises(SourceUnreachableError):
        Mirrors.parse({"c": (tmp_path / "nowhere").as_uri()}, unpack_dir=tmp_path / "unpacked")


def test_only_what_holds_credentials_is_kept_apart(tmp_path: Path) -> None:
    plain = Mirrors.parse({"conda-forge": "https://mirror.example/forge/"}, unpack_dir=tmp_path)
    assert (plain.urls, plain.secret) == ({FORGE: "https://mirror.example/forge"}, {})
    secret = Mirrors.parse({"conda-forge": "https://me:pw@mirror.example/forge/"}, unpack_dir=tmp_path)
    assert secret.urls == plain.urls
    assert secret.secret == {"https://mirror.example/forge": "https://me:pw@mirror.example/forge"}
    with pytest.raises(UsageError) as caught:
        Mirrors.parse({"conda-forge": "me:pw@mirror.example/forge"}, unpack_dir=tmp_path)
    assert "neither a URL nor an existing folder" in caught.value.message
    assert "pw" not in caught.value.message


def test_python_ends_after_the_threads_that_were_asked() -> None:
    """What was registered first runs last: by then somebody has waited."""
    code = (
        "import atexit, time; from builder.lock.channels import Mirrors, client_for\n"
        "atexit.register(lambda: print(time.monotonic() - begun >= 0.1))\n"
        "client_for(Mirrors()); begun = time.monotonic()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True"], ended.stderr


def test_a_network_error_is_told_without_its_layers() -> None:
    told = (
        "Request failed after 3 retries: error sending request for url (https://c.example/noarch/a.conda): "
        "client error (Connect): dns error: error resolving DNS: "
        "failed to lookup address information: Name or service not known"
    )
    assert network_reason(told) == "https://c.example/noarch/a.conda: Name or service not known"
    refused = "HTTP status client error (403 Forbidden) for url (https://c.example/noarch/a.conda)"
    assert network_reason(refused) == refused
