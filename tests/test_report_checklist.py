"""The page's checklist: the items of both statements, and what the library says of them."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import results
from results import make_result

from fracture_features import make_pipeline
from fracture_features.evaluation import MAJORITY, METADATA, PROBE, baseline_models
from fracture_features.pipeline import CLASSIFIERS, RECIPES
from fracture_features.report._checklist import ITEMS, make_checklist
from fracture_features.report._summary import best_model
from fracture_features.results import EvaluationResult

# The subitems of the table of the statement, BMJ 385:e078378.
LETTERS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef", 20: "abc", 23: "ab", 27: "abc"}
TRIPOD = [f"{k}{letter}" for k in range(1, 28) for letter in LETTERS.get(k, [""])]


def numbers(text):
    """Item numbers of a cell such as "18e–f, 21"."""
    found = []
    for part in filter(None, text.split(", ")):
        number, first, last = re.fullmatch(r"(\d+)([a-z]?)(?:–([a-z]))?", part).groups()
        found += [f"{number}{chr(k)}" for k in range(ord(first), ord(last or first) + 1)] if first else [number]
    return found


def fill(result):
    """The checklist by number: of CLAIM, or after a T of TRIPOD+AI where the line has no other."""
    items = make_checklist(result, best_model(result), result.manifest())
    return {item.claim or f"T{item.tripod}": item for item in items}


def with_columns(data, **columns):
    return replace(data, frame=data.frame.assign(**columns))


def test_every_item_of_both_statements_is_there():
    assert len(TRIPOD) == 52
    assert [claim for _, claim, *_ in ITEMS if claim] == [str(k) for k in range(1, 45)]
    there = [number for _, _, tripod, *_ in ITEMS for number in numbers(tripod)]
    assert set(there) == set(TRIPOD)
    for number in ("6c", "12b", "12f", "12g", "16", "23b"):
        assert (number, True) in [(tripod, author) for _, claim, tripod, _, author in ITEMS if not claim]
    assert all(asked for *_, asked, _ in ITEMS)


def test_an_item_stands_beside_what_asks_for_the_same():
    beside = {claim: tripod for _, claim, tripod, *_ in ITEMS if claim}
    assert beside["23"] == ""
    assert beside["32"] == "12c"
    assert beside["33"] == "12g, 16, 20c"
    assert beside["43"] == "18e–f"
    assert [claim for claim, tripod in beside.items() if "14" in numbers(tripod)] == []
    assert not {"12d", "23b"} & {number for tripod in beside.values() for number in numbers(tripod)}


def test_what_is_filled_in_belongs_to_an_item(data):
    known = fill(make_result(data, external=make_result(data)))
    for key in ("T12f", "T12g", "T13", "T15", "T20c", "T24", "T27a", "36"):
        assert known[key].known, key
    assert "numpy" in known["23"].known
    assert known["33"].known.startswith("Another source: 60 images included")
    assert known["T20c"].known == (
        "Outcome: 30 non-fractured, 30 fractured; of the other source 30 non-fractured, 30 fractured."
    )
    assert fill(make_result(data))["T20c"].known == ""


def test_class_imbalance_says_that_classes_are_weighted_and_what_it_does_to_probabilities(data):
    known = fill(make_result(data))["T13"]
    assert known.for_author
    assert known.known.startswith("30 non-fractured, 30 fractured. ")
    assert 'that learn from images, but "regions", weight the classes (class_weight="bal' in known.known
    assert "Unless calibrated (calibrate=True), their probabilities are those of balanced classes" in known.known
    for measure in ("calibration intercept", "Brier score", "decision curve"):
        assert measure in known.known


NOT_WEIGHTED = {"majority", "regions", "mobilenetv2-regions", "best"}


@pytest.mark.parametrize("name", [*(name for name in CLASSIFIERS if name not in NOT_WEIGHTED), *RECIPES])
def test_named_classifiers_weight_the_classes_as_the_checklist_says(name):
    classifier = make_pipeline(name)[-1] if name in RECIPES else CLASSIFIERS[name].make()
    assert classifier.get_params()["class_weight"] == "balanced"


def test_forests_of_the_baselines_weight_the_classes_as_the_checklist_says(data):
    models = baseline_models(data)
    forests = [models[name][-1] for name in (METADATA, PROBE)]
    assert {forest.class_weight for forest in forests} == {"balanced"}


def test_subgroups_of_body_parts_are_neither_fairness_nor_robustness(data):
    data = with_columns(data, part=np.where(data.groups % 2, "forearm", "shin"))
    known = fill(make_result(replace(data, metadata_columns=("part",))))
    assert known["30"].known == known["T14"].known == known["T12d"].known == known["T23b"].known == ""
    assert known["30"].for_author
    assert known["T14"].for_author
    assert known["37"].known == "See Results. By subgroup under Figures."
    many = replace(with_columns(data, part=data.groups), metadata_columns=("part",))
    assert fill(make_result(many))["37"].known == "See Results."


def test_sex_and_age_are_told_where_columns_name_them(data):
    sexes = pd.Series(["F", "M"] * 30, dtype=object)
    sexes[:4] = [None, " ", "F ", "F"]
    ages = pd.Series(np.arange(60.0)).where(np.arange(60) >= 10)
    known = fill(make_result(with_columns(data, **{"Patient Sex": sexes.array, "age": ages.array})))["36"]
    assert known.known == (
        "60 images: sex F (30), M (28), not known (2); age, median 34.5 (quartiles 22.2 to 46.8), not known (10). "
        "Classes by fold and part are under Data."
    )
    assert known.for_author


def test_ages_as_dicom_writes_them_are_in_years(data):
    known = fill(make_result(with_columns(data, PatientAge=["006M", "045Y", "", "045Y", "365D", "7"] * 10)))["36"].known
    assert known.startswith("60 images: age, median 7 (quartiles 0.999 to 45), not known (10). ")


def test_without_such_columns_classes_are_no_demographics(data):
    for columns in ({}, {"sex": np.arange(60), "age": "?"}, {"sex": None, "sexuality": "x", "image": 3}):
        known = fill(make_result(with_columns(data, **columns)))["36"].known
        assert known == "Classes by fold and part are under Data; sex and age are not known here."


def test_sex_and_age_of_a_single_split_are_by_part_and_of_another_source_apart(data):
    data = with_columns(data, sex=np.where(data.groups % 3 == 0, "F", "M"), patient_age=data.groups)
    whole = make_result(data)
    outside = make_result(with_columns(data, sex="F", patient_age=7))
    single = [fold for fold in whole.fold_results if fold.fold == 1]
    result = EvaluationResult(data, single, whole.excluded, 0, outside)
    known = fill(result)["36"].known
    for name, rows in (("Training part", single[0].train), ("Test part", single[0].test)):
        women = int((data.groups[rows] % 3 == 0).sum())
        low, middle, high = np.percentile(data.groups[rows], [25, 50, 75])
        told = f"{name}, {len(rows)} images: sex F ({women}), M ({len(rows) - women}); "
        assert f"{told}age, median {middle:.3g} (quartiles {low:.3g} to {high:.3g})." in known
    assert "Another source, 60 images: sex F (60); age, median 7 (quartiles 7 to 7)." in known


def test_a_model_below_a_baseline_is_not_said_to_be_the_highest(data, monkeypatch):
    assert fill(make_result(data))["26"].known.endswith("edges, which has the highest ROC AUC.")
    monkeypatch.setattr(results, "STRENGTH", {MAJORITY: 0.0, PROBE: 3.0, "edges": 0.5, "hog": 0.5})
    assert "the highest" not in fill(make_result(data))["26"].known
