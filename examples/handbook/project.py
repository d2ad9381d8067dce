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


def fitted(train, *steps):
    """A pipeline in which a share of no payments is 0, as in the book."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(SimpleImputer(strategy="constant", fill_value=0.0), *steps).fit(train.X, train.y)


def logistic(train):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    return fitted(train, StandardScaler(), LogisticRegression(max_iter=300))


def small_tree(train):
    from sklearn.tree import DecisionTreeClassifier

    return fitted(train, DecisionTreeClassifier(max_depth=2, random_state=train.seed))


def whole_tree(train):
    from sklearn.tree import DecisionTreeClassifier

    return fitted(train, DecisionTreeClassifier(random_state=train.seed))


def forest(train, leaf=1, features=0.3):
    from sklearn.ensemble import RandomForestClassifier

    trees = RandomForestClassifier(100, min_samples_leaf=leaf, max_features=features, random_state=train.seed)
    return fitted(train, trees)


def boosting(train, leaves=31, rate=0.1, least=20):
    from lightgbm import LGBMClassifier

    trees = LGBMClassifier(n_estimators=100, num_leaves=leaves, learning_rate=rate, min_child_samples=least, n_jobs=1,
                           random_state=train.seed, deterministic=True, force_row_wise=True, verbose=-1)
    return trees.fit(train.X, train.y)


metrics = [hr.average_precision(), hr.roc_auc(), hr.card_precision(100, by="CUSTOMER_ID")]
protocol = hr.time_split(train="7d", test="7d", folds=3)
alone = [hr.Model(f"only_{fit.__name__}", cases, fit, protocol, metrics)
         for fit in (logistic, small_tree, whole_tree, forest, boosting)]
score = hr.Model("score", cases, split=protocol, metrics=metrics, gates=[hr.at_least("roc_auc", 0.8)], fit=[
    logistic, small_tree, whole_tree,
    hr.candidate(forest, leaf=hr.between(1, 20), features=hr.between(0.1, 1.0)),
    hr.candidate(boosting, leaves=hr.between(3, 63), rate=hr.between(0.01, 0.3, log=True), least=hr.between(5, 100)),
])
desk = hr.Service("desk", score, decide={"review": "score > 0.5"})
project = hr.Project("handbook", services=[desk], models=alone)
