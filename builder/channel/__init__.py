"""Local conda channels: the host interpreter."""
