"""Model files made to run code, to write elsewhere, to fill the memory or to end the process: each is refused."""

import hashlib
import importlib
import io
import json
import os
import pickle
import stat
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from fracture_features import (
    CNNClassifier,
    EdgeExtractor,
    FisherVectorExtractor,
    HOGExtractor,
    ImageReader,
    PretrainedExtractor,
)
from fracture_features.cnn._onnx import has_onnxruntime
from fracture_features.cnn._pretrained import Network, Recipe
from fracture_features.exceptions import ModelFileError
from fracture_features.model import TRUSTED_TYPES, read_manifest, read_model_file, write_model_file
from fracture_features.model._npy import to_npy
from fracture_features.model._trees import check_children
from fracture_features.model._ubjson import read_ubjson

SCHEMA = "skops/schema.json"
X = np.random.default_rng(0).normal(size=(60, 5))
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture
def marker(tmp_path):
    """A file that is made if anything of a hostile file is run."""
    return tmp_path / "executed"


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """Members of a small valid file."""
    path = tmp_path_factory.mktemp("valid") / "model.ff"
    model = chain(StandardScaler(), FunctionTransformer(np.absolute), SVC()).fit(X, Y)
    write_model_file(path, model, {"threshold": 0.5}, {"centre": X[0]})
    return members_of(path)


@pytest.fixture(scope="module")
def forest(tmp_path_factory):
    path = tmp_path_factory.mktemp("forest") / "model.ff"
    write_model_file(path, RandomForestClassifier(3, random_state=0).fit(X, Y), {}, {})
    return members_of(path)


def manifest_for(members, **changes):
    """The manifest of a valid file, its sizes and digests those of the members."""
    manifest = json.loads(members["manifest.json"]) | changes
    manifest["members"] = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
        if name != "manifest.json"
    }
    return json.dumps(manifest).encode()


def pack(path, members, *, correct=True, change=lambda info: None):
    """Write members as a model file does, with a manifest that is true of them if `correct`."""
    members = dict(members)
    if correct:
        members["manifest.json"] = manifest_for(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(members, key=lambda name: name != "manifest.json"):
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
            info.external_attr = 0o100600 << 16
            change(info)
            archive.writestr(info, members[name])
    return path


def refused(path, match):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ModelFileError, match=match) as caught:
            read_model_file(path)
    assert len(str(caught.value)) < 3000
    assert str(caught.value).isprintable()
    assert os.fspath(path) in str(caught.value)
    return caught.value


def test_what_these_files_are_made_from_is_read(tmp_path, valid, forest):
    for members in (valid, forest):
        read_model_file(pack(tmp_path / "model.ff", members))


# --- a tree for skops that would run something


def node(loader, name, **more):
    module, _, kind = name.rpartition(".")
    return {"__class__": kind, "__module__": module, "__loader__": loader, **more}


def value(x):
    return node("JsonNode", "builtins.str", content=json.dumps(x), is_json=True)


def sequence(*items, kind="tuple"):
    return node(f"{kind.title()}Node", f"builtins.{kind}", content=list(items))


def mapping(**items):
    types = sequence(*[node("TypeNode", "builtins.str") for _ in items], kind="list")
    return node("DictNode", "builtins.dict", content=items, key_types=types)


def partial_node(function, *args, **kwargs):
    parts = {"func": function, "args": sequence(*args), "kwds": mapping(**kwargs), "namespace": value(None)}
    return node("PartialNode", "functools.partial", content=parts)


def transformer(func):
    """A FunctionTransformer, which skops trusts by itself, and calls its function when it is asked."""
    attributes = mapping(
        func=func, inverse_func=value(None), validate=value(False), accept_sparse=value(True), kw_args=value(None)
    )
    return node("ObjectNode", "sklearn.preprocessing._function_transformer.FunctionTransformer", content=attributes)


