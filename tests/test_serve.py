"""The page and POST /predict, over a server in this process, one in its own, and in a browser."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import CHROMIUM, Browser

from fracture_features import evaluate, load_model, make_pipeline, read_image, train_model
from fracture_features.cli import ExitCode, main
from fracture_features.exceptions import FractureFeaturesError, ImageReadError, MissingDependencyError
from fracture_features.explain import explain_images
from fracture_features.images import held_in_memory, read_shape
from fracture_features.model import Calibration, Decision, FractureModel, Novelty
from fracture_features.model._novelty import see

anyio = pytest.importorskip("anyio")
pytest.importorskip("starlette")
httpx = pytest.importorskip("httpx")
from fracture_features.serve import _limits, make_app, serve_model  # noqa: E402
from fracture_features.serve._guard import is_own_name  # noqa: E402
from fracture_features.serve._service import Service, find_scale, paint  # noqa: E402
from fracture_features.serve._uploads import Upload  # noqa: E402

HTML_NAME = "<img src=x onerror=alert(1)>.png"
SECRETS = ("Zebulon", "QX-74401", "19420229")


class Client:
    """Asks an application in this process, each request in an event loop of its own."""

    def __init__(self, app, base_url="http://127.0.0.1"):
        self.app, self.base_url = app, base_url

    def request(self, method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self.base_url) as client:
                return await client.request(method, path, **options)

        return anyio.run(ask)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


@pytest.fixture(scope="module")
def model(data):
    pipeline = make_pipeline("edges", "svm", image_size=48)
    rule = ("rule-out", 0.8)
    result = evaluate({"edges": pipeline}, data, cv=3, random_state=0)
    return train_model(
        pipeline, data, operating_point=rule, calibrate=True, result=result, name="edges", random_state=0
    )


@pytest.fixture(scope="module")
def model_file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("serve") / "model.ff"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def app(model):
    return make_app(model)


@pytest.fixture
def client(app):
    return Client(app, "http://127.0.0.1:8000")


@pytest.fixture(scope="module")
def films(data, tmp_path_factory):
    """A JPEG, a PNG of 16 bits, a cut PNG and, where pydicom is, a DICOM file that names a patient."""
    folder = tmp_path_factory.mktemp("films")
    image = read_image(data.paths[0])
    found = {"jpeg": Path(data.paths[0]), "deep": folder / "deep.png", "cut": folder / "cut.png"}
    cv2.imwrite(str(found["deep"]), image.astype(np.uint16) * 16)  # 12 bits: a browser shows it black
    found["cut"].write_bytes(found["deep"].read_bytes()[:900])
    if find_spec("pydicom"):
        found["dicom"] = folder / "film.dcm"
        write_dicom(found["dicom"], image)
    return found


def write_dicom(path, image):
    import pydicom
    from pydicom.dataset import FileMetaDataset

    film = pydicom.Dataset()
    film.PatientName, film.PatientID, film.PatientBirthDate = SECRETS
    film.SOPClassUID, film.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", pydicom.uid.generate_uid()
    film.Modality, film.PhotometricInterpretation, film.SamplesPerPixel = "DX", "MONOCHROME1", 1
    film.Rows, film.Columns = image.shape
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.PixelData = (4095 - image.astype(np.uint16) * 16).tobytes()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.save_as(path, enforce_file_format=True)


def sent(path, name=None):
    return ("file", (name or Path(path).name, Path(path).read_bytes()))


def expected_row(model, path, name=None):
    """As JSON gives it back."""
    row = model.predict_frame([path]).iloc[0].to_dict() | {"path": name or Path(path).name}
    return {key: None if value != value else value for key, value in row.items()}


def pixels_of(uri):
    assert uri.startswith("data:image/png;base64,")
    return cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)


# --- bytes in memory


def test_bytes_are_read_by_a_path_that_ends_with_its_block(data, model):
    with held_in_memory(Path(data.paths[0]).read_bytes()) as path:
        np.testing.assert_array_equal(read_image(path), read_image(data.paths[0]))
        assert read_shape(path) == read_shape(data.paths[0])
        here, there = (model.predict_frame([one]).drop(columns="path") for one in (path, data.paths[0]))
        assert here.equals(there)
        assert not Path(path).exists()
    with pytest.raises(ImageReadError, match="there is no such file"):
        read_image(path)


def test_bytes_in_memory_never_reach_a_cache(data, tmp_path):
    reader = make_pipeline("hog", "svm", cache=tmp_path)[0].fit(data.paths[:1])
    before = sorted(tmp_path.rglob("*"))
    with held_in_memory(Path(data.paths[0]).read_bytes()) as path, pytest.raises(ImageReadError, match="no such file"):
        reader.transform([path])
    assert sorted(tmp_path.rglob("*")) == before


# --- answers


def test_answers_are_those_of_python(client, model, films):
    answer = client.post("/predict", files=[sent(path) for path in films.values()])
    assert answer.status_code == 200
    found = answer.json()
    assert found["model"] == "edges"
    assert "Not a medical device" in found["notice"]
    assert found["predictions"] == [expected_row(model, path) for path in films.values()]
    by_name = dict(zip(films, found["predictions"], strict=True))
    assert by_name["jpeg"]["label"] in ("fractured", "non-fractured", "inconclusive")
    assert by_name["deep"]["error"] is None
    assert "cut short" in by_name["cut"]["error"]
    assert by_name["cut"]["label"] is None


def test_an_answer_does_not_depend_on_the_other_files(client, films):
    alone = client.post("/predict", files=[sent(films["deep"])]).json()["predictions"]
    among = client.post("/predict", files=[sent(films[name]) for name in ("cut", "jpeg", "deep")]).json()["predictions"]
    assert alone[0] == among[2]


def test_the_picture_is_what_our_reader_reads(client, films):
    for path in films.values():
        found = client.post("/picture", files=[sent(path)]).json()
        if path == films["cut"]:
            assert found["image"] is None
            assert "cut short" in found["error"]
        else:
            np.testing.assert_array_equal(pixels_of(found["image"]), read_image(path, max_side=1024))
    large = cv2.imencode(".png", np.arange(1500 * 900, dtype=np.uint8).reshape(1500, 900))[1].tobytes()
    found = client.post("/picture", files=[("file", ("large.png", large))]).json()
    assert pixels_of(found["image"]).shape == (found["height"], found["width"]) == (1024, 614)


def test_the_map_is_that_of_explain_images(client, model, films):
    found = client.post("/map", files=[sent(films["jpeg"])]).json()
    assert found["target"] == "fractured"
    shape = read_image(films["jpeg"], max_side=512).shape
    (values,) = explain_images(model.pipeline, [str(films["jpeg"])], shapes=[shape])
    np.testing.assert_array_equal(pixels_of(found["heat_map"]), paint(values))
    assert "cut short" in client.post("/map", files=[sent(films["cut"])]).json()["error"]


def test_colours_of_a_map():
    painted = paint(np.array([[-1.0, 0.0, 2.0]]))
    assert painted.shape == (1, 3, 4)
    assert painted[0, :, 3].tolist() == [96, 0, 191]  # 0.75 of 255 where it is strongest
    assert painted[0, 0, 0] > painted[0, 0, 2]  # blue against
    assert painted[0, 2, 2] > painted[0, 2, 0]  # orange for


def test_a_model_that_has_no_maps_says_so(data):
    from sklearn.ensemble import VotingClassifier

    each = [(str(size), make_pipeline("edges", "logistic", image_size=size)) for size in (32, 48)]
    voting = VotingClassifier(each, voting="soft").fit(data.paths, data.y)
    novelty = Novelty.fit(see(voting, data.paths).blocks, 0)
    client = Client(make_app(bare(voting, data, novelty)), "http://localhost")
    found = client.post("/map", files=[sent(data.paths[0])]).json()
    assert found == {"heat_map": None, "error": "there are no maps of a model of this kind"}
    assert client.get("/model").json()["scale"] == {"unit": "probability", "low": None, "high": None}


def bare(pipeline, data, novelty):
    info = {"name": None, "created": "2026-01-01", "versions": {}, "operating_point": None, "estimates": None}
    about = {"classes": data.class_counts(), "groups": 20, "left_out": 0, "digest": ""}
    return FractureModel(pipeline, data.target_names, None, None, novelty, info | {"data": about, "measures": None})


def test_a_decoder_that_is_not_installed_is_an_error_of_its_file(client, model, films, monkeypatch):
    def fails(self, paths):
        raise MissingDependencyError("JPEG 2000 needs the package 'imagecodecs'")

    with monkeypatch.context() as patch:
        patch.setattr(FractureModel, "_predict_block", fails)
        answer = client.post("/predict", files=[sent(films["jpeg"])])
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["error"] == "JPEG 2000 needs the package 'imagecodecs'"


def test_what_the_page_tells_of_the_model(client, model):
    about = client.get("/model").json()
    assert about["card"] == model.card()
    assert about["measures"] == model.info["measures"]
    assert [row["measure"] for row in about["estimates"]] == ["set_aside", "fractures_kept", "npv", "inconclusive"]
    assert about["columns"][:3] == ["path", "label", "probability"]


def test_thresholds_lie_on_the_scale_of_the_answer(model, data):
    found = find_scale(model)
    low, high = model.decision.low, model.decision.high
    a, b = model.calibration.slopes[0], model.calibration.intercepts[0]
    expected = [1 / (1 + np.exp(a * score + b)) for score in (low, high)]
    assert found["unit"] == "probability"
    np.testing.assert_allclose([found["low"], found["high"]], expected)
    frame = model.predict_frame(data.paths)
    np.testing.assert_array_equal(frame["probability"] >= found["high"], frame["label"] == "fractured")
    plain = FractureModel(model.pipeline, model.target_names, Decision(-np.inf, 0.5), None, model.novelty, model.info)
    assert find_scale(plain) == {"unit": "score", "low": -np.inf, "high": 0.5}
    # Where probabilities fall as scores rise, thresholds are on no scale of probabilities.
    falling = FractureModel(
        model.pipeline, model.target_names, Decision(0, 1), Calibration((1.0,), (0.0,)), model.novelty, model.info
    )
    assert find_scale(falling)["unit"] == "score"


# --- what is refused


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"<html>", b"\x89PNG\r\n\x1a\n", b"II*\0" * 30, b"\xff\xd8\xff"]
)
def test_what_is_no_image_is_an_error_of_its_file(client, content):
    for path in ("/predict", "/picture", "/map"):
        answer = client.post(path, files=[("file", ("x.png", content))])
        assert answer.status_code == 200
        row = answer.json()
        assert (row["predictions"][0] if path == "/predict" else row)["error"]


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({}, 400, "expected multipart"),
        ({"content": b"abc", "headers": {"content-type": "image/png"}}, 400, "expected multipart"),
        ({"content": b"abc", "headers": {"content-type": "multipart/form-data"}}, 400, "Missing boundary"),
        ({"content": b"abc", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, "multipart"),
        ({"files": [("other", ("a.png", b"a"))]}, 400, "no file"),
        ({"files": [("other", ("a.png", b"a"))], "data": {"file": "text"}}, 400, "is no file"),
        ({"files": [("file", ("a.png", b"a"))] * 21}, 400, "Too many files"),
    ],
)
def test_requests_without_files_and_with_too_many_are_refused(client, options, status, message):
    answer = client.post("/predict", **options)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_large_uploads_are_refused(client, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_FILE", 1000)
    answer = client.post("/predict", files=[("file", ("a.png", b"a")), ("file", ("b.png", b"a" * 1001))])
    assert (answer.status_code, answer.json()) == (413, {"error": "file 2 is larger than 1,000 bytes"})
    monkeypatch.setattr(_limits, "MAX_BODY", 2000)
    answer = client.post("/predict", files=[("file", ("b.png", b"a" * 900))] * 3)
    assert answer.status_code == 413
    assert "larger than 2,000 bytes" in answer.json()["error"]

    async def chunks():  # of a length that no header tells
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(5):
            yield b"a" * 500

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/predict", content=chunks(), headers=headers)
    assert answer.status_code == 413
    # What a header announces is refused before it is read.
    answer = client.post("/predict", content=b"--x", headers=headers | {"content-length": "2001"})
    assert answer.status_code == 413


def test_what_others_have_in_hand_counts(model, films, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_HELD", 1000)
    client = Client(make_app(model))
    assert client.post("/predict", files=[sent(films["jpeg"])]).status_code == 503
    for _ in range(20):  # what a request has held is given back
        assert client.post("/predict", files=[("file", ("a.png", b"a" * 500))]).status_code == 200
        assert client.post("/predict", files=[("no", ("a.png", b"a" * 500))]).status_code == 400


def test_too_many_requests_at_once_and_a_model_that_is_busy(model, films, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_REQUESTS", 1)
    monkeypatch.setattr(_limits, "SECONDS", 1)
    started, go_on = threading.Event(), threading.Event()
    frame = model.predict_frame

    def slow(self, paths):
        started.set()
        go_on.wait(20)
        return frame(paths)

    client = Client(make_app(model))
    monkeypatch.setattr(FractureModel, "predict_frame", slow)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(client.post, "/predict", files=[sent(films["jpeg"])])
        assert started.wait(20)
        second = client.post("/predict", files=[sent(films["jpeg"])])
        go_on.set()
        assert first.result().status_code == 200
    assert second.status_code == 503
    assert "retry-after" in second.headers
    assert client.post("/predict", files=[sent(films["jpeg"])]).status_code == 200


def test_a_model_that_stays_busy_is_said_to_be(client, model, films, monkeypatch):
    monkeypatch.setattr(_limits, "SECONDS", 0.05)
    service = Service(model)
    with service._turn(), ThreadPoolExecutor() as pool, pytest.raises(_limits.Busy):
        pool.submit(service.predict, Upload("a", films["jpeg"].read_bytes())).result()
    monkeypatch.setattr(Service, "predict", lambda *_: (_ for _ in ()).throw(_limits.Busy))
    answer = Client(make_app(model)).post("/predict", files=[sent(films["jpeg"])])
    assert (answer.status_code, answer.json()) == (503, {"error": "the model is busy; try again"})


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "localhost@evil"])
def test_another_host_is_refused(client, films, host):
    answer = client.post("/predict", files=[sent(films["jpeg"])], headers={"host": host})
    assert answer.status_code == 421
    assert client.get("/", headers={"host": host}).status_code == 421


def test_names_of_this_machine():
    assert all(is_own_name(name, "127.0.0.1") for name in ("localhost", "127.0.0.1:80", "[::1]:8000", "LOCALHOST:1"))
    assert not any(is_own_name(name, "127.0.0.1") for name in ("10.0.0.3", "[::2]", "a b", "localhost:123456"))
    assert is_own_name("10.0.0.3:8000", "0.0.0.0")  # an address is no name that another site can have
    assert is_own_name(socket.gethostname(), "0.0.0.0")
    assert not is_own_name("evil.example", "0.0.0.0")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001"])
def test_a_page_of_another_origin_is_refused(client, films, origin):
    answer = client.post("/predict", files=[sent(films["jpeg"])], headers={"origin": origin})
    assert answer.status_code == 403
    assert client.post("/predict", files=[sent(films["jpeg"])], headers={"origin": "http://127.0.0.1:8000"}).is_success


def test_headers_of_every_answer(client, films):
    answers = [client.get(path) for path in ("/", "/page.js", "/page.css", "/model", "/nothing", "/predict")]
    answers += [client.post("/predict"), client.get("/", headers={"host": "evil"})]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 405, 400, 421]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
    for answer in answers[4:]:
        assert set(answer.json()) == {"error"}


def test_an_unexpected_error_is_json_without_its_message(model, films, monkeypatch):
    monkeypatch.setattr(FractureModel, "predict_frame", lambda self, paths: [].iloc if paths else None)
    monkeypatch.setattr("fracture_features.serve._service._columns", lambda model: [])
    client = Client(make_app(model))
    answer = client.post("/predict", files=[sent(films["jpeg"], "secret name.png")])
    assert (answer.status_code, answer.json()) == (500, {"error": "the server failed; its window shows why"})


@pytest.mark.parametrize("name", [HTML_NAME, "=cmd|'/c calc'!A0.png", "\u202egnp.exe", "../../etc/passwd", "a" * 3000])
def test_names_come_back_as_they_are_and_as_json(client, films, name):
    answer = client.post("/predict", files=[sent(films["jpeg"], name)])
    assert answer.json()["predictions"][0]["path"] == name
    assert answer.headers["content-type"] == "application/json"


def test_a_name_that_is_not_unicode(client, films):
    body = b'--x\r\ncontent-disposition: form-data; name="file"; filename="\xff\xfe.png"\r\n\r\n'
    body += films["jpeg"].read_bytes() + b"\r\n--x--\r\n"
    answer = client.post("/predict", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.json()["predictions"][0]["error"] is None


@pytest.mark.parametrize(("charset", "status"), [("utf-7", 200), ("undefined", 400), ("zlib_codec", 200)])
def test_a_charset_that_the_sender_chooses(client, charset, status):
    """UTF-7 can spell half of a surrogate pair, which is no Unicode; some codecs raise errors of their own."""
    body = b'--x\r\ncontent-disposition: form-data; name="file"; filename="+2AA-..\xff.png"\r\n\r\na\r\n--x--\r\n'
    body = body.replace(b"\xff", b"") if charset == "utf-7" else body
    headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    answer = client.post("/predict", content=body, headers=headers)
    assert answer.status_code == status
    if charset == "utf-7":
        assert answer.json()["predictions"][0]["path"] == "\ud800...png"


# --- several at once, nothing on disk

opened, watching = [], threading.Event()


def note_writing(event, args):
    if watching.is_set() and event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        opened.append(args)


def test_nothing_is_written(client, films):
    files = [sent(path) for path in films.values()] + [("file", ("large.png", b"\x89PNG" + bytes(3 << 20)))]
    paths = ("/predict", "/picture", "/map")
    for path in paths:  # what is compiled once is kept
        client.post(path, files=files)
    sys.addaudithook(note_writing)
    watching.set()
    try:
        for path in paths:
            assert client.post(path, files=files).status_code == 200
    finally:
        watching.clear()
    assert opened == []
    watching.set()
    with (films["cut"].parent / "seen").open("wb"):
        watching.clear()
    assert len(opened) == 1  # the hook sees what is written


def test_requests_at_once_give_equal_answers(app, model, films):
    expected = {name: expected_row(model, path) for name, path in films.items()}

    def ask(k):
        name = list(films)[k % len(films)]
        client = Client(app)
        return name, client.post("/predict", files=[sent(films[name])]).json()["predictions"][0]

    with ThreadPoolExecutor(8) as pool:
        for name, row in pool.map(ask, range(32)):
            assert row == expected[name]


def test_threads_that_ask_a_network_just_loaded_get_equal_answers(data, tmp_path):
    pytest.importorskip("keras")
    pipeline = make_pipeline(classifier="cnn", image_size=32, random_state=0)
    pipeline.set_params(classifier__epochs=1).fit(data.paths[::3], data.y[::3])
    bare(pipeline, data, Novelty.fit(see(pipeline, data.paths[::3]).blocks, 0)).save(tmp_path / "cnn.ff")
    uploads = [Upload("a", Path(path).read_bytes()) for path in data.paths[:4]]
    alone = Service(load_model(tmp_path / "cnn.ff"))
    expected = [alone.predict(upload) for upload in uploads]
    service, start = Service(load_model(tmp_path / "cnn.ff")), threading.Barrier(4)

    def ask(upload):
        start.wait()
        return service.predict(upload)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, uploads)) == expected
    assert expected[0]["error"] is None
    assert len({row["score"] for row in expected}) > 1


# --- the command


class Server:
    """`fracture-features serve` in a process of its own, as a user starts it."""

    def __init__(self, model_file, *arguments):
        command = [sys.executable, "-m", "fracture_features", "serve", str(model_file), "--port", "0", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        self.said = []
        while not self.said or "The page is" not in self.said[-1]:
            self.said.append(self.process.stderr.readline())
            assert self.said[-1], self.said
        self.url = re.search(r"http://\S+/", self.said[-1])[0]
        self.port = int(self.url.rpartition(":")[2].strip("/"))
        return self

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, "".join(self.said) + out + err

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()

    def memory(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def post(self, connection, path, name, content):
        body = f'--x\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        headers = {"content-type": "multipart/form-data; boundary=x"}
        connection.request("POST", path, body + content + b"\r\n--x--\r\n", headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is told by /proc")
def test_many_requests_of_eight_clients(model_file, model, films):
    expected = expected_row(model, films["jpeg"], "SecretName.jpg")
    seen = []

    def ask(server, n):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for k in range(n):
            name, path = list(films.items())[k % len(films)]
            status, text = server.post(connection, "/predict", "SecretName.jpg", path.read_bytes())
            assert status == 200, text
            if name == "jpeg":
                assert json.loads(text)["predictions"] == [expected]
            seen.append(text)
            for route in ("/picture", "/map") if k == 0 else ():
                seen.append(server.post(connection, route, "SecretName.jpg", films[list(films)[-1]].read_bytes())[1])
        connection.close()

    with Server(model_file) as server:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, [server] * 8, [8] * 8))
            before = server.memory()
            list(pool.map(ask, [server] * 8, [25] * 8))
            grown = server.memory() - before
        broken = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        broken.putrequest("POST", "/predict?SecretName")  # a client that goes away
        for header in (("content-type", "multipart/form-data; boundary=x"), ("content-length", "1000")):
            broken.putheader(*header)
        broken.endheaders(b"--x\r\n")
        broken.close()
        time.sleep(0.3)
        started = time.monotonic()
        code, said = server.end()
        took = time.monotonic() - started
    assert len(seen) == 8 * 33 + 2 * 16
    assert grown < 16 << 20, f"{grown / 2**20:.1f} MiB more"
    assert (code, took < 10) == (ExitCode.DONE, True), said
    # Neither names of files nor what a DICOM header says of a patient is told on.
    lines = [line for line in said.splitlines() if line]
    assert lines[0] == server.said[-1].strip()
    assert set(lines[1:]) <= {"The page is closed"}
    assert not any(secret.encode() in text for secret in SECRETS for text in seen)


def test_sigterm_ends_it_and_another_address_is_warned_of(model_file):
    with Server(model_file, "--host", "0.0.0.0") as server:
        assert "Warning: --host 0.0.0.0: everyone who reaches this machine" in "".join(server.said)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", "/", headers={"host": "evil.example"})
        assert connection.getresponse().status == 421
        connection.close()
        code, _ = server.end(signal.SIGTERM)
    assert code == ExitCode.TERMINATED


def test_wrong_arguments(model_file, model, tmp_path, capsys, monkeypatch):
    for port in ("-1", "65536", "x"):
        with pytest.raises(SystemExit) as stop:
            main(["serve", str(model_file), "--port", port])
        assert stop.value.code == ExitCode.USAGE
    (tmp_path / "no.ff").write_bytes(b"no")
    assert main(["serve", str(tmp_path / "no.ff")]) == ExitCode.USAGE
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(model_file), "--port", str(port)]) == ExitCode.USAGE
        assert f"cannot listen at '127.0.0.1', port {port}" in capsys.readouterr().err
    with pytest.raises(FractureFeaturesError, match="cannot listen at"):
        serve_model(model, host="no.such.host.invalid")


def test_what_is_not_installed_is_said(model_file):
    code = """if True:
        import sys
        sys.modules["uvicorn"] = None
        from fracture_features.cli import main
        sys.exit(main(["serve", sys.argv[1]]))
    """
    done = subprocess.run([sys.executable, "-c", code, str(model_file)], capture_output=True, text=True)
    assert done.returncode == ExitCode.USAGE
    assert "serving a model needs the package 'uvicorn': pip install 'fracture_features[serve]'" in done.stderr


def test_other_commands_import_no_server():
    code = "import sys, fracture_features.cli._models; print({'starlette', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# --- the page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_page_in_a_browser(model_file, model, films, tmp_path):
    named = tmp_path / HTML_NAME
    cv2.imwrite(str(named), 255 - read_image(films["jpeg"]))
    paths = [films["deep"], films["cut"], named]
    rows = [expected_row(model, path) for path in paths]
    with Server(model_file) as server, Browser() as page:
        for width, dark in ((1280, False), (400, True)):
            page.show(width, dark=dark)
            page.go(server.url)
            page.wait("document.title.startsWith('edges')")
            assert page.evaluate("document.querySelector('.notice').innerText").startswith("Not a medical device.")
            page.choose_files("#input", paths)
            page.wait("document.getElementById('status').textContent === '3 files, 1 without a prediction'")
            page.wait("!document.getElementById('opacity-of-map').hidden")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            notice = page.evaluate("document.querySelector('.notice').getBoundingClientRect().top")
            assert notice == 0
        cells = page.evaluate(
            "[...document.querySelectorAll('#rows tr')].map(r => [...r.cells].map(c => c.textContent))"
        )
        assert [one[0] for one in cells] == [path.name for path in paths]
        assert [one[1] for one in cells] == [row["label"] or "–" for row in rows]
        assert [one[2] for one in cells] == [
            "–" if row["label"] is None else f"{row['probability']:.3f}" for row in rows
        ]
        assert cells[1][4] == rows[1]["error"]
        assert cells[2][4] == "unlike the training images"  # a negative
        assert page.evaluate("document.querySelectorAll('#rows img').length") == 0
        shown = page.evaluate("document.getElementById('image').src")
        np.testing.assert_array_equal(pixels_of(shown), read_image(films["deep"], max_side=1024))
        assert f"{rows[0]['probability']:.3f}" in page.evaluate("document.getElementById('reading').textContent")
        use_the_keyboard_alone(page)
        csv = page.evaluate("model.columns.join() + entries.map(e => model.columns.map(n => cell(e.row[n]))).join('|')")
        assert csv.startswith("path,label,probability")
        assert page.evaluate("cell('=1+1')") == "'=1+1"
        assert page.evaluate("""cell('a"b,c')""") == '"a""b,c"'
        assert page.complaints == []
        assert {url for url in page.requests if not url.startswith(("data:", server.url))} == set()


def use_the_keyboard_alone(page):
    """From the first control to the third file, then to the slider."""
    page.evaluate("document.getElementById('input').focus()")
    assert page.evaluate("getComputedStyle(document.getElementById('drop')).outlineStyle") == "solid"

    def press_until(expression):
        for _ in range(12):
            page.press("Tab")
            if page.evaluate(expression):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none"  # one sees where one is
                return
        raise AssertionError(f"no way to {expression}")

    press_until("document.activeElement.textContent.startsWith('<img')")
    page.press("Enter")
    page.wait("!document.getElementById('unlike').hidden")
    page.wait("!document.getElementById('opacity-of-map').hidden")
    assert "do not rely on the answer" in page.evaluate("document.getElementById('unlike').textContent")
    press_until("document.activeElement.id === 'opacity'")
    before = float(page.evaluate("document.getElementById('map').style.opacity"))
    page.press("ArrowLeft")
    assert float(page.evaluate("document.getElementById('map').style.opacity")) < before
