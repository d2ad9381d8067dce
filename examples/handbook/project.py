"""The classic features of the Fraud Detection Handbook, declared once."""

import headrace as hr


class Transaction(hr.Contract):
    """One card transaction of the Handbook's simulation; TX_FRAUD is found out later, and null in a request."""

    TRANSACTION_ID: int = hr.key()
    TX_DATETIME: hr.Timestamp = hr.event_time(zone="UTC")
    CUSTOMER_ID: int
    TERMINAL_ID: int
    TX_AMOUNT: float = hr.field(ge=0, le=100_000)
    TX_FRAUD: int | None = hr.field(ge=0, le=1)


transactions = hr.Stream("transactions", Transaction, source="data/*.parquet")
days = ["1d", "7d", "30d"]
customer = hr.Features("customer", transactions, by=hr.Entity("CUSTOMER_ID"), features={
    "count": hr.count(days, include_current=True),
    "amount": hr.mean("TX_AMOUNT", days, include_current=True),
})
terminal = hr.Features("terminal", transactions, by=hr.Entity("TERMINAL_ID"), features={
    "count": hr.count(days, delay="7d"),
    "risk": hr.mean("TX_FRAUD", days, delay="7d"),
})
now = hr.Features("now", transactions, features={
    "amount": "TX_AMOUNT",
    "weekend": "dayofweek(TX_DATETIME) in (0, 6)",
    "night": "hour(TX_DATETIME) <= 6",
})
cases = hr.TrainingSet("cases", transactions, [now, customer, terminal],
                       label=hr.label(transactions, "TX_FRAUD", on="TRANSACTION_ID", matures="7d"))


def boosting(train):
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=100, random_state=train.seed, verbose=-1).fit(train.X, train.y)


score = hr.Model("score", cases, boosting, hr.time_split(train="7d", test="7d"),
                 metrics=[hr.average_precision(), hr.roc_auc(), hr.card_precision(100, by="CUSTOMER_ID")],
                 gates=[hr.at_least("roc_auc", 0.8)])
desk = hr.Service("desk", score, decide={"review": "score > 0.5"})
project = hr.Project("handbook", services=[desk])