def hostile_trees(marker):
    command = f"open({str(marker)!r}, 'w').close()"
    shell = f"touch {marker}"
    svc = node("ObjectNode", "sklearn.svm._classes.SVC", content=mapping(C=value(1.0)))
    yield "os.system", partial_node(node("FunctionNode", "os.system"), value(shell)), "a partial of 'os.system'"
    yield "posix.system", node("FunctionNode", "posix.system"), "posix.system"
    yield "eval", partial_node(node("FunctionNode", "builtins.eval"), value(command)), "a partial of 'builtins.eval'"
    yield "exec as a type", node("TypeNode", "builtins.exec"), "builtins.exec"
    yield "import", node("FunctionNode", "importlib.import_module"), "importlib.import_module"
    yield (
        "a module of the user",
        node("ObjectNode", "malicious_module.Thing", content=mapping()),
        "malicious_module.Thing",
    )
    yield (
        "a foreign type",
        node("ObjectNode", "subprocess.Popen", content=mapping(args=value(shell))),
        "subprocess.Popen",
    )
    reduced = node("ConstructorFromReduceNode", "subprocess.Popen", content=sequence(value(shell)))
    yield "a constructor", reduced, r"subprocess.Popen \(ConstructorFromReduceNode\)"
    reader = node("ConstructorFromReduceNode", "fracture_features.images._reader.ImageReader", content=sequence())
    yield "a constructor of a type on the list", reader, r"ImageReader \(ConstructorFromReduceNode\)"
    method = node("MethodNode", "sklearn.svm._classes.SVC", content={"func": "set_params", "obj": svc})
    yield "a method of a type on the list", method, r"SVC \(MethodNode\)"
    caller = node("OperatorFuncNode", "operator.methodcaller", attrs=sequence(value("system"), value(shell)))
    yield "an operator", caller, r"operator.methodcaller \(OperatorFuncNode\)"
    kernel = node("FunctionNode", "sklearn.metrics.pairwise.rbf_kernel")
    yield "a partial with an object", partial_node(kernel, gamma=svc), "a keyword of a partial is no number"
    yield "a partial with arguments", partial_node(kernel, value(1)), "positional arguments"
    yield "a partial of a partial", partial_node(partial_node(kernel)), "a partial of 'functools.partial'"
    ufunc = node("FunctionNode", "numpy.absolute")
    yield "a partial of a function that is no kernel", partial_node(ufunc), "a partial of 'numpy.absolute'"
    yield (
        "an old node",
        node("FunctionNode", "numpy.absolute", content={"module_path": "os", "function": "system"}),
        "has",
    )
    keys = mapping(x=value(1))
    keys["key_types"]["content"] = [node("FunctionNode", "os.system")]
    yield "a key that is called", keys, "a key of a dict is of another type"
    keys = mapping(x=value(1))
    keys["key_types"]["content"] = [partial_node(kernel)]
    yield "a key that is a partial", keys, "a key of a dict is of another type"
    reference = node("CachedNode", "builtins.str") | {"__id__": 1}
    yield "a reference", reference, r"builtins.str \(CachedNode\)"
    yield "an identity", svc | {"__id__": 7}, "has \\['__id__'\\]"
    generator = node("RandomGeneratorNode", "numpy.random._generator.Generator", content={"bit_generator": mapping()})
    yield "a generator", generator, "RandomGeneratorNode"
    yield (
        "a default factory",
        node("DefaultDictNode", "collections.defaultdict", content={"main": mapping()}),
        "DefaultDictNode",
    )
    yield (
        "a text of a node's kind",
        node("JsonNode", "builtins.str", content='["a"]', is_json=True),
        "no number and no text",
    )
    yield "an array of a foreign type", node("NdArrayNode", "os.system", type="numpy", file="skops/0.npy"), "os.system"
    yield "no node", [], "has no type"
    yield (
        "a kind that is no text",
        {"__class__": "system", "__module__": "os", "__loader__": ["FunctionNode"]},
        "has no type",
    )


HOSTILE = [name for name, _, _ in hostile_trees(Path("x"))]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_root", [False, True])
def test_a_tree_that_would_run_something_is_refused(tmp_path, valid, marker, name, is_root):
    tree, match = next((tree, match) for each, tree, match in hostile_trees(marker) if each == name)
    if is_root and isinstance(tree, list):
        pytest.skip("the root is an object of JSON")
    schema = json.loads(valid[SCHEMA])
    about = {key: schema[key] for key in ("protocol", "_skops_version")}
    root = tree if is_root else transformer(tree)
    members = {"manifest.json": valid["manifest.json"], SCHEMA: json.dumps(root | about).encode()}
    if "file" in tree:
        members[tree["file"]] = to_npy(X)
    refused(pack(tmp_path / "model.ff", members), match)
    assert not marker.exists()


def test_such_a_tree_runs_something_where_its_types_are_trusted(marker):
    """The marker is made where nobody refuses: the trees are what they seem."""
    skops_io = pytest.importorskip("skops.io")
    command = value(f"open({str(marker)!r}, 'w').close()")
    tree = node("ConstructorFromReduceNode", "builtins.eval", content=sequence(command))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", json.dumps(tree | {"protocol": 2, "_skops_version": "0"}))
    skops_io.loads(buffer.getvalue(), trusted=["builtins.eval"])
    assert marker.exists()


def changed(schema, change):
    """A schema with every node that `change` takes replaced by what it gives."""
    if isinstance(schema, list):
        return [changed(each, change) for each in schema]
    if not isinstance(schema, dict):
        return schema
    new = change(schema) if "__loader__" in schema else None
    return {key: changed(each, change) for key, each in schema.items()} if new is None else new


def test_types_are_listed_all_at_once(tmp_path, valid):
    schema = json.loads(valid[SCHEMA])
    for module, kind in (("evil", "A"), ("evil.b", "C")):
        schema["content"]["content"][kind] = node("ObjectNode", f"{module}.{kind}", content=mapping())
        schema["content"]["key_types"]["content"].append(node("TypeNode", "builtins.str"))
    refused(pack(tmp_path / "model.ff", valid | {SCHEMA: json.dumps(schema).encode()}), r"\['evil.A', 'evil.b.C'\]")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda s: s | {"protocol": 3}, "protocol 3"),
        (lambda s: s | {"protocol": 0}, "protocol 0"),
        (lambda s: s | {"protocol": True}, "protocol True"),
        (lambda s: s | {"__id__": 0}, "__id__"),
        (lambda s: [s], "protocol"),
        (lambda s: {key: each for key, each in s.items() if key != "content"}, "arrays that its .* not name"),
        (lambda s: s | {"content": None}, "is no DictNode"),
        (lambda s: s | {"content": sequence()}, "is no DictNode"),
        (
            lambda s: changed(s, lambda n: n | {"file": "skops/99.npy"} if "file" in n else None),
            "no array 'skops/99.npy'",
        ),
        (
            lambda s: changed(s, lambda n: n | {"file": "skops/0.npy"} if "file" in n else None),
            "arrays that its .* not name",
        ),
        (lambda s: changed(s, lambda n: n | {"content": "["} if n["__loader__"] == "JsonNode" else None), "no number"),
        (lambda s: changed(s, lambda n: n | {"content": "1 2"} if n["__loader__"] == "JsonNode" else None), "no JSON"),
        (
            lambda s: changed(s, lambda n: n | {"content": "9" * 5000} if n["__loader__"] == "JsonNode" else None),
            "no JSON",
        ),
    ],
    ids=range(13),
)
def test_a_schema_that_is_not_as_it_is_written_is_refused(tmp_path, valid, change, match):
    schema = json.dumps(change(json.loads(valid[SCHEMA]))).encode()
    refused(pack(tmp_path / "model.ff", valid | {SCHEMA: schema}), match)


