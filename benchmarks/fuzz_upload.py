"""Fuzzing of the server: whatever is sent, it answers JSON, never with 500, and predicts as before.

    python benchmarks/fuzz_upload.py --minutes 10 --seed 0

Four clients send mutated files in whole requests, mutated requests in whole HTTP, and mutated HTTP, to a server in a
process of its own. Whole HTTP must be answered in JSON, by 200, 400 or 413, and whole requests by 200 with a label or
an error; after broken HTTP the server must go on. Now and then a good file must be predicted as at first. What breaks
this is reported, and its bytes are left in fuzz_upload_<number>.bin. At the end stand the counts of answers, and how
much memory the server has taken since the first minute.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from _fuzz import mutated
from PIL import Image

from fracture_features import load_folder, make_pipeline, make_radiographs, read_image, train_model

N_CLIENTS = 4
PATHS = ("/predict", "/predict", "/picture", "/map")
BOUNDARY = b"boundary7MA4YWxk"
CONTENT_TYPE = "multipart/form-data; boundary=" + BOUNDARY.decode()
NAMES = (b"a.png", b"\xff\xfe.dcm", b"<b>.jpg", b"=1+1", b'\\"\\\\', b"a" * 3000, b"../../x", "\u202e.png".encode())
PIECES = (BOUNDARY, b"--", b"\r\n", b"\n", b"\0", b'"', b"filename*=UTF-8''%ff", b"name=", b"; ", b":", b"\xff" * 20)


def seeds(folder: Path) -> list[bytes]:
    """Small files of the formats that are read."""
    image = cv2.resize(read_image(next(folder.rglob("*.jpg"))), (96, 120))
    found = [cv2.imencode(ending, image)[1].tobytes() for ending in (".jpg", ".png", ".tif", ".bmp")]
    gif = io.BytesIO()
    Image.fromarray(image).save(gif, "GIF")
    found.append(cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes())
    return [*found, gif.getvalue(), _dicom(image)]


def _dicom(image: Any) -> bytes:
    """Explicit little endian, with what an image needs."""

    def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
        value += b"\0" * (len(value) % 2)
        wide = vr in (b"OB", b"OW")
        size = b"\0\0" + len(value).to_bytes(4, "little") if wide else len(value).to_bytes(2, "little")
        return group.to_bytes(2, "little") + number.to_bytes(2, "little") + vr + size + value

    numbers = {0x10: image.shape[0], 0x11: image.shape[1], 0x100: 8, 0x101: 8, 0x102: 7, 0x103: 0}
    meta = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1")
    body = element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.1.1") + element(0x28, 2, b"US", b"\1\0")
    body += element(0x28, 4, b"CS", b"MONOCHROME2")
    body += b"".join(element(0x28, k, b"US", value.to_bytes(2, "little")) for k, value in numbers.items())
    length = element(2, 0, b"UL", len(meta).to_bytes(4, "little"))
    return bytes(128) + b"DICM" + length + meta + body + element(0x7FE0, 0x10, b"OW", image.tobytes())


def form(files: list[bytes], rng: np.random.Generator) -> bytes:
    """The body of a request."""
    parts = []
    for data in files:
        name = NAMES[rng.integers(len(NAMES))]
        parts.append(b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n' % (BOUNDARY, name))
        parts.append(b"Content-Type: image/png\r\n\r\n" + data + b"\r\n")
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def whole_request(port: int, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
    """Status and body of the answer; the request is sent whole."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def broken_http(port: int, message: bytes) -> None:
    """Send bytes, take what comes, and go."""
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        try:
            connection.sendall(message)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        except OSError:
            return


