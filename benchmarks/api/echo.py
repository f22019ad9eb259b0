"""A server that only responds, to measure the load generator itself; prints its port."""

import asyncio
from typing import cast

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class EchoProtocol(asyncio.Protocol):
    """Responds to whatever it receives; small requests arrive in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, _data: bytes) -> None:
        """Send the response."""
        self._transport.write(RESPONSE)


async def serve() -> None:
    """Serve until the process is terminated."""
    server = await asyncio.get_running_loop().create_server(EchoProtocol, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
