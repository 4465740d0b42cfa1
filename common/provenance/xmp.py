"""XMP packets (ISO 16684-1): a record and IPTC's source type, beside what the packet of an input says of its content.

Properties of an input that describe the file that it was in, or its size, are left out, as those of EXIF are.
"""

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from common.provenance.record import Record, as_line, parse

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
BASIC = "http://ns.adobe.com/xap/1.0/"
OWN = "urn:quartet:provenance"
DESCRIPTIVE = {  # prefixes of what says something of the content, its makers and its rights
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": BASIC,
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": IPTC,
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "cc": "http://creativecommons.org/ns#",
}
SOURCE_TYPE, SYSTEM, TOOL, RECORD = (
    f"{{{IPTC}}}DigitalSourceType",
    f"{{{IPTC}}}AISystemUsed",
    f"{{{BASIC}}}CreatorTool",
    f"{{{OWN}}}record",
)
OF_FILES = (f"{{{BASIC}}}Thumbnails", f"{{{BASIC}}}MetadataDate")  # of the small picture, and of the packet itself

for _prefix, _uri in {"x": "adobe:ns:meta/", "rdf": RDF, "quartet": OWN, **DESCRIPTIVE}.items():
    ElementTree.register_namespace(_prefix, _uri)


def packet(given: bytes | None, record: Record | None) -> bytes | None:
    """The packet of a result: what `given`, that of its input, says of the content, and a record.

    Returns:
        None if there is nothing to say.
    """
    root = Element("{adobe:ns:meta/}xmpmeta")
    description = ElementTree.SubElement(ElementTree.SubElement(root, f"{{{RDF}}}RDF"), f"{{{RDF}}}Description")
    description.set(f"{{{RDF}}}about", "")
    _copy(given, description, () if record is None else (SOURCE_TYPE, SYSTEM, TOOL, RECORD))
    if record is not None:
        description.set(SOURCE_TYPE, record["digital_source_type"])
        description.set(SYSTEM, f"{record['made_by']}, weights {', '.join(record['weights'])}")
        description.set(TOOL, record["made_by"])
        description.set(RECORD, as_line(record))
    if len(description) == 0 and len(description.attrib) == 1:
        return None
    body = ElementTree.tostring(root)
    return b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>' + body + b'<?xpacket end="w"?>'


def record_in(given: bytes | None) -> Record | None:
    """The record in a packet, if there is one."""
    lines = (description.get(RECORD, "") for description in _descriptions(given))
    return next(filter(None, map(parse, lines)), None)


def _copy(given: bytes | None, description: Element, left_out: tuple[str, ...]) -> None:
    """Put the descriptive properties of a packet into a description; those of earlier records go with their records."""
    kept = tuple(f"{{{uri}}}" for uri in (*DESCRIPTIVE.values(), OWN))
    for source in _descriptions(given):
        for name, value in source.attrib.items():
            if name.startswith(kept) and name not in (*left_out, *OF_FILES):
                description.set(name, value)
        for child in source:
            if child.tag.startswith(kept) and child.tag not in (*left_out, *OF_FILES):
                description.append(child)


def _descriptions(given: bytes | None) -> Iterator[Element]:
    """Those of a packet; none if it is malformed, or declares entities, which XMP does not have."""
    if not given or b"<!" in given:
        return
    try:
        root = ElementTree.fromstring(given.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):  # the latter of unknown encodings
        return
    yield from root.iter(f"{{{RDF}}}Description")
