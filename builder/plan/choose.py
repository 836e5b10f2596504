"""Choosing versions: the newest combination that every fact allows, on all targets at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs
from packaging.version import Version

from builder.compat.facts import Refusal
from builder.compat.fit import Judgement, judge_one, judge_pair
from builder.plan.model import Choice, Combination
from builder.plan.pins import series

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Fact, Origin, Relation
    from builder.plan.existence import Obstacles
    from builder.plan.question import Question, Target

#: Packages that come along unasked and break a framework when they are too new for it.
COMPANIONS: Final = ("protobuf", "h5py", "ml-dtypes")


#: Judgements already made, by what was judged and on which target.
Memo = dict[tuple[object, ...], Judgement]


class Tolerance(NamedTuple):
    """What a search accepts beside what facts prove."""

    unsafe: bool
    """Pairs that compute wrongly, because the user's pins ask for them."""
    unproven: bool
    """Pairs and releases that no fact is about."""


PROVEN: Final = Tolerance(unsafe=False, unproven=False)
#: From the strictest on.
TOLERANCES: Final = (
    PROVEN,
    Tolerance(unsafe=True, unproven=False),
    Tolerance(unsafe=False, unproven=True),
    Tolerance(unsafe=True, unproven=True),
)


@dataclass(kw_only=True)
class Search:
    """One run through the candidates. `refusals` gathers why each was passed over, the newest candidate first."""

    question: Question
    tolerance: Tolerance
    unknown: frozenset[Version] = frozenset()
    """Releases of the framework that exist and that no fact is about."""
    refusals: list[Refusal] = field(default_factory=list)
    memo: Memo = field(default_factory=dict)
    """Judgements already made; searches over the same facts share it."""
    obstacles: Obstacles | None = None

    @property
    def facts(self) -> Facts:
        return self.question.facts

    def combinations(self) -> Iterator[Combination]:
        """Every combination that fits, the newest framework first, then the newest Python."""
        if not self.question.framework.main:
            yield from self._pythons()
            return
        for version in self._candidates(self.question.framework.main):
            held_back = self.refusals[0].statement if self.refusals else ""
            for python in self._minors(version):
                found = self._combine(version, python)
                if found is not None and self._exists(found):
                    yield structs.replace(found, held_back=held_back)

    def _minors(self, version: Version) -> Sequence[str]:
        """The Pythons in question, newest first; where builds may not have been seen, those that were come first."""
        if not self.tolerance.unproven:
            return self.question.minors
        main = self.question.framework.main

        def unseen(python: str) -> int:
            return sum(bool(self._one(main, version, python, target).unproven) for target in self.question.targets)

        return sorted(self.question.minors, key=unseen)

    def _pythons(self) -> Iterator[Combination]:
        """Without a framework: the newest Pythons for which every dependency has a release on every platform."""
        for python in self.question.minors:
            held_back = self.refusals[0].statement if self.refusals else ""
            combination = Combination(python=python, held_back=held_back)
            missing = self._unreleased(python)
            # A dependency that conda brings may be there all the same: PyPI's wheels are only a hint about it.
            if missing is not None and not self.tolerance.unproven:
                self.refusals.append(missing)
            elif self._exists(combination):
                yield combination

    def _unreleased(self, python: str) -> Refusal | None:
        """Why a dependency that facts are about has no release for a Python; None where all have one."""
        for target in self.question.targets:
            setting = target.setting(self.question.framework, python)
            for package in self.question.partners:
                judged = [
                    judge_one(package, Version(release.version), setting=setting, facts=self.facts)
                    for release in self.facts.releases_of(package, "pypi")
                    if target.allows(package, Version(release.version), self.facts)
                ]
                if judged and not any(judgement.fits for judgement in judged):
                    return judged[0].refusals[0]
        return None

    def _exists(self, combination: Combination) -> bool:
        """Whether the channel has everything for it, as far as it can be asked."""
        refusal = self.obstacles.first(combination) if self.obstacles is not None else None
        if refusal is not None:
            self.refusals.append(refusal)
        return refusal is None

    def _candidates(self, package: str) -> list[Version]:
        """Known releases the pins allow, newest first; a pinned release no fact is about stands for itself."""
        question = self.question
        main = package == question.framework.main
        origins: set[Origin] = {target.origin for target in question.targets} if main else {"pypi"}
        known = {Version(release.version) for origin in origins for release in self.facts.releases_of(package, origin)}
        if main and not self.tolerance.unproven:
            known -= self.unknown
        allowed = sorted((version for version in known if question.allows(package, version)), reverse=True)
        if main and self.tolerance.unproven and question.recipe.framework.unproven == "avoid":
            # What facts are about comes first even where something about it is unproven.
            allowed.sort(key=lambda version: version in self.unknown)
        if allowed or not self.tolerance.unproven or (main and package in self.facts.asked):
            return allowed
        named = {
            Version(specifier.version.removesuffix(".*"))
            for pin in question.pins_on(package)
            for specifiers in pin.versions
            for specifier in specifiers
            if specifier.operator in ("==", ">=", "~=", "===", "<=")
        }
        return sorted((version for version in named if question.allows(package, version)), reverse=True)

    def _one(self, package: str, version: Version, python: str, target: Target) -> Judgement:
        main = self.question.framework.main
        key = (package, version, python, target.subdir, main, target.origin, target.macos)
        if key not in self.memo:
            setting = target.setting(self.question.framework, python)
            self.memo[key] = judge_one(package, version, setting=setting, facts=self.facts)
        judgement = self.memo[key]
        if target.origin == "conda-forge" and package != main and not judgement.fits:
            return self._on_channel(package, version, python, target, judgement)
        return judgement

    def _on_channel(self, package: str, version: Version, python: str, target: Target, on_pypi: Judgement) -> Judgement:
        """Which wheels PyPI has does not say which builds a channel has: that is for the channel to say."""
        if self.obstacles is None:
            return Judgement(unproven=tuple(refusal.statement for refusal in on_pypi.refusals))
        if self.obstacles.has(package, version, python, target):
            return Judgement()
        name = self.facts.display(package, series(version))
        statement = f"{self.obstacles.channel} has no {name} for Python {python} on {target.subdir}"
        return Judgement(refusals=(Refusal(statement=statement, facts=(), packages=(package, "python")),))

    def _pair(self, left: tuple[str, Version], right: tuple[str, Version], python: str, target: Target) -> Judgement:
        key = (left, right, python, target.subdir, self.question.framework.main, target.origin)
        if key not in self.memo:
            setting = target.setting(self.question.framework, python)
            self.memo[key] = judge_pair(left, right, setting=setting, facts=self.facts)
        return self.memo[key]

    def _tolerable(self, judgement: Judgement) -> bool:
        """Whether a judgement is good enough."""
        if not judgement.fits or (judgement.unsafe and not self.tolerance.unsafe):
            return False
        return not judgement.unproven or self.tolerance.unproven

    def _everywhere(self, judgements: Iterable[Judgement], rejected: list[Refusal]) -> Judgement | None:
        """The sum of judgements that are all tolerable, or None with the reasons added to `rejected`."""
        total = Judgement()
        for judgement in judgements:
            if not self._tolerable(judgement):
                rejected += _reasons(judgement)
                return None
            total += judgement
        return total

    def _combine(self, version: Version, python: str) -> Combination | None:
        """The best that goes with one framework release on one Python, or None."""
        targets = self.question.targets
        main = (self.question.framework.main, version)
        base = self._everywhere((self._one(*main, python, target) for target in targets), self.refusals)
        if base is None:
            return None
        plugin: Choice | None = None
        fixed = [main]
        judged = [base]
        if any(target.plugin for target in targets):
            found = self._plugin(main, python)
            if found is None:
                return None
            plugin, judgement = found
            fixed.append((plugin.package, plugin.newest))
            judged.append(judgement)
        if version in self.unknown or (base.unproven and self.facts.release(*_named(main, self.question)) is None):
            return self._left_open(main, base, python, plugin)
        partners = []
        for package in self.question.partners:
            run = self._run(package, fixed, python)
            if run is None:
                return None
            partners.append(run[0])
            judged.append(run[1])
        fixed += [(partner.package, partner.newest) for partner in partners]
        numpy = self._run(
            "numpy", [pair for pair in fixed if pair[0] != self.question.plugin], python, contiguous=False
        )
        if numpy is None and self.facts.releases_of("numpy", "pypi"):
            return None
        if numpy is not None:
            judged.append(numpy[1])
        companions = self._companions(main, python)
        if companions is None:
            return None
        total = sum(judged, Judgement())
        return Combination(
            python=python,
            main=Choice(package=main[0], versions=(version,), facts=base.proofs),
            partners=tuple(partners),
            plugin=plugin,
            numpy=numpy[0] if numpy is not None else None,
            companions=companions,
            unsafe=tuple(dict.fromkeys(total.unsafe)),
            unproven=tuple(dict.fromkeys((*base.unproven, *(text for j in judged for text in j.unproven[:1])))),
        )

    def _left_open(self, main: tuple[str, Version], base: Judgement, python: str, plugin: Choice | None) -> Combination:
        """A framework release no fact is about: what goes with it is left to what it declares."""
        open_choices = tuple(Choice(package=package, versions=()) for package in self.question.partners)
        named = self.facts.display(*main)
        why = base.unproven or (f"no fact is about {named}, so nothing here shows what works with it",)
        return Combination(
            python=python,
            main=Choice(package=main[0], versions=(main[1],)),
            partners=open_choices,
            plugin=plugin,
            unproven=tuple(dict.fromkeys(why)),
        )

    def _plugin(self, main: tuple[str, Version], python: str) -> tuple[Choice, Judgement] | None:
        """The newest plug-in that loads with `main` on the targets that want one."""
        package = self.question.plugin or ""
        wanting = [target for target in self.question.targets if target.plugin]
        rejected: list[Refusal] = []
        for version in self._candidates(package):
            both = (
                self._one(package, version, python, target) + self._pair(main, (package, version), python, target)
                for target in wanting
            )
            judgement = self._everywhere(both, rejected)
            if judgement is not None:
                return Choice(package=package, versions=(version,), facts=judgement.proofs), judgement
        self.refusals += rejected
        return None

    def _run(
        self, package: str, fixed: Sequence[tuple[str, Version]], python: str, *, contiguous: bool = True
    ) -> tuple[Choice, Judgement] | None:
        """The releases of `package` that fit everything fixed, from the newest that does down to the first gap."""
        versions: list[Version] = []
        total = Judgement()
        avoided: list[Relation] = []
        rejected: list[Refusal] = []
        for version in self._candidates(package):
            both = (
                sum(
                    (
                        self._pair(other, (package, version), python, target)
                        for other in fixed
                        if other[0] != self.question.plugin or target.plugin
                    ),
                    self._one(package, version, python, target),
                )
                for target in self.question.targets
            )
            judgement = self._everywhere(both, rejected)
            if judgement is not None and judgement.unproven and versions and not total.unproven:
                judgement = None  # What nothing is known of does not widen a run of what is known to fit.
            if judgement is not None:
                versions.append(version)
                total += judgement
            elif versions and contiguous:
                break
            elif not versions:
                avoided += self._unsafe_beside(package, version, fixed, python)
        if not versions:
            self.refusals += rejected
            return None
        facts = tuple(dict.fromkeys([*avoided[:1], *total.proofs]))
        return Choice(package=package, versions=tuple(versions), facts=facts), total

    def _unsafe_beside(
        self, package: str, version: Version, fixed: Sequence[tuple[str, Version]], python: str
    ) -> tuple[Relation, ...]:
        """What made a newer release be avoided, to be quoted beside the choice."""
        return tuple(
            relation
            for other in fixed
            for target in self.question.targets
            if target.plugin
            for relation in self._pair(other, (package, version), python, target).unsafe
        )

    def _companions(self, main: tuple[str, Version], python: str) -> tuple[Choice, ...] | None:
        """Companions of which some release that the metadata admits is known to break, with those that fit."""
        bounded = []
        for package in COMPANIONS:
            known = [Version(release.version) for release in self.facts.releases_of(package, "pypi")]
            declared: list[Version] = []
            fitting: list[Version] = []
            breaking: list[Fact] = []
            for version in known:
                judgements = [self._pair(main, (package, version), python, t) for t in self.question.targets]
                related = [fact for j in judgements for r in j.refusals for fact in r.facts if hasattr(fact, "verdict")]
                if all(judgement.fits for judgement in judgements) or related:
                    declared.append(version)
                if all(judgement.fits for judgement in judgements) and self.question.allows(package, version):
                    fitting.append(version)
                breaking += related
            if known and not fitting:
                for version in known:
                    if not self.question.allows(package, version):
                        continue
                    pairs = (self._pair(main, (package, version), python, target) for target in self.question.targets)
                    self._everywhere(pairs, self.refusals)
                return None
            if breaking and len(fitting) < len(declared):
                facts = tuple(dict.fromkeys(breaking))
                bounded.append(Choice(package=package, versions=tuple(fitting), facts=facts))
        return tuple(bounded)


def _named(main: tuple[str, Version], question: Question) -> tuple[str, Version, Origin]:
    return *main, question.targets[0].origin


def _reasons(judgement: Judgement) -> list[Refusal]:
    """Why a judgement is not good enough: what refuses it, what is unsafe about it, what nobody has shown."""
    unsafe = [
        Refusal(
            statement=relation.cause,
            facts=(relation,),
            remedy=relation.remedy,
            packages=(relation.left.package, relation.right.package),
        )
        for relation in judgement.unsafe
    ]
    return [*judgement.refusals, *unsafe, *(Refusal(statement=text, facts=()) for text in judgement.unproven)]
