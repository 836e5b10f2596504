"""Recipe and facts to plans: every chosen spec with its reason, for all platforms at once."""
