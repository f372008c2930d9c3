"""The error family: every message is one line that names the thing and says what would be right."""


class SymgradError(Exception):
    """Whatever symgrad refuses to do; the message is one line meant for the user."""


class ProgramError(SymgradError):
    """The forward equations are ill-formed: an undefined array, a wrong axis, an unbound index."""


class UnsupportedError(SymgradError):
    """The input is well-formed, but symgrad has no rule for an expression in it; the expression is named."""


class InputError(SymgradError):
    """An argument is wrong: an unknown loss, a wrong shape, a label out of range, a malformed file."""
