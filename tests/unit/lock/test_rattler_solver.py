"""What can go wrong between the channels and the solver, in the user's terms."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import threading
from typing import TYPE_CHECKING

import pytest
from rattler.exceptions import GatewayError

from builder.errors import LockfileError, SourceUnreachableError, UnsatisfiableError, UsageError
from builder.lock.channels import Mirrors
from builder.lock.rattler_solver import RattlerSolver, version_ranges
from builder.lock.solver import SolveRequest, settled
from builder.lock.specs import respelt
from tests.unit.lock.small import LINUX, MAC, SmallWorld, versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    world = SmallWorld(tmp_path, platforms=(MAC, LINUX))
    world.publish("python 3.12.1", "numpy 2.1 : python", "pandas 2.2.1 : numpy")
    return world


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        ("pandas 2.2", "write `pandas 2.2.*` in the recipe for any 2.2, or `pandas ==2.2` for that version alone"),
        ("numpy=1.26.*", "write `numpy 1.26.*` in the recipe for any 1.26, or `numpy ==1.26` for that version alone"),
        ("numpy 1.26 py312*", "write `numpy 1.26.* py312*` in the recipe for any 1.26, or `numpy ==1.26 py312*` for"),
        ("numpy >=1,,2", "write it in the recipe as for instance `numpy >=1.26,<3`"),
    ],
)
def test_a_malformed_spec_is_named_with_its_line(world: SmallWorld, spec: str, remedy: str) -> None:
    with pytest.raises(UsageError, match="is not a match spec") as caught:
        world.lock("python", f"{spec}  # [arm64]")
    assert f"`{spec}`" in caught.value.message
    assert (caught.value.file, caught.value.line) == ("environment.yml", 10)
    assert remedy in (caught.value.hint or "")


def test_the_remedy_works(world: SmallWorld) -> None:
    assert respelt("pandas 2.2") is not None
    assert versions(world.lock("python", "pandas 2.2.*"))["pandas"] == "2.2.1"
    assert versions(world.lock("python", "pandas ==2.2.1"))["pandas"] == "2.2.1"


@pytest.mark.parametrize("broken", ['{"info":', "hello", None])
def test_damaged_metadata_is_not_the_network(world: SmallWorld, tmp_path: Path, broken: str | None) -> None:
    """Whichever platform asks second is told only that the first had no success; both get the reason."""
    file = tmp_path / "channel" / "noarch" / "repodata.json"
    if broken is None:
        data = json.loads(file.read_text())
        next(iter(data["packages.conda"].values()))["build_number"] = "not a number"
        broken = json.dumps(data)
    file.write_text(broken)
    solver = RattlerSolver(cache=tmp_path / "cache")
    told = []
    for request in [
        SolveRequest(subdir=subdir, channels=(world.channel,), specs=("python",), virtual_packages={}, exact={})
        for subdir in (MAC, LINUX)
    ]:

        async def one(request: SolveRequest = request) -> str:
            with pytest.raises(SourceUnreachableError) as caught:
                await solver.solve(request)
            assert "network" not in (caught.value.hint or "")
            return caught.value.message

        told.append(one())
    messages = asyncio.run(_all(told))
    assert all("is damaged" in message and "coalesced" not in message for message in messages)


async def _all(work: list) -> list[str]:  # type: ignore[type-arg]
    return await settled(work)


def test_no_solution_says_why(world: SmallWorld) -> None:
    world.platforms = (LINUX,)
    with pytest.raises(UnsatisfiableError, match=r"(?s)no set of packages for linux-64 .*numpy >=3") as caught:
        world.lock("python", "numpy >=3")
    assert "Cannot solve the request" not in caught.value.message


@pytest.mark.parametrize(
    ("depends", "ranges"),
    [
        (["python"], {"python": ""}),
        (["python *"], {"python": ""}),
        (["numpy >=2,<3"], {"numpy": ">=2,<3"}),
        (["python_abi 3.12.* *_cp312"], {"python_abi": "3.12.*"}),
        (["numpy >=1.19", "numpy <2"], {"numpy": ">=1.19,<2"}),
        (["numpy[version='>=2', build='x*']"], {"numpy": ">=2"}),
        (["__osx >=11.0"], {"__osx": ">=11.0"}),
    ],
)
def test_ranges_as_conda_lock_writes_them(depends: list[str], ranges: dict[str, str]) -> None:
    assert version_ranges(depends) == ranges


class _Server:
    """Serves a channel to whoever sends the right credentials, and remembers what it was sent."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: object) -> None:
                super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization")))
                token = "/t/T0K3N"
                if self.headers.get("Authorization") != "Basic bWU6UyNjcjN0" and not self.path.startswith(token):
                    self.send_error(401)
                    return
                self.path = self.path.removeprefix(token)
                with contextlib.suppress(BrokenPipeError):  # a client that knows enough hangs up
                    super().do_GET()

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    served = _Server(tmp_path)
    yield served
    served.http.shutdown()
    served.http.server_close()


