"""The workflows: pinned, with few rights, and each command exercised as it stands in the file.

Commands run in bash as on a runner. In front of the real programs are stand-ins for what needs the network or a runner
(pip, go, gh, twine); a stand-in writes down how it was called. A run of the suite only collects.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from stickyconf.report import main as report
from tests.releases.test_news import NEW, server  # noqa: F401 - a fixture
from tests.reporting import examples
from tests.site.made import on_kong, stored
from tests.whole.runs import ROOT

BASH, GIT = shutil.which("bash") or "bash", shutil.which("git") or "git"
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in FILES}
WORKFLOWS = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
STEPS = {
    (name, step["name"]): step["run"]
    for name, workflow in WORKFLOWS.items()
    for job in workflow["jobs"].values()
    for step in job.get("steps", ())
    if "run" in step
}
EXERCISED = {
    ("test", "Test"): "it is what runs these tests",
    ("test", "Build"): "tests/whole/test_installed.py builds the wheel",
    ("test", "Install"): "test_installing",
    ("test", "Check"): "test_installing",
    ("test", "Judge"): "test_conformance",
    ("conformance", "Install the suite"): "test_installing",
    ("conformance", "Install kind"): "test_conformance",
    ("conformance", "Choose versions"): "test_conformance",
    ("conformance", "Judge"): "test_conformance",
    ("radar", "Install the suite"): "test_installing",
    ("radar", "Install the suite, and Node for Allure"): "test_installing",
    ("radar", "Say what is new"): "test_radar_of_releases",
    ("radar", "Write it down"): "test_radar_of_releases",
    ("radar", "Choose what to judge"): "test_radar_of_releases",
    ("radar", "Open a pull request"): "test_radar_of_releases",
    ("radar", "Fetch the earlier runs"): "test_radar_of_nights",
    ("radar", "Build the site"): "test_radar_of_nights",
    ("radar", "Settle the issues of regressions"): "test_radar_of_nights",
}
"""Every step with a command -> where it is exercised."""

_PYTHON = """\
#!{python}
import os, sys
words = sys.argv[1:]
match words:
    case ["-m", "pip" | "twine" | "build", *_]:
        with open({log!r}, "a") as log:
            print("python", *words, file=log)
        sys.exit(0)
    case ["-m", "stickyconf.releases", "check" | "update" as what]:
        words = ["-m", "stickyconf.releases", "--file", "releases.toml", what, *os.environ["SERVERS"].split()]
    case ["-m", "stickyconf.report", "issues", *_]:
        words += ["--github", os.environ["GITHUB"]]
    case ["-m", "stickyconf.report", "reports/out", *_]:
        words += ["--without-allure"]
os.execv({python!r}, [{python!r}, *words])
"""
_COMMAND = """\
#!{python}
import os, sys
words = sys.argv[1:]
if words[:1] == ["run"]:
    words += ["--collect-only", "-q"]
