"""Loading a project: fresh each time, and the user's mistakes at the user's own line."""

import sys

import pytest

from headrace.errors import HeadraceError
from headrace.run.checks import check
from headrace.run.project import load_project


def _folder(tmp_path, source, toml="", **others):
    (tmp_path / "headrace.toml").write_text(toml)
    (tmp_path / "project.py").write_text(source)
    for name, text in others.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def _fault(folder):
    with pytest.raises(HeadraceError) as raised:
        load_project(folder)
    assert len(raised.value.faults) == 1
    return raised.value.faults[0]


def test_the_named_object_is_taken(tmp_path):
    source = "import headrace as hr\nproject = hr.Project('a')\nother = hr.Project('b')"
    assert load_project(_folder(tmp_path, source, '[project]\nobject = "other"')).project.name == "b"
    assert load_project(_folder(tmp_path, source)).project.name == "a"


def test_the_only_project_is_taken_under_any_name(tmp_path):
    assert load_project(_folder(tmp_path, "import headrace as hr\nbank = hr.Project('bank')")).project.name == "bank"


@pytest.mark.parametrize(
    ("name", "found", "cure"),
    [
        ("bnak", "object = 'bnak', which is not there in project.py", "did you mean 'bank'?"),
        ("number", "object = 'number', which is of type int in project.py", "one of: bank"),
    ],
)
def test_no_other_project_is_taken_for_the_one_that_is_asked_for(tmp_path, name, found, cure):
    source = "import headrace as hr\nbank = hr.Project('bank')\nnumber = 3"
    fault = _fault(_folder(tmp_path, source, f'[project]\n\nobject = "{name}"'))
    assert (fault.code, fault.place, fault.found, fault.cure) == ("HR-PROJECT-010", "headrace.toml:3", found, cure)


def test_one_name_for_one_project(tmp_path):
    fault = _fault(_folder(tmp_path, "import headrace as hr\np = hr.Project('shop')", '[project]\nname = "bank"'))
    assert (fault.code, fault.place) == ("HR-PROJECT-011", "headrace.toml:2")
    assert fault.found == "name = 'bank', where project.py declares hr.Project('shop')"


def test_several_projects_and_none_are_told(tmp_path):
    fault = _fault(_folder(tmp_path, "import headrace as hr\na = hr.Project('a')\nb = hr.Project('b')"))
    assert fault.code == "HR-PROJECT-009"
    fault = _fault(_folder(tmp_path, "x = 1"))
    assert (fault.code, fault.found) == ("HR-PROJECT-008", "no hr.Project")
    assert _fault(_folder(tmp_path, "project = 1")).found == "project = int"


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "headrace.toml").write_text('[project]\nfile = "bank.py"')
    assert _fault(tmp_path).code == "HR-PROJECT-005"


def test_a_syntax_error_is_told_at_its_line(tmp_path):
    fault = _fault(_folder(tmp_path, "import headrace as hr\n\nproject = hr.Project('a'\n"))
    assert (fault.code, fault.place) == ("HR-PROJECT-006", "project.py:3")


@pytest.mark.parametrize("content", [b"x = '\xff'", b"\0", b"# coding: nonsense\nx = 1"])
def test_a_file_that_is_not_python_text(tmp_path, content):
    _folder(tmp_path, "")
    (tmp_path / "project.py").write_bytes(content)
    assert _fault(tmp_path).code == "HR-PROJECT-006"


