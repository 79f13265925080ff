"""Compare the reading of DICOM files with pydicom's functions on the pixels of every decoder that is installed.

    python benchmarks/compare_dicom.py [FILE_OR_FOLDER ...]

Over pydicom's own test files, its pydicom-data package where installed, and the files given. A row for each file that
either side reads: the largest difference of grey levels (0 to 255) from the pixels of pydicom's own decoder, gdcm,
pylibjpeg and pyjpegls, put through pydicom's apply_modality_lut and apply_voi_lut, or why there is none.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut, convert_color_space, get_decoder
from pydicom.pixels.processing import apply_color_lut

from fracture_features import read_image
from fracture_features.exceptions import ImageReadError

DECODERS = {"pydicom": "pydicom", "gdcm": "gdcm", "pylibjpeg": "pylibjpeg", "pyjpegls": "jpeg_ls"}
WEIGHTS = [0.299, 0.587, 0.114]
DEPTHS = (8, 10, 12, 14, 16)


def reference(dataset: pydicom.Dataset, decoder: str) -> tuple[np.ndarray, np.ndarray]:
    """The grey levels by pydicom, 0 to 255, and which pixels are no padding."""
    syntax = dataset.file_meta.TransferSyntaxUID
    plugin = "" if not syntax.is_encapsulated else decoder
    samples, meta = get_decoder(syntax).as_array(dataset, index=0, raw=True, decoding_plugin=plugin)
    photometric = meta["photometric_interpretation"]
    if photometric == "PALETTE COLOR":
        rgb = apply_color_lut(samples, dataset)
        return rgb @ WEIGHTS * (255 / np.iinfo(rgb.dtype).max), np.ones(samples.shape, bool)
    if samples.ndim == 3:
        rgb = samples if photometric == "RGB" else convert_color_space(samples, photometric, "RGB")
        return rgb @ WEIGHTS * (255 / (2**dataset.BitsStored - 1)), np.ones(rgb.shape[:2], bool)
    kept = np.ones(samples.shape, bool)
    if "PixelPaddingValue" in dataset:
        limits = sorted((dataset.PixelPaddingValue, dataset.get("PixelPaddingRangeLimit", dataset.PixelPaddingValue)))
        kept = (samples < limits[0]) | (samples > limits[1])
    levels = apply_modality_lut(samples, dataset)
    shown = apply_voi_lut(levels, dataset)
    if dataset.get("VOILUTSequence"):
        largest = max(np.atleast_1d(dataset.VOILUTSequence[0].LUTData))
        low, high = 0, 2 ** next(bits for bits in DEPTHS if largest < 2**bits) - 1
    elif dataset.get("WindowWidth"):
        signed = dataset.PixelRepresentation * 2 ** (dataset.BitsStored - 1)
        ends = apply_modality_lut(np.array([-signed, 2**dataset.BitsStored - 1 - signed]), dataset)
        low, high = min(ends), max(ends)
    else:
        low, high = (shown[kept].min(), shown[kept].max()) if kept.any() else (0, 1)
    grey = (shown - float(low)) * (255 / max(float(high) - float(low), 1e-9))
    return 255 - grey if photometric == "MONOCHROME1" and low < high else grey, kept


def compared(path: Path, ours: np.ndarray | str) -> list[str]:
    """A cell for each decoder."""
    cells = []
    dataset = pydicom.dcmread(path, force=True)
    for name, module in DECODERS.items():
        if importlib.util.find_spec(module) is None:
            cells.append("-")
            continue
        try:
            theirs, kept = reference(dataset, name)
        except Exception as error:  # noqa: BLE001 - whatever their decoders and functions raise is what the table says
            cells.append(type(error).__name__)
            continue
        same = not isinstance(ours, str) and theirs.shape == ours.shape
        cells.append(f"{np.abs(theirs - ours)[kept].max(initial=0):.1f}" if same else "read")
    return cells


def files(paths: Iterable[Path]) -> list[Path]:
    """Those that begin as DICOM, each once."""
    found = {file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()}
    return sorted(file for file in found if file.read_bytes()[128:132] == b"DICM")


def bundled() -> list[Path]:
    """Folders of pydicom's test files that are installed; its own function would download others."""
    more = importlib.util.find_spec("data_store")
    if more is None:
        print("the larger test files are left out: the package pydicom-data is not installed")
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    return folders + [Path(folder) for folder in (more.submodule_search_locations or [] if more else [])]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, module in DECODERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"{name} is left out: the module {module} is not installed")
    print(f"{'file':<44} {'kind':<34}" + "".join(f"{name:>16}" for name in DECODERS) + "  ours")
    for path in files([*bundled(), *options.paths]):
        try:
            ours: np.ndarray | str = read_image(path).astype(float)
        except ImageReadError as error:
            ours = error.reason
        cells = compared(path, ours)
        if isinstance(ours, str) and "read" not in cells:
            continue
        header = pydicom.dcmread(path, stop_before_pixels=True)
        syntax = header.file_meta.TransferSyntaxUID.split("1.2.840.10008.1.2")[-1] or "implicit"
        kind = f"{syntax} {header.get('PhotometricInterpretation')} {header.get('BitsStored')}/{header.BitsAllocated}"
        print(f"{path.name[:43]:<44} {kind:<34}" + "".join(f"{cell[:15]:>16}" for cell in cells), end="  ")
        print(ours if isinstance(ours, str) else "x".join(map(str, ours.shape)))


if __name__ == "__main__":
    main()
