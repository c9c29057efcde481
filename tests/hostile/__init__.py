"""A hostile peer, written from protos/README.md alone: what it says, it makes and reads byte by byte."""
