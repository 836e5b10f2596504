"""The one table of all checks, in the order of the areas, and the page that documents it.

`python -m builder.checks.catalogue > docs/reference/checks.md` writes that page; a test keeps the two equal.
"""

from __future__ import annotations

import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Final, get_args

from builder.checks import (
    abis,
    architecture,
    blas,
    elf_symbols,
    facts,
    generated,
    imports,
    installation,
    linking,
    numerics,
    openmp,
    packages,
    process,
    signature,
    system_symbols,
    two_copies,
    user,
    variants,
)
from builder.checks.check import Area, Check, Needs
from builder.checks.judging import probed
from builder.frameworks import registry
from builder.probes.level import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.checks.subject import Subject
    from builder.finding import Finding
    from builder.frameworks.case import Match, Settings
    from builder.frameworks.model import Claim

AREAS: Final[tuple[Area, ...]] = get_args(Area)
_OWN: Final = (
    *installation.CHECKS,
    *architecture.CHECKS,
    *linking.CHECKS,
    *system_symbols.CHECKS,
    *elf_symbols.CHECKS,
    *abis.CHECKS,
    *two_copies.CHECKS,
    *variants.CHECKS,
    *signature.CHECKS,
    *packages.CHECKS,
    *generated.CHECKS,
    *facts.CHECKS,
    *blas.CHECKS,
    *openmp.CHECKS,
    *imports.CHECKS,
    *numerics.CHECKS,
    *process.CHECKS,
    *user.CHECKS,
)

_HEAD: Final = """\
# Checks

Every check of `envbuild verify`, by area. A finding names its check by this id, and is one of `pass`, `warn`, `fail`,
or `skip` with the reason why nothing could be said. What a check needs decides where it runs:

* **files**: the files of the environment alone, on any machine and for any platform. `verify --static` is these.
* **process**: the environment's own Python, on a machine that can run it.
* **machine**: the settings and tools of the user, on the machine where the environment is used.

## What files alone can prove, and what they cannot

* Which file each dependency resolves to follows Apple's dyld (release 1378): `@rpath` through the whole chain of
  loaders, images that are loaded already under the same install name, the fallback to `/usr/lib` of binaries built with
  an SDK older than 13. `DYLD_*` variables are taken as unset.
* Every symbol is looked up in the library it must come from, and in what that library re-exports. Python opens modules
  with `RTLD_NOW`, so symbols that are bound lazily count like the others.
* Libraries of macOS itself live in dyld's shared cache and not on disk: they are **taken as present**. Their symbols
  are looked up in what the SDKs of macOS 11 to 27 list (`link.system-symbols`); where these do not tell, a symbol is
  undecided, and counted. Taken as present is also Python's C API where the folder holds no interpreter.
* A package whose library has no path of its own to another (TensorFlow's plug-ins, extensions of PyTorch) relies on
  that one being imported first. That is believed where its metadata or its own source says so.
* In a Linux environment the same checks read ELF files. What manylinux leaves to the system is taken as present; of
  glibc and libstdc++ the symbol versions that are needed make a floor (`link.glibc-floor`).
* Parts that a package loads only where the machine has something they need (a Qt SQL driver, numba's OpenMP layer,
  torchaudio's FFmpeg back-ends) do not fail an environment; the evidence of the passing check lists them.

A defect and what follows from it are one finding: a deleted file is `pkg.integrity`, and the imports that fail because
of it are its evidence.
"""

_COLUMNS: Final = "| check | needs | catches | what you would have met |\n|---|---|---|---|\n"


@cache
def catalogue() -> tuple[Check, ...]:
    """Every check, our own and those that frameworks bring, in the order of the areas."""
    found = (*_OWN, *map(_claimed, registry.claims()))
    return tuple(sorted(found, key=lambda check: AREAS.index(check.area)))


def by_id() -> dict[str, Check]:
    """Every check by its id."""
    return {check.id: check for check in catalogue()}


def _claimed(claim: Claim) -> Check:
    """The check that a framework's file describes."""
    if claim.match is not None:
        needs, run = Needs.FILES, partial(_matched, claim.match)
    elif claim.settings is not None:
        needs, run = Needs.MACHINE, partial(_set, claim.settings)
    else:
        return probed(id=claim.id, area=claim.area, catches=claim.catches, otherwise=claim.otherwise, judge=claim.judge)
    return Check(
        id=claim.id,
        area=claim.area,
        needs=needs,
        level=Level.QUICK if needs is Needs.MACHINE else Level.DEFAULT,
        catches=claim.catches,
        otherwise=claim.otherwise,
        run=run,
    )


def _matched(match: Match, subject: Subject) -> Iterable[Finding]:
    return match(subject.survey)


def _set(settings: Settings, subject: Subject) -> Iterable[Finding]:
    return settings(subject)


def page() -> str:
    """docs/reference/checks.md."""
    parts = [_HEAD]
    for area in AREAS:
        checks = [check for check in catalogue() if check.area == area]
        if checks:
            parts.append(f"\n## {area.capitalize()}\n\n{_COLUMNS}")
            parts += [
                f"| `{check.id}` | {check.needs} | {_cell(check.catches)} | {_cell(check.otherwise)} |\n"
                for check in checks
            ]
    return "".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("__", "\\_\\_")


if __name__ == "__main__":
    sys.stdout.write(page())
