"""A connection to a bucket: whether it works is asked of a real S3 server."""

SETTINGS = '[outbound]\nallow = ["127.0.0.1"]\n'


def test_a_bucket_lets_in_who_has_its_keys(serve, s3_server):
    s3_server.store("outlast")
    server = serve(SETTINGS)
    keys = {"access_key": s3_server.access_key, "secret_key": s3_server.secret_key}
    settings = {"url": "s3://outlast/some/where", "endpoint": s3_server.endpoint}
    with server.client() as client:

        def ended(connection):
            operation = client.wait(connection.operation_id, 60)
            return client.connections.get(connection.id), operation.failure

        ready, failure = ended(
            client.connections.create("lake", "s3", settings=settings, secrets=keys)
        )
        assert ready.status == "ready", failure
        wrong = client.connections.update("lake", secrets={"secret_key": "guessed"})
        refused, failure = ended(wrong)
        assert (refused.status, failure.code) == ("failed", "access_refused")
        elsewhere = client.connections.update(
            "lake", settings=settings | {"url": "s3://nowhere"}, secrets=keys
        )
        missing, failure = ended(elsewhere)
        assert (missing.status, failure.code) == ("failed", "missing")
        assert keys["secret_key"] not in server.log.read_text()
