"""The engine: from the forward equations to the lines of a derivation, one pass a module; ``derive`` calls them."""
