"""last_known: the newest amount that is there."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "case when amount > 25 then null else amount end",
    window=20.0,
    hour=None,
    delay=20.0,
    hop=20.0,
    current=9.99,
    where=20.0,
    lifetime=20.0,
    late=9.99,
)
