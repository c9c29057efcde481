"""What is said, and by whom: signed append-only feeds. Pure functions of bytes.

Nothing here reads a clock, a random source, a file or a socket; all are arguments. Bytes that were
signed are kept as received and never written anew: protobuf has many encodings of one message, so
a decoded value carries its own bytes and there is no way back from it to a message.

From bytes to meaning: walker -> header -> entry -> chain -> statements -> identity, charter ->
marks -> roster. Beside it: payload and box, which the header binds by hash.
"""
