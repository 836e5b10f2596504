"""The checks of an environment, one module an area, and the one engine that runs them."""
