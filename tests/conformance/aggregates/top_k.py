"""top_k: the two most frequent shops, ties in ascending order."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "shop",
    window=["north", "south"],
    hour=["north"],
    delay=["north", "south"],
    hop=["north", "south"],
    current=["north", "south"],
    where=["north"],
    lifetime=["north", "south"],
    late=["north", "south"],
    params={"k": 2},
)
