"""Evidence: published numbers, recorded runs, and ``symgrad check``, which holds the closed forms against them.

Nothing is imported here: the public face needs two modules of this folder, and ``symgrad check`` all.
"""
