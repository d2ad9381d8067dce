"""The contracts of card payments that projects in tests declare, as the text of their files."""

CONTRACTS = """
class Payment(hr.Contract):
    payment_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    customer_id: int
    terminal_id: int
    amount: hr.Decimal(12, 2) = hr.field(ge=0, le=10000)


class Chargeback(hr.Contract):
    chargeback_id: str = hr.key()
    at: hr.Timestamp = hr.event_time()
    payment_id: str
    terminal_id: int
    customer_id: int
    is_fraud: int = hr.field(ge=0, le=1)
"""
