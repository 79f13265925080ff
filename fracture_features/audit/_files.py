"""Findings about files."""


def file_findings(data, files):
    return []