@pytest.mark.parametrize(("before", "after"), [("me:S%23cr3t@", ""), ("", "/t/T0K3N")])
def test_credentials_of_a_mirror_are_sent_and_written_nowhere(
    world: SmallWorld, tmp_path: Path, server: _Server, before: str, after: str
) -> None:
    """Not in the lock, not in rattler's cache, not in what is said when it fails."""
    cache = tmp_path / "rattler-cache"
    place = f"http://{before}{server.host}{after}/channel"
    mirrors = Mirrors.parse({world.channel: place}, unpack_dir=tmp_path / "unpacked")
    assert "cr3t" not in repr(mirrors)
    assert "T0K3N" not in repr(mirrors)
    world.solver = RattlerSolver(mirrors=mirrors, cache=cache)
    made = world.lock("python", "numpy")
    assert versions(made) == {"python": "3.12.1", "numpy": "2.1"}
    assert all(package.url.startswith(world.channel) for package in made.lock.packages)
    wrong = Mirrors.parse({world.channel: place.replace("/channel", "/gone")}, unpack_dir=tmp_path / "unpacked")
    world.solver = RattlerSolver(mirrors=wrong, cache=cache)
    with pytest.raises(SourceUnreachableError) as caught:
        world.lock("python", "numpy")
    assert server.asked
    written = [path for path in cache.rglob("*") if path.is_file()]
    assert written, "the metadata is cached"
    for secret in ("cr3t", "T0K3N", "bWU6UyNjcjN0"):
        assert secret not in f"{caught.value} {caught.value.hint} {made}"
        assert not [path for path in written if secret.encode() in path.read_bytes() or secret in path.name]


@pytest.mark.parametrize("channel", ["https://[", "https://a b/c", "file://%zz"])
def test_a_channel_that_is_none(tmp_path: Path, channel: str) -> None:
    request = SolveRequest(subdir=LINUX, channels=(channel,), specs=("python",), virtual_packages={}, exact={})
    with pytest.raises((UsageError, SourceUnreachableError)) as caught:
        asyncio.run(RattlerSolver(cache=tmp_path / "cache").solve(request))
    assert "channel" in caught.value.message or "cannot be fetched" in caught.value.message


def test_what_cannot_be_locked_is_not(world: SmallWorld, tmp_path: Path) -> None:
    """A record without a hash would be installed on trust."""
    file = tmp_path / "channel" / "noarch" / "repodata.json"
    for missing in ("sha256", "md5"):
        data = json.loads(file.read_text())
        kept = {entry.pop(missing) for entry in data["packages.conda"].values() if entry["name"] == "numpy"}
        file.write_text(json.dumps(data))
        with pytest.raises(LockfileError, match="SHA-256" if missing == "sha256" else "MD5"):
            world.lock("python", "numpy")
        (data["packages.conda"]["numpy-2.1-0.conda"][missing],) = kept
        file.write_text(json.dumps(data))


class _Shared:
    """A gateway whose first answers are that another's question failed."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0

    async def query(self, *_: object, **__: object) -> list[list[object]]:
        self.asked += 1
        if self.asked <= self.failures:
            raise GatewayError("a coalesced request failed: other error")
        return []


def test_what_failed_on_another_platform_is_asked_again(world: SmallWorld, tmp_path: Path) -> None:
    """Linux's damaged metadata ended the lock of a Mac now and then, with nothing said but to try again."""
    request = SolveRequest(subdir=MAC, channels=(world.channel,), specs=(), virtual_packages={}, exact={})
    solver = RattlerSolver(cache=tmp_path / "cache")
    solver._gateway = gateway = _Shared(2)  # type: ignore[assignment]
    assert asyncio.run(solver.records(request, ["python"])) == []
    assert gateway.asked == 3
    solver._gateway = gateway = _Shared(99)  # type: ignore[assignment]
    with pytest.raises(SourceUnreachableError, match="cannot be fetched"):
        asyncio.run(solver.records(request, ["python"]))
    assert gateway.asked < 10
