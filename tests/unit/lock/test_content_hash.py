"""The content hashes that are computed without conda-lock are conda-lock's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.lock import condalock, content_hash
from builder.lock.content_hash import content_hashes
from builder.platforms import Subdir
from builder.render.model import PlatformSpecs, Rendered, SpecLine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERSION = st.sampled_from(("1", "1.26", "2.0.0a0", "3.12.1", "1.2.post3", "01.2", "2024b", "9e", "1.0rc1"))
_RANGE = st.lists(
    st.builds("".join, st.tuples(st.sampled_from((">=", "<=", ">", "<", "!=", "~=")), _VERSION)), min_size=1, max_size=3
).map(",".join)
_SPEC = st.builds(
    lambda name, version, build: f"{name} {version} {build}".strip() if version else name,
    st.sampled_from(("numpy", "_x_86", "ruamel.yaml", "lib-blas", "python")),
    st.just("") | st.just("*") | _RANGE | _VERSION.map("=={}".format) | _VERSION.map("={}".format)
    | _VERSION | _VERSION.map("{}.*".format) | _VERSION.map("={}.*".format) | _VERSION.map("=={}.*".format),
    st.just("") | st.sampled_from(("py312_0", "*accelerate", "*_cpython", "cpu*", "h1_*_mkl", "0", "*")),
)  # fmt: skip


def _rendered(
    specs: Sequence[str],
    *,
    channels: tuple[str, ...] = ("conda-forge",),
    virtual: Mapping[str, str] | None = None,
    pip: Sequence[str] = (),
) -> Rendered:
    virtual = virtual if virtual is not None else {"__glibc": "2.28", "__archspec": "1 x86_64", "__unix": "0"}

    def lines(manager: str, texts: Sequence[str]) -> tuple[SpecLine, ...]:
        return tuple(
            SpecLine(manager=manager, name=text.split()[0], text=text, group=("main", "dev")[number % 2])  # type: ignore[arg-type]
            for number, text in enumerate(texts)
        )

    platforms = tuple(
        PlatformSpecs(subdir=subdir, conda=lines("conda", specs), pip=lines("pip", pip), virtual_packages=virtual)
        for subdir in (Subdir.LINUX_64, Subdir.OSX_ARM64)
    )
    packages = "".join(f'      {name}: "{version}"\n' for name, version in virtual.items()) or "      {}\n"
    text = "subdirs:\n" + "".join(f"  {one.subdir.value}:\n    packages:\n{packages}" for one in platforms)
    return Rendered(
        name="x",
        channels=channels,
        groups=("main",),
        platforms=platforms,
        files={"environment.yml": "", "virtual-packages.yml": text},
    )


def _by_conda_lock(rendered: Rendered) -> dict[Subdir, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(content_hash, "content_hashes", lambda _: None)
        return condalock.content_hashes(rendered)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_SPEC, max_size=4))
@example(["numpy >=1.26,<2", "python 3.12.*", "libblas * *accelerate", "numpy"])
@example(["python =3.12", "python ==3.12.1", "tensorflow >=2.19,<2.20.0a0"])
def test_match_specs(specs: list[str]) -> None:
    found = content_hashes(_rendered(specs))
    assert found is None or found == _by_conda_lock(_rendered(specs))


@pytest.mark.parametrize(
    "channels",
    [("conda-forge",), ("conda-forge/label/x", "bioconda"), ("https://host.example/c",), ("file:///a/b-c",)],
)
def test_channels(channels: tuple[str, ...]) -> None:
    rendered = _rendered(["numpy"], channels=channels)
    assert content_hashes(rendered) == _by_conda_lock(rendered)


@pytest.mark.parametrize("virtual", [{}, {"__osx": "14.0"}, {"__cuda": "12.4", "__archspec": "1 m1"}])
def test_virtual_packages(virtual: dict[str, str]) -> None:
    rendered = _rendered(["numpy"], virtual=virtual)
    assert content_hashes(rendered) == _by_conda_lock(rendered)


@pytest.mark.parametrize(
    "spec",
    ["numpy", "numpy >=1.26,<3", "python 3.12.*", "libblas * *accelerate", "pytorch 2.5.1 cpu_*", "keras ==3.5.0"],
)
def test_what_recipes_render_to_needs_no_conda_lock(spec: str) -> None:
    assert content_hashes(_rendered([spec])) is not None


@pytest.mark.parametrize(
    "spec", ["Numpy", "numpy[version=1]", "c::numpy", "numpy 1|2", "numpy =1.2 py_0", "numpy 1!2.0"]
)
def test_what_conda_may_read_otherwise_is_asked_of_conda_lock(spec: str) -> None:
    assert content_hashes(_rendered(["python", spec])) is None


def test_requirements_and_credentials_are_asked_of_conda_lock() -> None:
    assert content_hashes(_rendered(["python"], pip=["keras"])) is None
    assert content_hashes(_rendered(["python"], channels=("https://h.example/t/token/c",))) is None
