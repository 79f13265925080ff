r"""
Audit a data set first
======================

Copies of one picture in the training and the test part make every model look good. `audit_dataset` finds them, turned
or saved again too, before anything is fitted.
"""

import tempfile
from pathlib import Path

import cv2
import pandas as pd

from fracture_features import audit_dataset, load_folder, make_radiographs

# %%
# Thirty radiographs. Three are copied: one byte for byte, one is turned, and one lies under the other label.

folder = make_radiographs(30, folder=tempfile.mkdtemp(), random_state=0)
fractured = sorted((folder / "fractured").glob("*.jpg"))
(folder / "fractured" / "copy.jpg").write_bytes(fractured[0].read_bytes())
turned = cv2.rotate(cv2.imread(str(fractured[1])), cv2.ROTATE_90_CLOCKWISE)
cv2.imwrite(str(folder / "fractured" / "turned.jpg"), turned)
(folder / "non-fractured" / "other label.jpg").write_bytes(fractured[2].read_bytes())

report = audit_dataset(load_folder(folder))
for finding in report.findings:
    print(finding)

# %%
# The pairs, and how alike they are. `report.groups` keeps them on one side of every split; `evaluate` does that by
# itself.

pairs = report.pairs.copy()
for column in pairs.columns:
    if pd.api.types.is_string_dtype(pairs[column]) or pairs[column].dtype == object:
        pairs[column] = [Path(text).name if isinstance(text, str) else text for text in pairs[column]]
pairs

# %%
# `clean` leaves out exact copies and pictures with two labels. Nothing is deleted on disk.

report.clean()
