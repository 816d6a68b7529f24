"""What AWS answers about instance types is read, and nothing else. Heavy tests ask for pages."""

import msgspec
import pytest

from outlast.kinds.instance_types.locked import read_pages
from outlast.kinds.instance_types.published import InstanceType
from outlast.operations.errors import Fatal

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstanceTypesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>1</requestId>
  <instanceTypeSet>{items}</instanceTypeSet>
</DescribeInstanceTypesResponse>"""
ITEM = """<item>
  <instanceType>{name}</instanceType>
  <hypervisor>nitro</hypervisor>
  <vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo>
  <memoryInfo><sizeInMiB>16384</sizeInMiB></memoryInfo>
  <processorInfo><supportedArchitectures><item>arm64</item></supportedArchitectures></processorInfo>
  <gpuInfo><gpus><item><count>1</count><name>T4G</name></item></gpus></gpuInfo>
  <networkInfo>
    <ipv4AddressesPerInterface>15</ipv4AddressesPerInterface>
    <maximumNetworkInterfaces>4</maximumNetworkInterfaces>
    <defaultNetworkCardIndex>1</defaultNetworkCardIndex>
    <networkCards>
      <item><networkCardIndex>0</networkCardIndex>
        <maximumNetworkInterfaces>1</maximumNetworkInterfaces></item>
      <item><networkCardIndex>1</networkCardIndex>
        <maximumNetworkInterfaces>3</maximumNetworkInterfaces></item>
    </networkCards>
  </networkInfo>
</item>"""


def read(folder, *pages):
    for number, page in enumerate(pages):
        (folder / str(number)).write_text(page)
    names = [str(number) for number in range(len(pages))]
    return msgspec.convert(read_pages(msgspec.json.encode(names), folder), list[InstanceType])


def test_pages_are_read_together(tmp_path):
    pages = [PAGE.format(items=ITEM.format(name=name)) for name in ("g5g.xlarge", "c7g.xlarge")]
    found = read(tmp_path, *pages, PAGE.format(items=""))
    assert [one.name for one in found] == ["c7g.xlarge", "g5g.xlarge"]
    assert found[1] == InstanceType(
        name="g5g.xlarge",
        vcpus=4,
        memory_mib=16_384,
        architecture="arm64",
        group="accelerated_computing",
        gpus=1,
        interfaces=3,
        addresses_per_interface=15,
    )


@pytest.mark.parametrize(
    "page",
    [
        "",
        "<html>busy",
        "just text",
        PAGE.format(items="<item/>"),
        PAGE.format(items="<item><instanceType>m5</instanceType></item>"),
        PAGE.format(items=ITEM.format(name="x").replace("4</default", "many</default")),
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    ],
)
def test_what_is_no_page_is_told(tmp_path, page):
    with pytest.raises(Fatal, match="AWS would not answer so") as refused:
        read(tmp_path, page)
    assert refused.value.code == "unexpected_answer"