def test_deep_trees_are_refused(tmp_path, valid):
    schema = json.loads(valid[SCHEMA])
    tree = value(1)
    for _ in range(150):
        tree = sequence(tree)
    members = {name: valid[name] for name in ("manifest.json", SCHEMA)}
    about = {"protocol": schema["protocol"], "_skops_version": "0"}
    members[SCHEMA] = json.dumps(transformer(tree) | about).encode()
    refused(pack(tmp_path / "model.ff", members), "nested more than 100 deep")
    for data in (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000):
        refused(pack(tmp_path / "model.ff", valid | {SCHEMA: data}), "no JSON of a model file")
    for data in (b"[" * 100_000, b'{"a":' * 100_000):
        refused(pack(tmp_path / "model.ff", valid | {"manifest.json": data}, correct=False), "manifest.json is no JSON")


def test_a_key_that_stands_twice_is_refused(tmp_path, valid):
    twice = valid[SCHEMA].replace(b'{"__class__":"Pipeline"', b'{"__class__":"Popen","__class__":"Pipeline"')
    assert twice != valid[SCHEMA]
    refused(pack(tmp_path / "model.ff", valid | {SCHEMA: twice}), "a key twice")


# --- values that methods or C code would stumble over


def attributes(schema, kind):
    """The attributes of the first object of a class, to be changed."""
    found = []
    changed(schema, lambda n: found.append(n["content"]["content"]) if n["__class__"] == kind else None)
    return found[0]


@pytest.mark.parametrize(
    ("kind", "name", "array"),
    [
        ("SVC", "_n_support", np.array([1000, 1000], dtype=np.int32)),
        ("SVC", "_n_support", np.array([1000, -970], dtype=np.int32)),
        ("SVC", "_dual_coef_", np.zeros((1, 2))),
        ("SVC", "_intercept_", np.zeros(0)),
        ("SVC", "support_", np.zeros(3, dtype=np.int32)),
        ("SVC", "support_vectors_", np.zeros((30, 1))),
        ("SVC", "_probA", np.zeros(5)),
        ("SVC", "_sparse", np.array([True])),
    ],
    ids=range(8),
)
def test_support_vectors_that_do_not_fit_are_refused(tmp_path, valid, kind, name, array):
    schema = json.loads(valid[SCHEMA])
    attributes(schema, kind)[name] = node("NdArrayNode", "numpy.ndarray", type="numpy", file="skops/900.npy")
    used = json.dumps(schema)
    members = {each: data for each, data in valid.items() if not each.startswith("skops/0") or each in used}
    members = {
        each: data for each, data in members.items() if not each.endswith(".npy") or each[0] == "a" or each in used
    }
    members |= {SCHEMA: used.encode(), "skops/900.npy": to_npy(array)}
    refused(pack(tmp_path / "model.ff", members), "SVC")


def test_a_method_that_is_replaced_is_refused(tmp_path, valid):
    schema = json.loads(valid[SCHEMA])
    found = schema["content"]
    found["content"]["predict"] = node("FunctionNode", "numpy.sqrt")
    found["key_types"]["content"].append(node("TypeNode", "builtins.str"))
    refused(
        pack(tmp_path / "model.ff", valid | {SCHEMA: json.dumps(schema).encode()}), "a method of its own, 'predict'"
    )


@pytest.mark.parametrize(
    ("field", "new"),
    [
        ("left_child", 10**6),
        ("left_child", -5),
        ("left_child", 0),
        ("right_child", 2**40),
        ("right_child", -1),
        ("feature", 5),
        ("feature", 2**30),
        ("feature", -2),
    ],
)
def test_trees_that_lead_outside_are_refused(tmp_path, forest, field, new):
    name = next(name for name, data in forest.items() if name.endswith(".npy") and b"left_child" in data[:200])
    nodes = np.load(io.BytesIO(forest[name]))
    nodes[field][0] = new
    refused(pack(tmp_path / "model.ff", forest | {name: to_npy(nodes)}), "a decision tree in it")


@pytest.mark.parametrize(
    ("place", "new", "match"),
    [
        (lambda tree: tree["__reduce__"]["args"]["content"], (0, value(10**6)), "for other features"),
        (lambda tree: tree["__reduce__"]["args"]["content"], (0, value(-1)), "number of outputs"),
        (lambda tree: tree["__reduce__"]["args"]["content"], (2, value(10**9)), "number of outputs"),
        (lambda tree: tree["content"]["content"], ("node_count", value(10**6)), "other shapes"),
        (lambda tree: tree["content"]["content"], ("max_depth", value(0)), "deeper than it says"),
        (lambda tree: tree["content"]["content"], ("max_depth", value("x")), "no sizes"),
        (lambda tree: tree, ("__reduce__", value(1)), "not as scikit-learn writes it"),
        (lambda tree: tree, ("__class__", "ImageReader"), "sklearn.tree._tree.ImageReader"),
    ],
    ids=range(8),
)
def test_trees_of_other_sizes_are_refused(tmp_path, forest, place, new, match):
    schema = json.loads(forest[SCHEMA])
    trees = []
    changed(schema, lambda n: trees.append(n) if n["__loader__"] == "TreeNode" else None)
    place(trees[0])[new[0]] = new[1]
    used = json.dumps(schema)
    members = {name: data for name, data in forest.items() if not name.endswith(".npy") or f'"{name}"' in used}
    refused(pack(tmp_path / "model.ff", members | {SCHEMA: used.encode()}), match)


