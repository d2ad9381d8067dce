"""What a fault of learning offers where no name is near."""

import numpy as np
import pytest

import headrace as hr
from headrace.learn import Registry
from headrace.learn.metrics import Context, evaluate


def test_where_there_is_no_name_that_is_near_something_else_is_told(tmp_path):
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-014.*Cure: headrace train"):
        Registry(tmp_path).version("fraud_score", 1)
    y, score = np.array([0, 1]), np.array([0.1, 0.9])
    with pytest.raises(hr.HeadraceError, match=r"HR-LEARN-012 .*Cure: write by= with the key"):
        evaluate(hr.card_precision(5, by="card_id"), y, score, Context(np.zeros(2, np.int64)))
