"""Recipe and facts to plans: every chosen spec with its reason, for all platforms at once."""

from builder.plan.make import make_plans, parity_names

__all__ = ["make_plans", "parity_names"]
