import socket
import struct
import sys

transport, server, name, kind = sys.argv[1:]
question = b"\x12\x34\x01\x00" + struct.pack(">4H", 1, 0, 0, 0)
for label in name.split("."):
    question += bytes([len(label)]) + label.encode()
question += b"\x00" + struct.pack(">2H", int(kind), 1)
family = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
link = socket.socket(socket.AF_INET, family)
link.settimeout(10)
link.connect((server, 53))
if transport == "udp":
    link.send(question)
    answer = link.recv(4096)
else:
    link.sendall(struct.pack(">H", len(question)) + question)
    stream = link.makefile("rb")
    answer = stream.read(struct.unpack(">H", stream.read(2))[0])
assert answer[:2] == question[:2]
print("code", answer[3] & 15, "answers", struct.unpack(">H", answer[6:8])[0])
