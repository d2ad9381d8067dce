"""Pages as a browser would take them: every element closed, nothing from elsewhere."""

import re
from html.parser import HTMLParser


class Balanced(HTMLParser):
    """Checks that every element that is opened is closed."""

    VOID = ("meta", "br")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(path):
    text = path.read_text()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r"(src|href)\s*=(?!\"#)|https?://|@import|url\(", text)
    return text
