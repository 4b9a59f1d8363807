"""Fetches the official archive of a known dataset and imports it. Asks no server but the one torchvision names.

A transfer that was cut is resumed by the next call; what came is checked by MD5, and its images by their digest.
"""

import contextlib
import fcntl
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import check_integrity

from cockpit.datasets import DATASETS, EMBEDDED, cache_dir, is_packed
from cockpit.errors import CockpitError
from cockpit.ingest import Summary, import_dataset, pack_digits
from cockpit.progress import INTERVAL_S, Progress, Stop, Ticker

TIMEOUT_S = 20.0
"""A server that sends nothing for so long has cut the transfer; a `stop()` waits no longer either."""
_CHUNK_BYTES = 2**18


class Archive(NamedTuple):
    """An archive on a server."""

    url: str
    md5: str
    filename: str


class _TransferError(Exception):
    """The archive did not come whole; the message says what happened."""


def official_archive(name: str) -> Archive:
    """Return the official archive of a dataset, as torchvision knows it.

    Raises:
        CockpitError: When the dataset has none.
    """
    for known, source in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        if name == known:
            return Archive(source.url, source.tgz_md5, source.filename)
    raise CockpitError(
        f"there is nothing to fetch for the dataset {name!r}; import it with `cockpit data import {name} PATH`"
    )


def get_dataset(
    name: str,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    url: str | None = None,
    md5: str | None = None,
) -> Summary:
    """Fetch and pack a known dataset, whether it is in the cache already or not; the embedded one is only packed.

    If another process is fetching the same dataset, its result is waited for and used.

    Args:
        name: One of the known datasets.
        progress: Told bytes done and in all (0 while unknown) as "downloading", then the work of the import.
        stop: Asked often whether to give up; at the worst a silent server delays that by `TIMEOUT_S`.
        url: Another address of the archive.
        md5: Another checksum, 32 hexadecimal digits.

    Raises:
        CockpitError: When it did not come whole; the sentence tells how to import it by hand.
        Cancelled: When `stop()` returned True. What came so far is kept for the next call.
    """
    if name == EMBEDDED:
        return Summary(spec=DATASETS[name], folder=pack_digits())
    archive = official_archive(name)
    archive = Archive(url or archive.url, md5 or archive.md5, archive.filename)
    ticker = Ticker(progress, stop)
    home = cache_dir() / ".download"
    part = home / f"{name}-{archive.md5[:12]}.part"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _sole_fetcher(home / f"{name}.lock", ticker) as waited:
            if waited and is_packed(name):
                return Summary(spec=DATASETS[name], folder=cache_dir() / name)
            _fetch(archive, part, ticker)
            summary = import_dataset(name, part, progress=progress, stop=stop)
            part.unlink()
            return summary
    except _TransferError as error:
        raise CockpitError(
            f"{name} was not fetched from {archive.url}: {error}; run `cockpit data get {name}` again, or fetch that "
            f"file on another machine and run `cockpit data import {name} {archive.filename}`"
        ) from error
    except OSError as error:
        raise CockpitError(
            f"{name} cannot be written to {str(home)!r} ({error.strerror or error}); make room there, or let "
            f"COCKPIT_DATA name another folder"
        ) from error


@contextlib.contextmanager
def _sole_fetcher(lock: Path, ticker: Ticker) -> Iterator[bool]:
    """Hold the lock; yield whether another process had it."""
    waited = False
    with open(lock, "w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waited = True
                ticker.tick(0, 0, "waiting for another download")
                time.sleep(INTERVAL_S)
        yield waited


def _fetch(archive: Archive, part: Path, ticker: Ticker) -> None:
    """Make `part` the whole archive; what cannot become it is deleted."""
    if check_integrity(part, archive.md5):
        return
    if part.exists():
        _transfer(archive.url, part, ticker)
        if check_integrity(part, archive.md5):
            return
        part.unlink()  # the server's file is not the one that was begun
    _transfer(archive.url, part, ticker)
    if not check_integrity(part, archive.md5):
        part.unlink()
        raise _TransferError(
            f"what came has not the MD5 {archive.md5}, so it was deleted (a proxy or a sign-in page may have answered)"
        )


def _transfer(url: str, part: Path, ticker: Ticker) -> None:
    """Append to `part` what it lacks, or begin anew where the server does not resume."""
    have = part.stat().st_size if part.exists() else 0
    with _open(url, have) as response, open(part, "ab") as file:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        done = have if resumed else 0
        file.truncate(done)
        total = done + (response.length or 0)
        known = response.length is not None
        while chunk := _read(response, done):
            file.write(chunk)
            done += len(chunk)
            ticker.tick(done, total if known else 0, "downloading")
    if known and done < total:
        raise _TransferError(f"the connection ended after {done:,} of {total:,} bytes, which are kept")


def _open(url: str, have: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": "cockpit"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if have and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0)
        raise _TransferError(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _TransferError(f"there is no connection ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(f"the connection broke ({error})") from error


def _read(response: http.client.HTTPResponse, done: int) -> bytes:
    try:
        return response.read1(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(f"the connection broke after {done:,} bytes ({error}), which are kept") from error
