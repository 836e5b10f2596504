"""What is installed, read from disk: prefixes, their packages and files, the stamp, and where environments are."""
