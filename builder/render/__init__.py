"""`Plan`s → environment.yml, through `templates/`."""
