"""Draw images/first_screen.png: the report beside a heat map. It needs Chromium and the extra `report`.

python docs/make_first_screen.py
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt

from fracture_features import evaluate, load_folder, make_pipeline, make_radiographs, read_image, write_report
from fracture_features.explain import explain_images
from fracture_features.plotting import overlay_heat_map

OUT = Path(__file__).with_name("images") / "first_screen.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1100,900")


def screenshot(page: Path, folder: Path) -> Path:
    """The top of a page as a picture."""
    browser = next(filter(None, map(shutil.which, BROWSERS)))
    picture = folder / "page.png"
    command = [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return picture


def main() -> None:
    """Evaluate, write the report, draw a map, and put both side by side."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        drawn = make_radiographs(150, folder=folder / "radiographs", difficulty=0.3, random_state=0)
        data = load_folder(drawn, groups=r"patient(\d+)")
        models = {
            "HOG + SVM": make_pipeline("hog", "svm", random_state=0),
            "edges + XGBoost": make_pipeline("edges", "xgboost", random_state=0),
        }
        page = write_report(evaluate(models, data, cv=3, random_state=0), folder / "report.html")
        patient = data.groups[data.y == 1][1]
        train, kept = data.subset(data.groups != patient), data.subset(data.groups == patient)
        model = make_pipeline("edges", "logistic", random_state=0).fit(train.paths, train.y)
        image = read_image(kept.paths[0])
        (heat_map,) = explain_images(model, kept.paths[:1])
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(11, 6), width_ratios=[2.1, 1], layout="constrained", facecolor="white"
        )
        left.imshow(cv2.imread(str(screenshot(Path(page), folder)))[..., ::-1])
        right.imshow(overlay_heat_map(image, heat_map))
        for ax in (left, right):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_color("#CCCCCC")
        OUT.parent.mkdir(exist_ok=True)
        figure.savefig(OUT, dpi=110)


if __name__ == "__main__":
    main()
