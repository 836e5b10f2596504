"""A case: what is damaged, which check must say what, and whether its commands put it right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sabotage.patient import Patient


@dataclass(frozen=True, kw_only=True)
class Case:
    """`check` must be the one finding that is not a pass, with all of `words` in its title."""

    name: str
    damage: Callable[[Patient], object]
    check: str
    words: tuple[str, ...]
    evidence: tuple[str, ...] = ()
    """Words that must come up in its evidence."""
    options: str = ""
    heals: bool = True
    """Its commands put everything right. Otherwise it has none: a person has to decide."""
    heavy: bool = False
    """One much like it is tried every time, this one only with the heavy tests."""
    beside: tuple[str, ...] = ()
    """Other checks that may rightly have something to say."""

    def proven(self, patient: Patient) -> None:
        """Do the damage; it is found, named as one thing, and healed by doing literally what is said."""
        self.damage(patient)
        report = patient.verify(options=self.options)
        found = [finding for finding in report.bad if finding["check"] == self.check]
        assert found, str(report)
        finding = found[0]
        for word in self.words:
            assert word in finding["title"], str(report)
        evidence = "\n".join(finding["evidence"])
        for word in self.evidence:
            assert word in evidence, str(report)
        others = [one for one in report.bad if one is not finding and one["check"] not in self.beside]
        assert not others, f"one cause, one finding:\n{report}"
        commands = finding["remedy"]["commands"]
        if not self.heals:
            assert not commands
            return
        assert commands, finding["remedy"]
        # `sync` and `create` end with a proof of their own, so that what they leave runs need not be proven again.
        proven = commands[-1].startswith("envbuild ")
        after = patient.verify(*commands, options=f"{self.options} --static" if proven else self.options)
        assert not after.bad, f"did as told:\n{commands}\n{after}"