def test_forests_hold_trees_for_their_own_features(tmp_path, forest):
    """The forest checks its rows, and its trees do not."""
    schema = json.loads(forest[SCHEMA])
    schema["content"]["content"]["n_features_in_"] = value(50)
    refused(
        pack(tmp_path / "model.ff", forest | {SCHEMA: json.dumps(schema).encode()}), "tree of its forest is for other"
    )
    schema = json.loads(forest[SCHEMA])
    tree = {"tree_": value(1), "n_features_in_": value(5)}
    other = node("ObjectNode", "sklearn.svm._classes.SVC", content=mapping(**tree))
    schema["content"]["content"]["estimators_"] = sequence(other, kind="list")
    used = json.dumps(schema)
    members = {name: data for name, data in forest.items() if not name.endswith(".npy") or f'"{name}"' in used}
    refused(pack(tmp_path / "model.ff", members | {SCHEMA: used.encode()}), "its forest holds no trees")


def test_a_pipeline_that_names_a_folder_is_refused(tmp_path, valid):
    schema = json.loads(valid[SCHEMA])
    schema["content"]["content"]["memory"] = value("/tmp/elsewhere")
    refused(pack(tmp_path / "model.ff", valid | {SCHEMA: json.dumps(schema).encode()}), "names a folder for its memory")


def test_children_form_a_tree():
    left, right, feature = np.array([1, -1, 3, -1, -1]), np.array([2, -1, 4, -1, -1]), np.array([0, -2, 1, -2, -2])
    assert check_children(left, right, feature, 2) == 2
    assert check_children(left[1:2], right[1:2], feature[1:2], 1) == 0
    for change in ((left, 2, 1), (left, 2, 2), (right, 2, 3), (right, 0, 5), (left, 1, 4), (feature, 2, 2)):
        changed_arrays = [array.copy() for array in (left, right, feature)]
        index = next(i for i, array in enumerate((left, right, feature)) if array is change[0])
        changed_arrays[index][change[1]] = change[2]
        with pytest.raises(ModelFileError):
            check_children(*changed_arrays, 2)
    with pytest.raises(ModelFileError, match="no nodes"):
        check_children(left[:0], right[:0], feature[:0], 2)


def save(path, model):
    write_model_file(path, model, {}, {})
    return members_of(path)


@pytest.mark.parametrize(
    ("name", "new", "match"),
    [
        ("cache", "/tmp/elsewhere", "names a folder for its cache"),
        ("orientations", 10**9, "orientations"),
        ("pixels_per_cell", 0, "pixels_per_cell"),
        ("pixels_per_cell", -1, "pixels_per_cell"),
        ("cells_per_block", 40, "needs images of at least"),
        ("block_norm", "L3", "block_norm"),
    ],
)
def test_parameters_of_an_extractor_are_checked(tmp_path, name, new, match):
    stack = np.random.default_rng(0).integers(0, 256, (4, 48, 40), dtype=np.uint8)
    members = save(tmp_path / "model.ff", HOGExtractor().fit(stack))
    schema = json.loads(members[SCHEMA])
    schema["content"]["content"][name] = value(new)
    refused(pack(tmp_path / "model.ff", members | {SCHEMA: json.dumps(schema).encode()}), match)


def test_a_filter_larger_than_the_image_is_refused(tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (4, 48, 40), dtype=np.uint8)
    members = save(tmp_path / "model.ff", EdgeExtractor(sigma=48).fit(stack))
    schema = json.loads(members[SCHEMA])
    schema["content"]["content"]["sigma"] = value(65536.0)
    refused(pack(tmp_path / "model.ff", members | {SCHEMA: json.dumps(schema).encode()}), "smooths with sigma=65536")


@pytest.mark.parametrize("shape", [(10**6, 10**6), (0, 40), (40, -1), (40,), (True, 40), (8000, 8000)])
def test_the_shape_of_images_is_bounded(tmp_path, shape):
    stack = np.random.default_rng(0).integers(0, 256, (4, 48, 40), dtype=np.uint8)
    members = save(tmp_path / "model.ff", HOGExtractor(pixels_per_cell=4).fit(stack))
    schema = json.loads(members[SCHEMA])
    schema["content"]["content"]["image_shape_"] = sequence(*map(value, shape))
    tracemalloc.start()
    refused(pack(tmp_path / "model.ff", members | {SCHEMA: json.dumps(schema).encode()}), "shape|features, more than")
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_a_codebook_of_another_shape_is_refused(tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (4, 48, 40), dtype=np.uint8)
    members = save(
        tmp_path / "model.ff", FisherVectorExtractor(n_components=6, n_gaussians=4, random_state=0).fit(stack)
    )
    for name in [name for name in members if name.endswith(".npy")]:
        array = np.load(io.BytesIO(members[name]))
        refused(pack(tmp_path / "model.ff", members | {name: to_npy(array[:-1])}), "codebook of another shape")


def test_a_reader_of_enormous_images_is_refused(tmp_path):
    members = save(tmp_path / "model.ff", chain(ImageReader(image_size=32)).fit(["a.png"]))
    schema = json.loads(members[SCHEMA])
    attributes(schema, "ImageReader")["image_size"] = value(10**6)
    refused(pack(tmp_path / "model.ff", members | {SCHEMA: json.dumps(schema).encode()}), "80,000,000 pixels")


