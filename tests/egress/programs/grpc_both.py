import sys
from concurrent import futures

import grpc

what, host, port = sys.argv[1:]


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        def stream(request, context):
            for number in range(100):
                yield request + str(number).encode()
            context.set_trailing_metadata((("place", "at the end"),))

        return grpc.unary_stream_rpc_method_handler(stream)


if what == "serve":
    server = grpc.server(futures.ThreadPoolExecutor())
    server.add_generic_rpc_handlers((Handler(),))
    assert server.add_insecure_port(f"{host}:{port}")
    server.start()
    server.wait_for_termination()
else:
    # Without a proxy, as a program that knows of none.
    channel = grpc.insecure_channel(f"{host}:{port}", (("grpc.enable_http_proxy", 0),))
    call = channel.unary_stream("/tests.Service/Stream")(b"part", timeout=20)
    parts = list(call)
    assert len(parts) == 100 and parts[-1] == b"part99", parts
    print("trailer:", dict(call.trailing_metadata())["place"])
