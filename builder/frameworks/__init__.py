"""Frameworks, one file each: names, partners, GPU plug-in, parity, imports, probe, and the judges of what it says."""
