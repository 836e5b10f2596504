"""The runtime half of verification: probes run by the environment's own Python (`suite.findings`)."""
