"""A real SSH server for tests: on loopback, with keys and a configuration of its own, and the terminals behind it."""

import contextlib
import os
import pwd
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import psutil
from terminal import Terminal
from waiting import wait_for

_SBIN = ("/usr/sbin", "/usr/local/sbin")
"""Where the server is; a user's PATH need not have them."""
_KEPT = ("PATH", "PYTHONPATH", "COCKPIT_DATA", "LANG")
"""What a session takes over from here; a server begins each with an environment of its own."""


def find_sshd() -> str | None:
    """Return the whole path of the server, without which it does not start, or None where it or its client is not."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SBIN])
    return shutil.which("sshd", path=path) if shutil.which("ssh") else None


class Sshd:
    """A running server; its keys, configuration and log are in a folder."""

    def __init__(self, program: str, folder: Path) -> None:
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)  # where a server of root's locks its helpers in
        for name in ("host", "user"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / f"{name}-key")]
            subprocess.run(command, check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        settings = {
            "ListenAddress": "127.0.0.1",
            "Port": self._port,
            "HostKey": folder / "host-key",
            "AuthorizedKeysFile": folder / "user-key.pub",
            "PidFile": "none",
            "UsePAM": "no",
            "StrictModes": "no",
        }
        (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        self._key = folder / "user-key"
        log = folder / "sshd.log"
        with open(log, "wb") as file:
            self._process = psutil.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=file)
        wait_for(lambda: "listening" in log.read_text(), what=f"the server, see {log}")

    def connect(self) -> Terminal:
        """Log in and return the terminal, with a shell's prompt on it."""
        options = {"UserKnownHostsFile": "/dev/null", "StrictHostKeyChecking": "no", "LogLevel": "ERROR"}
        words = ["ssh", "-F", "none", "-tt", "-p", str(self._port), "-i", str(self._key)]
        words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        environment = [f"{name}={os.environ[name]}" for name in _KEPT if name in os.environ]
        shell = shlex.join(["env", *environment, "PS1=ready> ", "/bin/sh", "-i"])
        terminal = Terminal(*words, f"{pwd.getpwuid(os.getuid()).pw_name}@127.0.0.1", shell, columns=120, rows=40)
        terminal.wait_for_text("ready>")
        return terminal

    def sessions(self) -> list[psutil.Process]:
        """The server's processes that serve a connection, and what runs in it."""
        return self._process.children(recursive=True)

    def __enter__(self) -> "Sshd":
        return self

    def __exit__(self, *_: object) -> None:
        """End the server and every session."""
        for process in (*self.sessions(), self._process):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
