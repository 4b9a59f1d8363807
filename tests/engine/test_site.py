"""Which nodes share a run, what their devices are called, and how they are reached."""

import contextlib
import os

import pytest

from cockpit.engine.agent import Meeting, set_environment
from cockpit.engine.group import name_devices, train_together
from cockpit.engine.journal import Journal
from cockpit.engine.site import Site, find_site, interface_towards, loopback, own_number
from cockpit.engine.stopping import StopFlag
from cockpit.errors import CockpitError
from cockpit.recipe import Recipe
from cockpit.store import RunStore

JOB = {
    "COCKPIT_SUBMISSION": "x.1-abc",
    "SLURM_JOB_NUM_NODES": "3",
    "SLURM_JOB_NODELIST": "gpu[07-09]",
    "SLURMD_NODENAME": "gpu08",
}
SCONTROL = """\
case "$*" in
"show hostnames gpu[07-09]") printf 'gpu07\\ngpu08\\ngpu09\\n' ;;
*" node gpu07") echo "NodeName=gpu07 Arch=x86_64 NodeAddr=127.0.0.1 NodeHostName=gpu07 Version=22.05.8" ;;
esac
"""


def test_the_nodes_of_a_job_begin_with_this_one_and_one_srun_starts_all_others(fake):
    fake("scontrol", SCONTROL)
    site = find_site(environment=JOB | {"SLURM_CPUS_PER_TASK": "4"})
    assert site is not None
    assert (site.names, site.address) == (("gpu08", "gpu07", "gpu09"), "127.0.0.1")
    (command,) = site.commands(["python", "x"])
    assert command[0] == "srun"
    assert command[-5:] == ["--ntasks=2", "--nodelist=gpu07,gpu09", "--cpus-per-task=4", "python", "x"]
    assert {"--overlap", "--nodes=2", "--ntasks-per-node=1", "--export=ALL"} <= set(command)
    assert own_number({"SLURM_PROCID": "1"}) == 2


@pytest.mark.parametrize("changes", [{"SLURM_JOB_NUM_NODES": "1"}, {"COCKPIT_SUBMISSION": None}])
def test_there_are_no_others_in_a_job_of_one_node_nor_in_somebodys_own_job_of_many(changes):
    environment = {key: value for key, value in (JOB | changes).items() if value is not None}
    assert find_site(environment=environment) is None


def test_a_slurm_that_does_not_say_who_the_others_are_is_quoted(fake):
    fake("scontrol", "echo slurm_load_node error: Unable to contact slurm controller >&2; exit 1")
    with pytest.raises(CockpitError, match=r"Slurm does not say which nodes the job has: .*Unable to contact"):
        find_site(environment=JOB)


def test_process_trees_of_this_machine_can_stand_for_nodes():
    site = find_site(3, {})
    assert site is not None
    assert site == Site(("node 0", "node 1", "node 2"), "127.0.0.1")
    assert site.commands(["x"]) == [["x", "--node", "1"], ["x", "--node", "2"]]


def test_the_way_to_this_machine_itself_is_loopback():
    assert interface_towards("127.0.0.1") == loopback()


def test_an_interface_that_is_not_found_is_told_unless_one_was_named(monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    set_environment(1, "::ffff:127.0.0.1")  # an address that no interface lists as its own
    assert (os.environ["GLOO_SOCKET_IFNAME"], capsys.readouterr().out) == ("eth7", "")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")
    set_environment(1, "::ffff:127.0.0.1")
    assert "GLOO_SOCKET_IFNAME" not in os.environ
    assert "no network interface is known to be on the way to ::ffff:127.0.0.1; gloo chooses" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"exact": True}, "exact reruns are of one device, not of cpu,cpu"),
        ({"way": "graph"}, "way is graph, but several devices step eagerly"),
        ({"batch_size": 1}, "batch size 1 is smaller than the 2 devices"),
    ],
)
def test_a_recipe_for_one_device_is_refused_where_a_job_has_several_nodes(tmp_path, tiny, changes, sentence):
    run = RunStore(tmp_path).create(Recipe(dataset="tiny", **changes).complete())
    with contextlib.closing(Journal(run, 1)) as journal, pytest.raises(CockpitError, match=sentence):
        train_together(
            run,
            "cpu",
            journal,
            StopFlag(),
            begin_attempt=lambda: None,
            lock=run.lock(),
            sample_s=0,
            patience_s=1,
            site=find_site(2, {}),
        )


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("cuda,cuda", "cuda:0,cuda:1"),
        ("cuda:1,cuda,cuda", "cuda:1,cuda:0,cuda:2"),
        ("cpu,cpu", "cpu,cpu"),
        ("cuda", "cuda:0"),
    ],
)
def test_cuda_is_the_next_card_that_is_not_named(typed, named):
    assert name_devices(typed) == named


def test_nodes_meet_at_the_first_ones_store_in_their_order_and_one_alone_at_any_port(tmp_path):
    config = Meeting("10.0.0.1:29500", "id", 1, 2).config(4, str(tmp_path))
    assert (config.rdzv_backend, config.rdzv_endpoint, config.rdzv_configs["rank"]) == ("static", "10.0.0.1:29500", 1)
    assert (config.min_nodes, config.max_nodes, config.nproc_per_node, config.max_restarts) == (2, 2, 4, 0)
    assert Meeting().config(2, str(tmp_path)).rdzv_endpoint == "localhost:0"
