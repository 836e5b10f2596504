"""The doctor: who runs what, and why it does not work."""
