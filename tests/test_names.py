"""Names that tell of copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracture_features.audit._names import name_families, original_name


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("1-rotated1-rotated2-rotated1.jpg", "1"),
        ("1-rotated2-rotated3 - Copy (1).jpg", "1"),
        ("hand (12).png", "hand"),
        ("hand - Kopie.png", "hand"),
        ("hand copy 2.png", "hand"),
        ("IMG0001_png.rf.0123456789abcdef0123.jpg", "IMG0001"),
        ("a_aug_3.png", "a"),
        ("a_hflip_rot90.png", "a"),
        ("folder.v2/knee-left-flipped.png", "knee-left"),
        # what tells of no copy
        ("patient1_view2.png", "patient1_view2"),
        ("IMG0003298.jpg", "IMG0003298"),
        ("img.001.png", "img.001"),
        ("(1).jpg", "(1)"),
        ("copy.png", "copy"),
        ("photocopy.png", "photocopy"),
        ("bright.png", "bright"),
    ],
)
def test_what_programs_put_behind_a_name_is_taken_away(name, original):
    assert original_name(name) == original


@given(st.text(st.characters(exclude_characters="/\\", exclude_categories=["Cs"]), min_size=1))
def test_no_name_is_emptied(text):
    assert original_name(f"{text}x.png")


def test_families_are_of_one_class_and_have_a_mark():
    paths = ["a/1.jpg", "b/1 (1).jpg", "b/2.jpg", "c/2.jpg", "c/1-rotated1.jpg", "d/3-rotated1.jpg"]
    # 2 and 2 have no mark, 1-rotated1 is of the other class, 3-rotated1 is alone
    assert name_families(paths, np.array([0, 0, 0, 0, 1, 0])).tolist() == [0, 0, -1, -1, -1, -1]


def test_a_long_name_takes_no_time():
    assert original_name("-" * 100 + "(1) " * 50 + ".png")
