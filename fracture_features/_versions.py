def package_versions():
    return {}
