"""A context is taken by its name, with what belongs to it and nothing else."""

import pytest
import yaml

from stickyconf.targets.contexts import kubeconfig_files, only_context, written
from stickyconf.targets.installation import BadOption


def kubeconfig(directory, name, *, user=None, cluster=None, current=True):
    """Write a kubeconfig with one context of this name."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "current-context": name if current else "",
        "contexts": [{"name": name, "context": {"cluster": f"{name}-cluster", "user": f"{name}-user"}}],
        "clusters": [{"name": f"{name}-cluster", "cluster": {"server": f"https://{name}.invalid"} | (cluster or {})}],
        "users": [{"name": f"{name}-user", "user": {"token": f"{name}-token"} | (user or {})}],
    }
    file = directory / "config"
    file.write_text(yaml.safe_dump(content))
    return file


def test_other_contexts_stay_behind(tmp_path):
    """The kubeconfig that is used holds no credentials of another context."""
    files = [kubeconfig(tmp_path / "a", "mine"), kubeconfig(tmp_path / "b", "production")]
    kept = only_context(files, "mine")
    assert kept["current-context"] == "mine"
    assert "production" not in yaml.safe_dump(kept)


def test_earlier_file_wins(tmp_path):
    """Of two entries of one name the first file's counts, as with kubectl."""
    first = kubeconfig(tmp_path / "a", "mine", cluster={"server": "https://first.invalid"})
    second = kubeconfig(tmp_path / "b", "mine", cluster={"server": "https://second.invalid"})
    [cluster] = only_context([first, second], "mine")["clusters"]
    assert cluster["cluster"]["server"] == "https://first.invalid"


def test_unknown_context_lists_those_there_are(tmp_path):
    """The current context is never a fallback."""
    files = [kubeconfig(tmp_path / "a", "one"), kubeconfig(tmp_path / "b", "two")]
    with pytest.raises(BadOption, match="no context is called 'three'; there are: one, two"):
        only_context(files, "three")


def test_relative_paths_stay_right(tmp_path):
    """Certificates and credential plugins are found from the directory of the file that names them."""
    user = {"client-key": "key.pem", "exec": {"command": "./bin/login", "apiVersion": "v1"}}
    file = kubeconfig(tmp_path / "a", "mine", user=user, cluster={"certificate-authority": "/etc/ca.pem"})
    kept = only_context([file], "mine")
    assert kept["users"][0]["user"]["client-key"] == str(tmp_path / "a" / "key.pem")
    assert kept["users"][0]["user"]["exec"]["command"] == str(tmp_path / "a" / "bin" / "login")
    assert kept["clusters"][0]["cluster"]["certificate-authority"] == "/etc/ca.pem"


def test_plugin_on_the_path_stays_a_name(tmp_path):
    """A credential plugin without a directory is looked up on PATH, as kubectl does."""
    file = kubeconfig(tmp_path, "mine", user={"exec": {"command": "aws", "apiVersion": "v1"}})
    assert only_context([file], "mine")["users"][0]["user"]["exec"]["command"] == "aws"


@pytest.mark.parametrize("content", ["- a\n", "a: [\n"], ids=["list", "broken"])
def test_what_is_no_kubeconfig(tmp_path, content):
    """One line names the file."""
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(BadOption, match=str(file)) as said:
        only_context([file], "mine")
    assert "\n" not in str(said.value)


def test_missing_part_is_named(tmp_path):
    """A context whose user is missing says so."""
    file = kubeconfig(tmp_path, "mine")
    file.write_text(file.read_text().replace("name: mine-user", "name: another"))
    with pytest.raises(BadOption, match="names the user 'mine-user'"):
        only_context([file], "mine")


def test_numbers_and_dates_are_texts(tmp_path):
    """Names, tokens and arguments stay as they are written, even if YAML would read numbers or dates."""
    file = tmp_path / "config"
    file.write_text(
        """
contexts: [{name: 0123, context: {cluster: 1.0, user: 2026-11-27}}, {name: prod, context: {cluster: c}}]
clusters: [{name: 1.0, cluster: {server: "https://one.invalid", insecure-skip-tls-verify: true}}]
users: [{name: 2026-11-27, user: {token: 0777, exec: {command: login, args: [--account, 0012]}}}]
"""
    )
    kept = only_context([file], "0123")
    assert kept["users"] == [
        {"name": "2026-11-27", "user": {"token": "0777", "exec": {"command": "login", "args": ["--account", "0012"]}}}
    ]
    assert kept["clusters"][0]["cluster"]["insecure-skip-tls-verify"] is True
    with written(kept) as private:
        assert only_context([private], "0123") == kept
    with pytest.raises(BadOption, match="no context is called 'dev'; there are: 0123, prod"):
        only_context([file], "dev")


SHAPES = {
    "name missing": "contexts: [{context: {cluster: c}}]",
    "name of another kind": "contexts: [{name: true, context: {cluster: c}}]",
    "no list": "contexts: {name: mine}",
    "context that is a text": "contexts: [{name: mine, context: here}]",
    "arguments that are a text": "users: [{name: u, user: {exec: {command: x, args: y}}}]",
    "cluster without a server": "contexts: [{name: mine, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]",
}


@pytest.mark.parametrize("content", SHAPES.values(), ids=SHAPES)
def test_what_has_another_shape(tmp_path, content):
    """One line says where the kubeconfig is not as one is."""
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(BadOption) as said:
        only_context([file], "mine")
    assert "\n" not in str(said.value)


def test_context_without_a_user(tmp_path):
    """As with kubectl, a context may have no user; the current context counts only if none is asked for."""
    file = kubeconfig(tmp_path, "mine")
    file.write_text(file.read_text().replace("    user: mine-user\n", ""))
    assert only_context([file], None)["users"] == []


def test_files_come_from_the_environment(tmp_path, monkeypatch):
    """KUBECONFIG may name several files, of which some may be missing; an option wins over it."""
    one, two = kubeconfig(tmp_path / "a", "one"), kubeconfig(tmp_path / "b", "two")
    monkeypatch.setenv("KUBECONFIG", f"{one}:{tmp_path / 'missing'}:{two}")
    assert kubeconfig_files(None) == [one, two]
    assert kubeconfig_files(str(two)) == [two]
    with pytest.raises(BadOption, match="there is no kubeconfig"):
        kubeconfig_files(str(tmp_path / "missing"))


def test_copy_is_private_and_goes(tmp_path):
    """Only the owner can read the copy, and it ends with its use."""
    with written(only_context([kubeconfig(tmp_path, "mine")], "mine")) as file:
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert not file.exists()
