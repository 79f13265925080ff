"""Classes: which spellings are one, and which class is the fracture."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..exceptions import DatasetError

STEM = r"(?:fract|frakt|fratt|fratur|broken)"
# Of the languages in which data sets are labelled; a word that is missing makes a name uncertain, not a fracture.
WORDS = {
    "filler": """a an any the of with has have is are was evidence sign signs present presence visible yes de d du des
        la le les el una une uma um der die das ein eine einer eines di da do mit con avec com bone bones xr xray xrays
        x ray rays rx radiograph radiographs image images img imgs class label case cases patient patients group study
        studies""",
    "fracture": "positive positives positiv positif positivo positiva",
    "healthy": "normal normals healthy intact unremarkable gesund sain sano sana saudavel",
    "negation": """no non not none never nil null without wo absence absent absences lack lacks lacking free negative
        negatives neg un excluded exclude excludes denied kein keine keinen keiner ohne nicht nie frei negativ sans pas
        aucun aucune absente negatif sin ningun ninguna ausencia ausente libre negativo negativa senza nessun nessuna
        assenza assente sem nenhum nenhuma livre bez brak ne nem nincs fara geen niet zonder ingen inte utan ikke uden
        ei ilman yok degil olmayan tanpa tidak khong нет не без отсутствие 无 無 非 没有""",
}
KINDS = {word: kind for kind, words in WORDS.items() for word in words.split()}


def encode_labels(
    labels: Sequence[Hashable], positive: Hashable | None, where: str
) -> tuple[NDArray[np.int64], list[str], list[list[str]]]:
    """Labels as integers, the name of each, and the spellings that were taken for one class.

    Spellings that differ in case, in blanks at the ends, or in what separates their words are one class, named by the
    most frequent. Of two classes the fracture is 1; more are numbered in the order of their names.

    Raises
    ------
    DatasetError
        If there is one class only, `positive` is none of the labels or of more than two, or the names of two classes
        do not tell which is the fracture.
    """
    spelled, merged = _merge_spellings([str(label) for label in labels])
    names = sorted(set(spelled))
    if len(names) < 2:
        raise DatasetError(f"{where}: expected at least two classes, found only {names}")
    chosen = [name for name in names if spelling_key(name) == spelling_key(str(positive))]
    if positive is not None and not chosen:
        raise DatasetError(f"{where}: positive={positive!r} is none of the classes {names}")
    if len(names) > 2:
        if positive is not None:
            raise DatasetError(f"{where}: positive= is for two classes, found {len(names)}: {names}")
    else:
        fracture = chosen[0] if positive is not None else _fracture_of(names, where)
        names = [name for name in names if name != fracture] + [fracture]
    code = {name: i for i, name in enumerate(names)}
    return np.array([code[name] for name in spelled], dtype=np.int64), names, merged


def spelling_key(name: str) -> str:
    """What spellings of one class have in common: no case, no blanks at the ends, no separators between letters."""
    name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
    name = re.sub(r"[\s_-]+", " ", name).strip() or name
    name = re.sub(r"(?<=[^\W\d_]) (?=[^\W\d_])", "", name)
    return re.sub(r"^(\d+)\.0+$", r"\1", name)


def _merge_spellings(labels: list[str]) -> tuple[list[str], list[list[str]]]:
    """Each label as its class is spelled most often, and the spellings of the classes that have several."""
    counts = Counter(labels)
    classes: dict[str, list[str]] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        classes.setdefault(spelling_key(name), []).append(name)
    merged = [sorted(names) for _, names in sorted(classes.items()) if len(names) > 1]
    return [classes[spelling_key(name)][0].strip() or name for name in labels], merged


def _fracture_of(names: list[str], where: str) -> str:
    """The fracture's of two classes, where that is certain."""
    first, second = _without_shared_words([plain_words(name) for name in names])
    for name, mine, others in ((names[0], first, second), (names[1], second, first)):
        if judge(others) == "healthy" and (judge(mine) == "fracture" or _speaks_of_fracture(mine)):
            return name
        if judge(mine) == "fracture" and not _known(others):
            return name
    raise DatasetError(
        f"{where}: cannot tell which of the classes {names} is the fracture; name it with positive= "
        f"(for example positive={names[1]!r})"
    )


def is_fracture_name(name: str) -> bool:
    """Whether this is certainly a name of fractures: "Fractured" is; "not fractured" and "fracture count" are not."""
    return judge(plain_words(name)) == "fracture"


def is_healthy_name(name: str) -> bool:
    """Tell whether this is certainly a name of what is not fractured: "normal", "no fracture", "sin_fractura"."""
    return judge(plain_words(name)) == "healthy"


def judge(words: Sequence[str]) -> str | None:
    """Return "fracture" or "healthy" where each word is understood and they agree, None otherwise."""
    kinds = Counter(_kind(word) for word in words)
    if kinds["unknown"] or (kinds["healthy"] and (kinds["negation"] or kinds["fracture"])):
        return None
    if kinds["healthy"] or kinds["negation"] == 1:
        return "healthy"
    return "fracture" if kinds["fracture"] and not kinds["negation"] else None


def _kind(word: str) -> str:
    return "fracture" if re.match(STEM, word) else KINDS.get(word, "unknown")


def _known(words: Sequence[str]) -> bool:
    """Return whether a word is of fractures, of health or a negation."""
    return any(_kind(word) not in ("unknown", "filler") or re.search(STEM, word) for word in words)


def _speaks_of_fracture(words: Sequence[str]) -> bool:
    """Return whether fractures are named, and nothing that is known as a negation."""
    kinds = {_kind(word) for word in words}
    named = "fracture" in kinds or any(re.search(STEM, word) for word in words)
    return named and kinds.isdisjoint({"negation", "healthy"})


def plain_words(name: str) -> list[str]:
    """Lower-case words without accents and numbers; a negation that is a part of a word is a word."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    name = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    name = re.sub(r"\bw/o\b", "without", name)
    name = re.sub(rf"(?<![^\W\d_])(un|non|not|no)(?={STEM})", r"\1 ", name)
    name = re.sub(rf"({STEM}[^\W\d_]*?)(free|frei|less|los)(?![^\W\d_])", r"\1 free", name)
    return re.findall(r"[^\W\d_]+", name)


def _without_shared_words(words: list[list[str]]) -> list[list[str]]:
    """Without the words nobody knows that all names begin or end with, such as "humerus" in "humerus normal"."""
    for end in (0, -1):
        while all(words) and len({name[end] for name in words}) == 1 and _kind(words[0][end]) == "unknown":
            words = [name[1:] if end == 0 else name[:-1] for name in words]
    return words