# --- the trees of XGBoost


@pytest.fixture(scope="module")
def boosted(tmp_path_factory):
    xgboost = pytest.importorskip("xgboost")
    path = tmp_path_factory.mktemp("boosted") / "model.ff"
    return save(path, xgboost.XGBClassifier(n_estimators=3, max_depth=3).fit(X, Y))


def test_ubjson_is_read_as_xgboost_reads_it(boosted):
    xgboost = pytest.importorskip("xgboost")
    data = boosted["boosters/0.ubj"]
    text = xgboost.Booster(model_file=bytearray(data)).save_raw("json")
    found = read_ubjson(data)

    def plain(each):
        if isinstance(each, np.ndarray):
            return [np.float32(x) if each.dtype.kind == "f" else int(x) for x in each]
        if isinstance(each, dict):
            return {key: plain(x) for key, x in each.items()}
        return [plain(x) for x in each] if isinstance(each, list) else each

    def rounded(each):
        if isinstance(each, float):
            return np.float32(each)
        if isinstance(each, dict):
            return {key: rounded(x) for key, x in each.items()}
        return [rounded(x) for x in each] if isinstance(each, list) else each

    assert plain(found) == rounded(json.loads(text))


GARBAGE = [
    b"",
    b"{",
    b"[[[[" * 1000,
    b"{L" + b"\xff" * 8,
    b"[$d#L" + struct.pack(">q", 2**40),
    b"[#L" + struct.pack(">q", 2**40),
    b"[$Z#L" + struct.pack(">q", 100),
    b"[$l#d\0\0\0\0",
    b"{i\1aSL" + struct.pack(">q", -1),
    b"{i\1aZi\1aZ}",
    b"Z" * 100,
    b"{}",
    b'{"learner": 1}',
    b"\x80\x04.",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_in_the_place_of_trees_is_refused(tmp_path, boosted, data):
    refused(pack(tmp_path / "model.ff", boosted | {"boosters/0.ubj": data}), "boosters/0.ubj is not as XGBoost")


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("left_children", 10**6),
        ("right_children", 2**31 - 1),
        ("left_children", 0),
        ("split_indices", 5),
        ("split_indices", -1),
    ],
)
def test_boosted_trees_that_lead_outside_are_refused(tmp_path, boosted, name, new):
    data = bytearray(boosted["boosters/0.ubj"])
    place = data.index(name.encode()) + len(name) + len("[$l#L") + 8
    data[place : place + 4] = struct.pack(">i", new)
    refused(pack(tmp_path / "model.ff", boosted | {"boosters/0.ubj": bytes(data)}), "trees? .*(child|feature|parents)")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"\2idi\0", b"\2idi\1", "not in their order"),
        (b"binary:logistic", b"binary:logistik", "objective 'binary:logistik'"),
        (b"num_classSL" + bytes(7) + b"\x010", b"num_classSL" + bytes(7) + b"\x019", "classes"),
        (b"num_targetSL" + bytes(7) + b"\x011", b"num_targetSL" + bytes(7) + b"\x012", "targets"),
        (b"num_parallel_treeSL" + bytes(7) + b"\x011", b"num_parallel_treeSL" + bytes(7) + b"\x010", "unknown rounds"),
        (b"default_left[$U", b"default_left[$i", "of other types"),
    ],
    ids=range(6),
)
def test_boosted_trees_that_are_not_as_they_are_written_are_refused(tmp_path, boosted, old, new, match):
    data = boosted["boosters/0.ubj"]
    assert old in data
    refused(pack(tmp_path / "model.ff", boosted | {"boosters/0.ubj": data.replace(old, new, 1)}), match)


def test_what_xgboost_would_set_for_the_whole_process_is_checked(tmp_path, boosted):
    schema = json.loads(boosted[SCHEMA])
    schema["content"]["content"]["verbosity"] = value(-(2**31))
    refused(pack(tmp_path / "model.ff", boosted | {SCHEMA: json.dumps(schema).encode()}), "verbosity=-2147483648")


def test_a_booster_that_the_estimator_does_not_name_is_refused(tmp_path, boosted, valid):
    more = {"boosters/1.ubj": boosted["boosters/0.ubj"]}
    refused(pack(tmp_path / "model.ff", boosted | more), "no estimator names")
    renamed = boosted[SCHEMA].replace(b"boosters/0.ubj", b"boosters/7.ubj")
    refused(pack(tmp_path / "model.ff", boosted | {SCHEMA: renamed}), "has no trees 'boosters/7.ubj'")


# --- the zip file


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.npy", "/etc/passwd", "skops/../../evil.npy", "C:\\evil.npy", "skops/0.npy/../1.npy", "a\0b.npy"),
        *("skops/x.npy", "skops/evil.py", "__main__.py", "network.keras", "model.pkl", "arrays/.npy", "skops/"),
    ],
)
def test_other_names_are_refused_and_nothing_is_written(tmp_path, valid, name):
    folder = tmp_path / "in" / "side"
    folder.mkdir(parents=True)
    path = pack(folder / "model.ff", valid | {name: b"evil"})
    before = sorted(tmp_path.rglob("*"))
    refused(path, "is none that a model file has|link or a folder|do not list|does not begin|is none")
    assert sorted(tmp_path.rglob("*")) == before


def test_links_are_refused(tmp_path, valid):
    def link(info):
        if info.filename == "arrays/centre.npy":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16

    refused(pack(tmp_path / "model.ff", valid | {"arrays/centre.npy": b"/etc/passwd"}, change=link), "is a link")


