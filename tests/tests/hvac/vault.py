"""What hvac's tests call `vault`: the two commands that they give it, answered by `regent`.

`vault -version` and `vault server -config=FILE`, where the file names a loopback address and a certificate. The
server takes this process's place, so that whoever started it ends it.
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile

ARGUMENTS = sys.argv[1:]
# The level of the Vault API that `sys/health` names too.
VERSION = "Vault v1.15.0"


def server(config):
    listener = json.loads(pathlib.Path(config).read_text())["listener"]["tcp"]
    place = pathlib.Path(tempfile.mkdtemp(prefix="server-", dir=os.environ["HVAC_SERVERS"]))
    tls = place / "tls"
    tls.mkdir(mode=0o700)
    shutil.copy(listener["tls_cert_file"], tls / "tls.crt")
    shutil.copy(listener["tls_key_file"], tls / "tls.key")
    regent = os.environ["REGENT_BINARY"]
    arguments = [regent, "authority", "serve", "--listen", listener["address"], "--tls-dir", str(tls)]
    arguments += ["--data-dir", str(place / "data"), "--audit-log", str(place / "audit.log")]
    # Nobody reads its streams: they must not fill a pipe.
    log = os.open(place / "server.log", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.execv(regent, arguments)


if ARGUMENTS == ["-version"]:
    print(VERSION)
elif len(ARGUMENTS) == 2 and ARGUMENTS[0] == "server" and ARGUMENTS[1].startswith("-config="):
    server(ARGUMENTS[1].removeprefix("-config="))
else:
    sys.exit(f"expected `-version` or `server -config=FILE`, found {ARGUMENTS}")
