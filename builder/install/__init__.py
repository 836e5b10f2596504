"""conda-lock.yml → prefix, as a transaction."""
