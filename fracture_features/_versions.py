"""placeholder"""


def package_versions() -> dict[str, str]:
    """placeholder"""
    return {}
