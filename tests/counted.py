"""An extractor that writes down what it computes, for tests across processes."""

import json
import os
import time

from fracture_features.cache import _bypassed, digest
from fracture_features.features import EdgeExtractor


class CountedEdges(EdgeExtractor):
    """Writes a line for each image that it extracts: when it was looked for in the cache, and when it was kept there.

    Every block takes `pause` seconds. What is computed to be timed, with the cache bypassed, is not written down.
    """

    def __init__(self, log=None, pause=0.0, *, cache=None, n_jobs=None):
        super().__init__(cache=cache, n_jobs=n_jobs)
        self.log, self.pause = log, pause

    def _extract_cached(self, images, recipe):
        self._begun, self._computed = time.time(), []
        rows = super()._extract_cached(images, recipe)
        if _bypassed.get():
            return rows
        lines = [json.dumps([name, self._begun, time.time(), os.getpid()]) + "\n" for name in self._computed]
        with open(self.log, "a") as file:  # whole lines are added at once
            file.write("".join(lines))
        return rows

    def _extract(self, images):
        time.sleep(self.pause)
        self._computed += [digest(image).hex() for image in images]
        return super()._extract(images)


def computed_twice(log, tick=0.05):
    """Images that were looked for after they had been kept, and extracted all the same."""
    with open(log) as file:
        lines = [json.loads(line) for line in file]
    kept = {}
    for name, _, end, _ in lines:
        kept[name] = min(end, kept.get(name, end))
    return [name for name, begun, _, _ in lines if begun > kept[name] + tick], lines
