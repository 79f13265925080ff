def read_model_file(path):
    raise NotImplementedError


def write_model_file(*a):
    raise NotImplementedError


def read_manifest(path):
    raise NotImplementedError
