"""Evaluation at given sizes: in prime fields, to 50 digits, and exactly."""
