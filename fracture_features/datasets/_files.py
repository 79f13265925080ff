"""Which files are there, and what the others are."""

from __future__ import annotations

import os
import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..exceptions import DatasetError
from ..images import FileContent, read_content

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".gif"}
# Copies and halves of files that stand beside them.
SPARE_SUFFIXES = {".bak", ".old", ".orig", ".tmp", ".part", ".crdownload", ".download"}
# Folders of network storage and systems; with the hidden ones they are no data.
LITTER = {"@eadir", "__macosx", "#recycle", "#snapshot", "@recycle", "$recycle.bin", "system volume information"}


@dataclass
class FoundFiles:
    """What stands below a folder.

    Attributes
    ----------
    images : list of str
        Posix paths below the folder, sorted.
    contents : dict of str to FileContent
        What was seen of each of them.
    ignored : Counter of str
        Other files and folders by kind, such as "DICOM presentation state".
    """

    images: list[str] = field(default_factory=list)
    contents: dict[str, FileContent] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)


def existing_folder(root: str | os.PathLike[str]) -> Path:
    """`root` as a Path; DatasetError if it is no folder."""
    path = Path(root)
    if not path.is_dir():
        found = "it is a file" if path.exists() else "there is no such folder"
        raise DatasetError(f"{path}: {found}; expected a folder of radiographs")
    return path


def find_images(folder: Path, salt: str | None = None) -> FoundFiles:
    """Find all images below a folder.

    Links to folders are followed, each folder once, after those that are no links. The beginning of each file tells
    what it is; where that is nothing known, an ending of images makes it one that cannot be read. Hidden files and
    folders, and the litter of network storage and systems, are passed over.

    Parameters
    ----------
    folder : Path
    salt : str or None
        As in `images.read_header`.
    """
    found, seen, root = FoundFiles(), set(), os.path.realpath(folder)
    folders, links = deque([folder]), deque[Path]()
    while folders or links:
        is_link = not folders
        path = (folders or links).popleft()
        try:
            status, entries = os.stat(path), sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            found.ignored["folder that cannot be opened"] += 1
            continue
        above = is_link and f"{root}{os.sep}".startswith(f"{os.path.realpath(path).rstrip(os.sep)}{os.sep}")
        if above or (status.st_dev, status.st_ino) in seen:
            found.ignored["link to a folder that is read already"] += 1
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith(".") or entry.name.casefold() in LITTER:
                continue
            if os.path.isdir(entry.path):
                (links if entry.is_symlink() else folders).append(Path(entry.path))
            else:
                _add_file(found, Path(entry.path), Path(entry.path).relative_to(folder).as_posix(), salt)
    found.images.sort()
    return found


def _add_file(found: FoundFiles, path: Path, name: str, salt: str | None) -> None:
    """Note a file as an image or as something else."""
    suffix = path.suffix.lower()
    kind = f"{suffix} file" if suffix else "file of no known format"
    is_image = False
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "FIFO, device or socket"
    elif suffix not in SPARE_SUFFIXES and not path.name.endswith("~"):
        content = read_content(path, salt)
        kind = content.left_out or kind
        is_image = content.left_out is None and (content.format is not None or suffix in IMAGE_SUFFIXES)
    if is_image:
        found.images.append(name)
        found.contents[name] = content
    else:
        found.ignored[kind] += 1


def no_images(found: FoundFiles) -> str:
    """Say that there are none, and what there is."""
    return f"no images in it or below ({count_kinds(found.ignored) or 'it is empty'})"


def count_kinds(ignored: Mapping[str, int]) -> str:
    """For example "3 files left out: 2 DICOM presentation states, 1 .csv file"; nothing where there are none."""
    n = sum(ignored.values())
    kinds = ", ".join(f"{k} {_plural(kind, k)}" for kind, k in sorted(ignored.items(), key=lambda x: (-x[1], x[0])))
    return f"{n} {_plural('file', n)} left out: {kinds}" if n else ""


def _plural(kind: str, n: int) -> str:
    """Of its first noun, where others follow it: "files of no known format"."""
    head, space, tail = kind, "", ""
    for word in (" of ", " to ", " that ", " without "):
        if word in kind:
            head, space, tail = kind.partition(word)
            break
    return kind if n == 1 else f"{head}{'' if head.endswith(('DIR', 'socket')) else 's'}{space}{tail}"


class NamedFiles:
    """The files below a folder, by the names that a table gives them.

    Parameters
    ----------
    root : Path
    table : Path
        What names them, for messages.
    salt : str or None
        As in `images.read_header`.
    is_moved : bool, default=False
        Whether an absolute path that leads elsewhere stands for what its end is below `root`.

    Attributes
    ----------
    contents : dict of str to FileContent
        What was seen of files that had to be opened.
    """

    def __init__(self, root: Path, table: Path, salt: str | None = None, *, is_moved: bool = False):
        self.root, self.table, self.salt, self.is_moved = root, table, salt, is_moved
        self.contents: dict[str, FileContent] = {}
        self._stems: dict[str, list[str]] | None = None

    def find(self, name: str) -> str:
        """Posix path below `root` of a file, which a table may name without its ending or its folder.

        Raises
        ------
        DatasetError
            If it leads out of `root`, is missing or no regular file, or the name is that of several files.
        """
        names = dict.fromkeys([name, name.strip(), name.strip().replace("\\", "/")])
        relative = [os.path.normpath(os.path.relpath(self.root / each, self.root)) for each in names]
        inside = [Path(path).as_posix() for path in relative if path.split(os.sep)[0] != ".."]
        if self.is_moved and (end := self._end_below(list(names)[-1])) is not None:
            inside.append(end)
        if not inside:
            raise DatasetError(
                f"{self.table}: {name!r} leads out of the folder {str(self.root)!r}; give the images' folder as root="
            )
        for path in inside:
            if os.path.isfile(self.root / path):
                return path
        stems = self._by_stem()
        found = next((stems[path] for path in inside if path in stems), [])
        if len(found) > 1:
            raise DatasetError(f"{self.table}: {name!r} may be any of {len(found)} files, such as {found[:2]}")
        if not found:
            path = str(self.root / inside[0])
            found_there = f"{path!r} is no regular file" if os.path.exists(path) else f"there is no file {path!r}"
            raise DatasetError(f"{self.table}: {found_there}; expected an image for each row")
        return found[0]

    def _end_below(self, name: str) -> str | None:
        """The longest end of an absolute path that is a file below `root`."""
        first, *parts = name.split("/")
        if (first and not re.fullmatch("[A-Za-z]:", first)) or ".." in parts:
            return None
        ends = ("/".join(parts[k:]) for k in range(len(parts)))
        return next((end for end in ends if os.path.isfile(self.root / end)), None)

    def _by_stem(self) -> dict[str, list[str]]:
        """All images below the folder, by their path and name without ending, and by their name."""
        if self._stems is None:
            self._stems = {}
            found = find_images(self.root, self.salt)
            self.contents = found.contents
            for image in found.images:
                path = Path(image)
                for key in dict.fromkeys([path.with_suffix("").as_posix(), path.stem, path.name]):
                    self._stems.setdefault(key, []).append(image)
        return self._stems
