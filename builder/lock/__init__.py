"""environment.yml → conda-lock.yml; and the audit of it."""
