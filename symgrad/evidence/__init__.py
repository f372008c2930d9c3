"""Evidence: published numbers, recorded runs, and ``symgrad check``, which compares the gradients with them.

Nothing is imported here: the public interface needs only two modules of this folder, ``symgrad check`` all of them.
"""
