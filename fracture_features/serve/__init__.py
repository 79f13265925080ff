"""A page to drop radiographs on, over a trained model, and POST /predict for programs.

    fracture-features serve model.ff

On the page, http://127.0.0.1:8000/, one drops image or DICOM files and sees each as this library reads it, the answer
with its probability and thresholds, the heat map, whether it is unlike the training images, and how the model was
measured. Programs send one or several files as the field "file" of a form:

    curl -F file=@wrist.png -F file=@ankle.dcm http://127.0.0.1:8000/predict

or, in Python, with httpx (or requests, in the same way)::

    files = [("file", open(path, "rb")) for path in ("wrist.png", "ankle.dcm")]
    answer = httpx.post("http://127.0.0.1:8000/predict", files=files, timeout=60).json()
    pandas.DataFrame(answer["predictions"])

The answer is JSON: "predictions" has for each file, in their order, the columns of `FractureModel.predict_frame`:
`path` is the name that was sent, what is not a number is null, and `error` says why a file has no prediction. "model"
and "notice" stand beside. A request that is refused has "error" alone: 400 for no or more than 20 files, 403 and 421
for one from a page of another site, 408 for one that takes longer than a minute to arrive, 413 for a file above 64 MiB
or 256 MiB in all, 503 while too much else is being answered.

Uploads are held in memory until they are answered; neither they nor their names are written or logged.
"""

from .._optional import require

for _package in ("starlette", "uvicorn", "python_multipart"):
    require(_package, extra="serve", needed_for="serving a model")

from ._app import make_app  # noqa: E402
from ._guard import is_loopback  # noqa: E402
from ._server import serve_model  # noqa: E402

__all__ = ["is_loopback", "make_app", "serve_model"]
