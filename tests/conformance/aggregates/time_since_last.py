"""time_since_last: seconds from the newest sale to the row."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    None,
    window=3000.0,
    hour=3000.0,
    delay=13_200.0,  # from 08:20 to 12:00: the delay moves the window, not the row
    hop=3000.0,
    current=0.0,
    where=3000.0,
    lifetime=3000.0,
    late=5400.0,
    nulls=1800.0,
)
