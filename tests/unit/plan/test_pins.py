"""Reading the user's own restrictions: a spec read wrongly would be ignored, or refuse what works."""

from __future__ import annotations

import pytest

from builder.plan.pins import conda_to_pep440, split_conda


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", ""),
        ("*", ""),
        ("1.26", "==1.26.*"),
        ("=1.26", "==1.26.*"),
        ("1.26.*", "==1.26.*"),
        ("==1.26.4", "==1.26.4"),
        (">=1.26,<3", "<3,>=1.26"),
        (">= 1.26, < 3", "<3,>=1.26"),
        ("~=1.26.0", "~=1.26.0"),
        ("!=2.0.1", "!=2.0.1"),
        ("=1.26.4=py311h7125741_0", "==1.26.4"),
        ("* *_newaccelerate", ""),
        ("2.19.* cpu_py312*", "==2.19.*"),
        (">=2.18 cpu_*", ">=2.18"),
    ],
)
def test_conda_versions_become_pep_440(spec: str, expected: str) -> None:
    (found,) = conda_to_pep440(spec)
    assert ",".join(sorted(map(str, found))) == expected


def test_alternatives_are_kept_apart() -> None:
    assert [str(found) for found in conda_to_pep440("1.26|>=2.0,<2.2")] == ["==1.26.*", "<2.2,>=2.0"]


@pytest.mark.parametrize("spec", ["one.two", ">=", "=>3"])
def test_what_is_no_version_restricts_nothing_by_mistake(spec: str) -> None:
    assert conda_to_pep440(spec) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy", ("numpy", "")),
        ("numpy<2", ("numpy", "<2")),
        ("numpy >=1.26,<3", ("numpy", ">=1.26,<3")),
        ("libblas=*=*_newaccelerate", ("libblas", "=*=*_newaccelerate")),
        ("scikit-learn 1.5.*", ("scikit-learn", "1.5.*")),
        ("ruamel.yaml>=0.18", ("ruamel.yaml", ">=0.18")),
        ("python-graphviz", ("python-graphviz", "")),
        ("keras 3.6", ("keras", "3.6")),
        ("boto3", ("boto3", "")),
        ("h5py >=3", ("h5py", ">=3")),
        ("lz4 4.3", ("lz4", "4.3")),
        ("psycopg2-binary=2.9", ("psycopg2-binary", "=2.9")),
    ],
)
def test_a_match_spec_is_split_into_name_and_rest(text: str, expected: tuple[str, str]) -> None:
    assert split_conda(text) == expected
