import asyncio
import resource
import sys

host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def one(number):
    reader, writer = await asyncio.open_connection(host, port)
    # Digits alone could be the beginning of a request, and would be waited with.
    word = b"\0%07d" % number
    writer.write(word)
    answer = await asyncio.wait_for(reader.readexactly(8), 50)
    writer.close()
    return answer == word


async def main():
    answers = await asyncio.gather(*(one(number) for number in range(count)))
    print(sum(answers), "answered")


asyncio.run(main())
