"""kill -9 of a run at random moments: the next run goes on, and nothing is doubled."""

import random
import subprocess
import sys
import time

from headrace.run import load_project, run
from tests.run.bank import WITH_MODEL, make_bank

_RUN = """
import sys
from headrace.run import load_project, run
loaded = load_project(sys.argv[1])
print("go", flush=True)
run(loaded)
"""


def test_nothing_is_lost_or_doubled(tmp_path):
    clean, killed = (make_bank(tmp_path / name, WITH_MODEL, (1, 2)) for name in ("clean", "killed"))
    begun = time.perf_counter()
    run(load_project(clean))
    longest = time.perf_counter() - begun
    delays = random.Random(7)
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", _RUN, str(killed)], stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"go\n"
        time.sleep(delays.uniform(0.1, 1.5) * longest)
        child.kill()
        child.wait()
        child.stdout.close()
    report = run(load_project(killed))
    assert {step.action for step in report.steps} <= {"done", "kept"}
    assert not run(load_project(killed)).changed
    for name in ("payments", "chargebacks", "daily", "weekly", "quarantine_payments"):
        expected = load_project(clean).lake().read(name).to_pylist()
        assert sorted(load_project(killed).lake().read(name).to_pylist(), key=str) == sorted(expected, key=str)
    sets = [(folder / ".headrace" / "sets").rglob("part-*.parquet") for folder in (clean, killed)]
    first, second = ([path.read_bytes() for path in paths] for paths in sets)
    assert first == second
