"""What a version keeps of code and packages: enough to write the code as it was, and no secret."""

import io
import subprocess
import zipfile
from importlib.metadata import version

import pytest

from headrace.learn.kept import DIFF, PACKAGES, ZIP, kept_of, packages, write_code
from headrace.learn.version import code_commit


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    """A project that is one folder of a repository, with one commit."""
    folder = tmp_path / "repository" / "bank"
    folder.mkdir(parents=True)
    (folder / "project.py").write_text("depth = 3\n")
    (folder / "headrace.toml").write_text("")
    (folder / "lookup.csv").write_text("a,b\n1,2\n")
    (folder / ".gitignore").write_text(".headrace/\ndata/\n")
    (tmp_path / "repository" / "other.py").write_text("of = 'somebody else'\n")
    git(tmp_path, "init", "-q", "repository")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-q", "-m", "first")
    return folder


def written(project, to):
    to.mkdir()
    write_code(kept_of(project), code_commit(project), project, to)
    return {path.relative_to(to).as_posix(): path.read_bytes() for path in to.rglob("*") if path.is_file()}


def test_packages_are_all_that_is_installed():
    lines = packages().splitlines()
    assert lines == sorted(lines, key=lambda one: one.lower().replace("_", "-").replace(".", "-").partition("==")[0])
    assert f"numpy=={version('numpy')}" in lines
    assert len(lines) > 30
    assert kept_of(None) == {PACKAGES: packages().encode()}


def test_a_clean_tree_keeps_nothing_but_its_commit(project, tmp_path):
    assert set(kept_of(project)) == {PACKAGES}
    assert not code_commit(project).endswith("+")
    found = written(project, tmp_path / "out")
    assert found["project.py"] == b"depth = 3\n"
    assert "other.py" not in found
    assert set(found) == {"project.py", "headrace.toml", "lookup.csv", ".gitignore"}


def test_what_differs_from_the_commit_is_kept_and_comes_back(project, tmp_path):
    (project / "project.py").write_text("depth = 4\n")
    (project / "lookup.csv").unlink()
    (project / "lib").mkdir()
    (project / "lib" / "new.py").write_text("fresh = True\n")
    (project / "data").mkdir()
    (project / "data" / "read.py").write_text("ignored = True\n")
    (project / "rows.csv").write_text("no code\n" * 1000)
    git(project, "add", "lib/new.py")
    before = subprocess.run(["git", "-C", str(project), "status", "--short"], capture_output=True, check=True).stdout
    kept = kept_of(project)
    assert set(kept) == {PACKAGES, DIFF}
    assert b"+depth = 4" in kept[DIFF]
    assert b"rows.csv" not in kept[DIFF]
    assert b"ignored" not in kept[DIFF]
    found = written(project, tmp_path / "out")
    assert found["project.py"] == b"depth = 4\n"
    assert found["lib/new.py"] == b"fresh = True\n"
    assert "lookup.csv" not in found
    after = subprocess.run(["git", "-C", str(project), "status", "--short"], capture_output=True, check=True).stdout
    assert after == before, "the user's index stays as it is"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "PASSWORD=hunter22\n"),
        ("prod.env", "A=1\n"),
        ("secrets.py", "x = 1\n"),
        ("server.pem", "x\n"),
        ("load.py", 'source = "postgresql://me:hunter22@db/bank"\n'),
        ("load.py", "db_password = 'hunter22'\n"),
        ("load.toml", 'token: "hunter22"\n'),
        ("load.py", "-----BEGIN RSA PRIVATE KEY-----\nhunter22\n"),
        ("load.py", "key = 'AKIAIOSFODNN7EXAMPLE' # hunter22\n"),
    ],
)
@pytest.mark.parametrize("kind", ["tracked", "new", "outside"])
def test_no_secret_is_kept(project, tmp_path, name, text, kind):
    folder = project
    if kind == "outside":
        folder = tmp_path / "plain"
        folder.mkdir()
    (folder / name).write_text("first = 1\n")
    if kind == "tracked":
        git(project, "add", "--force", name)
        git(project, "commit", "-q", "-m", "second")
    (folder / name).write_text(text)
    (folder / "project.py").write_text("depth = 5\n")
    kept = kept_of(folder)
    held = kept.get(DIFF, b"")
    if ZIP in kept:
        with zipfile.ZipFile(io.BytesIO(kept[ZIP])) as packed:
            held = b"".join(packed.read(one) for one in packed.namelist())
    assert b"hunter22" not in held
    assert b"depth = 5" in held
    if name.endswith((".py", ".toml")) or kind == "tracked":
        assert name.encode() in held, "what is left out is said"


def test_a_secret_that_is_taken_out_is_not_in_the_diff(project):
    (project / "load.py").write_text("password = 'hunter22'\n")
    git(project, "add", "load.py")
    git(project, "commit", "-q", "-m", "second")
    for change in ("import os\n", None):
        (project / "load.py").write_text(change) if change else (project / "load.py").unlink()
        kept = kept_of(project)[DIFF]
        assert b"hunter22" not in kept
        assert kept == b"# left out, as it may hold a secret or is too large: load.py\n"


def test_names_that_stand_for_secrets_are_no_secrets(project):
    text = 'source = "postgresql://${USER}:${PASSWORD}@db/bank"\ntoken = "${TOKEN}"\ntoken_column = "customer_token"\n'
    (project / "load.py").write_text(text)
    assert b"customer_token" in kept_of(project)[DIFF]


def test_outside_of_git_the_files_themselves_are_kept(tmp_path):
    folder = tmp_path / "plain"
    (folder / "lib").mkdir(parents=True)
    (folder / "project.py").write_text("depth = 3\n")
    (folder / "lib" / "more.py").write_text("more = 1\n")
    (folder / "lib" / "data.csv").write_text("a\n")
    for hidden in (".headrace", "__pycache__", "env"):
        (folder / hidden).mkdir()
        (folder / hidden / "x.py").write_text("not = 'mine'\n")
    (folder / "env" / "pyvenv.cfg").write_text("")
    kept = kept_of(folder)
    assert kept == kept_of(folder), "the same content gives the same bytes"
    to = tmp_path / "out"
    to.mkdir()
    write_code(kept, "", folder, to)
    assert {path.relative_to(to).as_posix() for path in to.rglob("*.*")} == {"project.py", "lib/more.py"}


def test_code_that_cannot_be_had_is_told(project, tmp_path):
    with pytest.raises(LookupError, match="keeps no code"):
        write_code({}, "", project, tmp_path)
    with pytest.raises(LookupError, match="commit 0123456789ab is not in the git"):
        write_code({}, "0123456789abcdef", project, tmp_path)
    with pytest.raises(LookupError, match="keeps no difference"):
        write_code({}, f"{code_commit(project)}+", project, tmp_path)
    broken = b"diff --git a/project.py b/project.py\n--- a/project.py\n+++ b/project.py\n@@ -1 +1 @@\n-else\n+x\n"
    to = tmp_path / "out"
    to.mkdir()
    with pytest.raises(LookupError, match="cannot be applied"):
        write_code({DIFF: broken}, f"{code_commit(project)}+", project, to)
