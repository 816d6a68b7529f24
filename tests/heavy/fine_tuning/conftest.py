"""A tiny model on the disk, and a server that may tune it."""

import pytest
import tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model.make_model(folder)
    return folder


@pytest.fixture(scope="session")
def server(serve, model):
    return serve(f'[backends.tiny]\nfolder = "{model}"\n')
