"""What many tests need: a cache folder of their own, and the real CIFAR images where the machine has them."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from cluster import Cluster, find, missing_programs
from PIL import Image
from waiting import wait_for

from cockpit import datasets, ingest, launch, squeue, status
from cockpit.recipe import Recipe
from cockpit.store import Run, RunStore


@pytest.fixture(scope="session", autouse=True)
def session_data_dir(tmp_path_factory) -> Iterator[Path]:
    """A cache folder for the whole session, so that no test ever touches the user's own; no config file either."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COCKPIT_DATA", str(folder))
        patch.setenv("COCKPIT_CONFIG", str(folder / "no-config.toml"))
        patch.setenv("COCKPIT_STATE", str(folder / "screens.json"))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> None:
    """Let what the tests start hear of a hangup and of Ctrl-C also below `nohup` and `&`, which have both ignored."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # a handler is for this process alone


@pytest.fixture(scope="session")
def digits(session_data_dir) -> Path:
    """The packed digits."""
    return ingest.pack_digits()


@pytest.fixture(scope="session")
def tiny(digits) -> Path:
    """A packed dataset named `tiny`, of 160 training and 40 test images of the digits: an epoch takes a second."""
    train, test = datasets.load_packed("digits", "train"), datasets.load_packed("digits", "test")
    spec = msgspec.structs.replace(datasets.DATASETS["digits"], name="tiny", train_images=160, test_images=40)
    return datasets.write_packed(
        spec, *(datasets.Packed(part.images[:n], part.labels[:n]) for part, n in ((train, 160), (test, 40)))
    )


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, tiny) -> Run:
    """A run that was trained and tested on `tiny`; read only."""
    store = RunStore(tmp_path_factory.mktemp("trained"))
    run = store.create(Recipe(dataset="tiny", epochs=2, batch_size=16, lr=0.02).complete())
    launch.start(run, device="cpu")
    wait_for(lambda: status.describe(run).status not in status.LIVE, what="the end of the training")
    return run


@pytest.fixture(scope="session")
def path_without_slurm(tmp_path_factory) -> str:
    """A PATH with all that is on this machine's but Slurm, which adds a pane to the form."""
    if shutil.which("sbatch") is None:
        return os.environ["PATH"]
    folder = tmp_path_factory.mktemp("bin")
    made = {"sbatch", "squeue"}
    for home in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in home.iterdir() if home.is_dir() else ():
            if program.name not in made:
                made.add(program.name)
                (folder / program.name).symlink_to(program.absolute())
    return str(folder)


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """An empty cache folder for the packed datasets; it is not there until something is packed."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("COCKPIT_DATA", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # a packed CIFAR is 184 MB and pytest keeps the last three sessions


@pytest.fixture(scope="session")
def cifar_source() -> Path:
    """The folder with unpack.py and the shards of the real CIFAR-10 and CIFAR-100."""
    named = os.environ.get("COCKPIT_TEST_CIFAR")
    if not named or not (Path(named) / "unpack.py").is_file():
        pytest.skip("COCKPIT_TEST_CIFAR does not name the folder of the real CIFAR shards")
    return Path(named)


def _keep_to_one_core() -> None:
    """The threads of unpack.py fight over the interpreter's lock: on one core it takes 27 s of CPU, on two 45 s."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


@pytest.fixture(scope="session")
def unpack_cifar(cifar_source):
    """A function (name, arguments of unpack.py) -> folder, which unpacks each form once a session."""
    # 60,000 small files are gone from memory in a second, from a disk in half a minute.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    made: dict[tuple[str, ...], Path] = {}

    def unpack(name: str, *arguments: str) -> Path:
        if (name, *arguments) not in made:
            folder = made[name, *arguments] = Path(tempfile.mkdtemp(prefix=f"test-{name}-", dir=memory))
            subprocess.run(
                [sys.executable, cifar_source / "unpack.py", name, "--to", folder, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                preexec_fn=_keep_to_one_core,
            )
        return made[name, *arguments]

    yield unpack
    for folder in made.values():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cifar10_folder(unpack_cifar) -> Path:
    """All 60,000 images of CIFAR-10 as <split>/<class>/*.png; read only."""
    return unpack_cifar("cifar10")


@pytest.fixture(scope="session")
def cifar10_small(unpack_cifar) -> Path:
    """5,000 training and 1,000 test images of CIFAR-10 as <split>/<class>/*.png; read only."""
    return unpack_cifar("cifar10", "--train", "5000", "--test", "1000")


@pytest.fixture(scope="session")
def cifar10_batches(unpack_cifar) -> Path:
    """All of CIFAR-10 in the official python layout; read only."""
    return unpack_cifar("cifar10", "--layout", "batches")


@pytest.fixture(scope="session")
def cifar10_archive(cifar10_batches, tmp_path_factory) -> Iterator[Path]:
    """All of CIFAR-10 as an archive of the official python layout, uncompressed to save time; read only."""
    path = tmp_path_factory.mktemp("archive") / "cifar10.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(cifar10_batches / "cifar-10-batches-py", "cifar-10-batches-py")
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def cifar10_images(cifar10_small) -> np.ndarray:
    """2,500 real CIFAR-10 pictures, 250 of each class: (2500, 32, 32, 3) uint8."""
    files = [file for home in sorted((cifar10_small / "train").iterdir()) for file in sorted(home.iterdir())[:250]]
    return np.stack([np.asarray(Image.open(file)) for file in files])


@pytest.fixture(scope="session")
def own_cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A real Slurm on this machine, started for the session."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"Slurm is not installed here: no {', '.join(missing)}")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def cluster(own_cluster, monkeypatch) -> Iterator[Cluster]:
    """The session's Slurm, idle, and the one that this test's commands speak to."""
    monkeypatch.setenv("SLURM_CONF", str(own_cluster.conf))
    squeue.QUEUE.forget()
    yield own_cluster
    own_cluster.cancel_all()
    squeue.QUEUE.forget()


@pytest.fixture
def full(cluster) -> Cluster:
    """A cluster whose two cores are taken, so that every other job waits."""
    cluster.run("sbatch", "--job-name=blocker", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 600")
    wait_for(lambda: cluster.jobs("RUNNING") == ["blocker"], what="the blocker")
    return cluster


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Iterator[Callable[[str, str], Path]]:
    """A function (command of Slurm, shell script) that puts the script in its place; `$REAL` is the command."""
    folder = tmp_path / "fakes"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(program: str, script: str) -> Path:
        path, new = folder / program, folder / f"{program}.new"
        new.write_text(f"#!/bin/bash\nREAL={find(program)}\n{script}\n")
        new.chmod(0o755)
        new.replace(path)  # the one before may just be executed
        squeue.QUEUE.forget()
        return path

    yield put
    squeue.QUEUE.forget()
