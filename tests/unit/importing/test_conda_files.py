"""What conda and conda-lock write: environment.yml, explicit lists and locks."""

from __future__ import annotations

from pathlib import Path

from builder.importing.read import read_file
from tests.unit.importing.drafts import SECRET, left_of, read, recipe_of


def test_environment_yml(tmp_path: Path) -> None:
    draft = read(
        tmp_path,
        "environment.yml",
        f"""\
name: Vision
channels: [defaults, bioconda, nodefaults, "https://me:{SECRET}@host.example/c"]
dependencies:
  - python=3.11
  - numpy=1.26  # a comment
  - pandas[version='>=2,<3',build=*py311*]
  - bioconda::samtools >=1.19
  - libblas=*=*accelerate  # [osx]
  - scipy=1.11.3=py311h64a7726_1
  - cudatoolkit=11.8
  - pywin32
  - PyYAML
  - __glibc>=2.17
  - pip:
      - keras-tuner~=1.4
      - -e .
      - git+https://host.example/x.git
      - --extra-index-url https://me:{SECRET}@host.example/simple
      - torchmetrics @ file:///croot/torchmetrics
variables: {{A: b}}
prefix: /home/me/envs/vision
""",
    )
    assert recipe_of(draft, tmp_path) == {
        "name": "made",
        "description": "Imported from test.",
        "platforms": ["osx-arm64", "linux-64"],
        "channels": ["conda-forge", "bioconda", "https://host.example/c"],
        "python": "3.11.*",
        "dependencies": [
            "numpy 1.26.*",
            "pandas >=2,<3 *py311*",
            "samtools >=1.19",
            {"conda": "libblas * *accelerate", "platforms": ["osx-arm64"]},
            "scipy ==1.11.3",
            {"conda": "cudatoolkit 11.8.*", "platforms": ["linux-64"]},
            "pyyaml",
        ],
        "pypi": ["keras-tuner~=1.4"],
    }
    left = left_of(draft)
    for line, told in {
        2: "Anaconda's own",
        7: "ties no package to one",
        9: "a build is of one platform",
        11: "does not build for",
        13: "property of the machine",
        16: "in development",
        17: "version control",
        18: "indexes are named to uv",
        19: "is a file of the machine",
        20: "sets no environment variables",
        21: "chooses its own",
    }.items():
        assert told in left[f"environment.yml:{line}"], line
    assert SECRET not in str(draft)


def test_the_output_of_an_export_is_recognised(tmp_path: Path) -> None:
    lines = "".join(f"  - package{number}=1.{number}=h{number}bcdef0_0\n" for number in range(6))
    draft = read(tmp_path, "environment.yml", f"name: x\ndependencies:\n{lines}")
    assert any("--from-history" in one.reason for one in draft.left)
    assert any(one.what == "the build of 6 packages" for one in draft.left)


def test_utf_16_as_powershell_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_bytes("name: x\r\ndependencies:\r\n  - numpy\r\n".encode("utf-16"))
    assert [one.text for one in read_file(file).asked] == ["numpy"]


def test_conda_lock(tmp_path: Path) -> None:
    locks = Path(__file__).parents[2] / "data" / "locks"
    text = (locks / "good.yml").read_text().replace("url: conda-forge", f"url: https://host.example/t/{SECRET}/c")
    draft = read(tmp_path, "conda-lock.yml", text)
    recipe = recipe_of(draft, tmp_path)
    assert recipe["python"] == "==3.12.7"
    assert recipe["pypi"] == ["keras==3.6.0"]
    assert "dependencies" not in recipe, "openssl is Python's affair"
    assert any("packages that others need" in one.what for one in draft.left)
    assert SECRET not in str(draft)


def test_a_lock_whose_package_has_the_name_of_its_part(tmp_path: Path) -> None:
    """conda-forge's `tensorflow` needs `tensorflow-base`, and PyPI calls both `tensorflow`: it was asked for."""
    entries = "".join(
        f"- {{name: {name}, version: '2.19.0', manager: conda, platform: linux-64, dependencies: {{{needs}}}, "
        f"url: 'https://host.example/linux-64/{name}-2.19.0-0.conda', hash: {{sha256: {'0' * 64}}}}}\n"
        for name, needs in (("tensorflow", "tensorflow-base: ''"), ("tensorflow-base", "keras: ''"), ("keras", ""))
    )
    head = "version: 1\nmetadata: {content_hash: {}, channels: [conda-forge], platforms: [linux-64], sources: []}\n"
    draft = read(tmp_path, "conda-lock.yml", f"{head}package:\n{entries}")
    assert [one.text for one in draft.asked] == ["tensorflow ==2.19.0"]


def test_explicit(tmp_path: Path) -> None:
    base = "https://conda.anaconda.org/conda-forge"
    draft = read(
        tmp_path,
        "spec.txt",
        f"""\
# platform: osx-arm64
@EXPLICIT
{base}/osx-arm64/python-3.12.7-h739c21a_0_cpython.conda#{"a" * 32}
{base}/noarch/pip-24.2-pyh8b19718_1.conda
https://me:{SECRET}@host.example/t/{SECRET}/own/osx-arm64/libx-1.0-0.tar.bz2
not a url
""",
    )
    recipe = recipe_of(draft, tmp_path)
    assert recipe["platforms"] == ["osx-arm64"]
    assert recipe["channels"] == ["conda-forge", "https://host.example/own"]
    assert (recipe["python"], recipe["dependencies"]) == ("==3.12.7", ["pip ==24.2", "libx ==1.0"])
    assert SECRET not in str(draft)
    assert "is not the URL" in left_of(draft)["spec.txt:6"]
