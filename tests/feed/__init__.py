"""What is said and by whom: the formats, byte by byte."""
