"""``symgrad check``: every line proved, and the closed forms held against published numbers and formulas and recorded
runs."""

from symgrad.evidence.checks import check, check_loss
from symgrad.evidence.report import Item, Report, Row, Section, report_text, section_text, verdict

__all__ = ["Item", "Report", "Row", "Section", "check", "check_loss", "report_text", "section_text", "verdict"]
