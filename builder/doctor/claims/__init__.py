"""Who runs what: one module for each family of programs, each giving `Claim`s with the place that decides."""
