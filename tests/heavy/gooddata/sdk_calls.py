"""Runs in an environment of its own, with a release of gooddata-sdk: does what it is told, by line.

A line asks {"on": "api" or "lake", "call": name, "with": {...}}; {"$model": name, ...} stands for a
model of the client. The answer is {"result", "status", "headers"} or {"error", "status", "body"}.
"""

import json
import os
import sys

import attrs
import gooddata_api_client
from gooddata_api_client import models
from gooddata_api_client.api.ai_lake_api import AILakeApi
from gooddata_sdk import GoodDataSdk


def build(value):
    """JSON as what the client takes."""
    if isinstance(value, list):
        return [build(one) for one in value]
    if not isinstance(value, dict):
        return value
    fields = {name: build(one) for name, one in value.items() if name != "$model"}
    if "$model" in value:
        return getattr(models, value["$model"])(_check_type=False, **fields)
    return fields


def plain(value):
    """What the client gave, as JSON."""
    if attrs.has(type(value)):
        return attrs.asdict(value)
    return value.to_dict() if hasattr(value, "to_dict") else value


def answer(sdk, asked):
    """Make one call."""
    arguments = build(asked["with"])
    if asked["on"] == "lake":
        return {"result": plain(getattr(sdk.catalog_ai_lake, asked["call"])(**arguments))}
    api = AILakeApi(sdk.client._api_client)
    call = getattr(api, asked["call"])
    result, status, headers = call(_return_http_data_only=False, **arguments)
    return {"result": plain(result), "status": status, "headers": dict(headers)}


def tell(what):
    """A line for whoever asked."""
    sys.stdout.write(json.dumps(what, default=vars) + "\n")
    sys.stdout.flush()


def main():
    sdk = GoodDataSdk.create(os.environ["LAKE_URL"], os.environ["LAKE_TOKEN"])
    tell({"version": gooddata_api_client.__version__})
    for line in sys.stdin:
        try:
            told = answer(sdk, json.loads(line))
        except Exception as error:  # noqa: BLE001  whatever the client raises is an answer
            told = {
                "error": type(error).__name__,
                "says": str(error),
                "status": getattr(error, "status", None),
                "body": getattr(error, "body", None),
            }
        tell(told)


main()