def test_a_keras_file_with_code_is_refused(tmp_path, valid, marker):
    """A file has no place for a network that says what it is: a Lambda layer of keras has none."""
    layer = {"class_name": "Lambda", "config": {"function": ["4wEA", None, None]}, "module": "keras.layers"}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}}))
    (tmp_path / "network.keras").write_bytes(buffer.getvalue())
    refused(tmp_path / "network.keras", "is none that a model file has")
    refused(pack(tmp_path / "model.ff", valid | {"network.keras": buffer.getvalue()}), "'network.keras' is none that")
    foreign = node("ObjectNode", "keras.src.layers.core.lambda_layer.Lambda", content=mapping())
    about = {"protocol": 2, "_skops_version": "0"}
    members = {"manifest.json": valid["manifest.json"], SCHEMA: json.dumps(transformer(foreign) | about).encode()}
    refused(pack(tmp_path / "model.ff", members), "lambda_layer.Lambda")


def test_an_architecture_is_one_of_our_own(tmp_path):
    network = CNNClassifier()
    network.classes_, network.image_shape_ = np.array([0, 1]), (32, 32)
    network._built, network._weights = ("small", (32, 32), 2), [np.zeros((3, 3), dtype=np.float32)]
    members = save(tmp_path / "model.ff", network)
    schema = json.loads(members[SCHEMA])
    for built in (("lambda", (32, 32), 2), ("small", (64, 64), 2), ("small", (32, 32), 3), ("small", (32, "x"), 2)):
        parts = [sequence(*map(value, part)) if isinstance(part, tuple) else value(part) for part in built]
        schema["content"]["content"]["_built"] = sequence(*parts)
        refused(pack(tmp_path / "model.ff", members | {SCHEMA: json.dumps(schema).encode()}), "its network (is|has)")
    schema["content"]["content"] |= {"weights": value("../../weights.h5")}
    refused(pack(tmp_path / "model.ff", members | {SCHEMA: json.dumps(schema).encode()}), "names a file with weights")


def pretrained(graph):
    """An extractor with a network of random weights and a graph of one's own."""
    network = Network.__new__(Network)
    network.recipe, network.layer = Recipe("MobileNetV2", None, "avg", (64, 64)), "out"
    network.n_features, network.weights, network._graph = 3, [np.zeros((3, 3), dtype=np.float32)], graph
    extractor = PretrainedExtractor(weights="imagenet", pooling="avg")
    extractor.image_shape_, extractor.layer_, extractor._network = (64, 64), "out", network
    return extractor


def graphs():
    """Graphs of ONNX by what is wrong with them."""
    onnx = pytest.importorskip("onnx")
    helper, tensor = onnx.helper, onnx.TensorProto
    ends = [helper.make_tensor_value_info(name, tensor.FLOAT, ["n", 3]) for name in ("images", "features")]

    def graph(*nodes, constants=()):
        made = helper.make_graph(list(nodes), "g", ends[:1], ends[1:], list(constants))
        return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])

    plain = helper.make_node("Identity", ["images"], ["features"])
    inner = helper.make_graph([plain], "inner", [], ends[1:])
    outside = onnx.numpy_helper.from_array(np.zeros((2, 3), dtype=np.float32), "w")
    outside.ClearField("raw_data")
    outside.data_location = tensor.EXTERNAL
    outside.external_data.add(key="location", value="/etc/passwd")
    yield "", graph(plain)
    yield (
        r"the operators \['If'\]",
        graph(helper.make_node("If", ["c"], ["features"], then_branch=inner, else_branch=inner)),
    )
    yield (
        r"the operators \['evil::Identity'\]",
        graph(helper.make_node("Identity", ["images"], ["features"], domain="evil")),
    )
    yield "graphs within", graph(helper.make_node("Identity", ["images"], ["features"], body=inner))
    yield "files outside", graph(helper.make_node("Add", ["images", "w"], ["features"]), constants=[outside])
    yield "functions", graph(*[plain] * 5001)


@pytest.mark.parametrize("number", range(6))
def test_graphs_with_other_operators_are_refused(tmp_path, number):
    if not has_onnxruntime():
        pytest.skip("a graph is looked at where it would run, on onnxruntime")
    match, graph = list(graphs())[number]
    path = tmp_path / "model.ff"
    if not match:
        save(path, pretrained(graph.SerializeToString()))
        assert read_model_file(path)[0]._network._graph == graph.SerializeToString()
        return
    with pytest.raises(ModelFileError, match=match):
        write_model_file(path, pretrained(graph.SerializeToString()), {}, {})
    with pytest.raises(ModelFileError, match="its graph is none"):
        write_model_file(path, pretrained(b"\xff" * 9), {}, {})


@pytest.mark.parametrize(
    ("name", "new", "match"),
    [
        ("recipe", Recipe("os.system", None, "avg", (64, 64)), "'os.system', unknown here"),
        ("recipe", Recipe("MobileNetV2", None, "avg", (96, 64)), "for other images"),
        ("recipe", Recipe("MobileNetV2", None, "max", (64, 64)), "pools in another way"),
        ("recipe", ("MobileNetV2", None, "avg", (64, 64)), "its network is none"),
        ("n_features", 10**9, "no features"),
        ("weights", ["x"], "no weights"),
        ("layer", "other", "another layer"),
    ],
    ids=range(7),
)
def test_networks_that_do_not_fit_are_refused(tmp_path, name, new, match):
    extractor = pretrained(None)
    setattr(extractor._network, name, new)
    with pytest.raises(ModelFileError, match=match):
        write_model_file(tmp_path / "model.ff", extractor, {}, {})


