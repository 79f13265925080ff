"""One fit of a RegionClassifier: lines, trees, sides and pooling, each on what it may know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ._candidates import Candidates, find_peaks, fit_places
from ._learning import fit_sides, fit_twice, make_line
from ._looks import fit_usual_score
from ._places import EMPTY, MARKED, find_targets, is_empty
from ._scorer import Described, Describer, join, line_levels, pool, score_places

LINE_FOLDS, POOL_FOLDS = 3, 2
Rows = NDArray[np.int64]


class Learner:
    """Learns from the images of one training part.

    Parameters
    ----------
    make_trees : callable
        From a seed to trees.
    describer, described
        What the images' places look like.
    boxes : list of n_samples ndarrays of shape (n_boxes, 4), or None
        In pixels of the images.
    y : ndarray of shape (n_samples,)
        1 is fractured.
    groups : ndarray of shape (n_samples,)
    seed : int
    """

    def __init__(
        self,
        make_trees: Callable[[int], Any],
        describer: Describer,
        described: Described,
        boxes: list[NDArray[np.float64] | None],
        y: Rows,
        groups: NDArray[np.intp],
        seed: int,
    ):
        self.make_trees, self.describer, self.described, self.seed = make_trees, describer, described, seed
        self.y, self.groups = y, groups
        empty = [is_empty(features) for features in described.features]
        axes = describer.axes()
        each = list(zip(boxes, empty, y.tolist(), strict=True))
        self.targets = [find_targets(own, bare, *axes, fractured=bool(label)) for own, bare, label in each]
        self.marked = np.array([bool(label and own is not None and len(own)) for own, _, label in each])
        self.contexts: list[NDArray[np.float32] | None] = [None] * len(each)
        if described.maps is not None:
            grid = described.maps.shape[1:3]
            self.cell_targets = [
                find_targets(own, self._empty_cells(bare, grid), *describer.axes(grid), fractured=bool(label))
                for own, bare, label in each
            ]

    def learn(self) -> dict[str, Any]:
        """What a fitted RegionClassifier knows, by attribute.

        Raises
        ------
        ValueError
            If too few images or groups have boxes.
        """
        if (n := len(np.unique(self.groups[self.marked]))) < LINE_FOLDS:
            raise ValueError(
                f"boxes: expected some on fractured images of at least {LINE_FOLDS} groups (images, without groups), "
                f"got {n}."
            )
        everything = np.arange(len(self.y))
        line = None
        if self.described.maps is not None:
            for train, test in self._folds(LINE_FOLDS):
                self._add_contexts(self._fit_line(train), test)
            line = self._fit_line(everything)
        held_out = self._score_held_out()
        pools = np.array([pool(levels) for levels in held_out])
        pooling = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
        scores = pooling.fit(pools, self.y).decision_function(pools)
        looks, whole = self.described.looks, self.y == 0
        usual = fit_usual_score(looks[whole], scores[whole])
        scores = scores - usual.of(looks)
        places, threshold = fit_places(self._find_candidates(held_out), scores)
        trees = self._fit_trees(everything)
        sides = fit_sides(
            lambda i, which: self.described.features[i][which].astype(np.float32), self.targets, everything
        )
        return {
            "_line": line,
            "_trees": trees,
            "_sides": sides,
            "_pooling": pooling,
            "_usual": usual,
            "_places": places,
            "threshold_": threshold,
            "held_out_scores_": scores,
        }

    def _score_held_out(self) -> list[NDArray[np.float32]]:
        """Scores of the places of each image, by trees that have not seen it."""
        held_out: list[Any] = [None] * len(self.y)
        for train, test in self._folds(POOL_FOLDS):
            trees = self._fit_trees(train)
            for i in test.tolist():
                held_out[i] = score_places(trees, self.described.features[i], self.contexts[i], self.describer.grid)
        return held_out

    def _find_candidates(self, held_out: list[NDArray[np.float32]]) -> Candidates:
        """Candidates of the images whose boxes are known."""
        parts = []
        for i in np.flatnonzero(self.marked | (self.y == 0)).tolist():
            states = self.targets[i].states.reshape(held_out[i].shape)
            rows, columns = find_peaks(held_out[i], states == EMPTY).T
            parts.append((np.full(len(rows), i), held_out[i][rows, columns], states[rows, columns] == MARKED))
        return Candidates(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _folds(self, n: int) -> list[tuple[Rows, Rows]]:
        """Inner folds that keep groups together; each has marked images."""
        kinds = self.y + self.marked
        return list(
            StratifiedGroupKFold(n, shuffle=True, random_state=self.seed % 2**32).split(kinds, kinds, self.groups)
        )

    def _fit_line(self, images: Rows) -> Any:
        maps = self.described.maps
        assert maps is not None

        def rows(i: int, which: Any) -> NDArray[np.float32]:
            return maps[i].reshape(-1, maps.shape[-1])[which].astype(np.float32)

        rng = np.random.default_rng(self.seed)
        return fit_twice(make_line, rows, self.cell_targets, images, rng, n_others=12, n_hard=12, mirror=False)

    def _add_contexts(self, line: Any, images: Rows) -> None:
        """Scores of the network's cells about each place, by a line that has not seen the image."""
        assert self.described.maps is not None
        for i in images.tolist():
            self.contexts[i] = self.describer.context(line_levels(line, self.described.maps[i]))

    def _fit_trees(self, images: Rows) -> Any:
        def rows(i: int, which: Any) -> NDArray[np.float32]:
            context = self.contexts[i]
            return join(self.described.features[i][which], None if context is None else context[which])

        rng = np.random.default_rng(self.seed)
        make = self.make_trees
        return fit_twice(lambda: make(self.seed), rows, self.targets, images, rng, n_others=12, n_hard=20, mirror=True)

    def _empty_cells(self, empty: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray[np.bool_]:
        """Cells of the maps in which all places are empty."""
        shown = np.zeros(grid, dtype=bool)
        places = zip(self.describer.axes(), grid, self.describer.shape, strict=True)
        rows, columns = ((centres * n / side).astype(np.int64).clip(0, n - 1) for centres, n, side in places)
        np.logical_or.at(shown, np.ix_(rows, columns), ~empty.reshape(self.describer.grid))
        return ~shown.ravel()
