import json

import pytest
from click.testing import CliRunner

from outlast.cli.instance_types import convert
from outlast.kinds.instance_types.published import read_published

DESCRIBED = {
    "InstanceTypes": [
        {
            "InstanceType": "m9.large",
            "VCpuInfo": {"DefaultVCpus": 2},
            "MemoryInfo": {"SizeInMiB": 8192},
            "ProcessorInfo": {"SupportedArchitectures": ["i386", "x86_64"]},
            "NetworkInfo": {
                "Ipv4AddressesPerInterface": 10,
                "MaximumNetworkInterfaces": 9,
                "NetworkCards": [
                    {"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 3},
                    {"NetworkCardIndex": 1, "MaximumNetworkInterfaces": 6},
                ],
            },
        }
    ]
}
OFFERS = {
    "InstanceTypeOfferings": [
        {"InstanceType": "m9.large", "LocationType": "region", "Location": "eu-north-1"}
    ]
}


def test_instance_types_are_listed(run):
    shown = run("instance-types", "list", "--family", "m5", "--vcpus-max", "4")
    assert shown.code == 0, shown.errors
    lines = shown.output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["m5.large", "m5.xlarge"]
    told = json.loads(run("instance-types", "list", "--name", "t3.nano", "--json").output)
    assert [each["instance_type"] for each in told["items"]] == ["t3.nano"]
    wrong = run("instance-types", "list", "--region", "moon-1")
    assert (wrong.code, "unknown_region" in wrong.output) == (1, True)


@pytest.fixture
def converted(tmp_path):
    def convert_files(described, offers=OFFERS):
        (tmp_path / "types.json").write_text(json.dumps(described))
        (tmp_path / "offers.json").write_text(json.dumps(offers))
        target = tmp_path / "aws.json.gz"
        arguments = [str(tmp_path / "types.json"), str(target), "--source", "us"]
        more = ["--date", "today", "--licence", "ours", "--offers", str(tmp_path / "offers.json")]
        return CliRunner().invoke(convert, [*arguments, *more]), target

    return convert_files


def test_what_aws_answers_becomes_a_file_of_instance_types(converted):
    done, target = converted(DESCRIBED)
    assert done.exit_code == 0, done.output
    assert "1 instance types, 1 regions" in done.output
    published = read_published(target)
    [only] = published.types
    assert (published.source, published.date, published.licence) == ("us", "today", "ours")
    assert (only.name, only.interfaces, only.architecture) == ("m9.large", 3, "x86_64")
    assert (only.group, only.regions) == ("general_purpose", ("eu-north-1",))


@pytest.mark.parametrize(
    ("described", "offers", "reason"),
    [
        ({"InstanceTypes": [{}]}, OFFERS, "no answer of DescribeInstanceTypes"),
        ({"InstanceTypes": []}, OFFERS, "1 to 20000"),
        (DESCRIBED, {"Offers": 1}, "no answer of DescribeInstanceTypeOfferings"),
    ],
)
def test_what_is_no_answer_is_refused(converted, described, offers, reason):
    done, target = converted(described, offers)
    assert (done.exit_code, target.exists()) == (2, False)
    assert reason in done.output
