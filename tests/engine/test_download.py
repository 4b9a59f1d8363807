"""Downloads from a real server on this machine that can serve, cut, resume, lie and refuse."""

import hashlib
import resource
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from archive_server import MD5, PAYLOAD, Server, serve

from cockpit.cli import main
from cockpit.datasets import DATASETS, SPLITS, is_packed, load_packed
from cockpit.engine import download
from cockpit.engine.download import get_dataset, official_archive
from cockpit.errors import CockpitError
from cockpit.ingest import digest
from cockpit.progress import Cancelled
from cockpit.status import describe
from cockpit.store import RunStore

__all__ = ["serve"]


def parts(data_dir) -> dict[str, int]:
    """What is kept of downloads: name to bytes."""
    home = data_dir / ".download"
    return {path.name: path.stat().st_size for path in home.glob("*.part")} if home.exists() else {}


def get(server: Server, md5: str = MD5, **options):
    return get_dataset("cifar10", url=server.url, md5=md5, **options)


WHOLE = "cannot be read as a tar archive"
"""What the import says of PAYLOAD; that it is asked at all shows that the transfer was whole."""


@pytest.mark.slow
def test_the_real_archive_is_fetched_in_two_pieces_checked_and_packed(cifar10_archive, serve, data_dir):
    body = cifar10_archive.read_bytes()
    md5 = hashlib.md5(body).hexdigest()
    server = serve(body)
    server.cut_after = 100_000_000
    with pytest.raises(CockpitError, match=r"ended after 100,000,000 of"):
        get(server, md5)
    server.cut_after = None
    calls = []
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(get, server, md5, progress=lambda *call: calls.append(call)) for _ in range(2)]
    assert server.asked == [None, "bytes=100000000-"], "the second waits for what the first fetches"
    downloading = [(done, total) for done, total, what in calls if what == "downloading"]
    assert downloading[0][0] >= 100_000_000
    assert downloading[-1] == (len(body), len(body))
    assert "waiting for another download" in {what for _, _, what in calls}
    assert [future.result().spec for future in both] == [DATASETS["cifar10"]] * 2
    for split in SPLITS:
        assert digest(*load_packed("cifar10", split)) == DATASETS["cifar10"].digests[split]
    assert parts(data_dir) == {}


@pytest.mark.parametrize("resumes", [True, False], ids=["resumed", "begun anew"])
@pytest.mark.parametrize("cut_after", [0, 1, 1_000_000, len(PAYLOAD) - 1])
def test_a_cut_transfer_is_completed_by_the_next_call(cut_after, resumes, serve, data_dir):
    server = serve()
    server.cut_after, server.resumes = cut_after, resumes
    with pytest.raises(CockpitError) as refusal:
        get(server)
    for word in ("cifar10 was not fetched", server.url, "ended after", "cockpit data import cifar10", "again"):
        assert word in str(refusal.value)
    assert list(parts(data_dir).values()) == [cut_after]
    server.cut_after = None
    with pytest.raises(CockpitError, match=WHOLE):
        get(server)
    assert list(parts(data_dir).values()) == [len(PAYLOAD)]
    assert server.asked == [None, f"bytes={cut_after}-" if cut_after else None]


