"""How results show themselves in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container


class Displayed(ABC):
    """What IPython shows as HTML where it can, as LaTeX where only that is taken, else as text."""

    @abstractmethod
    def _repr_html_(self) -> str:
        """A section of HTML with its style, without script."""

    @abstractmethod
    def _repr_latex_(self) -> str:
        """One display between double dollar signs, for MathJax and for TeX."""

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        """The forms that ``include`` asks for, all of them unless given, without those in ``exclude``."""
        forms = {"text/html": self._repr_html_, "text/latex": self._repr_latex_, "text/plain": self.__repr__}
        return {
            kind: form()
            for kind, form in forms.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }
