"""The shells' own completion, asked as a shell asks at the tab key."""

import json
import shutil
import subprocess
import sys

import pytest
from folders import make_run
from terminal import Terminal

from cockpit.cli import main
from cockpit.cli.completion import SHELLS, make_script
from cockpit.datasets import DATASETS
from cockpit.store import RunStore
from nets.catalog import MODELS

_ASK_BASH = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_cockpit
printf "%s\\n" "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "cockpit.bash"
    path.write_text(make_script("bash"))
    return path


def complete(script, *words: str) -> set[str]:
    """Return what bash offers for the last of these words."""
    done = subprocess.run(
        ["bash", "--norc", "-c", _ASK_BASH, "bash", str(script), "cockpit", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    offered = done.stdout.split()
    assert len({*offered}) == len(offered)
    return {*offered}


def test_commands_and_what_is_in_a_group(script):
    assert {"train", "test", "watch", "runs", "queue", "completion"} <= complete(script, "")
    assert complete(script, "tr") == {"train"}
    assert complete(script, "queue", "p") == {"priority", "pause"}
    assert complete(script, "completion", "") == set(SHELLS)


def test_flags_of_a_command_and_the_recipe(script):
    assert {"--model", "--epochs", "--weight-decay", "--enqueue", "--json"} <= complete(script, "train", "--")
    assert complete(script, "watch", "--p") == {"--plain"}
    assert complete(script, "runs", "rm", "--j") == {"--json"}


def test_values(script, tmp_path, monkeypatch):
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path))
    assert complete(script, "train", "--model", "") == set(MODELS)
    assert complete(script, "train", "--model", "resnet20", "--dataset", "") == set(DATASETS)
    assert complete(script, "train", "--preset", "") == {"seed", "fast", "strong"}
    assert complete(script, "models", "show", "vgg") == {name for name in MODELS if name.startswith("vgg")}
    assert complete(script, "data", "get", "d") == {"digits"}
    assert complete(script, "export", "--to", "o") == {"onnx"}


def test_values_behind_a_comma(script):
    assert complete(script, "bench", "--model", "resnet18,goo") == {"resnet18,googlenet"}
    assert complete(script, "bench", "--model", "resnet18,vgg16_bn,goo") == {"resnet18,vgg16_bn,googlenet"}
    assert complete(script, "export", "last", "--to", "csv,o") == {"csv,onnx"}
    assert complete(script, "export", "last", "--to", "csv,c") == {"csv,card"}
    assert complete(script, "train", "--device", "cpu,cp") == {"cpu,cpu"}


def test_several_words_behind_a_flag(script):
    assert complete(script, "export", "last", "--to", "onnx", "ca") == {"card"}
    assert complete(script, "export", "last", "--to", "onnx", "card", "c") == {"csv"}
    assert complete(script, "export", "last", "--to", "onnx", "csv,c") == {"csv,card"}
    assert complete(script, "export", "last", "--to", "onnx", "--js") == {"--json"}
    assert complete(script, "export", "last", "--to", "onnx", "--out", "ca") == set()


def test_datasets_of_ones_own(script, tmp_path, monkeypatch):
    monkeypatch.setenv("COCKPIT_DATA", str(tmp_path))
    for name in ("shapes", "digits", "$(touch victim)"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.json").touch()
    assert complete(script, "train", "--dataset", "sh") == {"shapes"}
    assert complete(script, "train", "--dataset", "") == {*DATASETS, "shapes"}
    assert complete(script, "train", "--dataset", "di") == {"digits"}


def test_imported_runs_and_runs_named_by_their_end(script, tmp_path, monkeypatch):
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path))
    first, second = "20251123-141000-resnet20-digits-a1b2", "20251124-141000-vgg11_bn-digits-a1c3"
    for name, file in ((first, "imported.json"), (second, "recipe.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    assert complete(script, "watch", "2025") == {first, second}
    assert complete(script, "watch", "a1b2") == complete(script, "test", "--run", "b2") == {first}
    assert complete(script, "train", "--like", "a1b2") == {first}
    assert complete(script, "watch", "a1c") == {second}
    assert complete(script, "watch", "a1") == set()


def test_runs_of_the_folder_that_is_meant(script, tmp_path, monkeypatch):
    run = make_run(RunStore(tmp_path / "mine"))
    other = make_run(RunStore(tmp_path / "other"))
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "mine"))
    assert complete(script, "watch", "") == {"last", run.id}
    assert complete(script, "runs", "rm", run.id[:9]) == {run.id}
    assert complete(script, "stop", "--runs", str(tmp_path / "other"), "2") == {other.id}
    assert complete(script, "queue", "move", run.id, "--before", "") == {"last", run.id}


