import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.decomposition import PCA

from fracture_features import make_pipeline
from fracture_features._pca import CappedPCA


def rows(shape, dtype=np.float32, seed=0):
    return (np.random.default_rng(seed).normal(size=shape) * 0.8 ** np.arange(shape[1])).astype(dtype)


@pytest.mark.parametrize(("shape", "expected"), [((5, 20), 4), ((30, 4), 4), ((30, 20), 10), ((2, 300), 1)])
@pytest.mark.parametrize("solver", ["auto", "full", "randomized"])
def test_whole_numbers_are_capped_and_all_else_is_pca(shape, expected, solver):
    X = rows(shape)
    reducer = CappedPCA(10, svd_solver=solver, random_state=0).fit(X)
    reference = PCA(expected, svd_solver=solver, random_state=0).fit(X)
    assert reducer.get_params() == reference.get_params() | {"n_components": 10}
    assert reducer.n_components_ == expected
    learnt = {name for name in vars(reference) if name.endswith("_")}
    assert {"components_", "mean_", "explained_variance_ratio_", "singular_values_", "noise_variance_"} < learnt
    for name in learnt:
        np.testing.assert_array_equal(getattr(reducer, name), getattr(reference, name), err_msg=name)
    np.testing.assert_array_equal(reducer.transform(X), reference.transform(X))
    assert reducer.transform(X).dtype == np.float32


@pytest.mark.parametrize(("X", "solver"), [(csr_array(np.eye(6, 4)), "auto"), (np.eye(6, 4), "arpack")])
def test_arpack_finds_one_component_fewer_than_there_are_features(X, solver):
    assert CappedPCA(10, svd_solver=solver).fit_transform(X).shape == (6, 3)


@pytest.mark.parametrize("n_components", [0.9, "mle", None])
def test_what_is_no_whole_number_means_what_pca_takes_it_for(n_components):
    X = rows((30, 6))
    ours, theirs = CappedPCA(n_components).fit_transform(X), PCA(n_components).fit_transform(X)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert CappedPCA(-1).get_params()["n_components"] == -1
    with pytest.raises(ValueError, match="'n_components' parameter"):
        CappedPCA(-1).fit(X)


def test_it_goes_there_and_back_and_forgets_what_it_was_fitted_on():
    X = rows((30, 6), np.float64)
    reducer = CappedPCA(10, random_state=0).fit(rows((4, 3)))
    np.testing.assert_allclose(reducer.inverse_transform(reducer.fit_transform(X)), X)
    np.testing.assert_allclose(clone(reducer).fit(X).transform(X), reducer.transform(X))
    assert reducer.transform(X).shape == (30, 6)


def test_names_and_frames():
    X = pd.DataFrame(rows((30, 6)), columns=list("abcdef"))
    reducer = CappedPCA(3).set_output(transform="pandas")
    for frame in (reducer.fit_transform(X), reducer.transform(X)):
        assert (
            list(frame.columns) == list(reducer.get_feature_names_out()) == ["cappedpca0", "cappedpca1", "cappedpca2"]
        )
    assert list(reducer.feature_names_in_) == list("abcdef")


@pytest.mark.parametrize("solver", ["auto", "full", "randomized"])
def test_rows_without_variance(solver):
    reducer = CappedPCA(10, svd_solver=solver, random_state=0)
    assert not reducer.fit_transform(np.ones((5, 7))).any()
    assert not reducer.explained_variance_ratio_.any()
    assert reducer.n_components_ == 4


def test_pipelines_reduce_to_100_components_with_the_seed_given():
    """The randomised solver is as good as exact, on rows whose variance falls as slowly as that of HOG."""
    X = np.random.default_rng(0).normal(size=(200, 1000)).astype(np.float32)
    reducers = [make_pipeline("hog", random_state=seed)["reducer"].fit(X) for seed in (0, 0, 1)]
    assert {reducer.n_components_ for reducer in reducers} == {100}
    same, again, other = (reducer.transform(X) for reducer in reducers)
    np.testing.assert_array_equal(same, again)
    exact = PCA(100, svd_solver="full").fit_transform(X)
    np.testing.assert_allclose(np.abs(other), np.abs(exact), atol=0.01)
