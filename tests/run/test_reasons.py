"""Why a step is redone, in words."""

from headrace.run.reasons import FIRST, reasons


def test_never_done_and_nothing_changed():
    assert reasons(None, {"file a": "1"}) == FIRST
    assert reasons({"file a": "1"}, {"file a": "1"}) == ()


def test_files():
    assert reasons({"file a": "1", "file b": "1"}, {"file a": "2", "file c": "1"}) == (
        "new file c",
        "file a changed",
        "file b is gone",
    )
    many = {f"file {i}.csv": "1" for i in range(5)}
    assert reasons({}, many) == ("5 new files: 0.csv, 1.csv, 2.csv and 2 more",)
    assert reasons({}, {"file 0.csv": "1", "file 1.csv": "1"}) == ("2 new files: 0.csv, 1.csv",)
    assert reasons(many, dict.fromkeys(many, "2")) == ("5 files changed: 0.csv, 1.csv, 2.csv and 2 more",)
    assert reasons(many, {}) == ("5 files are gone: 0.csv, 1.csv, 2.csv and 2 more",)


def test_declarations_and_rows():
    before = {"declaration spending": "x", "rows payments": "version 1", "rows old": "version 1"}
    now = {"declaration spending": "y", "rows payments": "version 2", "declaration risk": "z"}
    assert reasons(before, now) == (
        "now uses risk",
        "declaration of spending changed",
        "new rows in payments",
        "no longer reads old",
    )


def test_a_kind_without_words_of_its_own():
    assert reasons({"cases a": "1"}, {"cases a": "2"}) == ("a changed",)


def test_very_many_reasons_are_cut():
    before, now = {f"rows {i}": "1" for i in range(30)}, {f"rows {i}": "2" for i in range(30)}
    assert len(reasons(before, now)) == 11
    assert reasons(before, now)[-1] == "and 20 more reasons"
