"""Answers for cinder-rtstool from a warm process.

An attach calls Cinder's cinder-rtstool five times, and each time Python takes
more than a second to start in a user-mode guest. This process has imported it
once and forks a child for each call. A caller sends the arguments, each
followed by NUL, and ends its side; the answer is the program's output, then
one line with the exit status.
"""
import os
import signal
import socket
import sys
import traceback

from cinder.cmd import rtstool

PATH = "/run/rtstool"


def arguments(conn):
    data = bytearray()
    while part := conn.recv(65536):
        data += part
    return data.decode().split("\0")[:-1]


def call(conn):
    sys.argv = ["cinder-rtstool", *arguments(conn)]
    for fd in (1, 2):
        os.dup2(conn.fileno(), fd)
    try:
        status = rtstool.main() or 0
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(1, b"\n%d" % status)


def serve():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX) as listener:
        if os.path.exists(PATH):
            os.unlink(PATH)
        listener.bind(PATH)
        listener.listen(16)
        while True:
            conn, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                call(conn)
                os._exit(0)
            conn.close()


serve()
