"""Files of other tools as a recipe: one reader a format, each from a text to a `Draft`, and the recipe from that."""
