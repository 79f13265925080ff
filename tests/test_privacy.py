"""Names, ids and dates of patients, planted in DICOM files, come out nowhere: no output, model, cache or message."""

import base64
import hashlib
import io
import json
import re
import zipfile
import zlib
from functools import partial
from importlib.util import find_spec

import cv2
import numpy as np
import pytest

from fracture_features import PretrainedExtractor, load_folder, make_pipeline, make_radiographs, train_model
from fracture_features.cli import ExitCode, main
from fracture_features.model._train import _parameters

pydicom = pytest.importorskip("pydicom", reason="pydicom writes the files")

N_IMAGES = 48
SALT = "xyzzysalt"
DATE = "19431117"
# {0} is the patient's number; of dates all forms that a program might write.
PLANTED = {
    "PatientName": "Qwertzname{0}^Xylophona",
    "PatientID": "PLANTEDID-77{0}",
    "PatientBirthDate": DATE,
    "PatientAddress": "Zanzibarroad {0}",
    "OtherPatientNames": "Qwertzalias{0}",
    "PatientComments": "Commentplanted{0}",
    "StudyInstanceUID": "1.2.826.0.1.777123.{0}",
    "SeriesInstanceUID": "1.2.826.0.1.777124.{0}",
    "SOPInstanceUID": "1.2.826.0.1.777125.{0}.{1}",
    "AccessionNumber": "ACCPLANTED{0}",
    "StudyID": "STUDYPLANT{0}",
    "StudyDate": DATE,
    "ContentDate": DATE,
    "AcquisitionDateTime": f"{DATE}101112.131415",
    "StudyTime": "101112.131415",
    "InstitutionName": "Plantedhospital",
    "ReferringPhysicianName": "Plantedreferrer^{0}",
    "OperatorsName": "Plantedoperator",
    "StationName": "PLANTEDSTATION",
    "DeviceSerialNumber": "SERIALPLANTED",
}
NEEDLES = (
    *("qwertz", "xylophona", "plantedid", "zanzibar", "commentplanted", "accplanted", "studyplant", "planted"),
    *("826.0.1.77712", "101112.131415", DATE, "1943-11-17", "17.11.1943", "11/17/1943", SALT),
)
# Hashes without a key tell who is who to anyone with a list of ids.
HASHES = {
    kind(PLANTED[name].format(patient, 0).encode()).hexdigest()[:16]
    for kind in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.blake2b, partial(hashlib.blake2b, digest_size=8))
    for name in ("PatientID", "PatientName", "StudyInstanceUID")
    for patient in range(N_IMAGES // 2)
}


def write_dicom(path, pixels, patient, k):
    image = pydicom.Dataset()
    image.file_meta = pydicom.dataset.FileMetaDataset()
    image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    image.file_meta.MediaStorageSOPInstanceUID = PLANTED["SOPInstanceUID"].format(patient, k)
    for name, value in PLANTED.items():
        setattr(image, name, value.format(patient, k))
    image.BodyPartExamined, image.ViewPosition, image.Modality = "WRIST", "AP" if k % 2 else "LL", "DX"
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    image["PixelData"].VR = "OB"
    image.save_as(path, enforce_file_format=True)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Files of 24 patients, one of which is cut."""
    drawn = make_radiographs(N_IMAGES, folder=tmp_path_factory.mktemp("drawn") / "images", random_state=0)
    folder = tmp_path_factory.mktemp("hospital")
    for k, path in enumerate(sorted(drawn.glob("*/*.jpg"))):
        (folder / path.parent.name).mkdir(exist_ok=True)
        pixels = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (97, 96))
        write_dicom(folder / path.parent.name / f"{k:03}.dcm", pixels, k % (N_IMAGES // 2), k)
    cut = folder / "fractured" / "cut.dcm"
    write_dicom(cut, pixels, 0, 0)
    cut.write_bytes(cut.read_bytes()[:-100])
    return folder


def within(data):
    """Bytes, and what is packed in them: members of a zip, data: addresses of a page, text of a PNG."""
    yield data
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield "\n".join(archive.namelist()).encode() + archive.comment
            for name in archive.namelist():
                yield from within(archive.read(name))
    for text in re.findall(rb"base64,([A-Za-z0-9+/]{16,}=*)", data):
        yield from within(base64.b64decode(text))
    if data[:2] in (b"\x78\x01", b"\x78\x9c", b"\x78\xda"):
        yield zlib.decompress(data)


def search(data):
    """What was planted and is found in bytes, whatever the encoding and case."""
    text = data.replace(b"\0", b"").lower()  # UTF-16 and -32 are the same without
    runs = b" ".join(re.findall(rb"[0-9a-f]{16,}", text)).decode()
    return {needle for needle in NEEDLES if needle.encode() in text} | {one for one in HASHES if one in runs}


def leaks(folder):
    """What was planted and is found below a folder, with the file's name."""
    found = set()
    for path in sorted(folder.rglob("*")):
        parts = [str(path.relative_to(folder)).encode()]
        if path.is_file():
            parts += within(path.read_bytes())
        found |= {(path.name, hit) for part in parts for hit in search(part)}
    return found


