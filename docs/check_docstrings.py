"""Check the docstrings of the API reference by numpydoc's validation; `make lint` runs it.

    python docs/check_docstrings.py [ROOM ...]

Each class and function documents its parameters and what it returns, and has See Also and Examples; errors and warnings
need neither. Public methods document their parameters, unless they are scikit-learn's.
"""

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module

from make_api import ROOMS, documented
from numpydoc.validate import validate

# Parameters: missing, unknown, in another order, without a type, without a description, no space before the colon.
PARAMETERS = {"PR01", "PR02", "PR03", "PR04", "PR07", "PR10"}
# Returns, Yields, See Also, Examples; sections unknown or in another order.
SECTIONS = {"RT01", "YD01", "SA01", "EX01", "GL06", "GL07", "GL08"}
METHODS = {"PR01", "PR02", "PR03", "GL06", "GL07"}


def objects(room: str) -> Iterator[tuple[str, set[str]]]:
    """Full names, and the codes that count for them."""
    module = import_module(f"fracture_features.{room}")
    for name in documented(room):
        value = getattr(module, name)
        full = f"fracture_features.{room}.{name}"
        if inspect.isclass(value) and issubclass(value, Exception):
            yield full, PARAMETERS
            continue
        yield full, PARAMETERS | SECTIONS
        if inspect.isclass(value):
            for method, function in vars(value).items():
                if inspect.isfunction(function) and not method.startswith("_") and "\n" in (function.__doc__ or ""):
                    yield f"{full}.{method}", METHODS


def main() -> int:
    """Print what is missing; 1 if anything is."""
    n = 0
    for room in sys.argv[1:] or ROOMS:
        for name, codes in objects(room):
            for code, message in validate(name)["errors"]:
                if code in codes:
                    n += 1
                    print(f"{name}: {code} {message}")
    return int(n > 0)


if __name__ == "__main__":
    sys.exit(main())