def test_a_server_that_falls_silent_is_left_and_what_came_is_kept(serve, data_dir, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT_S", 0.3)
    server = serve()
    server.cut_after, server.falls_silent = 1_000_000, True
    with pytest.raises(
        CockpitError, match=r"broke after 1,000,000 bytes \(timed out\), which are kept.*data import cifar"
    ):
        get(server)
    assert list(parts(data_dir).values()) == [1_000_000]
    server.cut_after, server.falls_silent = None, False
    with pytest.raises(CockpitError, match=WHOLE):
        get(server)
    assert server.asked == [None, "bytes=1000000-"]


def test_a_transfer_of_unknown_length_is_told_without_a_total(serve, data_dir):
    server = serve()
    server.tells_length = False
    calls = []
    with pytest.raises(CockpitError, match=WHOLE):
        get(server, progress=lambda *call: calls.append(call))
    assert {total for _, total, what in calls if what == "downloading"} == {0}


def test_a_whole_archive_is_not_fetched_twice(serve, data_dir):
    server = serve()
    for _ in range(2):
        with pytest.raises(CockpitError, match=WHOLE):
            get(server)
    assert server.asked == [None]


def test_wrong_bytes_are_refused_and_deleted(serve, data_dir):
    with pytest.raises(CockpitError, match=r"has not the MD5.*cockpit data import cifar10 cifar-10-python"):
        get(serve(b"<html>Please sign in</html>"))
    assert parts(data_dir) == {}
    assert not is_packed("cifar10")


@pytest.mark.parametrize("size", [1_000_000, len(PAYLOAD), 4_000_000], ids=["shorter", "as long", "longer"])
def test_a_beginning_of_another_file_is_given_up_and_the_transfer_begun_anew(size, serve, data_dir):
    server = serve()
    with pytest.raises(CockpitError, match=WHOLE):
        get(server)
    part = next((data_dir / ".download").glob("*.part"))
    part.write_bytes(b"x" * size)
    with pytest.raises(CockpitError, match=WHOLE):
        get(server)
    assert part.read_bytes() == PAYLOAD


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_named_with_the_way_by_hand(serve, data_dir):
    with pytest.raises(CockpitError, match=r"no connection.*refused.*another machine.*cockpit data import cifar10"):
        get_dataset("cifar10", url=f"http://127.0.0.1:{closed_port()}/a.tar.gz", md5=MD5)
    assert parts(data_dir) == {}


def test_without_a_network_the_command_and_a_run_say_how_to_import_by_hand(tmp_path, data_dir, monkeypatch, capsys):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    by_hand = (
        "run `cockpit data get cifar10` again, or fetch that file on another machine and run "
        "`cockpit data import cifar10 cifar-10-python.tar.gz`"
    )
    assert main(["data", "get", "cifar10"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("cockpit: cifar10 was not fetched from https://")
    assert "there is no connection" in err
    assert by_hand in err
    runs = ["--runs", str(tmp_path / "runs")]
    assert main(["train", "--dataset", "cifar10", "--device", "cpu", "--json", *runs]) == 1
    (info,) = [describe(run) for run in RunStore(tmp_path / "runs").list()]
    assert info.status == "failed"
    assert by_hand in info.detail
    assert parts(data_dir) == {}


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_error_of_the_server_is_named_and_what_came_is_kept(status, serve, data_dir):
    server = serve()
    server.cut_after = 1_000_000
    with pytest.raises(CockpitError):
        get(server)
    server.status = status
    with pytest.raises(CockpitError, match=rf"server answered {status} .*cockpit data import cifar10"):
        get(server)
    assert list(parts(data_dir).values()) == [1_000_000]


def test_an_answer_that_is_not_http_is_named(data_dir, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(CockpitError, match="the connection broke"):
            get_dataset("cifar10", url=f"http://127.0.0.1:{listener.getsockname()[1]}/", md5=MD5)
        thread.join()


def test_a_cancelled_transfer_is_resumed_by_the_next_call(serve, data_dir):
    server = serve()
    seen = []
    with pytest.raises(Cancelled):
        get(server, progress=lambda *call: seen.append(call), stop=lambda: bool(seen))
    (kept,) = parts(data_dir).values()
    assert 0 < kept < len(PAYLOAD)
    with pytest.raises(CockpitError, match=WHOLE):
        get(server)
    assert server.asked == [None, f"bytes={kept}-"]


def test_a_killed_process_leaves_what_the_next_one_resumes(serve, data_dir):
    server = serve()
    code = (
        "import os, signal; from cockpit.engine.download import get_dataset\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"get_dataset('cifar10', url={server.url!r}, md5={MD5!r}, progress=die)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    (kept,) = parts(data_dir).values()
    assert kept < len(PAYLOAD)
    with pytest.raises(CockpitError, match=WHOLE):
        get(server)
    assert server.asked[1] == (f"bytes={kept}-" if kept else None)


def test_a_full_disk_is_named(serve, data_dir):
    server = serve()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))  # the kernel refuses to let files grow beyond it
    try:
        with pytest.raises(CockpitError, match=r"cannot be written.*File too large.*COCKPIT_DATA"):
            get(server)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(CockpitError, match=WHOLE):
        get(server)


def test_two_at_once_transfer_the_archive_once(serve, data_dir):
    """The second waits for the first; here the import fails, so it finds the whole archive."""
    server = serve()
    refusals = []

    def fetch() -> None:
        with pytest.raises(CockpitError, match=WHOLE) as refusal:
            get(server)
        refusals.append(refusal)

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refusals) == 3
    assert server.asked == [None]


def test_the_embedded_dataset_is_packed_without_a_server(data_dir):
    assert get_dataset("digits").spec == DATASETS["digits"]
    assert is_packed("digits")


@pytest.mark.parametrize("name", ["birds", "../birds", "", "CIFAR10"])
def test_a_dataset_without_an_official_archive_is_refused(name, data_dir):
    with pytest.raises(CockpitError, match=r"nothing to fetch.*cockpit data import"):
        get_dataset(name)
    assert not data_dir.exists()


def test_each_known_dataset_but_the_embedded_one_has_an_official_archive():
    for name in DATASETS:
        if name != "digits":
            archive = official_archive(name)
            assert archive.url.endswith(archive.filename)
            assert len(archive.md5) == 32
