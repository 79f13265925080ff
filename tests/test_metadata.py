"""Tables beside images: the index of a frame, and metadata looked up by path."""

import pickle

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from fracture_features import ImageReader, MetadataLookup, evaluate, load_csv, make_pipeline
from fracture_features.features import EdgeExtractor, HOGExtractor
from fracture_features.images import _reader
from fracture_features.images._stack import ReadStack

INDEXES = {
    "shuffled": [5, 3, 0, 4, 1, 2],
    "duplicated": [7, 7, 1, 1, 7, 2],
    "text": list("fcaebd"),
    "dates": list(pd.date_range("2020-01-01", periods=6)[::-1]),
    "two levels": pd.MultiIndex.from_tuples([("b", 1), ("a", 2), ("b", 0), ("a", 1), ("c", 9), ("a", 0)]),
    "rows": range(6),
}


@pytest.fixture
def table(tmp_path):
    """Six images, each of one grey and a white square, and an "age" that is that grey."""
    rows = []
    for i, grey in enumerate([10, 200, 60, 130, 90, 250]):
        image = np.full((32, 32), grey, dtype=np.uint8)
        image[4 + 3 * i : 9 + 3 * i, 5:25] = 255 - grey
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
        rows.append((str(tmp_path / f"{i}.png"), float(grey)))
    return pd.DataFrame(rows, columns=["path", "age"])


def images(n_extractors=1):
    extractors = [("hog", HOGExtractor(pixels_per_cell=8)), ("edges", EdgeExtractor())][:n_extractors]
    return Pipeline([("images", ImageReader(image_size=32)), ("features", FeatureUnion(extractors))])


def beside_age(pipeline, column):
    return ColumnTransformer([("image", pipeline, column), ("age", "passthrough", ["age"])])


@pytest.mark.parametrize("column", ["path", ["path"]], ids=["series", "frame"])
@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
@pytest.mark.parametrize("mapped", [False, True], ids=["memory", "map"])
def test_a_row_stays_with_its_image(table, index, column, mapped, monkeypatch):
    """What pandas joins by the index is what numpy joins by position."""
    if mapped:
        monkeypatch.setattr(_reader, "MAX_IN_MEMORY", 1)
    frame = table.set_axis(pd.Index(index) if isinstance(index, list) else index)
    expected = beside_age(images(2), column).fit_transform(frame)
    found = beside_age(images(2), column).set_output(transform="pandas").fit_transform(frame)
    np.testing.assert_array_equal(found.to_numpy(), expected)
    assert found.index.equals(frame.index)
    union = FeatureUnion([("a", beside_age(images(1), column)), ("b", beside_age(images(2), column))])
    expected = union.fit_transform(frame)
    np.testing.assert_array_equal(union.set_output(transform="pandas").fit_transform(frame).to_numpy(), expected)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_other_ways_to_the_same_table(table, n_jobs):
    frame = table.set_axis([5, 3, 0, 4, 1, 2])
    alone = images(2).set_params(features__n_jobs=n_jobs).set_output(transform="pandas")
    assert alone.fit_transform(frame["path"]).index.tolist() == frame.index.tolist()
    assert alone.transform(frame[["path"]]).index.tolist() == frame.index.tolist()
    assert alone.transform(frame["path"].to_numpy()).index.tolist() == list(range(6))
    assert alone.transform(frame["path"].to_list()).index.tolist() == list(range(6))
    assert pickle.loads(pickle.dumps(alone)).transform(frame["path"]).index.tolist() == frame.index.tolist()
    plain = clone(alone).set_output(transform="default").fit(frame["path"])
    assert type(plain.transform(frame["path"])) is np.ndarray


def test_a_stack_hands_its_index_on_and_a_part_has_none(table):
    frame = table.set_axis([5, 3, 0, 4, 1, 2])
    stack = ImageReader(image_size=32).fit_transform(frame["path"])
    assert pickle.loads(pickle.dumps(stack)).index.tolist() == frame.index.tolist()
    assert stack[:3].index is None
    extractor = HOGExtractor().set_output(transform="pandas").fit(stack)
    assert extractor.transform(stack[:3]).index.tolist() == [0, 1, 2]
    assert type(ImageReader(image_size=32).fit_transform(frame["path"].to_list())) is ReadStack


def test_a_column_of_paths_is_taken_everywhere(table):
    y = np.array([0, 1, 0, 1, 0, 1])
    column = table[["path"]].to_numpy()
    for model in (make_pipeline("hog", "logistic", image_size=32), make_pipeline("majority")):
        by_list = model.fit(table["path"].to_list(), y).predict_proba(table["path"].to_list())
        for X in (column, table[["path"]]):
            np.testing.assert_array_equal(clone(model).fit(X, y).predict_proba(X), by_list)
    search = GridSearchCV(make_pipeline("hog", "logistic", image_size=32), {"classifier__C": [1]}, cv=2)
    assert search.fit(column, y).predict(column).shape == (6,)
    with pytest.raises(ValueError, match=r"got an array of shape \(3, 2\)"):
        make_pipeline("hog", "logistic").fit(column.reshape(3, 2), y[:3])


