#!/usr/bin/env python3
"""Stands for your program in the examples: a server that says who asks, and a client.

service.py serve         prints "ready" when it can be asked
service.py ask ADDRESS   prints the answer
"""
import socket
import sys

PORT = 8080

if sys.argv[1] == "serve":
    with socket.create_server(("", PORT)) as server:
        print("ready", flush=True)
        while True:
            client, (address, _) = server.accept()
            with client:
                client.sendall(f"hello {address}\n".encode())
else:
    try:
        with socket.create_connection((sys.argv[2], PORT), timeout=5) as server:
            print(server.makefile().read(), end="")
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror or error}")
