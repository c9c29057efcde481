"""Generated from protos/node/v1 by scripts/protoc; never edited."""
