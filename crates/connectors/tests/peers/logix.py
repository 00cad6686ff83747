"""A Logix tag server (cm-ethernetip) with numbers, an array, a structure and many tags.

Two things the server does otherwise than controllers do are set right here (1756-PM020): a template
read has the offset first and the count behind it, and symbols are listed from any instance on."""
import asyncio
import dataclasses
import struct

from ethernetip.cip.identity_info import IdentityInfo
from ethernetip.cip.service import CipServiceRequest
from ethernetip.logix import data_types as dt
from ethernetip.logix.logix_dispatcher import LogixDispatcher
from ethernetip.logix.tag_database import TagDatabase, TemplateMember
from ethernetip.logix.template_object import TemplateObject
from ethernetip.protocol.eip_adapter import EipAdapter

read = TemplateObject._handle_template_read


def in_order(self, instance, request):
    swapped = request.data[4:6] + request.data[:4]
    return read(self, instance, dataclasses.replace(request, data=swapped))


TemplateObject._handle_template_read = in_order


class Dispatcher(LogixDispatcher):
    def dispatch(self, service_code, path, data):
        if service_code == 0x55 and path.class_id == 0x6B:
            request = CipServiceRequest(service_code, path, data)
            return self._symbol_object._handle_browse(None, request)
        return super().dispatch(service_code, path, data)


async def main():
    tags = TagDatabase()
    identity = IdentityInfo(
        vendor_id=1, device_type=14, product_code=94, major_revision=33, minor_revision=11,
        serial_number=0x00C0FFEE, product_name="1756-L71/B",
    )
    dispatcher = Dispatcher(tags, identity)
    axis = tags.add_template("Axis", TemplateMember("Position", dt.REAL),
                             TemplateMember("Limits", dt.INT, array_size=2))
    tags.add_tag("Count", dt.DINT).write_dint(0, -7)
    tags.add_tag("Recipe", dt.DINT, element_count=200).set_data(
        b"".join(struct.pack("<i", n) for n in range(200)))
    tags.add_struct_tag("Axis1", axis).set_data(struct.pack("<fhh", 1.5, -2, 3))
    for n in range(100):
        tags.add_tag(f"Point{n:03}", dt.INT).set_data(struct.pack("<h", n))
    adapter = EipAdapter(dispatcher, identity)
    await adapter.listen("127.0.0.1", 0)
    print(adapter.port, flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