class Client(threading.Thread):
    """One of those that send."""

    def __init__(self, port: int, files: list[bytes], seed: int, deadline: float, counts: Counter[str]):
        super().__init__()
        self.port, self.files, self.deadline, self.counts = port, files, deadline, counts
        self.rng = np.random.default_rng(seed)
        self.failures: list[tuple[str, bytes]] = []

    def run(self) -> None:
        """Send until the deadline."""
        good = form(self.files[:1], np.random.default_rng(0))
        expected = whole_request(self.port, "/predict", good, CONTENT_TYPE)
        while time.monotonic() < self.deadline and len(self.failures) < 5:
            sent = b""
            try:
                sent = self._case(int(self.rng.integers(10)))
                if self.rng.random() < 0.02 and whole_request(self.port, "/predict", good, CONTENT_TYPE) != expected:
                    self.failures.append(("a good file is predicted otherwise", sent))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append((f"no answer: {error!r}", sent))

    def _case(self, kind: int) -> bytes:
        rng = self.rng
        files = [mutated(self.files[rng.integers(len(self.files))], rng) for _ in range(rng.integers(1, 4))]
        path, body = PATHS[rng.integers(len(PATHS))], form(files, rng)
        if kind == 0:
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {CONTENT_TYPE}\r\n"
            message = mutated(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body, rng, PIECES)
            broken_http(self.port, message)
            self.counts["broken HTTP"] += 1
            return message
        content_type, is_whole = CONTENT_TYPE, kind > 4
        if not is_whole:
            body = mutated(body, rng, PIECES)
        if kind == 1:
            content_type += str(rng.choice(["", "; charset=utf-7", "; charset=undefined", "; charset=idna"]))
            content_type = "".join(c for c in mutated(content_type.encode(), rng).decode("latin-1") if c.isprintable())
        status, answer = whole_request(self.port, path, body, content_type.strip())
        self._check(status, answer, path, len(files) if is_whole else None, body)
        return body

    def _check(self, status: int, answer: bytes, path: str, n_files: int | None, sent: bytes) -> None:
        self.counts[f"{status}{'' if n_files is None else ', whole'}"] += 1
        try:
            found = json.loads(answer)
            assert status in ((200,) if n_files else (200, 400, 413)), status
            assert status == 200 or set(found) == {"error"}
            if path == "/predict" and n_files:
                assert len(found["predictions"]) == n_files
                for row in found["predictions"]:
                    assert (row["label"] is None) != (row["error"] is None)
                    self.counts["label" if row["error"] is None else "error of a file"] += 1
        except (AssertionError, ValueError, KeyError) as error:
            self.failures.append((f"{status} {answer[:200]!r}: {error!r}", sent))


def memory(process: Any) -> float:
    """MiB in memory of a process; NaN where /proc does not tell."""
    path = Path(f"/proc/{process.pid}/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if path.exists() else float("nan")


@contextmanager
def served(model_file: Path, log: IO[str]) -> Iterator[tuple[Any, int]]:
    """A server in a process of its own, and its port; what it says goes into `log`."""
    command = [sys.executable, "-m", "fracture_features", "serve", str(model_file), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    stream: Any = server.stderr
    try:
        line = stream.readline()
        found = re.search(r":(\d+)/", line)
        assert found, line
        reader = threading.Thread(target=lambda: log.write(stream.read()), daemon=True)
        reader.start()
        yield server, int(found[1])
        server.terminate()
        server.wait(20)
        reader.join(5)
    finally:
        server.kill()
        server.wait()


def fuzz(minutes: float, seed: int, folder: Path) -> tuple[list[tuple[str, bytes]], Counter[str], float]:
    """Failures, counts of answers, and MiB that the server has taken since the first minute."""
    data = load_folder(make_radiographs(60, folder=folder, random_state=0), groups=r"patient(\d+)")
    model = train_model(make_pipeline("edges", "svm", image_size=48), data, calibrate=True, random_state=0)
    model.save(folder / "model.ff")
    files, counts, log = seeds(folder), Counter[str](), io.StringIO()
    with served(folder / "model.ff", log) as (server, port):
        for file in files:
            _, answer = whole_request(port, "/predict", form([file], np.random.default_rng(0)), CONTENT_TYPE)
            assert json.loads(answer)["predictions"][0]["error"] is None, answer
        deadline = time.monotonic() + 60 * minutes
        clients = [Client(port, files, seed * 100 + k, deadline, counts) for k in range(N_CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(min(60, 30 * minutes))
        before = memory(server)
        for client in clients:
            client.join()
        grown, alive = memory(server) - before, server.poll() is None
    failures = [failure for client in clients for failure in client.failures]
    if not alive:
        failures.append(("the server has ended", b""))
    if "Traceback" in log.getvalue():
        failures.append((f"the server says {log.getvalue()[-2000:]}", b""))
    return failures, counts, grown


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        failures, counts, grown = fuzz(options.minutes, options.seed, Path(folder))
    for k, (reason, sent) in enumerate(failures):
        Path(f"fuzz_upload_{k}.bin").write_bytes(sent)
        print(f"fuzz_upload_{k}.bin: {reason}")
    n = sum(number for name, number in counts.items() if name[0].isdigit() or name == "broken HTTP")
    print(f"{n} requests in {options.minutes} minutes: {dict(counts.most_common())}, {grown:+.1f} MiB of memory")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
