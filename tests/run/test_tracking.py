"""A project on MLflow's server: it trains and serves from there; when that goes away, nothing fitted is lost."""

import shutil

import pytest

from headrace.errors import HeadraceError
from headrace.run import load_project, plan_changes, registry, run, status, train
from headrace.run.progress import Silent
from headrace.serve.office import office
from tests.learn.mlflow_server import free_port, mlflow_server
from tests.run.bank import WITH_MODEL, edit, make_bank

pytestmark = pytest.mark.filterwarnings("ignore")


class Ending(Silent):
    """Ends a server when a training is about to judge what it fitted."""

    def __init__(self, process):
        self.process = process

    def moves(self, what, done, of):
        if what == "gates":
            self.process.kill()
            self.process.wait()


def test_a_server_that_goes_away_in_a_training_and_comes_back(tmp_path):
    folder, port = make_bank(tmp_path / "bank", WITH_MODEL.replace("0.1)", "0.0)"), (1, 2)), free_port()
    place = tmp_path / "server"
    place.mkdir()
    with (folder / "headrace.toml").open("a") as settings:
        settings.write(f'[models]\ntracking = "http://127.0.0.1:{port}"\n')
    run(load_project(folder))
    with pytest.raises(HeadraceError, match=r"HR-LEARN-030.*nothing listens there"):
        train(load_project(folder))
    assert registry(load_project(folder)).pending() == (), "it is told before anything is fitted"
    with mlflow_server(place, port) as (_, process):
        with pytest.raises(HeadraceError, match=r"HR-LEARN-030.*what was fitted is kept.*headrace models register"):
            train(load_project(folder), progress=Ending(process))
        (waiting,) = registry(load_project(folder)).pending()
        assert waiting.standing == "champion"
    assert [fault.code for fault in status(load_project(folder)).warnings] == ["HR-LEARN-030"]
    with mlflow_server(place, port):
        (again,) = train(load_project(folder))
        assert (again.report, again.step.action) == (None, "kept"), "it is not fitted once more"
        loaded = load_project(folder)
        champion = registry(loaded).champion("score")
        assert (champion.number, champion.digest) == (1, waiting.record.digest)
        assert registry(loaded).pending() == ()
        assert status(loaded).warnings == plan_changes(loaded).warnings == ()
        assert status(loaded).models[0].champion == 1
        shutil.rmtree(folder / ".headrace" / "models")
        with office(loaded) as opened:
            assert opened.desks["desk"].version.digest == champion.digest
        edit(folder, "C=1.0", "C=0.5")
        (second,) = train(load_project(folder))
        assert (second.report.version.number, second.report.version.record.parent) == (2, 1)
        run_id = second.report.version.run
        client = registry(load_project(folder))._tracking._open()
        assert "bank.score" in [one.name for one in client.search_registered_models()]
        assert {"figures", "model", "record.json", "requirements.txt", "code.zip"} <= {
            entry.path for entry in client.list_artifacts(run_id)
        }
