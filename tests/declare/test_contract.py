"""Contracts: which columns their fields are."""

import headrace as hr


def test_a_column_may_have_a_name_that_python_cannot_write():
    class Ride(hr.Contract):
        id_: str = hr.key(name="ride-id")
        class_: int = hr.field(name="class")

    class Long(Ride):
        again: int = hr.field(name="class", ge=1)

    assert list(Ride.fields()) == ["ride-id", "class"]
    assert Ride.key_fields() == ("ride-id",)
    assert Ride.fields()["class"].name == "class"
    assert Long.fields()["class"].ge == 1
    assert Long.faults == ()
