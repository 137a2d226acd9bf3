import asyncio
import sys

import websockets

what, host, port = sys.argv[1:]


async def echo(socket, path=None):
    async for message in socket:
        await socket.send(message)


async def main():
    if what == "serve":
        async with websockets.serve(echo, host, int(port)):
            await asyncio.Future()
    async with websockets.connect(f"ws://{host}:{port}/") as socket:
        for number in range(100):
            message = "m" * number * 100
            await socket.send(message)
            assert await asyncio.wait_for(socket.recv(), 20) == message
    print("echoed 100 messages")


asyncio.run(main())
