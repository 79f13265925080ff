"""Results per image on disk, found again by content, parameters and the code's version.

What is kept together makes one file, written beside its place and moved there, never changed: several processes write
at once, and one killed at any moment leaves it whole or absent. Nothing is mapped into memory, so that no damage to a
file can end a process; every value has a checksum. Values are raw bytes, never pickles; only their owner can read them.
The folder belongs on a local disk.
"""

from ._estimators import Cached, cached_parts, set_caches
from ._keys import code_version, digest
from ._store import Cache, bypassed_caches, close_cache, open_cache
from ._store import _bypassed as _bypassed
from ._whole import cache_size, clear_cache, damaged_files, pack_cache, unpack_cache

__all__ = [
    "Cache",
    "Cached",
    "bypassed_caches",
    "cache_size",
    "cached_parts",
    "clear_cache",
    "close_cache",
    "code_version",
    "damaged_files",
    "digest",
    "open_cache",
    "pack_cache",
    "set_caches",
    "unpack_cache",
]
