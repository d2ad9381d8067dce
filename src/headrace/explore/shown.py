"""What was found as a value that a terminal, a notebook and a program each read in their own way."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from headrace.explore.drawn import page_of
from headrace.explore.found import Found
from headrace.explore.text import told


@dataclass(frozen=True, repr=False)
class Explored(Found):
    """What columns or features are like; as text for a terminal, as a page in a notebook."""

    def text(self, blocks: bool = True) -> str:
        """Return it as lines for a terminal.

        Args:
            blocks: whether pictures may be of block characters; else they are of those that every file can hold.
        """
        return "\n".join(line for line, _ in told(self, blocks))

    def html(self) -> str:
        """Return it as one page that needs nothing from elsewhere."""
        return page_of(self)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        style = "width:100%;height:720px;border:1px solid #8884;border-radius:4px"
        title = escape(f"{self.name} explored")
        return f'<iframe title="{title}" sandbox="" style="{style}" srcdoc="{escape(self.html())}"></iframe>'
