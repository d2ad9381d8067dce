"""headrace.toml: what it may say, and what it is told when it says something else."""

import pytest

from headrace.errors import HeadraceError
from headrace.run.servesettings import ServeSettings
from headrace.run.settings import Settings, find_folder, read_settings


def _written(tmp_path, text):
    (tmp_path / "headrace.toml").write_text(text)
    return tmp_path


def test_an_empty_file_means_the_defaults(tmp_path):
    assert read_settings(_written(tmp_path, "")) == Settings()
    assert Settings().file == "project.py"
    assert Settings().object == ""
    assert Settings().targets["local"].path == ".headrace"


def test_all_keys(tmp_path):
    text = '[project]\nname = "bank"\nfile = "bank.py"\nobject = "it"\n[target.local]\npath = "state"'
    read = read_settings(_written(tmp_path, text))
    assert (read.name, read.file, read.object, read.targets["local"].path) == ("bank", "bank.py", "it", "state")


def test_the_file_of_keys_is_relative_to_the_folder(tmp_path):
    assert read_settings(_written(tmp_path, '[privacy]\nkey_file = "../keys"')).key_file == "../keys"
    assert read_settings(_written(tmp_path, "")).key_file == ""


def test_all_unknown_keys_are_told_at_once_with_line_and_nearest(tmp_path):
    text = '[project]\nfiel = "project.py"\n[target.local]\npaht = "x"\n[traget]\n[target.locla]\n'
    with pytest.raises(HeadraceError) as raised:
        read_settings(_written(tmp_path, text))
    faults = {fault.place: fault for fault in raised.value.faults}
    assert set(faults) == {"headrace.toml:2", "headrace.toml:4", "headrace.toml:5", "headrace.toml:6"}
    assert faults["headrace.toml:6"].cure == "did you mean 'local'?"
    assert faults["headrace.toml:2"].cure == "did you mean 'file'?"
    assert faults["headrace.toml:4"].cure == "did you mean 'path'?"
    assert faults["headrace.toml:5"].cure == "did you mean 'target'?"


def test_a_target_has_its_own_lake_and_state(tmp_path, monkeypatch):
    text = '[target.prod]\nlake = "s3://bank/lake"\n[target.disk]\nlake = "tables"\npath = "state"'
    folder = _written(tmp_path, text)
    local = read_settings(folder)
    assert (local.target, local.chosen.lake_in(folder)) == ("local", folder / ".headrace" / "lake")
    prod = read_settings(folder, "prod").chosen
    assert (prod.path, prod.lake_in(folder)) == (".headrace/target-prod", "s3://bank/lake")
    monkeypatch.setenv("HEADRACE_TARGET", "disk")
    disk = read_settings(folder).chosen
    assert (disk.path, disk.lake_in(folder)) == ("state", folder / "tables")
    with pytest.raises(HeadraceError, match="HR-LAKE-024: found no target prd in headrace.toml.*did you mean 'prod'"):
        read_settings(folder, "prd")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[project\n", "HR-PROJECT-002"),
        ('[project]\nfile = "a"\nfile = "b"', "HR-PROJECT-002"),
        ("[project]\nfile = 3", "HR-PROJECT-004"),
        ("[privacy]\nkey_file = 3", "HR-PROJECT-004"),
        ('[privacy]\nkey = "0f"', "HR-PROJECT-003"),
        ("privacy = 3", "HR-PROJECT-004"),
        ('[project]\nfile = ""', "HR-PROJECT-004"),
        ('project = "x"', "HR-PROJECT-004"),
        ('target = "x"', "HR-PROJECT-004"),
        ('[target]\nlocal = "x"', "HR-PROJECT-004"),
        ('[target.prod]\nlake = "gs://bank/lake"', "HR-PROJECT-004"),
        ('[target.prod]\nlake = "s3://key:secret@bank/lake"', "HR-PROJECT-004"),
    ],
)
def test_wrong_files_are_faults_with_a_line(tmp_path, text, code):
    with pytest.raises(HeadraceError) as raised:
        read_settings(_written(tmp_path, text))
    assert [fault.code for fault in raised.value.faults] == [code]
    assert raised.value.faults[0].place.startswith("headrace.toml:")
    assert "secret" not in str(raised.value)


def test_the_nearest_folder_upwards_is_found(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    _written(tmp_path, "")
    assert find_folder(inner) == tmp_path.resolve()
    _written(tmp_path / "a", "")
    assert find_folder(inner) == (tmp_path / "a").resolve()


def test_no_folder_is_told_with_a_cure(tmp_path):
    with pytest.raises(HeadraceError, match="headrace init"):
        find_folder(tmp_path)


def test_the_server_of_models(tmp_path):
    read = read_settings(_written(tmp_path, '[models]\ntracking = "https://mlflow.bank/team/"'))
    assert read.tracking == "https://mlflow.bank/team"
    assert read_settings(_written(tmp_path, "")).tracking == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ('"https://me:hunter22@mlflow.bank"', "https://…@mlflow.bank"),
        ('"https://mlflow.bank?token=hunter22"', "tracking"),
        ('"sqlite:///x.db"', "sqlite"),
        ("5000", "5000"),
    ],
)
def test_an_address_of_a_server_has_no_keys(tmp_path, value, shown):
    with pytest.raises(HeadraceError, match="HR-PROJECT-004") as caught:
        read_settings(_written(tmp_path, f"[models]\ntracking = {value}"))
    (fault,) = caught.value.faults
    assert fault.place == "headrace.toml:2"
    assert shown in fault.found
    assert "hunter22" not in str(caught.value)


def test_where_services_send_their_traces(tmp_path):
    said = '[serve]\ntraces = "http://127.0.0.1:4318"\ntraces_share = 0.5\n'
    assert read_settings(_written(tmp_path, said)).serve == ServeSettings("http://127.0.0.1:4318", 0.5)
    assert read_settings(_written(tmp_path, "")).serve == ServeSettings(None, None)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('traces = "collector:4318"', "collector:4318"),
        ('traces = "https://user:secret@collector"', "https://…@collector"),
        ('traces = "https://collector?key=secret"', "https://collector?…"),
        ("traces_share = 1.5", "1.5"),
        ("traces_share = true", "True"),
        ("traces = 4318", "4318"),
    ],
)
def test_traces_that_cannot_be_sent_are_told(tmp_path, line, shown):
    with pytest.raises(HeadraceError) as error:
        read_settings(_written(tmp_path, f"[serve]\n{line}\n"))
    (fault,) = error.value.faults
    assert fault.code == "HR-PROJECT-004"
    assert shown in fault.found
    assert "secret" not in str(fault)
    assert fault.place == "headrace.toml:2"