def test_an_error_is_told_at_the_innermost_line_of_the_users_own(tmp_path):
    fault = _fault(_folder(tmp_path, "import shapes\nshapes.draw()", shapes="def draw():\n    return [][1]"))
    assert (fault.code, fault.place) == ("HR-PROJECT-007", "shapes.py:2")
    assert fault.found == "IndexError: list index out of range"


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("import headrace as hr\nhr.Steam('x')", "did you mean 'Stream'?"),
        ("import headrace as hr\nx = Stream('x')", "write hr.Stream"),
        ("import nonesuch_at_all", "install 'nonesuch_at_all', or put the module into the project's folder"),
        ("import headrace as hr\nhr.avg('x', '7d')", "did you mean 'mean'?"),
        ("import headrace as hr\nhr.field(gte=0)", "did you mean 'ge'?"),
        ("import headrace as hr\nhr.key(patern='a')", "did you mean 'pattern'?"),
        ("import headrace as hr\nhr.Project('p', service=[])", "did you mean 'services'?"),
        ("import headrace as hr\nhr.Stream('payments')", "write hr.Stream(…, contract=Payment)"),
        ("import headrace as hr\nhr.TrainingSet('c')", "write hr.TrainingSet(…, spine=payments, features=[spending])"),
        ("import headrace as hr\nhr.label(1, 'x', on='id')", "write hr.label(…, matures='7d')"),
        ("import headrace as hr\nhr.time_split(train='30d')", "write hr.time_split(…, test='7d')"),
        ("import headrace as hr\nhr.time_split()", "write hr.time_split(train='30d', test='7d')"),
        (
            "import headrace as hr\nhr.at_least('roc_auc', 0.8, 'x')",
            "write hr.at_least(metric=…, bound=…), each once and as far as it is needed",
        ),
        ("import headrace as hr\nx = hr.Decimal(30, 2)", "write hr.Decimal(18, 2)"),
        ("import headrace as hr\nx = hr.Decimal('12', 2)", "write hr.Decimal(12, 2)"),
        ("def half(x): return x\nhalf(y=1)", "mend the line"),
        ("def label(y): return y\nlabel()", "mend the line"),
        ("raise SystemExit(3)", "remove the exit: declarations have no effects"),
    ],
)
def test_common_mistakes_have_a_cure(tmp_path, source, cure):
    fault = _fault(_folder(tmp_path, source))
    assert fault.code == "HR-PROJECT-007"
    assert fault.cure == cure


def test_a_syntax_error_in_an_imported_module(tmp_path):
    fault = _fault(_folder(tmp_path, "import shapes", shapes="x = (\n"))
    assert (fault.code, fault.place) == ("HR-PROJECT-006", "shapes.py:1")


def test_each_load_is_fresh_and_leaves_the_import_path_alone(tmp_path):
    before = list(sys.path)
    folder = _folder(tmp_path, "import headrace as hr\nimport names_of_mine as n\nproject = hr.Project(n.NAME)")
    (tmp_path / "names_of_mine.py").write_text("NAME = 'a'")
    assert load_project(folder).project.name == "a"
    (tmp_path / "names_of_mine.py").write_text("NAME = 'other'")
    assert load_project(folder).project.name == "other"
    assert sys.path == before
    assert "names_of_mine" not in sys.modules


def test_what_it_prints_does_not_reach_stdout(tmp_path, capsys):
    load_project(_folder(tmp_path, "import headrace as hr\nprint('hello')\nproject = hr.Project('a')"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


def test_annotations_as_text_are_understood(tmp_path):
    source = (
        "from __future__ import annotations\nimport headrace as hr\n"
        "class Click(hr.Contract):\n    at: hr.Timestamp = hr.event_time()\n    n: int | None\n"
        "project = hr.Project('a', sources=[hr.Stream('clicks', Click)])"
    )
    loaded = load_project(_folder(tmp_path, source))
    assert [repr(f.type) for f in loaded.project.streams["clicks"].contract.fields().values()] == [
        "timestamp",
        "int | None",
    ]


def test_where_things_live(tmp_path):
    loaded = load_project(_folder(tmp_path, "import headrace as hr\nproject = hr.Project('a')"))
    assert loaded.state_dir == tmp_path.resolve() / ".headrace"
    assert loaded.lake().tables() == []


def test_a_pattern_that_cannot_be_read_is_told_before_any_row_is(tmp_path):
    source = (
        "import headrace as hr\nclass Click(hr.Contract):\n    at: hr.Timestamp = hr.event_time()\n"
        "    page: str = hr.field(\n        pattern='(?=x)')\n"
        "project = hr.Project('a', sources=[hr.Stream('clicks', Click), hr.Stream('other', Click)])"
    )
    (fault,) = check(load_project(_folder(tmp_path, source)).project)
    assert (fault.code, fault.place) == ("HR-DATA-106", "project.py:4")