def test_the_search_finds_what_is_hidden(hospital, tmp_path):
    assert len({name for name, _ in leaks(hospital)}) == N_IMAGES + 1
    np.savez_compressed(tmp_path / "a.npz", ids=np.array(["plantedID-771"]))
    with zipfile.ZipFile(tmp_path / "b.ff", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.json", json.dumps({"date": DATE}))
    page = base64.b64encode((tmp_path / "c.zip").read_bytes()).decode()
    (tmp_path / "d.html").write_text(f'<img src="data:image/png;base64,{page}">')
    (tmp_path / "e.txt").write_text(hashlib.sha256(b"PLANTEDID-773").hexdigest())
    assert {name for name, _ in leaks(tmp_path)} == {"a.npz", "b.ff", "c.zip", "d.html", "e.txt"}


def test_nothing_of_a_patient_comes_out(hospital, tmp_path, capfd):
    out = tmp_path / "out"
    model, cache = str(out / "model.ff"), str(out / "cache")
    small, groups = ["--image-size", "48"], ["--groups", "PatientID", "--salt", SALT]
    failed = ExitCode.FAILURES  # the file that is cut
    train = ["train", str(hospital), *groups, *small, "--model", "edges+svm", "--calibrate"]
    compare = ["compare", str(hospital), *groups, *small, "--models", "edges+svm", "--folds", "2", "--cache", cache]
    commands = [
        ([*train, "--operating-point", "rule-out=0.8", "--out", model], ExitCode.DONE),
        (["predict", model, str(hospital), "--out", str(out / "p.csv"), "--maps", str(out / "maps")], failed),
        (["predict", model, str(hospital), "--json"], failed),
        (["predict", model, str(hospital)], failed),
        (["evaluate", model, str(hospital), *groups, "--out", str(out / "m.csv")], failed),
        (["explain", model, str(hospital / "fractured" / "000.dcm"), "--out", str(out / "map.png")], ExitCode.DONE),
        (["info", model], ExitCode.DONE),
        (["info", model, "--json"], ExitCode.DONE),
        ([*compare, "--out", str(out / "compared")], ExitCode.DONE),
        (["audit", str(hospital), *groups, "--out", str(out / "audited"), "--cache", cache], None),
        (["audit", str(hospital), *groups, "--json"], None),
    ]
    if find_spec("onnxruntime") is not None:
        onnx = ["export", model, str(hospital / "non-fractured"), "--onnx", str(out / "model.onnx")]
        commands.append((onnx, ExitCode.DONE))
    out.mkdir()
    for number, (command, code) in enumerate(commands):
        assert code in (main(command), None), command
        said = capfd.readouterr()
        assert said.out or said.err
        (out / f"said{number}.txt").write_text(said.out + said.err)
    assert leaks(out) == set()
    names = {path.name for path in out.rglob("*")}
    assert {"p.csv", "m.csv", "model.ff", "report.html", "audit.html", "manifest.json"} <= names
    assert len(list((out / "maps").iterdir())) == N_IMAGES
    assert list((out / "cache").rglob("*"))


def test_a_model_file_names_no_folder_of_the_machine_it_was_trained_on(tmp_path):
    mine = tmp_path / "plantedhome"
    data = load_folder(make_radiographs(40, folder=mine / "images", random_state=0), groups=r"patient(\d+)")
    pipeline = make_pipeline("edges", "svm", image_size=48, cache=mine / "cache")
    model = train_model(pipeline, data, random_state=0)
    (tmp_path / "out").mkdir()
    model.save(tmp_path / "out" / "model.ff")
    assert leaks(tmp_path / "out") == set()
    assert "planted" not in repr(model.info) + model.card()
    assert pipeline["images"].cache == mine / "cache"
    named = PretrainedExtractor(weights=str(mine / "mine.weights.h5"), cache=mine / "cache")
    told = _parameters(make_pipeline(named, "svm", image_size=64))
    assert "planted" not in repr(told)
    assert told["features__mobilenetv2__weights"] == "'mine.weights.h5'"
