"""Metadata beside images in one model."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from .._validation import check_paths


class MetadataLookup(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Look up the rows of a table by the paths that a model is given: metadata beside image features.

    A model of `evaluate`, a search or a pipeline of this library gets paths and nothing else. This transformer, beside
    an image pipeline in a FeatureUnion, gives it what is known of each image.

    Parameters
    ----------
    table : DataFrame
        Indexed by path, each once. `data.metadata()` holds what is known before anyone has looked for a fracture; a
        column that somebody filled in afterwards tells the label. Of a comparison with external images it has their
        rows too: `pd.concat([data.metadata(), external.metadata()])`.

    See Also
    --------
    FractureDataset.metadata : The table it takes.

    Notes
    -----
    `set_output` has no effect: the output is always a DataFrame.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import FeatureUnion, Pipeline
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> from fracture_features import MetadataLookup, make_pipeline
    >>> table = pd.DataFrame({"view": ["frontal", "lateral"]}, index=["a.png", "b.png"])
    >>> view = Pipeline([("lookup", MetadataLookup(table)), ("encoder", OneHotEncoder(handle_unknown="ignore"))])
    >>> view.fit_transform(["b.png", "a.png"]).toarray()
    array([[0., 1.],
           [1., 0.]])

    An image pipeline without its classifier, and the metadata beside it:

    >>> both = FeatureUnion([("image", make_pipeline("hog", "logistic")[:-1]), ("metadata", view)])
    >>> model = Pipeline([("features", both), ("classifier", LogisticRegression(class_weight="balanced"))])
    >>> len(model.get_params()["features__metadata__lookup__table"])
    2
    """

    def __init__(self, table: pd.DataFrame):
        self.table = table

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check the table; there is nothing to learn.

        Parameters
        ----------
        X : array-like of str
            Paths.
        y : object, default=None
            Ignored.

        Raises
        ------
        ValueError
            If it is no DataFrame, or has a path twice.
        """
        if not isinstance(self.table, pd.DataFrame):
            raise ValueError(f"table must be a DataFrame indexed by path, got {type(self.table).__name__}.")
        if not self.table.index.is_unique:
            twice = self.table.index[self.table.index.duplicated()][0]
            raise ValueError(f"table must have each path once in its index, got {twice!r} twice.")
        return self

    def transform(self, X: ArrayLike) -> pd.DataFrame:
        """Look up `X`.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Paths, written as they are in the table.

        Returns
        -------
        rows : DataFrame of n_samples rows
            With the index of `X` where it is a Series or DataFrame, else numbered from 0.

        Raises
        ------
        ValueError
            If a path is not in the table.
        """
        paths = check_paths(X, estimator=self)
        known = self.table.index.get_indexer(pd.Index(paths, dtype=object))
        if (known < 0).any():
            raise ValueError(
                f"MetadataLookup: {paths[int((known < 0).argmax())]!r} is not in the table, nor are "
                f"{(known < 0).sum() - 1} more of {len(paths)} paths. Its index must hold every path, written the same."
            )
        index = X.index if isinstance(X, pd.Series | pd.DataFrame) else pd.RangeIndex(len(paths))
        return self.table.iloc[known].set_axis(index)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: the output is always a DataFrame."""
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Columns of the table."""
        return np.asarray(self.table.columns, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """Nothing is learnt."""
        return True

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that the input is a list of paths and that nothing is fitted."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags
