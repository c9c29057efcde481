"""gRPC in and out: who is let in, over real connections on the loopback interface."""
