"""Evidence: proof, published numbers, recorded runs.  Imports none of the passes, so that it cannot share their mistakes."""
