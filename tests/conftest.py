from pathlib import Path

import numpy as np
import pytest

from fracture_features import load_folder, make_radiographs

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data():
    """Real radiographs, which never travel with the project."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no real radiographs in {folder}")
    return folder


@pytest.fixture(scope="session")
def shared_weights():
    """MobileNetV2's, without its top."""
    path = SHARED / "weights" / "mobilenet_v2_1.0_224_no_top.weights.h5"
    if not path.is_file():
        pytest.skip(f"no pretrained weights in {path}")
    return path


@pytest.fixture(scope="session")
def radiographs(tmp_path_factory):
    """A folder of 60 synthetic radiographs, fractured/ and non-fractured/."""
    return make_radiographs(60, folder=tmp_path_factory.mktemp("radiographs"), random_state=0)


@pytest.fixture(scope="session")
def data(radiographs):
    return load_folder(radiographs, groups=r"patient(\d+)")


@pytest.fixture(scope="session")
def stack():
    """Twelve smooth random images of 48 x 40 pixels with two textures."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 48, 40)).astype(np.uint8)
    images[::2, :, ::2] //= 4
    return images