def test_a_test_takes_runs_and_with_a_run_image_files(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(RunStore(tmp_path / "runs"), "20251123-141000-resnet20-digits-0001")
    (tmp_path / "one-image.png").touch()
    (tmp_path / "onward").mkdir()
    assert complete(script, "test", "") == {"last", "20251123-141000-resnet20-digits-0001"}
    assert complete(script, "test", "on") == set()
    assert complete(script, "test", "--run", "2025") == {"20251123-141000-resnet20-digits-0001"}
    assert complete(script, "test", "--run", "last", "on") == {"one-image.png", "onward"}
    assert complete(script, "test", "--run", "last", "--js") == {"--json"}


def test_an_import_takes_a_name_and_a_path(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pattern").mkdir()
    assert complete(script, "data", "import", "") == set(DATASETS)
    assert complete(script, "data", "import", "x", "pat") == {"pattern"}
    assert complete(script, "data", "import", "--replace", "x", "pat") == {"pattern"}


def test_a_folder_with_a_hostile_name_is_not_expanded(script, tmp_path, monkeypatch):
    monkeypatch.setenv("COCKPIT_RUNS", str(tmp_path / "runs"))
    victim = tmp_path / "victim"
    folder = tmp_path / "runs" / "$(touch victim)"
    folder.mkdir(parents=True)
    (folder / "recipe.json").touch()
    monkeypatch.chdir(tmp_path)
    assert complete(script, "watch", "") == {"last"}
    assert not victim.exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_reads_its_script(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(make_script(shell))
    subprocess.run([shell, "-n", str(path)], check=True)


def test_fish_offers_networks(tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    path = tmp_path / "cockpit.fish"
    path.write_text(make_script("fish"))
    asked = f"source {path}; complete -C 'cockpit train --model vgg16'"
    done = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True, check=True)
    assert "vgg16_bn" in done.stdout
    asked = f"source {path}; complete -C 'cockpit export last --to onnx ca'"
    done = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True, check=True)
    assert "card" in done.stdout.split()


def test_the_command_prints_it(capsys):
    assert main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out == make_script("zsh")
    assert main(["completion", "bash", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == make_script("bash")
    assert main(["completion", "tcsh"]) == 2
    assert "choose bash, zsh or fish" in capsys.readouterr().err


def test_the_script_needs_neither_torch_nor_textual():
    code = "import sys; from cockpit.cli import main; main(['completion', 'bash']); "
    code += "sys.exit(bool({'torch', 'textual'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_zsh_completes_with_the_same_script(tmp_path):
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    path = tmp_path / "script"
    path.write_text(make_script("zsh"))
    with Terminal("zsh", "-f", "-i", columns=100) as terminal:
        terminal.press(f'autoload -Uz compinit && compinit -u -D; source {path}; echo re""ady\n')
        terminal.wait_for_text("ready")
        terminal.press("cockpit train --model vgg16\t")
        terminal.wait_for_text("--model vgg16_bn")
        terminal.press("\x15cockpit export last --to onnx ca\t")
        terminal.wait_for_text("--to onnx card")
        terminal.press("\x15cockpit export last --to card,c\t")
        terminal.wait_for_text("--to card,csv")
