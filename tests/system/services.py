"""PostgreSQL and Redis as processes of their own, from the programs that Debian's packages install."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from conditions import wait_until

from processes import free_port


@contextmanager
def postgresql(processes):
    """Run a database server; give the SQLAlchemy URL of an empty database without the scheme."""
    programs = _newest(Path("/usr/lib/postgresql").glob("*/bin"), "postgresql")
    # Not below the checkout: the server does not run as root, and may not look into root's folders.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        as_user = _as_user(folder)
        data = folder / "data"
        made = subprocess.run(
            [*as_user, programs / "initdb", "--pgdata", data, "--username", "airflow", "--auth", "trust"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        assert made.returncode == 0, made.stderr
        port = free_port()
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", "fsync=off"]
        processes.start(
            "postgres", *as_user, programs / "postgres", "-D", data, "-p", str(port), "-k", folder, *settings
        )
        answers = [programs / "pg_isready", "--host", "127.0.0.1", "--port", str(port)]
        wait_until(
            lambda: subprocess.run(answers, capture_output=True, check=False).returncode == 0,
            "PostgreSQL answers",
            meanwhile=processes.check,
        )
        yield f"airflow@127.0.0.1:{port}/postgres"
    finally:
        processes.stop()
        shutil.rmtree(folder, ignore_errors=True)


def redis(processes, folder):
    """Start a broker and return its URL."""
    program = shutil.which("redis-server")
    assert program, "no redis-server: install the Debian package redis-server"
    port = free_port()
    settings = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    processes.start("redis", program, "--bind", "127.0.0.1", "--port", str(port), *settings)
    return f"redis://127.0.0.1:{port}/0"


def _newest(folders, package):
    found = sorted(folders, key=lambda folder: int(folder.parent.name))
    assert found, f"no server of PostgreSQL: install the Debian package {package}"
    return found[-1]


def _as_user(folder):
    """Return what runs a command as a user that the server accepts, to whom the folder is given."""
    if os.getuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
