"""A lock in the formats of other tools: one module a format, each a function from an `Export` to an `Exported`."""