def test_two_members_of_one_name_are_refused(tmp_path, valid):
    path = tmp_path / "model.ff"
    pack(path, valid)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("arrays/centre.npy", to_npy(X[1]))
    refused(path, "two members of the name 'arrays/centre.npy'")


def test_members_that_are_missing_or_more_are_refused(tmp_path, valid):
    for name in valid:
        members = {each: data for each, data in valid.items() if each != name}
        refused(pack(tmp_path / "model.ff", members, correct=False), "missing|no manifest.json|expected a zip file")
    refused(pack(tmp_path / "model.ff", valid | {"arrays/more.npy": to_npy(X)}, correct=False), "does not list")
    bare = {name: data for name, data in valid.items() if name in ("manifest.json", "arrays/centre.npy")}
    refused(pack(tmp_path / "model.ff", bare), "it has no skops/schema.json")


def test_other_content_than_the_manifest_says_is_refused(tmp_path, valid):
    for name in valid:
        if name != "manifest.json":
            data = bytes([valid[name][0] ^ 1]) + valid[name][1:]
            refused(pack(tmp_path / "model.ff", valid | {name: data}, correct=False), "another SHA-256")
            refused(pack(tmp_path / "model.ff", valid | {name: valid[name] + b" "}, correct=False), "says")


def test_an_encrypted_member_is_refused(tmp_path, valid):
    data = bytearray(pack(tmp_path / "model.ff", valid).read_bytes())
    place = data.index(b"PK\1\2") + 8
    data[place] |= 1
    (tmp_path / "model.ff").write_bytes(data)
    refused(tmp_path / "model.ff", "is encrypted")


def test_names_that_are_no_text_are_refused(tmp_path, valid):
    path = pack(tmp_path / "model.ff", valid)
    data = path.read_bytes()
    for start, flags, name in ((data.index(b"PK\3\4"), 6, 30), (data.index(b"PK\1\2"), 8, 46)):
        altered = bytearray(data)
        altered[start + flags + 1] |= 8
        altered[start + name + 3] = 0xAD
        path.write_bytes(altered)
        refused(path, "damaged|packed in another way|is none that")


def peak(path):
    """Most memory that reading takes, in bytes."""
    tracemalloc.start()
    try:
        refused(path, ".")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["manifest.json", SCHEMA, "skops/0.npy"])
def test_a_bomb_that_says_so_is_refused_before_it_goes_off(tmp_path, valid, name):
    def deflate(info):
        info.compress_type = zipfile.ZIP_DEFLATED

    path = pack(tmp_path / "model.ff", valid | {name: bytes(200_000_000)}, correct=False, change=deflate)
    assert path.stat().st_size < 1_000_000
    assert peak(path) < 10e6


@pytest.mark.parametrize("name", ["manifest.json", SCHEMA])
def test_a_bomb_that_lies_about_its_size_is_cut_short(tmp_path, valid, name):
    path = pack(tmp_path / "model.ff", valid | {name: bytes(200_000_000)}, correct=False)
    data = path.read_bytes()
    for size in (0, 1, len(valid[name]), 4 << 20):
        path.write_bytes(data.replace(struct.pack("<L", 200_000_000), struct.pack("<L", size)))
        assert peak(path) < 20e6


@pytest.mark.slow
def test_a_bomb_that_is_the_largest_allowed_stays_small(tmp_path, valid):
    for text in (b"[" * 30 + b"{}," * 5_500_000, b" " * (16 << 20)):
        path = pack(tmp_path / "model.ff", valid | {SCHEMA: text[: 16 << 20]})
        assert peak(path) < 900e6


def array_headers():
    yield "(10**9,)", "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,), }"
    yield "a byte less", "{'descr': '|u1', 'fortran_order': False, 'shape': (41,), }"
    yield "a header within", "{'descr': '|u1', 'fortran_order': False, 'shape': (40,), } \n"
    yield "negative", "{'descr': '<f8', 'fortran_order': False, 'shape': (-5,), }"
    yield "overflow", f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**62}, 8), }}"
    yield "objects", "{'descr': '|O', 'fortran_order': False, 'shape': (5,), }"
    yield "hidden objects", "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (5,), }"
    yield "call", "{'descr': __import__('os').system('touch executed'), 'fortran_order': False, 'shape': (5,), }"
    yield "deep", "(" * 5000
    yield "nothing", "{}"
    yield "nan", "{'descr': '<f8', 'fortran_order': False, 'shape': (float('nan'),), }"
    yield "empty items", "{'descr': '|V0', 'fortran_order': False, 'shape': (1000000000,), }"


@pytest.mark.parametrize("place", ["skops/0.npy", "arrays/centre.npy"])
@pytest.mark.parametrize("header", [text for _, text in array_headers()], ids=[name for name, _ in array_headers()])
def test_arrays_that_are_none_are_refused(tmp_path, valid, marker, place, header):
    header += " \n"
    data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + bytes(40)
    path = pack(tmp_path / "model.ff", valid | {place: data})
    assert peak(path) < 10e6
    assert not marker.exists()


def test_a_pickle_in_the_place_of_an_array_is_refused(tmp_path, valid, marker):
    for data in (pickle.dumps(Touch(marker)), b"\x93NUMPY\x09\0", b"PK\3\4", b"\x93NUMPY"):
        refused(pack(tmp_path / "model.ff", valid | {"skops/0.npy": data}), "skops/0.npy is no array")
    assert not marker.exists()


# --- files of other kinds, cut and altered