@pytest.fixture
def hospital(tmp_path):
    """Thirty patients of two images; those of the right hand are broken, and no image tells."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(60):
        cv2.imwrite(str(tmp_path / f"{i}.png"), rng.integers(0, 100, (40, 30), dtype=np.uint8))
        broken = (i // 2) % 2
        rows.append((f"{i}.png", ["normal", "fractured"][broken], ["left", "right"][broken], broken, i // 2))
    frame = pd.DataFrame(rows, columns=["image", "label", "side", "n_fractures", "patient"])
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "list.csv", index=False)
    return load_csv(tmp_path / "list.csv", groups="patient", metadata_columns=["side"])


def with_metadata(table, *extra):
    encoder = OneHotEncoder(handle_unknown="ignore")
    metadata = Pipeline([("lookup", MetadataLookup(table)), *extra, ("encoder", encoder)])
    both = FeatureUnion([("image", make_pipeline("hog", "logistic", image_size=32)[:-1]), ("metadata", metadata)])
    return Pipeline([("features", both), ("classifier", RandomForestClassifier(60, max_features=None, random_state=0))])


def test_metadata_beside_images_in_evaluate(hospital):
    models = {"both": with_metadata(hospital.metadata()), "image": make_pipeline("hog", "logistic", image_size=32)}
    result = evaluate(models, hospital, cv=3, random_state=0)
    values = result.frame().query("measure == 'roc_auc'").set_index("model")["value"]
    assert values["both"] == 1
    assert values["image"] < 0.8
    assert list(hospital.metadata().columns) == ["side"]


def test_metadata_beside_images_in_a_search_and_a_column_transformer(hospital):
    encoder = ColumnTransformer([("side", OneHotEncoder(), ["side"])])
    model = with_metadata(hospital.metadata())
    model.set_params(features__metadata__encoder=encoder)
    grid = {"features__image__features__hog__orientations": [6, 9], "features__metadata__encoder__side__drop": [None]}
    search = GridSearchCV(model, grid, cv=GroupKFold(2), scoring="roc_auc")
    assert search.fit(hospital.paths, hospital.y, groups=hospital.groups).best_score_ == 1
    result = evaluate({"search": search}, hospital, cv=2, random_state=0)
    assert result.frame().query("measure == 'roc_auc' and model == 'search'")["value"].item() == 1


def test_a_lookup_is_by_path_whatever_the_order(hospital):
    table = hospital.metadata()
    rows = np.random.default_rng(1).permutation(len(hospital))
    for lookup in (
        MetadataLookup(table),
        MetadataLookup(table.iloc[::-1]),
        MetadataLookup(table.set_axis(table.index.astype("str"))),
    ):
        found = lookup.fit_transform(hospital.paths[rows])
        assert found["side"].tolist() == hospital.frame["side"].iloc[rows].tolist()
        assert found.index.tolist() == list(range(60))
        paths = pd.Series(hospital.paths, index=rows)
        assert lookup.transform(paths).index.tolist() == rows.tolist()
        assert lookup.transform(paths.to_frame())["side"].tolist() == table["side"].tolist()
        assert lookup.get_feature_names_out().tolist() == ["side"]


def test_a_union_of_tables_joins_the_right_rows(hospital):
    size = FunctionTransformer(lambda X: X.assign(side=X["side"] == "right").astype(float))
    lookup = Pipeline([("lookup", MetadataLookup(hospital.metadata())), ("number", size)])
    union = FeatureUnion([("image", images(1)), ("metadata", lookup)])
    paths = pd.Series(hospital.paths, index=np.random.default_rng(1).permutation(60))
    for X in (paths, hospital.paths):
        found = clone(union).set_output(transform="pandas").fit_transform(X)
        np.testing.assert_array_equal(found.to_numpy(), clone(union).fit_transform(X))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"side": ["left"]}, index=["a.png"]), r"'b.png' is not in the table, nor are 1 more of 3 paths"),
        (
            pd.DataFrame({"side": ["left"] * 2}, index=["a.png"] * 2),
            "must have each path once in its index, got 'a.png'",
        ),
        ({"a.png": "left"}, "table must be a DataFrame indexed by path, got dict"),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, message):
    with pytest.raises(ValueError, match=message):
        MetadataLookup(table).fit_transform(["a.png", "b.png", "c.png"])


@pytest.mark.parametrize(
    "wrap", [lambda m: m, lambda m: GridSearchCV(m, {"classifier__C": [1]}), lambda m: Pipeline([("m", m)])]
)
def test_evaluate_says_what_to_do_with_columns(hospital, wrap):
    columns = ColumnTransformer([("image", images(1), "path"), ("side", OneHotEncoder(), ["side"])])
    model = Pipeline([("columns", columns), ("classifier", LogisticRegression())])
    with pytest.raises(ValueError, match=r"models\['m'\]: ColumnTransformer takes a table.*MetadataLookup"):
        evaluate({"m": wrap(model)}, hospital)
