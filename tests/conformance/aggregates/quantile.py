"""quantile: the lower median; 9.99 is known to 1/32 from 8 to 16, all others exactly."""

from tests.conformance.answers import Answers

ANSWERS = Answers(
    "amount",
    window=20.0,
    hour=30.25,
    delay=12.5,
    hop=12.5,
    current=12.5,
    where=20.0,
    lifetime=12.5,
    late=9.96875,
    params={"q": 0.5},
)
