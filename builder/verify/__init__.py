"""prefix → `Report`: static checks, then runtime probes."""
