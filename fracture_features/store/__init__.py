"""Features of all images of a folder, stored on disk; any number of machines can extract and read them.

A store is a folder, which many machines may share. Its images are divided into shards in the order of their paths:

=======================  ===========================================================================================
``store.json``           which files, which features, which version made them
``shard-00000.npy``      features, float32 (n_readable, n_features), read by memory map
``shard-00000.csv``      a line for each image: path, row, size, mtime_ns, sha256, reason; written last
``shard-00000.values``   what the cache holds of these images, their pixels too; only `warm_cache` reads it
``shard-00000.parquet``  the features as a table, where that is asked for
=======================  ===========================================================================================

Every file is written beside its place and moved: what a kill leaves is whole or absent, and two machines that make the
same shard write the same.
"""

from ._extract import check_features, extract_features, is_current, write_parquet
from ._store import FeatureStore

__all__ = ["FeatureStore", "check_features", "extract_features", "is_current", "write_parquet"]
