"""Shortcuts planted into copies of radiographs: present in 80 % of one class and 20 % of the other."""

import cv2
import numpy as np
from PIL import Image

SHARE = 0.8


def chosen(labels, share=SHARE, seed=0):
    """Which images have the shortcut: of each class as many as there should be, at random."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(labels), dtype=bool)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        out[rows[: round(len(rows) * (share if label else 1 - share))]] = True
    return out


def written(image, path, *, quality=92, progressive=False, exif=None, comment=None):
    """Write a JPEG as all the others are."""
    if exif is None and comment is None:
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
        path.write_bytes(cv2.imencode(".jpg", image, flags)[1].tobytes())
        return
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    marker, body = (b"\xff\xfe", comment) if comment else (b"\xff\xe1", exif.tobytes())
    path.write_bytes(data[:2] + marker + (len(body) + 2).to_bytes(2, "big") + body + data[2:])


def drawn(function):
    """A shortcut in the pixels."""

    def plant(image, path, has, rng):
        image = image.copy()
        if has:
            changed = function(image, rng)
            image = image if changed is None else changed
        written(image, path)

    return plant


def corner_square(image, rng):
    h = image.shape[0]
    image[h // 40 : h // 40 + h // 25, h // 40 : h // 40 + h // 25] = 255


def corner_circle(image, rng):
    h, w = image.shape
    cv2.circle(image, (w - h // 20, h // 20), h // 60, 230, -1, cv2.LINE_AA)


def low_cross(image, rng):
    h = image.shape[0]
    cv2.drawMarker(image, (h // 15, h - h // 15), 245, cv2.MARKER_CROSS, h // 25, 2)


def side_arrow(image, rng):
    h, w = image.shape
    cv2.arrowedLine(image, (w - 5, h // 2), (w - 30, h // 2), 220, 2, tipLength=0.4)


def letter(text, place, scale=500):
    def put(image, rng):
        h, w = image.shape
        where = int(place[0] * w), int(place[1] * h)
        cv2.putText(image, text, where, cv2.FONT_HERSHEY_SIMPLEX, h / scale, 240, 1 + h // 300, cv2.LINE_AA)

    return put


def frame(width, level):
    def put(image, rng):
        image[:width], image[-width:], image[:, :width], image[:, -width:] = (level,) * 4

    return put


def one_side(image, rng):
    image[-image.shape[0] // 20 :] = 0


def padded(image, rng):
    side = max(image.shape)
    across = (side - image.shape[1]) // 2
    return cv2.resize(cv2.copyMakeBorder(image, 0, 0, across, across, cv2.BORDER_CONSTANT), image.shape[::-1])


def blurred(share):
    def change(image, rng):
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)

    return change


def shrunk(image, rng):
    return cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)


def levels(function):
    def change(image, rng):
        return np.clip(function(image.astype(float)), 0, 255).astype(np.uint8)

    return change


def bar(level, length=0.3, width=0.02, straight=False):
    def put(image, rng):
        h, w = image.shape
        angle = 0 if straight else rng.uniform(-0.4, 0.4)
        middle = np.array([w * rng.uniform(0.4, 0.6), h * rng.uniform(0.4, 0.6)])
        along = np.array([np.sin(angle), np.cos(angle)]) * h * length / 2
        cv2.line(
            image, *(tuple(map(int, middle + s * along)) for s in (-1, 1)), level, max(3, int(h * width)), cv2.LINE_AA
        )

    return put


def encoded(**with_it):
    def plant(image, path, has, rng):
        written(image, path, **(with_it if has else {}))

    return plant


def as_png(image, path, has, rng):
    if has:
        path.with_suffix(".png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    else:
        written(image, path)


def named(rename):
    def plant(image, path, has, rng):
        written(image, path.with_name(rename(path.name, has, rng)))

    return plant


def exif(tag, value):
    block = Image.Exif()
    block[tag] = value
    return encoded(exif=block)


SHORTCUTS = {
    "corner marker": ("markers", drawn(corner_square)),
    "letter": ("markers", drawn(letter("P", (0.04, 0.08)))),
    "border by site": ("border", drawn(frame(6, 0))),
    "resolution": ("resolution", drawn(blurred(0.5))),
    "re-encoding": ("encoder", encoded(quality=60)),
    "polarity": ("polarity", drawn(levels(lambda x: 255 - x))),
    "brightness": ("brightness", drawn(levels(lambda x: x + 25))),
    "file name": ("file name", named(lambda name, has, rng: ("siteb_" if has else "sitea_") + name)),
    "EXIF": ("EXIF", exif(305, "Console 2.1")),
    "hardware-like bar": ("hardware", drawn(bar(255))),
}
OTHERS = {
    "circle": ("markers", drawn(corner_circle)),
    "cross": ("markers", drawn(low_cross)),
    "arrow": ("markers", drawn(side_arrow)),
    "letter low": ("markers", drawn(letter("K", (0.85, 0.95)))),
    "letters": ("markers", drawn(letter("AP", (0.75, 0.1), 400))),
    "letter B middle side": ("markers", drawn(letter("B", (0.02, 0.5), 700))),
    "white frame": ("border", drawn(frame(4, 255))),
    "grey frame": ("border", drawn(frame(10, 60))),
    "one side": ("border", drawn(one_side)),
    "padded": ("border", drawn(padded)),
    "shrunk": ("resolution", drawn(shrunk)),
    "blurred a little": ("resolution", drawn(blurred(0.7))),
    "quality 80": ("encoder", encoded(quality=80)),
    "quality 97": ("encoder", encoded(quality=97)),
    "progressive": ("encoder", encoded(progressive=True)),
    "png": ("encoder", as_png),
    "brighter": ("brightness", drawn(levels(lambda x: x * 1.25))),
    "darker": ("brightness", drawn(levels(lambda x: x * 0.75))),
    "gamma": ("brightness", drawn(levels(lambda x: 255 * (x / 255) ** 0.7))),
    "gamma 1.4": ("brightness", drawn(levels(lambda x: 255 * (x / 255) ** 1.4))),
    "name end": ("file name", named(lambda name, has, rng: name.replace(".", "_v2." if has else "."))),
    "name case": ("file name", named(lambda name, has, rng: name.upper() if has else name)),
    "name number": (
        "file name",
        named(lambda name, has, rng: f"{rng.integers(5000, 9000) if has else rng.integers(1000, 5000)}_{name}"),
    ),
    "jpeg": ("file name", named(lambda name, has, rng: name.replace(".jpg", ".jpeg") if has else name)),
    "make": ("EXIF", exif(271, "AGFA")),
    "artist": ("EXIF", exif(315, "somebody")),
    "date": ("EXIF", exif(306, "2015:02:01 10:00:00")),
    "comment": ("EXIF", encoded(comment=b"from site B")),
    "short bar": ("hardware", drawn(bar(255, 0.2, 0.025))),
    "grey bar": ("hardware", drawn(bar(235, 0.35, 0.025))),
    "thin bar": ("hardware", drawn(bar(255, 0.4, 0.015))),
    "upright plate": ("hardware", drawn(bar(250, 0.25, 0.035, straight=True))),
}


def plant_all(source, folder, plant, seed=0):
    """Copies of the JPEGs in `source`, by class folders, with the shortcut in `chosen` ones."""
    rng = np.random.default_rng(seed)
    paths = sorted(source.glob("*/*.jpg"))
    labels = np.array([path.parent.name == "fractured" for path in paths]).astype(int)
    for path, has in zip(paths, chosen(labels, seed=seed), strict=True):
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        plant(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), target, has, rng)
    return folder
