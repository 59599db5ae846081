"""Liên Thông: the XML interoperability gateway between a province's portal and its agencies' one-stop systems."""
