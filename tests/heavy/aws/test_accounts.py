"""An account of AWS, as an emulation that others wrote has one: keys looked at, instance types."""

import pytest
from aws_server import AwsServer

SETTINGS = '[outbound]\nallow = ["127.0.0.1"]\n'


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    server = AwsServer(tmp_path_factory.mktemp("aws"))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(serve):
    return serve(SETTINGS)


@pytest.fixture(scope="module")
def client(server, aws):
    """A client of a server with a connection `account`, which works."""
    with server.client() as client:
        made = client.connections.create(
            "account",
            "aws",
            region="eu-north-1",
            settings={"endpoint": aws.url},
            secrets=aws.keys,
        )
        operation = client.wait(made.operation_id, 60)
        assert operation.state == "succeeded", operation.failure
        yield client


def test_the_keys_of_a_user_are_told_from_others(aws, client):
    assert client.connections.get("account").identity["arn"].endswith(":user/ada")
    wrong = client.connections.update("account", secrets={"secret_key": "guessed"})
    refused = client.wait(wrong.operation_id, 60)
    assert refused.failure.code == "access_refused"
    assert "SignatureDoesNotMatch" in refused.failure.message
    right = client.connections.update("account", secrets=aws.keys)
    assert client.wait(right.operation_id, 60).state == "succeeded"


def test_instance_types_are_asked_for_page_by_page(aws, client, server):
    def discover(**spec):
        operation = client.wait(client.submit("discover_instance_types", spec).id, 120)
        assert operation.state == "succeeded", operation.failure
        return operation.result

    told, published = discover(connection="account"), discover()
    # The emulation has what was packaged from it, and tells all of it in every region.
    assert told["items"] == published["items"]
    assert len(told["items"]) == 1395
    assert told["metadata"]["source"] == f"{aws.url}/ DescribeInstanceTypes"
    assert aws.keys["secret_key"] not in server.log.read_text()
