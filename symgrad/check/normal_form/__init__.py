"""The normal form of index expressions, in which equality at every shape is decided."""