os.execv({python!r}, [{python!r}, "-m", "stickyconf.cli", *words])
"""
_LOGS = """\
#!/bin/sh
echo "$(basename "$0")" "$@" >> {log}
"""


class Runner:
    """A runner's shell in an empty folder, with stand-ins in front of what needs the network."""

    def __init__(self, files):
        self.files, self.log, self.folder = files, files / "log", files / "work"
        self.programs = files / "bin"
        self.programs.mkdir()
        self.folder.mkdir()
        for name, text in {"python": _PYTHON, "stickyconf": _COMMAND, "go": _LOGS, "gh": _LOGS}.items():
            (self.programs / name).write_text(text.format(python=sys.executable, log=str(self.log)))
            (self.programs / name).chmod(0o755)
        self.given = {name: str(files / name) for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH")}
        for path in self.given.values():
            open(path, "w").close()  # noqa: PTH123 - empty files

    def run(self, workflow, step, **environment):
        """Run a step's command as GitHub does, and return what it printed."""
        path = {"PATH": f"{self.programs}:{os.environ['PATH']}"}
        done = subprocess.run(
            [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[workflow, step]],
            cwd=self.folder,
            env=os.environ | self.given | path | environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_pinned_and_with_few_rights(name):
    """Actions by their commit with the release beside it; rights for nothing by default; an end to every job."""
    workflow = WORKFLOWS[name]
    for uses in re.findall(r"uses: (\S+.*)", TEXTS[name]):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/\w+\.yml", uses)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert "concurrency" in workflow
    for job in workflow["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 90
        for step in job.get("steps", ()):
            assert "${{" not in step.get("run", ""), "an expression in a script is an injection"


def test_every_command_is_exercised():
    """A step that is added needs a test."""
    assert EXERCISED.keys() == STEPS.keys()


@pytest.mark.parametrize(("workflow", "step"), STEPS)
def test_scripts_are_bash(workflow, step):
    """Their syntax is right, also of those that do not run here."""
    done = subprocess.run([BASH, "-n", "-c", STEPS[workflow, step]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_installing(runner):
    """What is installed is the checkout, or what the caller asks for."""
    runner.run("test", "Install")
    runner.run("test", "Check")
    runner.run("conformance", "Install the suite", SUITE="stickyconf==0.1.0")
    runner.run("radar", "Install the suite")
    runner.run("radar", "Install the suite, and Node for Allure")
    said = runner.log.read_text().splitlines()
    assert "python -m pip install stickyconf==0.1.0" in said
    assert "python -m pip install -e .[report]" in said


def test_conformance(runner):
    """kind of the known release, the versions as the suite reads them, and runs that the suite accepts."""
    runner.run("conformance", "Install kind")
    assert "go install sigs.k8s.io/kind@v0.32.0" in runner.log.read_text()
    runner.run("conformance", "Choose versions", KIC="", KONG="", KUBERNETES="")
    assert (runner.files / "GITHUB_ENV").read_text() == "", "the suite's own defaults"
    runner.run("conformance", "Choose versions", KIC="3.6.0-rc.1", KONG="3.15.0.4", KUBERNETES="1.34.8")
    chosen = dict(line.split("=", 1) for line in (runner.files / "GITHUB_ENV").read_text().splitlines())
    assert chosen["KIC_VERSION"] == "3.6.0-rc.1"
    assert chosen["KONG_IMAGE"] == "kong/kong-gateway:3.15.0.4"
    assert chosen["KIND_NODE_IMAGE"].startswith("kindest/node:v1.34.8@sha256:")
    judging = {"KONG_LICENSE_DATA": "", "PROFILES": "core drain", "OPTIONS": "--requirement CKE-01 --seed 7"}
    assert "test_cookie.py" in runner.run("conformance", "Judge", **judging, **chosen)
    assert "test_cookie.py" in runner.run("test", "Judge")


def test_radar_of_releases(runner, server):  # noqa: F811 - the fixture
    """What is new is said and written down; a matrix comes out; a pull request is opened if there is something new."""
    shutil.copyfile(ROOT / "releases.toml", runner.folder / "releases.toml")
    remote = runner.files / "remote"
    for words in (
        ["init", "-q", "--bare", str(remote)],
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", str(remote)],
        ["add", "releases.toml"],
        ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "-qm", "first"],
    ):
        subprocess.run([GIT, *words], cwd=runner.folder, check=True)
    runner.run("radar", "Open a pull request", GH_TOKEN="none")
    assert not runner.log.exists(), "nothing is new"
    servers = {"SERVERS": " ".join(server.options()), "GITHUB_TOKEN": ""}
    assert NEW[0] in runner.run("radar", "Say what is new", **servers)
    runner.run("radar", "Write it down", **servers)
    runner.run("radar", "Choose what to judge")
    name, _, matrix = (runner.files / "GITHUB_OUTPUT").read_text().partition("=")
    assert name == "matrix"
    assert json.loads(matrix)["include"]
    runner.run("radar", "Open a pull request", GH_TOKEN="none")
    assert "gh pr create --head radar/releases" in runner.log.read_text()
    words = [GIT, "--git-dir", str(remote), "show", "radar/releases:releases.toml"]
    assert '"3.6.0"' in subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def github():
    """GitHub's issues, as far as the radar uses them."""
    issues = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.command == "POST" and self.path.endswith("/issues"):
                issues.append({"number": len(issues) + 1, "state": "open"} | body)
            if self.command == "PATCH":
                issues[int(self.path.rpartition("/")[2]) - 1] |= body
            said = json.dumps([issue for issue in issues if issue["state"] == "open"]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - the base class names them

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", issues
        listening.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of requests."""

    def log_message(self, *_):
        pass


def test_radar_of_nights(runner, github, tmp_path):
    """The site of each night has those before it; a regression has one issue, which is closed when it is gone."""
    address, issues = github
    published = tmp_path / "published"
    published.mkdir()
    bad = examples.violated().cases
    nights = [on_kong(1), on_kong(2, cases=bad), on_kong(3, cases=bad), on_kong(4)]
    settling = {"GITHUB": address, "GITHUB_REPOSITORY": "owner/name", "GITHUB_TOKEN": "SENSITIVE"}
    states = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(published))) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            for night in nights:
                stored(night, runner.folder / "reports" / "out")
                runner.run("radar", "Fetch the earlier runs", PAGES=f"http://127.0.0.1:{listening.server_port}/")
                runner.run("radar", "Build the site")
                runner.run("radar", "Settle the issues of regressions", **settling)
                states.append([issue["state"] for issue in issues if "AFF-01" in issue["title"]])
                shutil.copytree(runner.folder / "reports" / "site", published, dirs_exist_ok=True)
                shutil.rmtree(runner.folder / "reports")
        finally:
            listening.shutdown()
            thread.join()
    assert json.loads((published / "runs" / "index.json").read_text()) == [night.id for night in nights]
    assert states == [[], ["open"], ["open"], ["closed"]]
    assert "Regression: AFF-01 with Kong 3.11.0.14, KIC 3.5.13, Kubernetes 1.34.1" in {one["title"] for one in issues}


def test_a_page_that_is_no_site(tmp_path, capsys):
    """One line, and nothing fetched."""
    assert report(["past", "nowhere:1", str(tmp_path)]) == 2
    assert "cannot be reached" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