class Touch:
    """What pickle would take for a call."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickles_are_refused_unread(tmp_path, marker):
    path = tmp_path / "model.ff"
    for protocol in range(2, 6):
        path.write_bytes(pickle.dumps(Touch(marker), protocol))
        refused(path, "found what is a pickle, which can run any code")
    path.write_bytes(pickle.dumps(Touch(marker), 0))
    refused(path, "expected a zip file")
    joblib.dump(Touch(marker), path)
    refused(path, "a pickle")
    for compress in ("zlib", "gzip", "bz2", "lzma", "xz"):
        joblib.dump(Touch(marker), path, compress=(compress, 3))
        refused(path, "compressed, as pickles of joblib are|expected a zip file")
    assert not marker.exists()
    pickle.loads(pickle.dumps(Touch(marker)))
    assert marker.exists()


def test_other_files_are_refused_by_what_they_are(tmp_path):
    path = tmp_path / "model.ff"
    for data, match in [
        (b"", "it is empty"),
        (b'{"format": 1}', "what is text"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (to_npy(X), "an array"),
        (bytes(100), "unknown"),
        (b"PK\3\4", "cut off"),
        (b"PK\5\6" + bytes(18), "expected a zip file"),
    ]:
        path.write_bytes(data)
        refused(path, match)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    refused(path, "is none that a model file has")
    with pytest.raises(ModelFileError, match="no regular file"):
        read_model_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_model_file(tmp_path / "none.ff")


def test_a_file_cut_at_any_length_is_refused(tmp_path, valid):
    path = tmp_path / "model.ff"
    data = pack(path, valid).read_bytes()
    for length in {*range(0, len(data), 61), *range(len(data) - 100, len(data))}:
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError):
            read_model_file(path)
        with pytest.raises(ModelFileError):
            read_manifest(path)


def test_what_is_put_before_or_behind_a_file_is_refused(tmp_path, valid):
    path = tmp_path / "model.ff"
    data = pack(path, valid).read_bytes()
    for altered in (data + b"x", b"#!/bin/sh\n" + data, data + data, b"PK\3\4" + data, data + bytes(22)):
        path.write_bytes(altered)
        with pytest.raises(ModelFileError):
            read_model_file(path)


def test_bits_that_are_flipped_are_noticed_or_mean_nothing(tmp_path, valid):
    path = tmp_path / "model.ff"
    data = pack(path, valid).read_bytes()
    expected = read_model_file(path)[0].decision_function(X)
    rng = np.random.default_rng(0)
    outcomes = []
    for place in rng.choice(len(data), 150, replace=False):
        altered = bytearray(data)
        altered[place] ^= 1 << rng.integers(8)
        path.write_bytes(altered)
        try:
            found = read_model_file(path)[0]
        except ModelFileError:
            outcomes.append("refused")
        else:
            np.testing.assert_array_equal(found.decision_function(X), expected)
            outcomes.append("equal")
    assert outcomes.count("refused") > 100


# --- the manifest


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format_version": 2}, r"version 2 of the format; fracture_features .* reads up to 1: install a newer one"),
        ({"format_version": 10**400}, "version"),
        ({"format_version": 0}, "the format version 0"),
        ({"format_version": True}, "the format version True"),
        ({"format_version": "1"}, "the format version '1'"),
        ({"format": "another"}, "has the format 'another'; expected 'fracture_features model'"),
        ({"state": []}, "not as this library writes it"),
        ({"versions": {"numpy": 1}}, "not as this library writes it"),
        ({"versions": {"numpy": "1" * 10**6}}, "not as this library writes it"),
        ({"versions": {"numpy\x1b[2J": "1"}}, "not as this library writes it"),
        ({"versions": {"numpy": "\x1b[2J"}}, "not as this library writes it"),
        ({"format": "\x1b[2J"}, "has the format"),
        ({"more": 1}, "not as this library writes it"),
    ],
    ids=range(13),
)
def test_another_manifest_is_refused(tmp_path, valid, changes, match):
    data = manifest_for(valid, **changes)
    path = pack(tmp_path / "model.ff", valid | {"manifest.json": data}, correct=False)
    refused(path, match)
    with pytest.raises(ModelFileError, match=match):
        read_manifest(path)


@pytest.mark.parametrize("size", ["NaN", "-1", "1e3", "true", "null", "9" * 300, '"5"', "[]"])
def test_sizes_that_are_none_are_refused(tmp_path, valid, size):
    manifest = json.loads(manifest_for(valid))
    manifest["members"][SCHEMA]["size"] = 123456789
    data = json.dumps(manifest).replace("123456789", size).encode()
    refused(pack(tmp_path / "model.ff", valid | {"manifest.json": data}, correct=False), "size|bytes, and its manifest")


def test_members_that_are_no_list_are_refused(tmp_path, valid):
    for members in ([], {"skops/schema.json": 5}, None, {SCHEMA: {"size": 1}}):
        data = json.dumps(json.loads(manifest_for(valid)) | {"members": members}).encode()
        refused(pack(tmp_path / "model.ff", valid | {"manifest.json": data}, correct=False), "list|missing|size")


def test_the_list_of_types_has_nothing_that_calls_or_opens():
    """Constructors of these would be called by a file of skops that trusts the list."""
    for name in TRUSTED_TYPES:
        assert name.startswith(
            ("fracture_features.", "sklearn.", "xgboost.sklearn.", "numpy.", "scipy.special.", "functools.")
        )
        assert not {"builtins", "os", "subprocess", "importlib", "operator", "io", "sys"} & set(name.split("."))
        assert importlib.import_module(name.rpartition(".")[0])
