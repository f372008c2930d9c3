"""The chain rule, line by line: the page, the partial derivatives on it, and the adjoints."""
