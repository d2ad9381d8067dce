"""The commands as real processes: exit codes, streams, and what is imported."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from headrace.cli.app import main
from headrace.run import load_project, run
from headrace.run.past import past_runs
from tests.run.bank import WITH_MODEL, make_bank

HEAVY = (
    "numpy",
    "pyarrow",
    "duckdb",
    "sqlglot",
    "pandas",
    "mlflow",
    "numba",
    "deltalake",
    "sklearn",
    "rich",
    "sqlite3",
)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = make_bank(tmp_path_factory.mktemp("process") / "bank")
    assert CliRunner().invoke(main, ["run", "--project", str(folder)]).exit_code == 0
    return folder


def _headrace(*args, **more):
    words = [sys.executable, "-m", "headrace.cli", *(str(one) for one in args)]
    return subprocess.run(words, capture_output=True, text=True, **more)


def _processor_s():
    """Seconds of the processor that our processes took: other tests run beside this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys; from headrace.cli.app import main\n"
        "try: main(['--help'])\n"
        f"except SystemExit: print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "LOADED []"
    quickest = 9.0
    for _ in range(3):
        begun = _processor_s()
        assert _headrace("--help").returncode == 0
        quickest = min(quickest, _processor_s() - begun)
    assert quickest < 0.5


def test_a_check_needs_no_library_of_models_or_of_data(bank):
    code = (
        "import sys; from headrace.cli.app import main\n"
        f"try: main(['check', '--project', {str(bank)!r}])\n"
        "except SystemExit: pass\n"
        "print('LOADED', sorted({'pandas', 'sklearn', 'mlflow', 'deltalake'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "LOADED []"


def test_exit_codes_and_streams(bank):
    ran = _headrace("status", "--project", bank, "--json", env={**os.environ, "NO_COLOR": "1"})
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["ok"]
    assert "\x1b" not in ran.stdout + ran.stderr
    wrong = _headrace("status", "--project", bank / "data")
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr.startswith("error HR-PROJECT-001")


def test_prints_of_the_project_stay_out_of_json(bank, tmp_path):
    folder = make_bank(tmp_path / "bank")
    with (folder / "project.py").open("a") as file:
        file.write("\nprint('hello from the project')\n")
    ran = _headrace("check", "--project", folder, "--json")
    assert json.loads(ran.stdout)["ok"]
    assert "hello from the project" in ran.stderr


@pytest.mark.parametrize(("how", "first"), [("--format csv", "range\n"), ("--format json", "[\n"), ("--json", "[\n")])
def test_a_reader_that_goes_away(bank, how, first):
    words = f"{sys.executable} -m headrace.cli query --project {bank} 'select * from range(200000)' {how}"
    ran = subprocess.run(["bash", "-c", f"{words} | head -1; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, first, "")


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("words", [("check",), ("plan",), ("status",), ("query", "show tables")])
def test_a_reader_that_was_never_there(bank, words, more):
    ran = _unread(bank, *words, *more)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("words", [("--help",), ("query", "--help"), ("completion", "bash")])
def test_nobody_reads_the_help(bank, words):
    ran = _unread(bank, *words)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_fault_is_one_though_nobody_reads_of_it(bank):
    ran = _unread(bank, "query", "select nothing from payments", "--json")
    assert ran.returncode == 2
    assert ran.stderr.startswith("error HR-LAKE-006")
    assert "Traceback" not in ran.stderr


def _unread(bank, *words):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", "headrace.cli", *words], cwd=bank, stdout=writer, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writer)


def test_a_pipe_that_broke_elsewhere_is_told(monkeypatch):
    def sends_to_a_worker_that_has_died(folder):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("headrace.run.find_folder", sends_to_a_worker_that_has_died)
    monkeypatch.setattr("headrace.cli.app._reader_gone", lambda: False)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 70
    assert "BrokenPipeError: this is a fault of Headrace" in result.output


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_interrupted_by_ctrl_c_or_by_a_service_manager(bank, by, code):
    child = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(bank)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    child.send_signal(by)
    _, told = child.communicate(timeout=20)
    assert child.returncode == code, "a shell says 143 of what SIGTERM has ended"
    assert "goes on where it stopped" in told
    assert "Traceback" not in told


def test_a_run_that_is_terminated_is_on_record_as_interrupted(tmp_path):
    (tmp_path / "headrace.toml").write_text('[project]\nname = "slow"\n')
    (tmp_path / "project.py").write_text(_WAITING)
    command = [sys.executable, "-m", "headrace", "run", "--json"]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "ready" not in child.stderr.readline():
        assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    said, told = child.communicate(timeout=60)
    assert (child.returncode, json.loads(said)["exit_code"]) == (-signal.SIGTERM, 143)
    assert "goes on where it stopped" in told
    (past,) = past_runs(load_project(tmp_path))
    assert past.outcome == "interrupted"
    assert [step["step"] for step in past.report["steps"]] == ["ingest:first"]


_WAITING = """
import time
import headrace as hr
class K(hr.Contract):
    k: int = hr.key()
def rows():
    yield {"k": 1}
def slow():
    print("ready", flush=True)
    time.sleep(60)
    yield {"k": 1}
project = hr.Project("slow", sources=[hr.Table("first", K, source=rows), hr.Table("second", K, source=slow)])
"""


@pytest.mark.parametrize(("name", "code"), [("headrace", 130), ("train.py", -signal.SIGINT)])
def test_ctrl_c_while_the_command_is_imported_says_nothing_and_that_of_others_is_theirs(tmp_path, name, code):
    script = tmp_path / name
    script.write_text("import headrace, os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(20)")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ran.returncode == code
    assert ("KeyboardInterrupt" in ran.stderr) is (name != "headrace")


_SLOW = """
import sys, time
import headrace.run
from headrace.cli.app import main
def slow(*args):
    print("ready", flush=True, file=sys.__stdout__)
    time.sleep(30)
headrace.run.check = slow
main(["check", "--project", sys.argv[1]])
"""


_ENDLESS = """
import sys
from headrace.cli.app import main
from headrace.lake import query
genuine = query.view
def connected(*args):
    print("ready", flush=True, file=sys.__stdout__)
    return genuine(*args)
query.view = connected
sql = "select sum(a.range * b.range) from range(1000000) a, range(1000000) b, payments"
main(["query", "--project", sys.argv[1], sql, *sys.argv[2:]])
"""


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_long_query_hears_ctrl_c_and_says_nothing(bank, more):
    child = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(bank), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    said, told = child.communicate(timeout=20)
    assert (child.returncode, said, told) == (130, "", "")


def test_serve_tells_a_program_where_it_is(tmp_path, monkeypatch):
    from headrace.serve import app

    monkeypatch.setattr(app, "serve", lambda loaded, host, port, told, **_: told("http://127.0.0.1:7", ["desk"], ()))
    folder = make_bank(tmp_path / "bank")
    result = CliRunner().invoke(main, ["serve", "--project", str(folder), "--port", "0", "--json"])
    assert json.loads(result.stdout) == {"ok": True, "url": "http://127.0.0.1:7", "services": ["desk"], "faults": []}
    assert result.stderr == "desk at http://127.0.0.1:7/services/NAME/decide; Ctrl-C stops\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    ran = _headrace("completion", shell)
    assert ran.returncode == 0
    assert "_HEADRACE_COMPLETE" in ran.stdout


def test_the_shell_is_told_of_commands():
    env = {**os.environ, "_HEADRACE_COMPLETE": "bash_complete", "COMP_WORDS": "headrace tr", "COMP_CWORD": "1"}
    code = "import sys; sys.argv = ['headrace']; from headrace.cli import main; main(prog_name='headrace')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert "train" in ran.stdout


def test_bash_completes_commands_options_and_choices(tmp_path):
    (tmp_path / "headrace").write_text(
        f'#!/bin/sh\nexec {sys.executable} -c \'from headrace.cli import main; main(prog_name="headrace")\' "$@"\n'
    )
    (tmp_path / "headrace").chmod(0o755)
    script = """
        eval "$(headrace completion bash)"
        complete_words() {
            COMPREPLY=(); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _headrace_completion headrace; echo "${COMPREPLY[*]}"
        }
        complete_words headrace tr
        complete_words headrace init x --template ""
        complete_words headrace query --fo
    """
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env)
    assert ran.stdout.splitlines() == ["train", "fraud", "--format"], ran.stderr


def test_models_of_the_last_run_are_completed(tmp_path):
    project = tmp_path / "bank"
    make_bank(project, WITH_MODEL, (1,))
    code = "from headrace.cli import main; main(prog_name='headrace')"

    def completed(*words):
        words = ("headrace", *words)
        asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        env = {**os.environ, "_HEADRACE_COMPLETE": "bash_complete", **asked}
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=project)
        assert ran.stderr == ""
        return ran.stdout.split()

    assert completed("models", "promote", "s") == []
    assert not (project / ".headrace").exists()
    run(load_project(project))
    (project / "project.py").write_text("raise SystemExit('it is not executed')")
    assert completed("models", "promote", "s") == completed("train", "sc") == ["plain,score"]
    assert completed("models", "promote", "x") == []
    (project / ".headrace" / "run.db").write_bytes(b"no database, and still nothing is said of it")
    assert completed("models", "promote", "s") == []


def test_a_report_that_cannot_be_written(bank):
    result = CliRunner().invoke(main, ["report", "--project", str(bank), "--output", "/dev/null/report.html", "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["faults"][0]["code"] == "HR-CLI-002"
