"""Admission: the stages that an INVITE passes before any phone rings."""
