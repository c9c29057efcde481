"""Test vectors of the wire format, one JSON file per rule (protos/README.md section 10).

The files are the contract; the modules beside them write the files again, byte for byte, and
import nothing of ``node``: what is checked must not make its own answers.
"""
